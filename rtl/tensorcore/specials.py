"""Detection of results that are infinite or NaN."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.pipeline import register

from .plan import Plan

__all__ = ["Specials"]


class Specials(wiring.Component):
    """Combine the infinities and NaNs of all terms.

    Parameters
    ----------
    config : TensorCoreConfig
        Number of products, pipeline.

    Members
    -------
    sign, nan, infinite : In(l + 1)
        Flags of the products, and of the addend in the MSB.
    any_nan : Out(1)
        A term is a NaN, or there are infinities of both signs; `latency` clocks later, like the other outputs.
    any_infinite : Out(1)
        A term is infinite.
    infinite_sign : Out(1)
        A negative term is infinite.
    """

    def __init__(self, *, config: TensorCoreConfig):
        terms = config.l + 1
        # Products share the flags of their factors with other units, which may be far away: so each has its own
        # registers, unless the pipeline is too short.
        self._first = min(1, Plan(config).clocks("compare", "normalise") - 2)
        super().__init__(
            {
                "sign": In(terms),
                "nan": In(terms),
                "infinite": In(terms),
                "any_nan": Out(1),
                "any_infinite": Out(1),
                "infinite_sign": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from terms to outputs."""
        return self._first + 2

    def elaborate(self, platform) -> Module:
        m = Module()
        nans = register(m, "nans", self.nan, self._first)
        aboves = register(m, "aboves", self.infinite & ~self.sign, self._first)
        belows = register(m, "belows", self.infinite & self.sign, self._first)
        nan, above, below = (
            register(m, name, terms.any()) for name, terms in (("nan", nans), ("above", aboves), ("below", belows))
        )
        m.d.comb += [
            self.any_nan.eq(register(m, "next_nan", nan | (above & below))),
            self.any_infinite.eq(register(m, "next_infinite", above | below)),
            self.infinite_sign.eq(register(m, "next_below", below)),
        ]
        return m
