"""Alignment: shifts a term's magnitude right to the largest exponent, truncating."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.shift import shift_right

from .plan import Plan

__all__ = ["Align"]

_FINE = 3  # bits of the distance that the fine shift takes


class Align(wiring.Component):
    """Right shift by the distance from the largest exponent, without rounding; inverts a term to be subtracted::

        distance   maximum - exponent
        coarse     by multiples of 8; zero if the distance is beyond the width
        fine       by 0 to 7; inverted

    Parameters
    ----------
    config : TensorCoreConfig
        Formats, fraction bits, pipeline.
    addend : bool
        Align the addend, which is never inverted, instead of a product.

    Members
    -------
    maximum, exponent : In
        Exponents on the common scale.
    significand : In
        Significand of the term, `lead` clocks after its exponent.
    negate : In(1)
        Invert the term; `lead` clocks after its exponent.
    term : Out(term_width)
        Aligned magnitude, truncated to ``fraction_bits`` fraction bits, `latency` clocks after the exponent.
    """

    def __init__(self, *, config: TensorCoreConfig, addend: bool = False):
        self.config, self.addend = config, addend
        plan = Plan(config)
        # The addend is aligned like a product with its fraction bits, but has one integer bit instead of two.
        self.fraction = plan.c.fraction_bits if addend else plan.product_fraction
        super().__init__(
            {
                "maximum": In(plan.exponent_width),
                "exponent": In(plan.exponent_width),
                "significand": In(plan.c.fraction_bits + 1 if addend else plan.product_width),
                "negate": In(1),
                "term": Out(plan.term_width),
            }
        )

    @property
    def lead(self) -> int:
        """Clocks by which exponents precede significands."""
        return Plan(self.config).clocks("distance")

    @property
    def latency(self) -> int:
        """Clocks from exponents to aligned term."""
        return Plan(self.config).clocks("distance", "fine")

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = Plan(self.config)
        distance = plan.behind(m, "distance", "distance", (self.maximum - self.exponent)[: plan.exponent_width])
        width = plan.term_width
        # The shift includes the excess bits below the kept ones; they are cut off at the end.
        excess = max(0, self.fraction - self.config.fraction_bits)
        value = self.significand << max(0, self.config.fraction_bits - self.fraction)
        total = width + excess
        reach = (total - 1).bit_length()
        eights = distance[_FINE:reach]
        shifted = Signal(total)
        m.d.comb += shifted.eq(value >> (eights << _FINE))
        coarse = Signal(total)
        far = distance[reach:].any()
        if "coarse" in plan.registers:
            coarse = Signal(total, reset_less=True)
            with m.If(far):
                m.d.sync += coarse.eq(0)
            with m.Else():
                m.d.sync += coarse.eq(shifted)
        else:
            m.d.comb += coarse.eq(Mux(far, 0, shifted))
        by = plan.behind(m, "coarse", "by", distance[:_FINE])
        invert = None if self.addend else plan.behind(m, "coarse", "invert", self.negate)
        term = shift_right(m, "fine", self.config.family, coarse, by, invert)[excess:]
        m.d.comb += self.term.eq(plan.behind(m, "fine", "aligned", term))
        return m
