"""Largest exponent of the non-zero products and the addend."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig

from .plan import Plan

__all__ = ["ExponentMaximum"]


class ExponentMaximum(wiring.Component):
    """Tree of comparisons; the addend is compared with both products of the first pair::

        compare    0 >= 1, addend >= 0, addend >= 1       2 >= 3
        select     one of three                           one of two
        maximum_2                      the larger one

    A zero term never wins: the MSB of a comparison key is set for non-zero terms. If all terms are zero, the result is
    meaningless, and harmless, since only zeros are aligned with it. A floor under the largest exponent enters as the
    addend's exponent; see `Dot`.

    Parameters
    ----------
    config : TensorCoreConfig
        Formats, number of products, pipeline.

    Members
    -------
    exponents : In
        Biased exponents of the products.
    addend : In
        Exponent of the addend, on the common scale.
    nonzero : In(l), addend_nonzero : In(1)
        The terms that are not zero.
    maximum : Out
        Largest exponent, on the common scale, `latency` clocks later.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        plan = Plan(config)
        super().__init__(
            {
                "exponents": In(ArrayLayout(plan.product_exponent_width, config.l)),
                "addend": In(plan.exponent_width),
                "nonzero": In(config.l),
                "addend_nonzero": In(1),
                "maximum": Out(plan.exponent_width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from exponents to maximum."""
        plan = Plan(self.config)
        return plan.clocks("compare", plan.steps[plan.steps.index("distance") - 1])

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = Plan(self.config)
        addend = Cat(self.addend, self.addend_nonzero)
        keys = [Cat(self.exponents[n], self.nonzero[n]) for n in range(self.config.l)]
        wide = [Cat(plan.common(self.exponents[n]), self.nonzero[n]) for n in range(self.config.l)]
        # Registered together with the compared keys.
        after = [
            Cat(
                plan.behind(m, "compare", f"first_{n}", keys[n] >= keys[n + 1]),
                plan.behind(m, "compare", f"key_{n}", keys[n]),
                plan.behind(m, "compare", f"key_{n + 1}", keys[n + 1]),
            )
            for n in range(0, self.config.l, 2)
        ]
        addend_first = [plan.behind(m, "compare", f"addend_first_{n}", addend >= wide[n]) for n in range(2)]
        addend = plan.behind(m, "compare", "addend_key", addend)

        size = len(keys[0])
        winners = []
        for n, pair in enumerate(after):
            first, lower, upper = pair[0], pair[1 : 1 + size], pair[1 + size :]
            chosen = Signal(size, name=f"pair_{n}")
            m.d.comb += chosen.eq(Mux(first, lower, upper))
            key = Cat(plan.common(chosen[:-1]), chosen[-1])
            if n == 0:
                key = Mux(addend_first[0] & addend_first[1], addend, key)
            winners.append(plan.behind(m, "select", f"winner_{n}", key))
        level = 2
        while len(winners) > 1:
            pairs = zip(winners[0::2], winners[1::2], strict=True)
            winners = [
                plan.behind(m, f"maximum_{level}", f"winner_{level}_{n}", Mux(lower >= upper, lower, upper))
                for n, (lower, upper) in enumerate(pairs)
            ]
            level += 1
        m.d.comb += self.maximum.eq(winners[0])
        return m
