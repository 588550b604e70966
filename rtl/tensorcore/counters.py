"""Performance counters: attribute each clock of a tile to one cause."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.engine import MODEL
from tercet.rtl.common.engine import CounterBank, counter_layout

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count the clocks with a tile in progress, each in exactly one counter.

    Members
    -------
    running : In(1)
        A tile is in progress.
    issue, operands, addend, sum : In(1)
        A part is issued; the operands of its step, its part of C, its partial sum are available.
    clear : In(1)
        Reset the counters to zero.
    counts : Out(counter_layout(MODEL.counters))
        Clocks with a part issued, and clocks stalled for operands, a part of C, a partial sum or room for results; the
        first of these causes counts.
    """

    def __init__(self):
        members = dict.fromkeys(("running", "issue", "operands", "addend", "sum", "clear"), In(1))
        super().__init__({**members, "counts": Out(counter_layout(MODEL.counters))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.bank = bank = CounterBank(steps=dict.fromkeys(MODEL.counters, 1))
        claims = (self.issue, ~self.operands, ~self.addend, ~self.sum, Const(1, 1))
        left: Value = self.running
        for name, claim in zip(MODEL.counters, claims, strict=True):
            m.d.comb += bank.steps[name].eq(left & claim)
            left = left & ~claim
        m.d.comb += [bank.clear.eq(self.clear), self.counts.eq(bank.counts)]
        return m
