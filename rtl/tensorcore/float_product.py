"""Product of two small floating-point numbers as an FP32 number, always exact."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

from .exact_product import ExactProduct
from .float32 import Float32
from .float_normalise import FloatNormalise
from .plan import Plan
from .unpack import number_layout

__all__ = ["FloatProduct"]

_FORMATS = ("fp16", "e4m3", "e5m2")


class FloatProduct(wiring.Component):
    """Normalised `ExactProduct`: subnormal factors cause leading zeros, and FP32 has room for the exponent::

        a, b --> ExactProduct --significand--> FloatNormalise --> product
                    +------exponent-------------^               ^
                    +------sign, nan, infinite------------------+

    Parameters
    ----------
    config : TensorCoreConfig
        Formats.

    Members
    -------
    a, b : In(number_layout)
        Factors.
    product : Out(Float32)
        Their product, `latency` clocks later.

    Raises
    ------
    ValueError
        If FP32 cannot hold every product exactly, or results are not FP32.
    """

    def __init__(self, *, config: TensorCoreConfig):
        a, b, out = config.a_format, config.b_format, config.out_format
        if not (a in _FORMATS and b in _FORMATS and out == "fp32"):
            raise ValueError(
                f"Rounded operators need exact products and FP32 sums, not {a} times {b} to {out}; "
                f"use {', '.join(_FORMATS)} to fp32"
            )
        self.config = config
        super().__init__(
            {
                "a": In(number_layout(config.a_format)),
                "b": In(number_layout(config.b_format)),
                "product": Out(Float32),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from factors to product."""
        return 7

    def elaborate(self, platform) -> Module:
        m = Module()
        config, plan, result = self.config, Plan(self.config), FORMATS["fp32"]
        m.submodules.exact = exact = shared(ExactProduct, config=config)
        m.submodules.normalise = normalise = shared(
            FloatNormalise, width=plan.product_width, limited=False, family=config.family
        )
        # The MSB of a product of significands has weight 2.
        exponent = exact.exponent + (result.bias - plan.a.bias - plan.b.bias + 1)
        spent = plan.clocks("exponent")
        m.d.comb += [
            exact.a.eq(self.a),
            exact.b.eq(self.b),
            # Multipliers are far from the other logic.
            normalise.value.eq(register(m, "s4_product", exact.product)),
            normalise.exponent.eq(register(m, "s4_exponent", exponent[:8], exact.latency + 1 - spent)),
            self.product.exponent.eq(normalise.lowered),
            self.product.normal.eq(normalise.significand[-1]),
            self.product.fraction.eq(normalise.significand[:-1] << (result.fraction_bits + 1 - plan.product_width)),
        ]
        for name in ("sign", "nan", "infinite"):
            later = register(m, name, getattr(exact, name), self.latency - spent)
            m.d.comb += getattr(self.product, name).eq(later)
        return m
