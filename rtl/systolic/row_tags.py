"""Flags of the rows of an output-stationary block, which leave the array one after another."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig

from .layouts import block_layout, mark_layout

__all__ = ["RowTags"]


class RowTags(wiring.Component):
    """Turn the flags of a block into flags of its rows, one row every second clock::

        i    B . . . . . . B
        o    0 . 1 . 2 . . 0 . 1

    Parameters
    ----------
    config : SystolicConfig
        Rows of a block.

    Members
    -------
    block : In(block_layout(config)), block_start : In(1)
        A block has begun; its flags arrive when it ends. At most one other block is in flight.
    i, o : In and Out(mark_layout())
        Flags of a block, and in the same clock those of its first row.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {
                "block": In(block_layout(config)),
                "block_start": In(1),
                "i": In(mark_layout()),
                "o": Out(mark_layout()),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        rows = self.block.rows.shape()
        sizes = [Signal(rows, name=f"rows_{n}") for n in "ab"]
        started = Signal()
        ended = Signal()
        left = Signal(rows)
        now = Signal(rows)
        pause = Signal()
        with m.If(self.block_start):
            m.d.sync += started.eq(~started)
            for n in range(2):
                with m.If(started == n):
                    m.d.sync += sizes[n].eq(self.block.rows)
        m.d.comb += now.eq(Mux(self.i.valid, Mux(ended, sizes[1], sizes[0]), left))
        more = Signal()  # a further row of the block
        m.d.comb += [
            self.o.eq(self.i),
            self.o.valid.eq(self.i.valid | more),
            self.o.begin.eq(self.i.valid),
            self.o.first.eq(1),
            self.o.tile.eq(self.i.valid & self.i.tile),
            self.o.end.eq(Mux(self.i.valid, now == 0, more & (left == 1))),
        ]
        m.d.comb += more.eq(~self.i.valid & (left != 0) & ~pause)
        m.d.sync += pause.eq(self.o.valid)
        with m.If(self.i.valid):
            m.d.sync += [left.eq(now), ended.eq(~ended)]
        with m.Elif(more):
            m.d.sync += left.eq(left - 1)
        return m
