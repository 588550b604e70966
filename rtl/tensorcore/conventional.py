"""Conventional dot-product unit, the baseline for the fused one: every product and every sum is an FP32 number."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.delay import Delay
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import prototype, shared

from .float32 import Float32
from .float_add import FloatAdd
from .float_product import FloatProduct
from .plan import Plan
from .unpack import Unpack, take_apart

__all__ = ["ConventionalUnit"]


class ConventionalUnit(wiring.Component):
    """Tree of IEEE 754 operators: round to nearest even, subnormal numbers, infinities and signed zeros. One result per
    clock; never stalls::

        a[0], b[0] --> FloatProduct --+
                                      +--> FloatAdd --+
        a[1], b[1] --> FloatProduct --+               |
                                                      +--> FloatAdd --+
        a[2], b[2] --> FloatProduct --+               |               |
                                      +--> FloatAdd --+               +--> FloatAdd --> d
        a[3], b[3] --> FloatProduct --+                               |
        c ---------------------------------------------[ delay ]------+

    Latency ``16 + 8 * log2(l)``: 7 clocks for a product, 8 for each adder, and 1 for the output pattern.

    Parameters
    ----------
    config : TensorCoreConfig
        Formats, number of products, NaN, family. The other fields belong to the fused unit: here products and sums keep
        all bits, and the pipeline is fixed.

    Members
    -------
    a, b : In
        Bit patterns of the factors.
    c : In(32)
        Bit pattern of the addend.
    d : Out(32)
        Bit pattern of the result, `latency` clocks later.

    Raises
    ------
    ValueError
        If FP32 cannot hold every product exactly, results are not FP32, or the number of products is not a power of two
        of at least 2.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        self._product = prototype(FloatProduct, config=config)
        self._add = prototype(FloatAdd, family=config.family)
        plan = Plan(config)
        super().__init__(
            {
                "a": In(ArrayLayout(plan.a_width, config.l)),
                "b": In(ArrayLayout(plan.b_width, config.l)),
                "c": In(32),
                "d": Out(32),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from operands to result."""
        return self._before_c + self._add.latency + 1

    @property
    def _before_c(self) -> int:
        """Clocks from operands to the sum of the products."""
        return self._product.latency + Plan(self.config).levels * self._add.latency

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        a, b = (take_apart(m, name, getattr(config, f"{name}_format"), getattr(self, name)) for name in "ab")
        terms = []
        for n in range(config.l):
            m.submodules[f"product_{n}"] = product = shared(FloatProduct, config=config)
            for factor, factors in ((product.a, a), (product.b, b)):
                m.d.comb += Value.cast(factor).eq(factors.word_select(n, len(factors) // config.l))
            terms.append(product.product)
        for level in range(1, Plan(config).levels + 1):
            pairs = zip(terms[0::2], terms[1::2], strict=True)
            terms = [self._sum(m, f"add_{level}_{n}", *pair) for n, pair in enumerate(pairs)]
        total = self._sum(m, "add_c", terms[0], self._addend(m))
        # Encode infinities and NaNs as FP32 does.
        infinite = total.unbounded
        exponent = total.exponent | infinite.replicate(8)
        number = Cat(total.fraction & ~infinite.replicate(23), exponent, total.sign)
        m.d.comb += self.d.eq(register(m, "packed", Mux(total.nan, Const(config.nan, 32), number)))
        return m

    def _sum(self, m: Module, name: str, a: Any, b: Any) -> Any:
        m.submodules[name] = add = shared(FloatAdd, family=self.config.family)
        m.d.comb += [add.a.eq(a), add.b.eq(b)]
        return add.o

    def _addend(self, m: Module) -> Any:
        """The addend, delayed to meet the sum of the products."""
        m.submodules.delay = delay = shared(Delay, clocks=self._before_c - 1, width=32)
        m.submodules.unpack = unpack = shared(Unpack, format="fp32")
        kind = unpack.number.kind
        addend = Signal(Float32, reset_less=True)
        m.d.comb += [delay.i.eq(self.c), unpack.pattern.eq(delay.o)]
        m.d.sync += [
            Cat(addend.fraction, addend.exponent, addend.sign).eq(delay.o),
            addend.normal.eq(kind.normal),
            addend.nan.eq(kind.nan),
        ]
        return addend
