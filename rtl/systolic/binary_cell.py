"""Weight-stationary cell for words of signs, and the edge below a grid of them."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

from .cell import Cell, sums_layout

__all__ = ["BinaryCell", "CountsToSums", "EqualSigns"]


class EqualSigns(wiring.Component):
    """Count the signs that are equal in two words; one count per clock::

        a, w --> equal? two at a time --s1--> four pairs: ones, twos --s2--> sum --s3--> count

    A lookup table of four inputs compares and adds two signs, and another adds a bit of four pairs. They are written as
    logic, as synthesis would put sums this short into carry chains.

    Parameters
    ----------
    width : int
        Signs in a word, an even number.

    Members
    -------
    a, w : In(width)
        Words.
    count : Out(range(width + 1))
        Equal signs, `latency` clocks later.
    """

    latency = 3

    def __init__(self, *, width: int):
        self.width = width
        super().__init__({"a": In(width), "w": In(width), "count": Out(range(width + 1))})

    def elaborate(self, platform) -> Module:
        m = Module()
        equal = Signal(self.width)
        m.d.comb += equal.eq(~(self.a ^ self.w))
        pairs = []
        for n in range(0, self.width, 2):
            one, other = equal[n], equal[n + 1]
            pairs.append(register(m, f"s1_pair{n // 2}", Cat(one ^ other, one & other)))
        terms = []
        for n in range(0, len(pairs), 4):
            for bit, name in enumerate(("ones", "twos")):
                bits = [pair[bit] for pair in pairs[n : n + 4]]
                terms.append(register(m, f"s2_{name}{n // 4}", _count(bits)) << bit)
        m.d.comb += self.count.eq(register(m, "s3_count", sum(terms[1:], terms[0])[: len(self.count)]))
        return m


def _count(bits: list[Value]) -> Value:
    """Number of set bits among up to four."""
    a, b, c, d = [*bits, *[Const(0, 1)] * (4 - len(bits))]
    all_four = a & b & c & d
    return Cat(a ^ b ^ c ^ d, (a & b | c & d | (a | b) & (c | d)) & ~all_four, all_four)


class BinaryCell(Cell):
    """Weight-stationary cell of one column for words of signs::

                   weights_i           sums_i
                       |                 |
                       +--[shadow]       |  equal signs
                       |      |          |
                       |  [active]       |
                       |      |          v
        lane_i --[ ]---|-->(equal?)--->(+)
                  |    |                 |
        lane_o <--+   [ ]               [ ]
                       v                 v
                   weights_o           sums_o

    A column adds up counts of equal signs; `CountsToSums` makes sums of products of them. Flags as in `WsCell`.
    Parameters and members: see `Cell`.
    """

    @property
    def latency(self) -> int:
        """Clocks from `lane_i` to `sums_o`."""
        return 2 + self.config.multiplier_latency

    def elaborate(self, platform) -> Module:
        m = Module()
        lane, _ = self._move_on(m)
        m.submodules.equal = equal = shared(EqualSigns, width=self.config.act_width)
        m.d.comb += [equal.a.eq(lane.act), equal.w.eq(Value.cast(self._keep_weights(m)))]
        total = Signal(self.sums_i[0].shape(), name="count0", reset_less=True)
        m.d.sync += total.eq(self.sums_i[0] + equal.count)
        m.d.comb += self.sums_o[0].eq(total)
        return m


class CountsToSums(wiring.Component):
    """Turn counts of equal signs into sums of products: twice the count, less all signs.

    Parameters
    ----------
    config : SystolicConfig
        Size and widths.

    Members
    -------
    i : In(cols * sums_layout(config).size)
        Counts of the columns.
    o : Out(cols * sum_width)
        Sums, `latency` clocks later.
    """

    latency = 1

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__({"i": In(config.cols * sums_layout(config).size), "o": Out(config.cols * config.sum_width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        width = sums_layout(self.config).size
        # Half of all signs: the lowest bit of a sum is 0, as their number is even.
        half = self.config.rows * self.config.act_width // 2
        sums = []
        for n in range(self.config.cols):
            difference = register(m, f"s1_half{n}", (self.i[n * width : (n + 1) * width] - half).as_signed())
            total = Signal(signed(self.config.sum_width), name=f"sum{n}")
            m.d.comb += total.eq(difference << 1)
            sums.append(total)
        m.d.comb += self.o.eq(Cat(sums))
        return m
