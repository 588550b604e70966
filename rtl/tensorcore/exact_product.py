"""Exact product of two floating-point numbers."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.signed_multiplier import SignedMultiplier
from tercet.rtl.emit import shared

from .plan import Plan
from .unpack import Kind, number_layout

__all__ = ["ExactProduct"]


class ExactProduct(wiring.Component):
    """Exact product, not normalised; its exponent is available before its significand::

        a, b --significands--> [     multiplier     ] --> product
             --exponents----> + --> exponent
             --sign, kind---> sign, nonzero, nan, infinite

    Parameters
    ----------
    config : TensorCoreConfig
        Formats, pipeline.

    Members
    -------
    a, b : In(number_layout)
        Factors.
    exponent : Out
        Sum of their biased exponents, after the step "exponent".
    sign, nonzero, nan, infinite : Out(1)
        Class of the product, in the same clock as `exponent`. If it is infinite or a NaN, the other outputs are
        meaningless.
    product : Out
        Product of the significands, `latency` clocks after the factors.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        plan = Plan(config)
        super().__init__(
            {
                "a": In(number_layout(config.a_format)),
                "b": In(number_layout(config.b_format)),
                "exponent": Out(plan.product_exponent_width),
                "sign": Out(1),
                "nonzero": Out(1),
                "nan": Out(1),
                "infinite": Out(1),
                "product": Out(plan.product_width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from factors to the product of their significands."""
        return 3

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = Plan(self.config)
        m.submodules.multiplier = multiplier = shared(SignedMultiplier, family=self.config.family)
        s1_a = Kind(plan.behind(m, "exponent", "s1_a", Value.cast(self.a.kind)))  # pyright: ignore
        s1_b = Kind(plan.behind(m, "exponent", "s1_b", Value.cast(self.b.kind)))  # pyright: ignore
        m.d.comb += [
            self.exponent.eq(plan.behind(m, "exponent", "s1_exponent", self.a.exponent + self.b.exponent)),
            self.sign.eq(plan.behind(m, "exponent", "s1_sign", self.a.sign ^ self.b.sign)),
            multiplier.act.eq(self.a.significand),
            multiplier.weight.eq(self.b.significand),
            self.product.eq(multiplier.product),
            self.nonzero.eq(s1_a.nonzero & s1_b.nonzero),
            self.infinite.eq(s1_a.infinite | s1_b.infinite),
            # Infinity times zero is a NaN too.
            self.nan.eq(s1_a.nan | s1_b.nan | (s1_a.infinite & ~s1_b.nonzero) | (s1_b.infinite & ~s1_a.nonzero)),
        ]
        return m
