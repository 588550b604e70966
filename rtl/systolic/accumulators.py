"""The accumulators: where the sums of several planes along K meet, beside where finished ones wait to leave."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic import SystolicConfig
from tercet.rtl.emit import shared

from .layouts import mark_layout

__all__ = ["AccumulatorColumn", "Accumulators"]


class AccumulatorColumn(wiring.Component):
    """One column: two banks of `acc_depth` words, an adder, a bias::

        read_a -> bank a --[ ]--+--> base --[ ]--> (+) --[ ]--> write, to the bank that was read
        read_b -> bank b --[ ]--+      ^            ^
              clock 0    1    2 |    bias    3     sum    4
                                +---[ ]--> drained

    Parameters
    ----------
    config : SystolicConfig
        Widths and depth.

    Members
    -------
    sum : In(signed(sum_width))
        In clock 3.
    read_a, read_b : In(range(acc_depth))
        Addresses, in clock 0.
    base : In(2)
        In clock 2, what the sum is added to: 0 bank a, 1 bank b, 2 the bias.
    write : In(2)
        In clock 4: write bank a, bank b.
    write_address : In(range(acc_depth))
        In clock 4.
    drain : In(1)
        In clock 2: the bank that `drained` shows.
    drained : Out(signed(acc_width))
        In clock 3.
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
        bias, next_bias, s3_base, s4_total = (
            Signal(word, name=name, reset_less=True) for name in ("bias", "next_bias", "s3_base", "s4_total")
        )
        with m.If(self.bias_shift):
            m.d.sync += next_bias.eq(self.bias_i)
        with m.If(self.bias_load):
            m.d.sync += bias.eq(Mux(self.bias_use, next_bias, 0))
        m.d.comb += self.bias_o.eq(next_bias)

        # A block RAM's own output is slow: one register before anything is done with it.
        s2 = []
        for n, (name, address) in enumerate((("bank_a", self.read_a), ("bank_b", self.read_b))):
            # A row is never read in the clock in which it is written; without the mark synthesis adds logic for that.
            bank = memory.Memory(shape=word, depth=self.config.acc_depth, init=[], attrs={"no_rw_check": "1"})
            m.submodules[name] = bank
            read = bank.read_port()
            write = bank.write_port()
            value = Signal(word, name=f"s2_{name}", reset_less=True)
            m.d.comb += [read.addr.eq(address), read.en.eq(1)]
            m.d.comb += [write.addr.eq(self.write_address), write.data.eq(s4_total), write.en.eq(self.write[n])]
            m.d.sync += value.eq(read.data)
            s2.append(value)
        drained = Signal(word, name="s3_drained", reset_less=True)
        m.d.sync += [
            s3_base.eq(Mux(self.base[1], bias, Mux(self.base[0], s2[1], s2[0]))),
            s4_total.eq(s3_base + self.sum),
            drained.eq(Mux(self.drain, s2[1], s2[0])),
        ]
        m.d.comb += self.drained.eq(drained)
        return m


class Accumulators(wiring.Component):
    """All columns, and what steers them: one bank gathers a block of sums while the other is read out.

    Parameters
    ----------
    config : SystolicConfig
        Size, widths and depth.

    Members
    -------
    mark : In(mark_layout())
        What the row of sums is that comes 3 clocks later.
    sums : In(ArrayLayout(signed(sum_width), cols))
        A row of sums.
    full : Out(1)
        A block is complete and may be read from the next clock on.
    draining, drain_bank, drain_address : In
        Whether to read out, which bank and row. Banks alternate from block to block, bank 0 first.
    drained : Out(ArrayLayout(signed(acc_width), cols))
        The row read, 3 clocks later.
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
        s0, s1, s2, s3, s4 = (Signal(mark_layout(), name=f"s{n}") for n in range(5))
        address = [Signal(range(self.config.acc_depth), name=f"s{n}_address") for n in range(5)]
        bank = [Signal(name=f"s{n}_bank") for n in range(5)]
        drain = [Signal(name=f"s{n}_drain") for n in range(3)]
        row = Signal(range(self.config.acc_depth))  # of the next mark that does not begin a block
        m.d.comb += [s0.eq(self.mark), address[0].eq(Mux(s0.begin, 0, row)), drain[0].eq(self.drain_bank)]
        m.d.sync += [b.eq(a) for a, b in zip((s0, s1, s2, s3), (s1, s2, s3, s4), strict=True)]
        for stages in (address, bank, drain):
            m.d.sync += [b.eq(a) for a, b in zip(stages, stages[1:], strict=False)]
        with m.If(s0.valid):
            m.d.sync += row.eq(address[0] + 1)
            with m.If(s0.end):
                m.d.sync += bank[0].eq(~bank[0])
        m.d.comb += [self.full.eq(s4.valid & s4.end), self.bias_taken.eq(s1.valid & s1.tile & s1.params)]
        # A bank is never read out and added to at once, so its one read port serves both.
        read_a, read_b = (Signal(range(self.config.acc_depth), name=name) for name in ("read_a", "read_b"))
        m.d.comb += read_a.eq(Mux(self.draining & ~self.drain_bank, self.drain_address, address[0]))
        m.d.comb += read_b.eq(Mux(self.draining & self.drain_bank, self.drain_address, address[0]))

        bias = self.bias
        for n in reversed(range(self.config.cols)):
            m.submodules[f"column{n}"] = column = shared(AccumulatorColumn, config=self.config)
            m.d.comb += [
                column.sum.eq(self.sums[n]),
                column.read_a.eq(read_a),
                column.read_b.eq(read_b),
                column.base.eq(Cat(bank[2], s2.first)),
                column.write.eq(Cat(s4.valid & ~bank[4], s4.valid & bank[4])),
                column.write_address.eq(address[4]),
                column.drain.eq(drain[2]),
                column.bias_i.eq(bias),
                column.bias_shift.eq(self.bias_shift),
                column.bias_load.eq(s1.valid & s1.tile),
                column.bias_use.eq(s1.params),
                self.drained[n].eq(column.drained),
            ]
            bias = column.bias_o
        return m
