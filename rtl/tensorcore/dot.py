"""Fused dot-product unit: sums products and an addend as tensor cores do."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

from .adder_tree import AdderTree
from .align import Align
from .exact_product import ExactProduct
from .int_dot import IntDot
from .maximum import ExponentMaximum
from .normalise import Normalise
from .pack import Pack
from .plan import Plan
from .specials import Specials
from .unpack import Kind, Unpack, number_layout, take_apart

__all__ = ["Dot", "DotUnit"]


class Dot(wiring.Component):
    """Fused dot product of unpacked factors and an addend. One result per clock; never stalls::

        a, b --> ExactProduct --exponent--> ExponentMaximum --+
                    |                                         v
                    +----significand-----------------------> Align --> AdderTree --> Normalise --> Pack --> d
        c ----> Unpack ------------------------------------> Align -------^                         ^
                    +--> Specials ------------------------------------------------------------------+

    Factors arrive unpacked, since several units can share them.

    If all terms can lie below ``min_exponent``, the addend's exponent also represents that floor in the search for the
    maximum: it is the larger of the two, and always counts. This costs one exponent register and saves more later, as
    sums need a shorter right shift; see `Plan`.

    Parameters
    ----------
    config : TensorCoreConfig
        Formats and arithmetic; the size of a tile is not used.

    Members
    -------
    a, b : In(l numbers of number_layout)
        Factors.
    c : In
        Bit pattern of the addend, in the output's format.
    d : Out
        Bit pattern of the result, `latency` clocks later.

    Notes
    -----
    Source: ``golden/tensorcore.py``, `dot`.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        plan = Plan(config)
        super().__init__(
            {
                "a": In(ArrayLayout(number_layout(config.a_format), config.l)),
                "b": In(ArrayLayout(number_layout(config.b_format), config.l)),
                "c": In(plan.c_width),
                "d": Out(plan.c_width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from operands to result."""
        return self.config.pipeline

    def elaborate(self, platform) -> Module:
        m = Module()
        config, plan = self.config, Plan(self.config)
        products = self._products(m)
        m.submodules.unpack = unpack = shared(Unpack, format=config.out_format)
        m.d.comb += unpack.pattern.eq(self.c)
        number = unpack.number
        s1 = {name: plan.behind(m, "exponent", f"s1_{name}", getattr(number, name)) for name in ("sign", "significand")}
        s1_kind = Kind(plan.behind(m, "exponent", "s1_kind", Value.cast(number.kind)))  # pyright: ignore
        exponent = (number.exponent + plan.addend_offset)[: plan.exponent_width]
        s1_exponent = plan.behind(m, "exponent", "s1_exponent", exponent)
        self._specials(m, products, s1["sign"], s1_kind)

        m.submodules.maximum = maximum = shared(ExponentMaximum, config=config)
        m.d.comb += [
            maximum.exponents.eq(Cat(product.exponent for product in products)),
            maximum.nonzero.eq(Cat(product.nonzero for product in products)),
            *self._floored(m, maximum, number, exponent, s1_exponent, s1_kind),
        ]
        # From the registered exponents to their distances from the maximum, and on to the shift of the significands.
        front = maximum.latency
        lead = front + plan.clocks("distance")
        m.submodules.sum = total = shared(AdderTree, config=config)
        behind = plan.clocks("coarse", "fine")
        for n, product in enumerate(products):
            m.submodules[f"align_{n}"] = align = shared(Align, config=config)
            negate = register(m, f"negate_{n}", product.sign ^ s1["sign"], lead)
            m.d.comb += [
                align.maximum.eq(maximum.maximum),
                align.exponent.eq(plan.common(register(m, f"exponent_{n}", product.exponent, front))),
                align.significand.eq(
                    register(
                        m, f"product_{n}_later", product.product, plan.clocks("exponent", "distance") - product.latency
                    )
                ),
                align.negate.eq(negate),
                total.terms[n].eq(align.term),
                total.negate[n].eq(register(m, f"negate_{n}_later", negate, behind)),
            ]
        m.submodules.align_addend = align = shared(Align, config=config, addend=True)
        m.d.comb += [
            align.maximum.eq(maximum.maximum),
            align.exponent.eq(register(m, "exponent_addend", s1_exponent, front)),
            align.significand.eq(register(m, "addend", s1["significand"], lead)),
            total.addend.eq(align.term),
        ]

        m.submodules.normalise = normalise = shared(Normalise, config=config)
        clocks = plan.clocks("distance", plan.steps[plan.steps.index("add_c") - 1])
        m.d.comb += [
            normalise.maximum.eq(register(m, "maximum_later", maximum.maximum, clocks)),
            normalise.total.eq(total.total),
            self._pack.negative.eq(
                normalise.negative ^ register(m, "sign", s1["sign"], plan.clocks("compare", "normalise"))
            ),
        ]
        for name in ("significand", "below", "above", "exponent"):
            m.d.comb += getattr(self._pack, name).eq(getattr(normalise, name))
        m.d.comb += self.d.eq(self._pack.value)
        return m

    def _products(self, m: Module) -> list[ExactProduct]:
        """The exact products of the step."""
        products = []
        for n in range(self.config.l):
            m.submodules[f"product_{n}"] = product = shared(ExactProduct, config=self.config)
            m.d.comb += [product.a.eq(self.a[n]), product.b.eq(self.b[n])]
            products.append(product)
        return products

    def _floored(
        self, m: Module, maximum: Any, number: Any, exponent: Value, s1_exponent: Value, s1_kind: Kind
    ) -> list:
        """Feed the addend's exponent to the search for the maximum, raised to the floor if there is one."""
        plan = Plan(self.config)
        if plan.floor is None:
            return [maximum.addend.eq(s1_exponent), maximum.addend_nonzero.eq(s1_kind.nonzero)]
        low = ~number.kind.nonzero
        if plan.floor > plan.addend_exponents[0]:
            low |= number.exponent < plan.floor - plan.addend_offset
        # Always counts, so the other exponents need no floor of their own.
        floored = Mux(low, Const(plan.floor, plan.exponent_width), exponent)
        return [
            maximum.addend.eq(plan.behind(m, "exponent", "s1_floored", floored)),
            maximum.addend_nonzero.eq(1),
        ]

    def _specials(self, m: Module, products: list, s1_sign: Value, s1_kind: Any) -> None:
        """Connect the path of infinities and NaNs, which bypasses the datapath."""
        plan = Plan(self.config)
        m.submodules.specials = specials = shared(Specials, config=self.config)
        m.submodules.pack = self._pack = pack = shared(Pack, config=self.config)
        later = plan.clocks("compare", "normalise") - specials.latency
        m.d.comb += [
            specials.sign.eq(Cat(*(product.sign for product in products), s1_sign)),
            specials.nan.eq(Cat(*(product.nan for product in products), s1_kind.nan)),
            specials.infinite.eq(Cat(*(product.infinite for product in products), s1_kind.infinite)),
            pack.nan.eq(register(m, "nan", specials.any_nan, later)),
            pack.infinite.eq(register(m, "infinite", specials.any_infinite, later)),
            pack.infinite_sign.eq(register(m, "infinite_sign", specials.infinite_sign, later)),
        ]


class DotUnit(wiring.Component):
    """Stand-alone `Dot` or `IntDot`, with its factors' unpackers.

    Parameters
    ----------
    config : TensorCoreConfig
        Formats and arithmetic; the size of a tile is not used.

    Members
    -------
    a, b : In
        Bit patterns of the factors.
    c : In
        Bit pattern of the addend, in the output's format.
    d : Out
        Bit pattern of the result, `latency` clocks later.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        plan = Plan(config)
        super().__init__(
            {
                "a": In(ArrayLayout(plan.a_width, config.l)),
                "b": In(ArrayLayout(plan.b_width, config.l)),
                "c": In(plan.c_width),
                "d": Out(plan.c_width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from operands to result."""
        return self.config.pipeline

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.dot = dot = shared(IntDot if self.config.integers else Dot, config=self.config)
        m.d.comb += [
            dot.a.eq(take_apart(m, "a", self.config.a_format, self.a)),
            dot.b.eq(take_apart(m, "b", self.config.b_format, self.b)),
            dot.c.eq(self.c),
            self.d.eq(dot.d),
        ]
        return m
