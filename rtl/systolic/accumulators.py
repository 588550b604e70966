"""Accumulators: one bank adds up the planes along K while finished sums wait in the other."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.common.fanout_register import FanoutRegister
from tercet.rtl.common.lut_ram import LutRam
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.side_by_side import SideBySide
from tercet.rtl.emit import shared
from tercet.rtl.primitives.dp16kd import BlockRam

from .layouts import mark_layout

__all__ = ["AccumulatorColumn", "AccumulatorColumns", "Accumulators"]

_LUT_RAM_WORDS = 64  # depth up to which a bank in lookup tables is small


def _fits_lut_ram(config: SystolicConfig) -> bool:
    """Return whether the banks can be in lookup tables."""
    return config.family == "ecp5" and config.acc_depth <= _LUT_RAM_WORDS


class AccumulatorColumn(wiring.Component):
    """Column of the accumulators: two banks of `acc_depth` words, an adder and a bias::

        read_a -> bank a --[ ]--+--> base --[ ]--> (+) --[ ]--> write, to the bank that was read
        read_b -> bank b --[ ]--+      ^            ^
              clock 1    2    3 |    bias    4     sum    5
                                +---[ ]--> drained

    Parameters
    ----------
    config : SystolicConfig
        Widths and depth.
    lut_ram : bool
        On "ecp5", banks of up to 64 words are in lookup tables instead of block RAM; no effect otherwise.
    sum_width : int or None
        Width of a sum, if it is not the array's.

    Members
    -------
    sum : In(signed(sum_width))
        Sum, in clock 4.
    read_a, read_b : In(range(acc_depth))
        Read addresses, in clock 1.
    base : In(2)
        Addend of the sum, in clock 2: 0 bank a, 1 bank b, 2 the bias.
    write : In(2)
        Write enables of bank a and bank b, in clock 4.
    write_address : In(range(acc_depth))
        Write address, in clock 5; in clock 4 of banks in lookup tables.
    drain : In(1)
        Bank to output on `drained`, in clock 2.
    drained : Out(signed(acc_width))
        Word read, in clock 4.
    bias_i, bias_o : In and Out(signed(acc_width))
        Chain of next biases, which advances by one column in the clock after every `bias_shift`.
    bias_shift, bias_load, bias_use : In(1)
        In the next clock, advance the chain; load the next bias (or, without `bias_use`, zero) as the bias.
    """

    def __init__(self, *, config: SystolicConfig, lut_ram: bool = False, sum_width: int | None = None):
        self.config, self.lut_ram = config, lut_ram and _fits_lut_ram(config)
        self.sum_width = sum_width or config.sum_width
        word, address = signed(config.acc_width), range(config.acc_depth)
        super().__init__(
            {
                "sum": In(signed(self.sum_width)),
                "read_a": In(address),
                "read_b": In(address),
                "base": In(2),
                "write": In(2),
                "write_address": In(address),
                "drain": In(1),
                "drained": Out(word),
                "bias_i": In(word),
                "bias_o": Out(word),
                "bias_shift": In(1),
                "bias_load": In(1),
                "bias_use": In(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        word = signed(self.config.acc_width)
        bias, next_bias, s4_base, s5_total = (
            Signal(word, name=name, reset_less=True) for name in ("bias", "next_bias", "s4_base", "s5_total")
        )
        # Each bit of a column depends on these, so each column has its own registers.
        given = [self.base, self.drain, self.write, self.bias_shift, self.bias_load, self.bias_use]
        names = ("base", "drain", "write", "bias_shift", "bias_load", "bias_use")
        layout = data.StructLayout({name: len(value) for name, value in zip(names, given, strict=True)})
        m.submodules.control = control = shared(FanoutRegister, width=layout.size, reset_less=True)
        m.d.comb += control.i.eq(Cat(given))
        near = data.View(layout, control.o)
        with m.If(near.bias_shift):
            m.d.sync += next_bias.eq(self.bias_i)
        with m.If(near.bias_load):
            m.d.sync += bias.eq(Mux(near.bias_use, next_bias, 0))
        m.d.comb += self.bias_o.eq(next_bias)

        s3 = [
            self._bank(m, name, address, (self.write if self.lut_ram else near.write)[n], s5_total)
            for n, (name, address) in enumerate((("bank_a", self.read_a), ("bank_b", self.read_b)))
        ]
        drained = Signal(word, name="s4_drained", reset_less=True)
        m.d.sync += [
            s4_base.eq(Mux(near.base[1], bias, Mux(near.base[0], s3[1], s3[0]))),
            s5_total.eq(s4_base + self.sum),
            drained.eq(Mux(near.drain, s3[1], s3[0])),
        ]
        m.d.comb += self.drained.eq(drained)
        return m

    def _bank(self, m: Module, name: str, read_address: Value, write: Value, value: Value) -> Value:
        """Add a bank; return the word read, two clocks after its address.

        A block RAM's output is slow, so it is registered before use: in the block itself where that can be
        instantiated.
        """
        word = value.shape()
        if self.lut_ram:
            m.submodules[name] = ram = shared(LutRam, width=len(value), depth=self.config.acc_depth)
            m.d.comb += [ram.read_address.eq(read_address), ram.write.eq(write)]
            m.d.comb += [ram.write_address.eq(self.write_address), ram.write_data.eq(value)]
            return ram.read_data.as_signed()
        if self.config.family == "ecp5" and self.config.acc_depth <= 512:
            m.submodules[name] = ram = shared(BlockRam)
            m.d.comb += [ram.read_address.eq(read_address), ram.write.eq(write)]
            m.d.comb += [ram.write_address.eq(self.write_address), ram.write_data.eq(value)]
            return ram.read_data[: len(value)].as_signed()
        # A row is never read in the clock of its write; without the attribute synthesis adds logic for that case.
        bank = memory.Memory(shape=word, depth=self.config.acc_depth, init=[], attrs={"no_rw_check": "1"})
        m.submodules[name] = bank
        read_port = bank.read_port()
        write_port = bank.write_port()
        m.d.comb += [read_port.addr.eq(read_address), read_port.en.eq(1)]
        m.d.comb += [write_port.addr.eq(self.write_address), write_port.data.eq(value), write_port.en.eq(write)]
        return register(m, f"s3_{name}", read_port.data)


class AccumulatorColumns(SideBySide):
    """All columns; biases enter at the last one."""

    unit = AccumulatorColumn
    split = frozenset({"sum", "drained"})
    chain = ("bias_i", "bias_o")


class Accumulators(wiring.Component):
    """All columns and their control: one bank accumulates a block of sums while the other is read out.

    Parameters
    ----------
    config : SystolicConfig
        Size, widths and depth.
    lut_ram, sum_width
        As in `AccumulatorColumn`.

    Members
    -------
    mark : In(mark_layout())
        Flags of the row of sums that follows 4 clocks later.
    sums : In(ArrayLayout(signed(sum_width), cols))
        A row of sums.
    full : Out(1)
        A block is complete and may be read from the next clock on.
    draining, drain_bank, drain_address : In
        Read enable, bank and row. Banks alternate from block to block, bank 0 first.
    drained : Out(ArrayLayout(signed(acc_width), cols))
        Row read, 4 clocks later.
    bias : In(signed(acc_width)), bias_shift : In(1)
        Biases of the next column tile, column 0 first; in place two clocks later.
    bias_taken : Out(1)
        The next column tile has begun; its biases may be overwritten.
    """

    def __init__(self, *, config: SystolicConfig, lut_ram: bool = False, sum_width: int | None = None):
        self.config, self.lut_ram = config, lut_ram and _fits_lut_ram(config)
        self.sum_width = sum_width or config.sum_width
        super().__init__(
            {
                "mark": In(mark_layout()),
                "sums": In(data.ArrayLayout(signed(self.sum_width), config.cols)),
                "full": Out(1),
                "draining": In(1),
                "drain_bank": In(1),
                "drain_address": In(range(config.acc_depth)),
                "drained": Out(data.ArrayLayout(signed(config.acc_width), config.cols)),
                "bias": In(signed(config.acc_width)),
                "bias_shift": In(1),
                "bias_taken": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        stages = s0, s1, s2, _, s4, s5 = [Signal(mark_layout(), name=f"s{n}") for n in range(6)]
        address = [Signal(range(self.config.acc_depth), name=f"s{n}_address", reset_less=True) for n in range(6)]
        bank = [Signal(name=f"s{n}_bank", reset_less=n > 0) for n in range(6)]
        drain = [Signal(name=f"s{n}_drain", reset_less=True) for n in range(3)]
        row = Signal(range(self.config.acc_depth))  # row of the next sums that do not begin a block
        m.d.comb += [s0.eq(self.mark), address[0].eq(Mux(s0.begin, 0, row)), drain[0].eq(self.drain_bank)]
        for pipeline in (stages, address, bank, drain):
            m.d.sync += [b.eq(a) for a, b in zip(pipeline, pipeline[1:], strict=False)]
        with m.If(s0.valid):
            m.d.sync += row.eq(address[0] + 1)
            with m.If(s0.end):
                m.d.sync += bank[0].eq(~bank[0])
        m.d.comb += [self.full.eq(s5.valid & s5.end), self.bias_taken.eq(s2.valid & s2.tile & s2.params)]
        # A bank is never read out and accumulated at the same time, so one read port serves both. The addresses fan out
        # to all columns, which takes a clock.
        read_a, read_b = (Signal(range(self.config.acc_depth), name=name) for name in ("s1_read_a", "s1_read_b"))
        m.d.sync += read_a.eq(Mux(self.draining & ~self.drain_bank, self.drain_address, address[0]))
        m.d.sync += read_b.eq(Mux(self.draining & self.drain_bank, self.drain_address, address[0]))

        m.submodules.columns = columns = shared(
            AccumulatorColumns,
            config=self.config,
            count=self.config.cols,
            lut_ram=self.lut_ram,
            # The array's own width stays out of the module's name.
            sum_width=None if self.sum_width == self.config.sum_width else self.sum_width,
        )
        m.d.comb += [
            columns.sum.eq(self.sums),
            columns.read_a.eq(read_a),
            columns.read_b.eq(read_b),
            columns.base.eq(Cat(bank[2], s2.first)),
            columns.write.eq(Cat(s4.valid & ~bank[4], s4.valid & bank[4])),
            # The write address of lookup tables is registered there.
            columns.write_address.eq(address[4 if self.lut_ram else 5]),
            columns.drain.eq(drain[2]),
            columns.bias_i.eq(register(m, "s1_bias", self.bias)),
            columns.bias_shift.eq(self.bias_shift),
            columns.bias_load.eq(s1.valid & s1.tile),
            columns.bias_use.eq(s1.params),
            Value.cast(self.drained).eq(columns.drained),
        ]
        return m
