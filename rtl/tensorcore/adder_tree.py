"""Adder tree: exact sum of the aligned terms."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig

from .plan import Plan

__all__ = ["AdderTree"]


class AdderTree(wiring.Component):
    """Exact sum of the aligned products and the addend.

    Signs are relative to the addend's, so the addend is always added. A product to be subtracted arrives inverted. The
    1 that its two's complement still lacks is the carry-in of an adder; there are as many adders as products::

        add_1   0 + 1, carry of 0     2 + 3, carry of 1
        add_2                  +, carry of 2
        add_c                          + addend, carry of 3

    Parameters
    ----------
    config : TensorCoreConfig
        Number of products, fraction bits, pipeline.

    Members
    -------
    terms : In
        ``l`` aligned products of ``term_width`` bits, inverted where `negate` is 1.
    negate : In(l)
        Products to subtract.
    addend : In(term_width)
        The aligned addend.
    total : Out(signed(sum_width + 1))
        The sum, `latency` clocks later.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        plan = Plan(config)
        super().__init__(
            {
                "terms": In(ArrayLayout(plan.term_width, config.l)),
                "negate": In(config.l),
                "addend": In(plan.term_width),
                "total": Out(signed(plan.sum_width + 1)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from terms to sum."""
        return Plan(self.config).clocks("add_1", "add_c")

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = Plan(self.config)
        values = [Cat(self.terms[n], self.negate[n]).as_signed() for n in range(self.config.l)]
        carries = [self.negate[n] for n in range(self.config.l)]
        addend = self.addend
        for level in range(1, plan.levels + 1):
            step = f"add_{level}"
            sums = []
            for n, (lower, upper) in enumerate(zip(values[0::2], values[1::2], strict=True)):
                # Each adder of a level takes one carry; the rest go on to the next level.
                sums.append(plan.behind(m, step, f"sum_{level}_{n}", _add(lower, upper, carries[n])))
            rest = carries[len(sums) :]
            carries = [plan.behind(m, step, f"carry_{level}_{n}", carry) for n, carry in enumerate(rest)]
            values = sums
            addend = plan.behind(m, step, f"addend_{level}", addend)
        total = _add(values[0], Cat(addend, 0).as_signed(), carries[0])
        m.d.comb += self.total.eq(plan.behind(m, "add_c", "total_c", total[: plan.sum_width + 1].as_signed()))
        return m


def _add(a: Value, b: Value, carry: Value) -> Value:
    """``a + b + carry``, signed. The carry enters through an extra LSB: synthesis folds no third term into an adder."""
    return (Cat(Const(1, 1), a).as_signed() + Cat(carry, b).as_signed())[1:].as_signed()
