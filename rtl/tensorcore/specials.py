"""Detection of results that are infinite or NaN."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.pipeline import register

__all__ = ["Specials"]


class Specials(wiring.Component):
    """Combine the infinities and NaNs of all terms.

    Parameters
    ----------
    config : TensorCoreConfig
        Number of products.

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
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        nan = register(m, "s1_nan", self.nan.any())
        above = register(m, "s1_above", (self.infinite & ~self.sign).any())
        below = register(m, "s1_below", (self.infinite & self.sign).any())
        m.d.comb += [
            self.any_nan.eq(register(m, "s2_nan", nan | (above & below))),
            self.any_infinite.eq(register(m, "s2_infinite", above | below)),
            self.infinite_sign.eq(register(m, "s2_below", below)),
        ]
        return m
