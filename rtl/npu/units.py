"""Units of the machine side by side: array, depthwise unit and vector unit, with their weights in step."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.golden.npu.latencies import BYTES_CLOCKS, WORD_CLOCKS, unit_clocks
from tercet.rtl.common.delay import Delay, EventDelay
from tercet.rtl.common.fanout_register import FanoutRegister
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared
from tercet.rtl.systolic.array import SystolicArray
from tercet.rtl.systolic.layouts import mark_layout

from .depthwise import DepthwiseUnit
from .gather import step_layout
from .layouts import Unit, instruction_layout, on_depthwise_unit, on_vector_unit, pass_layout
from .tables import reads_tables
from .vector import VectorOperation, VectorUnit

__all__ = ["Units"]

# Clocks by which the accumulators want the flags before the sums.
_MARK_LEAD = 4


class Units(wiring.Component):
    """Sums from bytes::

        address --> weight memory --> word --[ ]--+--> array
                                                  +--> depthwise unit --+--[ ]--> sums
        bytes ------------------------------------+--> vector unit -----+
        flags --> delayed by the unit's latency ----------------------------------> mark, `_MARK_LEAD` clocks ahead

    Addresses, loads and flags come with the read that they belong to, `BYTES_CLOCKS` before its bytes.

    Parameters
    ----------
    config : NpuConfig
        Array and units.

    Members
    -------
    began : In(1), instruction : In(instruction_layout())
        An instruction begins; nothing of the one before is in flight.
    flags : In(step_layout())
        Flags of a read.
    bytes : In(read_bytes * 8)
        Bytes of the read `BYTES_CLOCKS` ago.
    load, diagonal : In(1), place : In(places), address : In(20)
        Load a memory word; see `WeightLoader`.
    word_address : Out, word : In
        Port of the weight memory.
    table_write, table_address, table_data : In
        As in `VectorUnit`, if there are tables.
    mark : Out(mark_layout()), sums : Out(cols * 32)
        For the accumulators.
    error : Out(1)
        A memory word lies outside the weight memory.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        assert config.weight_rows is not None
        word = 8 * config.weight_rows * config.cols
        layout = pass_layout(config)
        self.words = 8 * config.weight_bytes // word
        super().__init__(
            {
                "began": In(1),
                "instruction": In(instruction_layout()),
                "flags": In(step_layout()),
                "bytes": In(8 * config.read_bytes),
                "load": In(1),
                "diagonal": In(1),
                "place": In(max(config.plane_words, config.tap_words, 1)),
                "address": In(layout["weights"].shape),
                "word_address": Out(range(self.words)),
                "word": In(word),
                "table_write": In(1),
                "table_address": In(9),
                "table_data": In(32),
                "mark": Out(mark_layout()),
                "sums": Out(32 * config.cols),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        opcode = self.instruction.opcode
        unit = Signal(range(3), name="unit", reset_less=True)
        chosen = Mux(on_vector_unit(opcode), Unit.VECTOR, Mux(on_depthwise_unit(config, opcode), Unit.DEPTHWISE, 0))
        zeros = {name: Signal(signed(8), name=name, reset_less=True) for name in ("zero", "other_zero")}
        operation = Signal(2, name="operation", reset_less=True)
        with m.If(self.began):
            m.d.sync += [unit.eq(chosen), operation.eq(_operation(opcode))]
            m.d.sync += [zero.eq(self.instruction[name]) for name, zero in zeros.items()]
        m.submodules.flags_delay = delayed = EventDelay(clocks=BYTES_CLOCKS - 1, width=step_layout().size)
        m.d.comb += delayed.i.eq(self.flags)
        upcoming = Signal(step_layout(), name="flags_upcoming")
        m.d.comb += Value.cast(upcoming).eq(delayed.o)
        word, load, place, diagonal = self._weights(m)
        swap = self._for_one(m, "array_swap", upcoming.start & (unit == Unit.ARRAY))
        sums = [self._array(m, swap, word, load, place, diagonal)]
        if config.depthwise_taps:
            swap = self._for_one(m, "depthwise_swap", upcoming.start & (unit == Unit.DEPTHWISE))
            step = self._for_one(m, "depthwise_step", upcoming.step)
            sums.append(self._depthwise(m, step, swap, word, load, place))
        flags = Signal(step_layout(), name="vector_flags_now")
        m.d.comb += Value.cast(flags).eq(self._for_one(m, "vector_flags", upcoming))
        vector = self._vector(m, flags, operation, zeros)
        # Copied, as it stands still long before the first sums: what chooses among them is far from what marks them.
        to_vector, to_array = register(m, "to_vector", unit == Unit.VECTOR), register(m, "to_array", unit == Unit.ARRAY)
        chosen_sums = Mux(to_vector, vector, Mux(to_array, sums[0], sums[-1]))
        m.d.comb += self.sums.eq(register(m, "sums_now", chosen_sums))
        self._mark(m, unit, operation)
        return m

    def _for_one(self, m: Module, name: str, control) -> Value:
        """Register control signals for one unit alone: the units are as far from each other as the chip is wide."""
        control = Value.cast(control)
        m.submodules[name] = copy = shared(FanoutRegister, width=len(control))
        m.d.comb += copy.i.eq(control)
        return copy.o

    def _weights(self, m: Module):
        """Delay the address so that a word arrives with its load; the word, the loads and the places."""
        ahead = BYTES_CLOCKS - WORD_CLOCKS - 1
        m.submodules.address_delay = address = Delay(clocks=ahead, width=len(self.address))
        layout = (self.load, self.diagonal, self.place)
        m.submodules.load_delay = loads = EventDelay(clocks=BYTES_CLOCKS, width=sum(map(len, layout)))
        load, diagonal = Signal(name="load_now"), Signal(name="diagonal_now")
        place = Signal(len(self.place), name="place_now")
        m.d.comb += [
            address.i.eq(self.address),
            self.word_address.eq(address.o),
            loads.i.eq(Cat(layout)),
            Cat(load, diagonal, place).eq(loads.o),
            self.error.eq(self.load & (self.address >= self.words)),
        ]
        return register(m, "word_now", self.word), load, place, diagonal

    def _array(self, m: Module, swap, word, load, place, diagonal) -> Value:
        config = self.config
        groups, words = config.weight_rows or 1, config.plane_words
        m.submodules.array = array = shared(SystolicArray, config=config.array, weight_rows=groups)
        width = 8 * config.cols
        rows = [word[g * width : (g + 1) * width] for g in range(groups)]
        if not config.depthwise_taps:
            # Row r of a diagonal plane has the word's weight of column r, and none beyond.
            plain, rows = rows, []
            for g in range(groups):
                masks = [place[r - g * words] if g * words <= r < (g + 1) * words else C(0) for r in range(config.cols)]
                diagonal_row = Cat(word[8 * c : 8 * c + 8] & mask.replicate(8) for c, mask in enumerate(masks))
                rows.append(Mux(diagonal, diagonal_row, plain[g]))
        loads = Cat((place[r % words] & load) for r in range(config.rows))
        m.d.comb += [
            Value.cast(array.acts).eq(self.bytes[: 8 * config.rows]),
            Value.cast(array.weights).eq(Cat(rows)),
            array.load.eq(loads),
            array.swap.eq(swap),
        ]
        return Cat(_extended(value) for value in array.sums)

    def _depthwise(self, m: Module, step, swap, word, load, place) -> Value:
        config = self.config
        m.submodules.depthwise = part = DepthwiseUnit(config=config)
        m.d.comb += [
            part.bytes.eq(self.bytes[: 8 * config.cols]),
            part.step.eq(step),
            part.swap.eq(swap),
            part.load.eq(Mux(load, place, 0)),
            part.weights.eq(word),
        ]
        width = len(part.sums) // config.cols
        return Cat(_extended(part.sums[n * width : (n + 1) * width].as_signed()) for n in range(config.cols))

    def _vector(self, m: Module, flags, operation, zeros) -> Value:
        m.submodules.vector = part = VectorUnit(config=self.config)
        m.d.comb += [
            part.bytes.eq(self.bytes[: 8 * self.config.cols]),
            part.step.eq(flags.step),
            part.start.eq(flags.start),
            part.operation.eq(operation),
            part.second.eq(flags.second),
            part.first.eq(flags.first),
            part.last.eq(flags.last),
            part.zero.eq(Mux(flags.second, zeros["other_zero"], zeros["zero"])),
            part.table_write.eq(self.table_write),
            part.table_address.eq(self.table_address),
            part.table_data.eq(self.table_data),
        ]
        return part.values

    def _mark(self, m: Module, unit, operation):
        """Flags for the accumulators; of passes towards a maximum only the last gives sums."""
        clocks = {n: BYTES_CLOCKS + latency - _MARK_LEAD - 2 for n, latency in unit_clocks(self.config).items()}
        value, passed, delayed = Value.cast(self.flags), 0, {}
        for n, count in sorted(clocks.items(), key=lambda item: item[1]):
            m.submodules[f"mark_delay_{n}"] = part = EventDelay(clocks=count - passed, width=step_layout().size)
            m.d.comb += part.i.eq(value)
            value, passed = part.o, count
            delayed[n] = value
        flags, largest = Signal(step_layout(), name="mark_flags"), Signal(name="largest", reset_less=True)
        with m.Switch(unit):
            for n, value in delayed.items():
                with m.Case(n):
                    m.d.sync += Value.cast(flags).eq(value)
        m.d.sync += largest.eq((operation == VectorOperation.LARGEST) & (unit == Unit.VECTOR))
        m.d.sync += [
            self.mark.valid.eq(flags.emit & (flags.last | ~largest)),
            self.mark.begin.eq(flags.begin),
            self.mark.first.eq(flags.first | largest),
            self.mark.end.eq(flags.end),
            self.mark.tile.eq(flags.begin & flags.first | flags.begin & largest),
            self.mark.params.eq(0),
        ]


def _operation(opcode: Value) -> Value:
    others = Mux(opcode == Opcode.MULTIPLY, VectorOperation.FACTOR, VectorOperation.LARGEST)
    return Mux(reads_tables(opcode), VectorOperation.TABLE, others)


def _extended(value: Value) -> Value:
    """Sign-extend to 32 bits."""
    return Cat(value, value[-1].replicate(32 - len(value)))
