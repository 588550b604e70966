"""Normalisation: splits the sum into sign, significand and exponent, with the leading 1 at the top."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.choice import add_inverted
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.shift import shift_left

from .plan import Plan

__all__ = ["Normalise"]

_GROUP = 8  # bits of a group of the coarse shift


class Normalise(wiring.Component):
    """Shift left by the number of leading zeros, or until the exponent reaches 1::

        negate       magnitude; from its one's complement, the first group of 8 bits with a 1 and the zeros before it
        leading      shift by whole groups
        normalise    shift by 0 to 7

    A negative power of two has one leading zero less than its one's complement, so its 1 ends up above the top, in
    `above`.

    Where the exponent would fall below 1, a mark ahead of the leading 1 stops the shift: the significand is subnormal.
    This may require a right shift, so there is room above the sum.

    Parameters
    ----------
    config : TensorCoreConfig
        Formats, widths, pipeline.

    Members
    -------
    maximum : In
        Exponent of the terms, on the common scale, `lead` clocks before their sum.
    total : In(signed(sum_width + 1))
        The sum.
    negative : Out(1)
        The sum is negative; `latency` clocks after it, like the other outputs.
    significand : Out(kept)
        Upper bits of the magnitude.
    below : Out
        Lower bits of the magnitude.
    above : Out(1)
        The magnitude is a single 1 above `significand`.
    exponent : Out
        Biased exponent of the MSB of `significand`, truncated to its width, which matters only if that bit is 0.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        plan = Plan(config)
        super().__init__(
            {
                "maximum": In(plan.exponent_width),
                "total": In(signed(plan.sum_width + 1)),
                "negative": Out(1),
                "significand": Out(plan.kept),
                "below": Out(max(1, plan.field_width - plan.kept)),
                "above": Out(1),
                "exponent": Out(plan.result_width),
            }
        )

    @property
    def lead(self) -> int:
        """Clocks by which the exponent precedes the sum."""
        return Plan(self.config).clocks("add_c")

    @property
    def latency(self) -> int:
        """Clocks from sum to outputs."""
        return Plan(self.config).clocks("negate", "normalise")

    def elaborate(self, platform) -> Module:
        m = Module()
        plan = Plan(self.config)
        field, groups = plan.field_width, -(-plan.field_width // _GROUP)
        top = Signal(plan.top_shape)
        m.d.comb += top.eq(self.maximum + plan.top_offset)
        mark = plan.behind(m, "add_c", "mark", self._mark(top))
        top = plan.behind(m, "add_c", "top", top.as_unsigned()[: plan.result_width])

        negative = self.total < 0
        inverted = self.total[:-1] ^ negative.replicate(plan.sum_width)
        magnitude = add_inverted(m, "absolute", self.config.family, negative, self.total[:-1], negative, plan.sum_width)
        magnitude = plan.behind(m, "negate", "magnitude", magnitude)
        marked = Cat(inverted, Const(0, field - plan.sum_width)) | mark
        # The one's complement of -1 has no 1, but its magnitude has one in the LSB: the LSB always counts as a 1. Most
        # significant group first; the last one is padded with zeros.
        ones = Signal(groups * _GROUP)
        m.d.comb += ones.eq(Cat(Const(0, groups * _GROUP - field), Const(1, 1), marked[1:]))
        parts = [ones[n * _GROUP :][:_GROUP] for n in reversed(range(groups))]
        nonzero = [plan.behind(m, "negate", f"some_{n}", part.any()) for n, part in enumerate(parts[:-1])]
        leading = [plan.behind(m, "negate", f"where_{n}", _zeros(m, n, part)) for n, part in enumerate(parts)]
        top = plan.behind(m, "negate", "negated_top", top)

        group = Signal(range(groups))
        zeros = Signal(range(_GROUP))
        m.d.comb += [group.eq(groups - 1), zeros.eq(leading[-1])]
        for n in reversed(range(groups - 1)):
            with m.If(nonzero[n]):
                m.d.comb += [group.eq(n), zeros.eq(leading[n])]
        # One extra bit, for `above`.
        whole = Signal(field + 1)
        m.d.comb += whole.eq(Cat(magnitude, Const(0, field + 1 - plan.sum_width)) << (group * _GROUP))
        whole = plan.behind(m, "leading", "whole", whole)
        zeros = plan.behind(m, "leading", "zeros", zeros)
        top = plan.behind(m, "leading", "led_top", (top - group * _GROUP)[: len(top)])

        fine = plan.behind(m, "normalise", "fine", shift_left(m, "shifted", self.config.family, whole, zeros))
        exponent = plan.behind(m, "normalise", "normal_exponent", (top - zeros)[: len(top)])
        clocks = plan.clocks("negate", "normalise")
        m.d.comb += [
            # A sum shorter than the significand is padded.
            Cat(self.below, self.significand, self.above).eq(fine << max(0, plan.kept + 1 - field)),
            self.exponent.eq(exponent),
            self.negative.eq(register(m, "negative", negative, clocks)),
        ]
        return m

    def _mark(self, top: Signal) -> Value:
        """A 1 at the bit with exponent 1, where that bit can lie above the leading 1."""
        plan = Plan(self.config)
        field = plan.field_width
        bits = []
        for index in range(field):
            exponent = field - index  # of the MSB, if the bit `index` has exponent 1
            if exponent == 1 and plan.lowest_top <= 1:
                bits.append(top <= 1)
            elif exponent >= plan.lowest_top or exponent == plan.addend_top:
                bits.append(top == exponent)
            else:
                bits.append(Const(0, 1))
        return Cat(bits)


def _zeros(m: Module, n: int, part: Value) -> Signal:
    """Leading zeros of a group that has a 1."""
    zeros = Signal(range(_GROUP), name=f"zeros_{n}")
    for index in range(_GROUP):
        with m.If(part[index]):
            m.d.comb += zeros.eq(_GROUP - 1 - index)
    return zeros
