"""Alignment by truncation: a term's magnitude, as far to the right as its exponent is below the largest."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.shift import shift_right

from .plan import Plan

__all__ = ["Align"]

_FINE = 3  # bits of a distance in the fine shift


class Align(wiring.Component):
    """Shift right without rounding, then invert what is to be subtracted::

        distance   maximum - exponent
        coarse     by eights, and to zero what is further
        fine       by 0 to 7; inverted

    Parameters
    ----------
    config : TensorCoreConfig
        Formats, fraction bits, pipeline.
    addend : bool
        For the addend, which is never inverted, instead of a product.

    Members
    -------
    maximum, exponent : In
        On the common scale.
    significand : In
        Of the term, `lead` clocks after its exponent.
    negate : In(1)
        Invert it; `lead` clocks after its exponent.
    term : Out(term_width)
        The magnitude, cut to ``fraction_bits`` below the point, `latency` clocks after the exponent.
    """

    def __init__(self, *, config: TensorCoreConfig, addend: bool = False):
        self.config, self.addend = config, addend
        plan = Plan(config)
        # Where the addend has few fraction bits it is like a product of them, with a bit less above the point.
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
        """Clocks by which exponents come before significands."""
        return Plan(self.config).clocks("distance")

    @property
    def latency(self) -> int:
        """Clocks from exponents to the aligned term."""
        return Plan(self.config).clocks("distance", "fine")

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = Plan(self.config)
        distance = plan.behind(m, "distance", "distance", (self.maximum - self.exponent)[: plan.exponent_width])
        width = plan.term_width
        # Bits below those that are kept come first, and are cut off at the end.
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
