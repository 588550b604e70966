"""Machine: executes the program on the array, the depthwise unit and the vector unit."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.commands import PARAMETER_BITS
from tercet.golden.npu.instructions import BYTES, Opcode
from tercet.golden.npu.latencies import flush_clocks
from tercet.golden.systolic.cycle_model import READ_CLOCKS
from tercet.rtl.common.delay import Delay, EventDelay
from tercet.rtl.common.fanout_register import FanoutRegister
from tercet.rtl.emit import shared
from tercet.rtl.systolic.accumulators import Accumulators

from .drain import Drain
from .fetch import InstructionFetch
from .gather import Gather
from .lanes import Lanes
from .layouts import ADDRESS_BITS, beat_layout
from .loader import WeightLoader
from .parameters import ParameterFetch
from .sequencer import Sequencer
from .tables import TableFetch, reads_tables
from .units import Units
from .writer import Writer

__all__ = ["Machine"]


class Machine(wiring.Component):
    """NPU without its memories::

        InstructionFetch --> Sequencer --> WeightLoader --> Gather --> buffer --> Units --> Accumulators
                                |                             |                                  |
                                +--> TableFetch               +--> ParameterFetch --> Lanes <----+-- Drain
                                                                                        |
                                                                             buffer <-- Writer

    An instruction's passes start when all results of the one before are written; its weights and tables are loaded
    before that. An error stops the program: all control is held in reset until nothing is in flight.

    Parameters
    ----------
    config : NpuConfig
        Configuration.

    Members
    -------
    start : In(1), first : In(range), done : Out(1)
        Run the program whose first instruction has this address; it has ended.
    running, active : Out(1)
        The program runs; a byte column of the buffer is being read for it.
    error : Out(1)
        The program was stopped.
    instructions_address, weights_address, parameters_address, tables_address : Out; instructions_word, ... : In
        Ports of the memories, with latency `tercet.golden.npu.latencies.WORD_CLOCKS`; no tables without table memory.
    read_address, low, high, splat, fill : Out, read_data : In
        Read port of the unified buffer.
    write, write_address, write_data : Out
        Its write port.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        assert config.weight_rows is not None
        word = 8 * config.weight_rows * config.cols
        lanes = range(config.read_bytes + 1)
        tables = {"tables_address": Out(range(256 * config.tables)), "tables_word": In(32)} if config.tables else {}
        super().__init__(
            {
                "start": In(1),
                "first": In(range(config.operators * BYTES // 4)),
                "done": Out(1),
                "running": Out(1),
                "active": Out(1),
                "error": Out(1),
                "instructions_address": Out(range(config.operators * BYTES // 4)),
                "instructions_word": In(32),
                "weights_address": Out(range(8 * config.weight_bytes // word)),
                "weights_word": In(word),
                "parameters_address": Out(range(config.channels)),
                "parameters_word": In(PARAMETER_BITS),
                **tables,
                "read_address": Out(ADDRESS_BITS),
                "low": Out(lanes),
                "high": Out(lanes),
                "splat": Out(1),
                "fill": Out(8),
                "read_data": In(8 * config.read_bytes),
                "write": Out(range(config.lanes + 1)),
                "write_address": Out(ADDRESS_BITS),
                "write_data": Out(8 * config.lanes),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        abort, running, upcoming_abort = (Signal(name=name) for name in ("abort", "running_now", "upcoming_abort"))
        parts = {
            "fetch": InstructionFetch(config=config),
            "sequencer": Sequencer(config=config),
            "loader": WeightLoader(config=config),
            "gather": Gather(config=config),
            "params": ParameterFetch(config=config),
            "accumulators": Accumulators(config=config.array, lut_ram=True, sum_width=32),
            "drain": Drain(config=config),
            "writer": Writer(config=config),
        }
        if config.tables:
            parts["tables"] = TableFetch(config=config)
        for name, part in parts.items():
            # Copied, as each reset drives registers all over a part.
            m.submodules[f"{name}_abort"] = copy = shared(FanoutRegister, width=1)
            m.d.comb += copy.i.eq(upcoming_abort)
            m.submodules[name] = ResetInserter(copy.o)(part)
        m.submodules.units = units = Units(config=config)
        sequencer, gather, writer = parts["sequencer"], parts["gather"], parts["writer"]

        idle, banks = Signal(init=1, name="idle"), Signal(range(3), name="banks")
        with m.If(gather.began):
            m.d.sync += idle.eq(0)
        with m.Elif(writer.done | abort):
            m.d.sync += idle.eq(1)
        next_banks = Signal(range(3), name="next_banks")
        m.d.comb += next_banks.eq(banks + gather.block_start - parts["drain"].freed)
        m.d.sync += banks.eq(Mux(abort, 0, next_banks))
        m.d.comb += [
            gather.bank_free.eq(next_banks != 2),
            gather.idle.eq(idle),
            sequencer.idle.eq(idle),
            sequencer.start.eq(self.start),
            self.running.eq(running & ~self.done),
            self.active.eq(gather.flags.step),
        ]
        with m.If(self.start):
            m.d.sync += running.eq(1)
        with m.Elif(self.done):
            m.d.sync += running.eq(0)
        self._program(m, parts, idle)
        self._reads(m, parts, units)
        self._results(m, parts, units)
        self._errors(m, parts, units, abort, upcoming_abort)
        return m

    def _program(self, m: Module, parts, idle):
        """Connect fetch, sequencer, loader and gather."""
        fetch, sequencer, loader, gather = (parts[name] for name in ("fetch", "sequencer", "loader", "gather"))
        instruction = fetch.instruction
        m.d.comb += [
            fetch.first.eq(sequencer.fetch_first),
            fetch.first_address.eq(self.first),
            fetch.next.eq(sequencer.fetch_next),
            self.instructions_address.eq(fetch.address),
            fetch.word.eq(self.instructions_word),
            sequencer.valid.eq(fetch.valid),
            sequencer.malformed.eq(fetch.malformed),
            sequencer.began.eq(gather.began),
            *(parts[name].instruction.eq(instruction) for name in ("sequencer", "gather", "params", "drain", "writer")),
            *(parts[name].began.eq(gather.began) for name in ("params", "drain", "writer")),
        ]
        wiring.connect(m, sequencer.passes, loader.i)
        wiring.connect(m, loader.o, gather.passes)
        m.d.comb += gather.coming.eq(loader.coming)
        if not self.config.tables:
            m.d.comb += sequencer.tables_ready.eq(1)
            return
        tables, in_use = parts["tables"], Signal(name="tables_in_use")
        with m.If(gather.began):
            m.d.sync += in_use.eq(reads_tables(instruction.opcode))
        m.d.comb += [
            tables.clear.eq(self.start),
            tables.valid.eq(fetch.valid & ~fetch.malformed),
            tables.instruction.eq(instruction),
            tables.in_use.eq(in_use & ~idle),
            sequencer.tables_ready.eq(tables.ready),
            self.tables_address.eq(tables.address),
        ]

    def _reads(self, m: Module, parts, units):
        """Connect the buffer and the weight memory with the units."""
        gather, loader, accumulators = parts["gather"], parts["loader"], parts["accumulators"]
        m.d.comb += [
            self.read_address.eq(gather.address),
            self.low.eq(gather.low),
            self.high.eq(gather.high),
            self.splat.eq(gather.splat),
            self.fill.eq(gather.fill),
            units.bytes.eq(self.read_data),
            units.began.eq(gather.began),
            units.instruction.eq(parts["fetch"].instruction),
            units.flags.eq(gather.flags),
            units.load.eq(loader.load),
            units.diagonal.eq(loader.o.payload.diagonal),
            units.place.eq(loader.place),
            units.address.eq(loader.address),
            units.word.eq(self.weights_word),
            self.weights_address.eq(units.word_address),
            accumulators.mark.eq(units.mark),
            accumulators.sums.eq(units.sums),
        ]
        if self.config.tables:
            tables = parts["tables"]
            m.d.comb += [
                units.table_write.eq(tables.write),
                units.table_address.eq(tables.write_address),
                units.table_data.eq(self.tables_word),
            ]

    def _results(self, m: Module, parts, units):
        """Connect the way from the accumulators to the buffer."""
        config = self.config
        gather, drain, params, writer = (parts[name] for name in ("gather", "drain", "params", "writer"))
        accumulators = parts["accumulators"]
        m.submodules.lanes = lanes = Lanes(config=config)
        m.submodules.read_chunk = chunk = Delay(clocks=READ_CLOCKS - 1, width=len(drain.chunk) + 1)
        beats = EventDelay(clocks=READ_CLOCKS + lanes.latency - 1, width=1 + beat_layout(config).size)
        m.submodules.beats = beats
        i = parts["fetch"].instruction
        names = {"rounding": "rounding", "zero_point": "zero_point", "qmin": "low", "qmax": "high"}
        settings = {ours: Signal(i[name].shape(), reset_less=True, name=ours) for ours, name in names.items()}
        product = Signal(reset_less=True, name="product")
        with m.If(gather.began):
            m.d.sync += [settings[ours].eq(i[name]) for ours, name in names.items()]
            m.d.sync += product.eq(i.opcode == Opcode.MULTIPLY)
        m.d.comb += [
            *(getattr(lanes, name).eq(value) for name, value in settings.items()),
            lanes.product.eq(product),
            drain.block_start.eq(gather.block_start),
            drain.block.eq(gather.block),
            drain.full.eq(accumulators.full),
            drain.params_ready.eq(params.ready),
            params.freed.eq(drain.params_freed),
            accumulators.draining.eq(drain.draining),
            accumulators.drain_bank.eq(drain.bank),
            accumulators.drain_address.eq(drain.address),
            self.parameters_address.eq(params.address),
            lanes.params.eq(self.parameters_word),
            lanes.params_write.eq(params.write),
            lanes.params_slot.eq(params.slot),
            lanes.params_column.eq(params.column),
            lanes.params_all.eq(params.common),
            lanes.common.eq(params.common),
            lanes.row.eq(Value.cast(accumulators.drained)),
            chunk.i.eq(Cat(drain.chunk, drain.slot & ~params.common)),
            Cat(lanes.chunk, lanes.slot).eq(chunk.o),
            beats.i.eq(Cat(drain.valid, drain.beat)),
            Cat(writer.valid, writer.beat).eq(beats.o),
            writer.codes.eq(lanes.o),
            self.write.eq(writer.count),
            self.write_address.eq(writer.address),
            self.write_data.eq(writer.data),
        ]

    def _errors(self, m: Module, parts, units, abort, upcoming_abort):
        """Stop on an error; the program has ended when nothing of it is in flight."""
        sources = [parts[name].error for name in ("sequencer", "gather", "params", "writer")]
        flush = Signal(range(flush_clocks(self.config)), name="flush")
        stopped = Signal(name="stopped")
        m.d.comb += upcoming_abort.eq(flush != 0)
        m.d.sync += [abort.eq(upcoming_abort), stopped.eq(flush == 1)]
        error = Signal(name="error_now")
        m.d.sync += error.eq(Cat(*sources, units.error).any() & ~abort)
        with m.If(flush != 0):
            m.d.sync += flush.eq(flush - 1)
        with m.Elif(error):
            m.d.sync += flush.eq(flush_clocks(self.config) - 1)
        m.d.comb += [self.error.eq(error), self.done.eq(parts["sequencer"].done | stopped)]
