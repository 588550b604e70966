"""Lanes that turn a row of finished sums into codes, and the parameters of its channels."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu.commands import PARAMETER_BITS
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.latencies import LANE_CLOCKS
from tercet.rtl.common.fanout_register import FanoutRegister
from tercet.rtl.common.lut_multiplier import GatedAdder
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.side_by_side import SideBySide
from tercet.rtl.emit import shared
from tercet.rtl.systolic.layouts import REQUANT_SETTINGS
from tercet.rtl.systolic.requantizer import Requantizer

__all__ = ["Lane", "LaneRow", "Lanes"]

_SUM, _MULTIPLIER, _FACTOR = 32, 31, 9


class Lane(wiring.Component):
    """Select the column of a chunk, multiply its factors or not, add its bias, requantise::

                                        s1      s2 to s4           s5
        columns --> column of `chunk` --[ ]--+--[ ]--[ ]--> `product`? --[ ]--> (+) --[ ]--> Requantizer --> o
                                             +--> factor 0 x factor 1 --^        ^                ^
        slot, chunk --[ ]--[ ]--[ ]--[ ]--> biases --[ ]------------------------+                |
                                        +--[ ]--> scales --[ ]-----------------------------------+

    What is common to all lanes is registered in each of them, as they are far from each other.

    Adding the bias wraps at 32 bits. On "ecp5" the factors are multiplied in carry chains, as blocks are scarcer: two
    bits of factor 1 in each of four gated adders, whose sums are added in two more clocks; some 120 lookup tables.

    Parameters
    ----------
    mac : str
        As in `Requantizer`.
    chunks : int
        Number of columns that this lane serves.

    Members
    -------
    columns : In(chunks * 32)
        The lane's columns of the row, chunk 0 in the least significant bits.
    chunk : In(range(chunks)), slot : In(1)
        Column to select, and tile, of the two, whose parameters to use; a clock before `columns`. The parameters are
        read up to 6 clocks later.
    common : In(1)
        Use the parameters of chunk 0 for all chunks; stable.
    product : In(1)
        A sum is two signed 9-bit factors, ``(factor_1 << 9) + factor_0 % 512``, and its value their product; stable.
    write : In(1), write_chunk : In(range(chunks)), write_slot : In(1), parameters : In(PARAMETER_BITS)
        Store the parameters of a column.
    rounding, zero_point, qmin, qmax : In
        As in `Requantizer`.
    o : Out(signed(8))
        Code, `latency` clocks after `columns`.
    """

    def __init__(self, *, mac: str, chunks: int):
        self.mac, self.chunks = mac, chunks
        super().__init__(
            {
                "columns": In(chunks * _SUM),
                "chunk": In(range(chunks)),
                "slot": In(1),
                "common": In(1),
                "product": In(1),
                "write": In(1),
                "write_chunk": In(range(chunks)),
                "write_slot": In(1),
                "parameters": In(PARAMETER_BITS),
                **{name: In(shape) for name, shape in REQUANT_SETTINGS.items()},
                "o": Out(signed(8)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `columns` to `o`."""
        return LANE_CLOCKS[self.mac]

    def elaborate(self, platform) -> Module:
        m = Module()
        given = {name: getattr(self, name) for name in ("chunk", "slot", "common", "product", *REQUANT_SETTINGS)}
        layout = data.StructLayout({name: value.shape() for name, value in given.items()})
        m.submodules.common_here = common_here = shared(FanoutRegister, width=layout.size, reset_less=True)
        m.d.comb += common_here.i.eq(Cat(given.values()))
        here = data.View(layout, common_here.o)
        s1_sum = register(m, "s1_sum", self.columns.word_select(here.chunk, _SUM).as_signed())
        s3_product = self._multiply(m, s1_sum[:_FACTOR].as_signed(), s1_sum[_FACTOR : 2 * _FACTOR].as_signed())
        s3_sum = register(m, "s3_sum", s1_sum, 2)
        s4_value = register(m, "s4_value", Mux(here.product, s3_product, s3_sum))
        # Biases and scales have a memory each: the address, of few bits, is delayed instead of the scale.
        s3_address = register(m, "s3_address", Cat(here.slot, Mux(here.common, 0, here.chunk)), 3)
        s4_address = register(m, "s4_address", s3_address)
        s4_bias = self._parameter(m, "biases", s3_address, self.parameters[:_SUM])
        s5_scale = self._parameter(m, "scales", s4_address, self.parameters[_SUM:])
        s5_total = register(m, "s5_total", (s4_value + s4_bias)[:_SUM].as_signed())
        m.submodules.requantizer = unit = shared(Requantizer, mac=self.mac)
        m.d.comb += [
            unit.acc.eq(s5_total),
            unit.multiplier.eq(s5_scale[:_MULTIPLIER]),
            unit.shift.eq(s5_scale[_MULTIPLIER:].as_signed()),
            *(getattr(unit, name).eq(here[name]) for name in REQUANT_SETTINGS),
            self.o.eq(unit.o),
        ]
        return m

    def _parameter(self, m: Module, name: str, address: Value, stored: Value) -> Value:
        """Add the memory of a part of the parameters; return its word, a clock after the address."""
        # A slot is never read and written at the same time.
        words = memory.Memory(shape=unsigned(len(stored)), depth=2 * self.chunks, init=[], attrs={"no_rw_check": "1"})
        m.submodules[name] = words
        write_port, read_port = words.write_port(), words.read_port()
        m.d.comb += [
            write_port.addr.eq(Cat(self.write_slot, self.write_chunk)),
            write_port.data.eq(stored),
            write_port.en.eq(self.write),
            read_port.addr.eq(address),
            read_port.en.eq(1),
        ]
        return read_port.data

    def _multiply(self, m: Module, factor_0: Value, factor_1: Value) -> Value:
        """Multiply the factors; two clocks and, on "ecp5", an adder."""
        if self.mac not in ("ecp5", "ecp5-dual"):
            return register(m, "s3_product", factor_0 * factor_1, 2)
        rows = []
        for n in range(4):
            m.submodules[f"row_{n}"] = row = shared(GatedAdder, width=_FACTOR + 2)
            m.d.comb += [row.a.eq(factor_0), row.b.eq(factor_0 << 1)]
            m.d.comb += [row.a_gate.eq(factor_1[2 * n]), row.b_gate.eq(factor_1[2 * n + 1])]
            rows.append(register(m, f"s2_row_{n}", row.o.as_signed()))
        # The sign of factor 1 weighs -256, which is -16 of the upper half.
        s2_sign = register(m, "s2_sign", Mux(factor_1[-1], factor_0, 0))
        low = register(m, "s3_low", (rows[0] + (rows[1] << 2))[: _FACTOR + 4].as_signed())
        high = register(m, "s3_high", (rows[2] + (rows[3] << 2) - (s2_sign << 4))[: _FACTOR + 5].as_signed())
        total = ((low >> 4) + high)[: _FACTOR + 5]
        return Cat(low[:4], total).as_signed()


class LaneRow(SideBySide):
    """All lanes."""

    unit = Lane
    split = frozenset({"columns", "write", "o"})


class Lanes(wiring.Component):
    """Requantise a row in chunks of `requant_lanes` columns, one chunk per clock.

    Column ``n`` belongs to lane ``n % requant_lanes`` in chunk ``n // requant_lanes``. The parameters of two column
    tiles are stored.

    Parameters
    ----------
    config : NpuConfig
        Columns, lanes and ``mac``.

    Members
    -------
    params : In(PARAMETER_BITS)
        Bias, multiplier and shift of a channel.
    params_write : In(1), params_slot : In(1), params_column : In(range(cols))
        Store them for this column and slot; they are in use two clocks later.
    params_all : In(1)
        Store them for chunk 0 of all lanes instead, to be used with `common`.
    row : In(cols * 32), chunk : In(range(chunks)), slot : In(1)
        Row of sums, column 0 in the least significant bits; a clock before it the chunk to requantise, and the slot of
        its parameters.
    common, product, rounding, zero_point, qmin, qmax : In
        As in `Lane`; stable while results are in flight.
    o : Out(requant_lanes * 8)
        Codes, `latency` clocks later; undefined for columns beyond the last.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        self.lanes = config.lanes
        super().__init__(
            {
                "params": In(PARAMETER_BITS),
                "params_write": In(1),
                "params_slot": In(1),
                "params_column": In(range(config.cols)),
                "params_all": In(1),
                "row": In(config.cols * _SUM),
                "chunk": In(range(config.chunks)),
                "slot": In(1),
                "common": In(1),
                "product": In(1),
                **{name: In(shape) for name, shape in REQUANT_SETTINGS.items()},
                "o": Out(self.lanes * 8),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `row` to `o`."""
        return LANE_CLOCKS[self.config.mac]

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.lanes = lanes = shared(LaneRow, count=self.lanes, mac=config.mac, chunks=config.chunks)
        lane, chunk = self._destination(m)
        write = Signal(self.lanes, name="s1_write")
        m.d.sync += write.eq(Mux(self.params_write, lane, 0))
        columns = [chunk * self.lanes + lane for lane in range(self.lanes) for chunk in range(config.chunks)]
        missing = Const(0, _SUM)
        m.d.comb += [
            lanes.columns.eq(Cat(self.row.word_select(n, _SUM) if n < config.cols else missing for n in columns)),
            lanes.write.eq(write),
            lanes.write_chunk.eq(register(m, "s1_write_chunk", chunk)),
            lanes.write_slot.eq(register(m, "s1_write_slot", self.params_slot)),
            lanes.parameters.eq(register(m, "s1_params", self.params)),
            *(getattr(lanes, name).eq(getattr(self, name)) for name in ("chunk", "slot", "common", "product")),
            *(getattr(lanes, name).eq(getattr(self, name)) for name in REQUANT_SETTINGS),
            self.o.eq(lanes.o),
        ]
        return m

    def _destination(self, m: Module) -> tuple[Signal, Signal]:
        """Return the lane, one-hot, and the chunk of the column written."""
        lane = Signal(self.lanes, name="lane")
        chunk = Signal(range(self.config.chunks), name="write_chunk")
        with m.If(self.params_all):
            m.d.comb += lane.eq(Const(1, 1).replicate(self.lanes))
        with m.Else(), m.Switch(self.params_column):
            for n in range(self.config.cols):
                with m.Case(n):
                    m.d.comb += [lane.eq(1 << n % self.lanes), chunk.eq(n // self.lanes)]
        return lane, chunk
