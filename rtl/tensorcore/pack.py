"""Encoding of the result: rounding, overflow, zeros, infinities and NaNs."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig

from .plan import Plan

__all__ = ["Pack"]


class Pack(wiring.Component):
    """Assemble the bit pattern of a result. FP32 is truncated by `Normalise`; FP16 is rounded to nearest, ties to even.

    Parameters
    ----------
    config : TensorCoreConfig
        Output format, fraction bits kept, NaN.

    Members
    -------
    negative, significand, below, above, exponent : In
        Outputs of `Normalise`.
    nan, infinite : In(1)
        The result is a NaN; it is infinite.
    infinite_sign : In(1)
        Sign of an infinite result.
    value : Out
        Bit pattern, `latency` clocks later.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        plan = Plan(config)
        super().__init__(
            {
                "negative": In(1),
                "significand": In(plan.kept),
                "below": In(max(1, plan.field_width - plan.kept)),
                "above": In(1),
                "exponent": In(plan.result_width),
                "nan": In(1),
                "infinite": In(1),
                "infinite_sign": In(1),
                "value": Out(plan.c.width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from inputs to bit pattern."""
        return Plan(self.config).clocks("pack")

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = Plan(self.config)
        bits, most = plan.c.exponent_bits, 2**plan.c.exponent_bits - 1
        fraction, leading = self.significand[:-1], self.significand[-1]
        # A 1 in `above` comes without a fraction and without a leading 1.
        exponent = self.exponent[:bits] & (leading | self.above).replicate(bits)
        up = Signal()
        number = Signal(len(fraction) + bits)
        if plan.rounds:
            m.d.comb += up.eq(self.below[-1] & (self.below[:-1].any() | self.significand[0]))
            # A carry out of the fraction increments the exponent: subnormal becomes normal, the largest infinite.
            step = Cat(up, Const(0, len(fraction) - 1), self.above)
            m.d.comb += number.eq(Cat(fraction, exponent) + step)
        else:
            m.d.comb += number.eq(Cat(fraction, (exponent + self.above)[:bits]))
        too_large = Signal()
        zero = Signal()
        # Written for lookup tables, since a comparison with a constant would become a carry chain. The addition covers
        # the last term too, but without it Yosys needs 91 more LUTs for the whole unit.
        beyond, low = self.exponent[bits:].any(), self.exponent[:bits]
        m.d.comb += [
            too_large.eq(((leading | self.above) & (beyond | low.all())) | (self.above & low[1:].all())),
            zero.eq(~(self.significand.any() | self.above | up)),
        ]
        sign = Mux(self.infinite, self.infinite_sign, self.negative & ~zero)
        pattern = Mux(self.infinite | too_large, Cat(Const(0, len(fraction)), Const(most, bits)), number)
        spare = plan.c.fraction_bits - len(fraction)
        value = Mux(self.nan, Const(self.config.nan, plan.c.width), Cat(Const(0, spare), pattern, sign))
        m.d.comb += self.value.eq(plan.behind(m, "pack", "packed", value))
        return m
