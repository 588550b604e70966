"""Performance counters: what every clock of a tile was spent on."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["COUNTERS", "COUNTER_BITS", "Counters"]

COUNTERS = ("busy", "operand_wait", "addend_wait", "sum_wait", "room_wait")
"""Names of the counters, in the order in which they claim a clock."""

COUNTER_BITS = 40


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
    busy, operand_wait, addend_wait, sum_wait, room_wait : Out(40)
        Clocks with a part started, and without for want of operands, of its part of C, of a sum or of room for results:
        the first of these.
    """

    def __init__(self):
        members = dict.fromkeys(("running", "issue", "operands", "addend", "sum", "clear"), In(1))
        super().__init__({**members, **{name: Out(COUNTER_BITS) for name in COUNTERS}})

    def elaborate(self, platform) -> Module:
        m = Module()
        claims = (self.issue, ~self.operands, ~self.addend, ~self.sum, Const(1, 1))
        left: Value = self.running
        for name, claim in zip(COUNTERS, claims, strict=True):
            value, step = getattr(self, name), Signal(name=f"s1_{name}")
            m.d.sync += step.eq(left & claim)
            left = left & ~claim
            with m.If(self.clear):
                m.d.sync += value.eq(0)
            with m.Elif(step):
                m.d.sync += value.eq(value + 1)
        return m
