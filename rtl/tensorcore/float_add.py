"""IEEE 754 adder for FP32: rounds to nearest, ties to even."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.shift import shift_groups_right, shift_right
from tercet.rtl.emit import shared

from .float32 import Float32
from .float_normalise import FloatNormalise

__all__ = ["FloatAdd"]

_BITS = 24  # of a significand
_GUARD = 2  # bits below it: guard and round
_FINE = 3  # bits of the distance that the fine shift takes


class FloatAdd(wiring.Component):
    """FP32 adder. One sum per clock; never stalls::

        compare     the larger magnitude; both differences of exponents
        coarse      shift the smaller one right by 0, 8, 16 or 24, or to zero
        fine        shift by 0 to 7; invert for a difference; collect all lost bits in the sticky bit
        add
        normalise   three clocks, see `FloatNormalise`
        round

    Bits of the sum and their biased exponents::

        carry   24 bits of the larger one    guard   round    (sticky)
        e + 1   e ...               e - 23   e - 24  e - 25

    A sum carries the exponent of its MSB less 1, and rounding adds the leading bit to it. A sum whose leading bit is 0,
    because its exponent reached the minimum, thus gets exponent 0, as subnormal numbers have.

    Parameters
    ----------
    family : "any", "ecp5" or "ice40"
        FPGA family.

    Members
    -------
    a, b : In(Float32)
        Terms.
    o : Out(Float32)
        Their sum, `latency` clocks later.

    Notes
    -----
    Source: IEEE 754-2019, sections 4.3.1 and 6.1 to 6.3; the sum of a number and its negative is +0.
    """

    def __init__(self, *, family: str = "any"):
        self.family = family
        super().__init__({"a": In(Float32), "b": In(Float32), "o": Out(Float32)})

    @property
    def latency(self) -> int:
        """Clocks from terms to sum."""
        return 8

    def elaborate(self, platform) -> Module:
        m = Module()
        a, b = self.a, self.b
        s1_swap = register(m, "s1_swap", a.magnitude < b.magnitude)
        s1_ab, s1_ba = (register(m, f"s1_{name}", _distance(x, y)) for name, x, y in (("ab", a, b), ("ba", b, a)))
        s1_a, s1_b = (register(m, f"s1_{name}", Cat(x.fraction, x.normal, x.scale)) for name, x in (("a", a), ("b", b)))
        s1_larger, s1_smaller = Mux(s1_swap, s1_b, s1_a), Mux(s1_swap, s1_a, s1_b)[:_BITS]

        s2_sign, s2_subtract, s2_infinite, s2_nan = self._flags(m, s1_swap)
        s3_smaller, s3_sticky = self._align(m, s1_smaller, Mux(s1_swap, s1_ba, s1_ab), s2_subtract)
        s3_larger = register(m, "s3_larger", s1_larger[:_BITS], 2)
        s3_subtract = register(m, "s3_subtract", s2_subtract)
        # Inversion leaves a difference 1 short, unless lost bits absorb it. The carry enters through an extra LSB.
        upper = Cat(Const(1, 1 + _GUARD), s3_larger)
        lower = Cat(s3_subtract & ~s3_sticky, s3_smaller, s3_subtract)
        s4_sum = register(m, "s4_sum", (upper + lower)[1 : len(lower)])
        # Needs no shift: no bits are lost if the sum's leading 1 is more than one bit below the larger term's.
        s7_sticky = register(m, "s7_sticky", s3_sticky, 4)

        m.submodules.normalise = normalise = shared(FloatNormalise, width=len(s4_sum), family=self.family)
        m.d.comb += [
            normalise.value.eq(s4_sum),
            normalise.exponent.eq(register(m, "s4_exponent", s1_larger[_BITS:], 3)),
        ]
        # An infinite sum keeps its sign, whatever cancels.
        s7_cancels = register(m, "s7_cancels", s2_subtract & ~s2_infinite, 5)
        sign = register(m, "s7_sign", s2_sign, 5) & ~(s7_cancels & normalise.zero)

        below, significand = normalise.significand[:-_BITS], normalise.significand[-_BITS:]
        up = below[-1] & (below[:-1].any() | s7_sticky | significand[0])
        fraction, leading = significand[:-1], significand[-1]
        # An overflow makes the exponent all ones, and never more.
        rounded = Cat(fraction, normalise.lowered) + Cat(up, Const(0, len(fraction) - 1), leading)
        m.d.comb += [
            Cat(self.o.fraction, self.o.exponent).eq(register(m, "s8_rounded", rounded[:-1])),
            # Rounding cannot make a subnormal sum normal: it is exact, as all terms are multiples of its LSB.
            self.o.normal.eq(register(m, "s8_normal", leading)),
            self.o.sign.eq(register(m, "s8_sign", sign)),
            self.o.infinite.eq(register(m, "s8_infinite", s2_infinite, 6)),
            self.o.nan.eq(register(m, "s8_nan", s2_nan, 6)),
        ]
        return m

    def _flags(self, m: Module, s1_swap: Value) -> tuple[Signal, ...]:
        """Flags in stage 2: sign, magnitudes are subtracted, sum is infinite, sum is a NaN."""
        a, b = self.a, self.b
        differ = a.sign ^ b.sign
        s1_a_sign, s1_b_sign = register(m, "s1_a_sign", a.sign), register(m, "s1_b_sign", b.sign)
        s1_a_infinite = register(m, "s1_a_infinite", a.unbounded)
        s1_b_infinite = register(m, "s1_b_infinite", b.unbounded)
        s1_nan = register(m, "s1_nan", a.nan | b.nan | (a.unbounded & b.unbounded & differ))
        # Magnitudes order an infinity only if its exponent is all ones.
        b_leads = ~s1_a_infinite & (s1_b_infinite | s1_swap)
        return (
            register(m, "s2_sign", Mux(b_leads, s1_b_sign, s1_a_sign)),
            register(m, "s2_subtract", s1_a_sign ^ s1_b_sign),
            register(m, "s2_infinite", s1_a_infinite | s1_b_infinite),
            register(m, "s2_nan", s1_nan),
        )

    def _align(self, m: Module, s1_smaller: Value, s1_distance: Value, s2_subtract: Value) -> tuple[Signal, Signal]:
        """The smaller significand, inverted if it is subtracted, and the sticky bit; in stage 3."""
        smaller, by, eights, far = (
            Signal(_BITS, name="smaller"),
            Signal(_FINE, name="by"),
            Signal(2, name="eights"),
            Signal(name="far"),
        )
        m.d.comb += [smaller.eq(s1_smaller), Cat(by, eights, far).eq(s1_distance)]
        coarse = Signal(_BITS + _GUARD, reset_less=True)
        m.d.sync += coarse.eq(shift_groups_right(m, "whole", self.family, Cat(Const(0, _GUARD), smaller), eights))
        with m.If(far):
            m.d.sync += coarse.eq(0)
        s2_by, s2_eights = register(m, "s2_by", by), register(m, "s2_eights", eights)
        # Groups of bits that the coarse shift loses, one more with each step. For a far term the sticky bit does
        # not matter: the term is below a quarter of an ULP, and the larger one is the sum.
        ends = [0, *((n << _FINE) - _GUARD for n in (1, 2, 3))]
        lost = [
            register(m, f"s2_some_{n}", smaller[low:high].any()) & (s2_eights > n)
            for n, (low, high) in enumerate(pairwise(ends))
        ]
        lost += [coarse[n] & (s2_by > n) for n in range(2**_FINE - 1)]
        fine = shift_right(m, "fine", self.family, coarse, s2_by, s2_subtract)
        return register(m, "s3_smaller", fine), register(m, "s3_sticky", Cat(lost).any())


def _distance(larger: Float32, smaller: Float32) -> Value:
    """Difference of the exponents: 5 bits, and a flag for 32 or more."""
    distance = larger.scale - smaller.scale
    return Cat(distance[:5], distance[5:8].any())
