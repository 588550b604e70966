"""Performance counters: what every clock of a tile was spent on."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.engine import MODEL
from tercet.rtl.common.engine import CounterBank, counter_layout

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count the clocks in which there is a tile, each in exactly one counter.

    Members
    -------
    running : In(1)
        There is a tile.
    issue, operands, addend, sum : In(1)
        A part is started; the operands of its step are here, its part of C, its sum.
    clear : In(1)
        Start again from zero.
    counts : Out(counter_layout(MODEL.counters))
        Clocks with a part started, and without for want of operands, of its part of C, of a sum or of room for results:
        the first of these.
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
