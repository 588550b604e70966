"""Edges of a grid whose cells have two products per multiplier: weights are packed above it, sums joined below it."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.dual import SHIFT
from tercet.rtl.common.pipeline import register

from .cell import sums_layout

__all__ = ["SumJoiner", "WeightPacker"]


class WeightPacker(wiring.Component):
    """Pack pairs of weights, column 0 of a pair below column 1.

    The packed operand is ``w1 * 1024 + w0``: above the 10 bits of ``w0`` stands ``w1 - (w0 < 0)``. A pair takes 16
    bits, as the two sign bits that complete ``w0`` are left to the cell.

    Parameters
    ----------
    pairs : int
        Pairs of weights.

    Members
    -------
    i : In(pairs * 16)
        Weights in [-127, 127], 8 bits each, column 0 in the least significant bits.
    o : Out(pairs * 16)
        ``lower`` and ``upper`` of `weights_layout`, `latency` clocks later.
    """

    latency = 1

    def __init__(self, *, pairs: int):
        self.pairs = pairs
        super().__init__({"i": In(pairs * 16), "o": Out(pairs * 16)})

    def elaborate(self, platform) -> Module:
        m = Module()
        for n in range(self.pairs):
            lower, upper = self.i[16 * n : 16 * n + 8], self.i[16 * n + 8 : 16 * n + 16]
            packed = Cat(lower, (upper - lower[-1])[:8])
            m.d.comb += self.o[16 * n : 16 * n + 16].eq(register(m, f"s1_pair{n}", packed))
        return m


class SumJoiner(wiring.Component):
    """Join the three sums of each pair of columns::

        sum 0 = h0 * 1024 + low        sum 1 = high - h0

    Parameters
    ----------
    config : SystolicConfig
        Columns and widths.

    Members
    -------
    i : In(cols / 2 * sums_layout(config).size)
        Sums of the parts.
    o : Out(cols * sum_width)
        Sums of the columns, `latency` clocks later.
    """

    latency = 1

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {"i": In(config.cols // 2 * sums_layout(config).size), "o": Out(config.cols * config.sum_width)}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        layout, width = sums_layout(self.config), self.config.sum_width
        for n in range(self.config.cols // 2):
            parts = data.View(layout, self.i[n * layout.size : (n + 1) * layout.size])
            low, h0, high = parts["low"], parts["h0"], parts["high"]
            first = Cat(low[:SHIFT], (h0 + low[SHIFT:])[: width - SHIFT])
            for column, value in ((2 * n, first), (2 * n + 1, (high - h0)[:width])):
                total = register(m, f"s1_sum{column}", value)
                m.d.comb += self.o[column * width : (column + 1) * width].eq(total)
        return m
