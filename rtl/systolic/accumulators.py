"""The accumulators: where the sums of several planes along K meet, beside where finished ones wait to leave."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.side_by_side import SideBySide
from tercet.rtl.emit import shared
from tercet.rtl.primitives.dp16kd import BlockRam

from .layouts import mark_layout

__all__ = ["AccumulatorColumn", "AccumulatorColumns", "Accumulators"]


class AccumulatorColumn(wiring.Component):
    """One column: two banks of `acc_depth` words, an adder, a bias::

        read_a -> bank a --[ ]--+--> base --[ ]--> (+) --[ ]--> write, to the bank that was read
        read_b -> bank b --[ ]--+      ^            ^
              clock 1    2    3 |    bias    4     sum    5
                                +---[ ]--> drained

    Parameters
    ----------
    config : SystolicConfig
        Widths and depth.

    Members
    -------
    sum : In(signed(sum_width))
        In clock 4.
    read_a, read_b : In(range(acc_depth))
        Addresses, in clock 1.
    base : In(2)
        In clock 3, what the sum is added to: 0 bank a, 1 bank b, 2 the bias.
    write : In(2)
        In clock 5: write bank a, bank b.
    write_address : In(range(acc_depth))
        In clock 5.
    drain : In(1)
        In clock 3: the bank that `drained` shows.
    drained : Out(signed(acc_width))
        In clock 4.
    bias_i, bias_o : In and Out(signed(acc_width))
        A chain of next biases, which moves one column on with every `bias_shift`.
    bias_shift, bias_load, bias_use : In(1)
        Move the chain; make the next bias (or, without `bias_use`, zero) the bias.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        word, address = signed(config.acc_width), range(config.acc_depth)
        super().__init__(
            {
                "sum": In(signed(config.sum_width)),
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
        with m.If(self.bias_shift):
            m.d.sync += next_bias.eq(self.bias_i)
        with m.If(self.bias_load):
            m.d.sync += bias.eq(Mux(self.bias_use, next_bias, 0))
        m.d.comb += self.bias_o.eq(next_bias)

        s3 = [
            self._bank(m, name, address, self.write[n], s5_total)
            for n, (name, address) in enumerate((("bank_a", self.read_a), ("bank_b", self.read_b)))
        ]
        drained = Signal(word, name="s4_drained", reset_less=True)
        m.d.sync += [
            s4_base.eq(Mux(self.base[1], bias, Mux(self.base[0], s3[1], s3[0]))),
            s5_total.eq(s4_base + self.sum),
            drained.eq(Mux(self.drain, s3[1], s3[0])),
        ]
        m.d.comb += self.drained.eq(drained)
        return m

    def _bank(self, m: Module, name: str, read_address: Value, write: Value, value: Value) -> Value:
        """One bank; gives the word read, two clocks after its address.

        A block RAM's own output is slow, so there is one register before anything is done with it: the block's own
        where it can be instantiated.
        """
        word = value.shape()
        if self.config.mac == "ecp5" and self.config.acc_depth <= 512:
            m.submodules[name] = ram = shared(BlockRam)
            m.d.comb += [ram.read_address.eq(read_address), ram.write.eq(write)]
            m.d.comb += [ram.write_address.eq(self.write_address), ram.write_data.eq(value)]
            return ram.read_data[: len(value)].as_signed()
        # A row is never read in the clock in which it is written; without the mark synthesis adds logic for that.
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
    """All columns, and what steers them: one bank gathers a block of sums while the other is read out.

    Parameters
    ----------
    config : SystolicConfig
        Size, widths and depth.

    Members
    -------
    mark : In(mark_layout())
        What the row of sums is that comes 4 clocks later.
    sums : In(ArrayLayout(signed(sum_width), cols))
        A row of sums.
    full : Out(1)
        A block is complete and may be read from the next clock on.
    draining, drain_bank, drain_address : In
        Whether to read out, which bank and row. Banks alternate from block to block, bank 0 first.
    drained : Out(ArrayLayout(signed(acc_width), cols))
        The row read, 4 clocks later.
    bias : In(signed(acc_width)), bias_shift : In(1)
        Biases of the next column tile, column 0 first.
    bias_taken : Out(1)
        The next column tile has begun; its biases may be overwritten.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {
                "mark": In(mark_layout()),
                "sums": In(data.ArrayLayout(signed(config.sum_width), config.cols)),
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
        stages = s0, _, s2, s3, _, s5 = [Signal(mark_layout(), name=f"s{n}") for n in range(6)]
        address = [Signal(range(self.config.acc_depth), name=f"s{n}_address", reset_less=True) for n in range(6)]
        bank = [Signal(name=f"s{n}_bank", reset_less=n > 0) for n in range(6)]
        drain = [Signal(name=f"s{n}_drain", reset_less=True) for n in range(4)]
        row = Signal(range(self.config.acc_depth))  # of the next mark that does not begin a block
        m.d.comb += [s0.eq(self.mark), address[0].eq(Mux(s0.begin, 0, row)), drain[0].eq(self.drain_bank)]
        for pipeline in (stages, address, bank, drain):
            m.d.sync += [b.eq(a) for a, b in zip(pipeline, pipeline[1:], strict=False)]
        with m.If(s0.valid):
            m.d.sync += row.eq(address[0] + 1)
            with m.If(s0.end):
                m.d.sync += bank[0].eq(~bank[0])
        m.d.comb += [self.full.eq(s5.valid & s5.end), self.bias_taken.eq(s2.valid & s2.tile & s2.params)]
        # A bank is never read out and added to at once, so its one read port serves both. The addresses go to all
        # columns, which is a clock's way.
        read_a, read_b = (Signal(range(self.config.acc_depth), name=name) for name in ("s1_read_a", "s1_read_b"))
        m.d.sync += read_a.eq(Mux(self.draining & ~self.drain_bank, self.drain_address, address[0]))
        m.d.sync += read_b.eq(Mux(self.draining & self.drain_bank, self.drain_address, address[0]))

        m.submodules.columns = columns = shared(AccumulatorColumns, config=self.config, count=self.config.cols)
        m.d.comb += [
            columns.sum.eq(self.sums),
            columns.read_a.eq(read_a),
            columns.read_b.eq(read_b),
            columns.base.eq(Cat(bank[3], s3.first)),
            columns.write.eq(Cat(s5.valid & ~bank[5], s5.valid & bank[5])),
            columns.write_address.eq(address[5]),
            columns.drain.eq(drain[3]),
            columns.bias_i.eq(self.bias),
            columns.bias_shift.eq(self.bias_shift),
            columns.bias_load.eq(s2.valid & s2.tile),
            columns.bias_use.eq(s2.params),
            Value.cast(self.drained).eq(columns.drained),
        ]
        return m
