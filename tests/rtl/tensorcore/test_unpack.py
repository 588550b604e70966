"""Unpacking: every pattern of the small formats, corner cases and random patterns of the large ones."""

import random
from fractions import Fraction

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from tercet.golden.numerics.floats import FORMATS
from tercet.rtl.tensorcore.unpack import Unpack, number_layout, take_apart

from ...golden.tensorcore.tensorcore_reference import decode

SMALL = ("fp16", "bf16", "e4m3", "e5m2")


def apart(simulate, format, patterns):
    """Sign, exponent, significand and the flags non-zero, infinite and NaN of each pattern."""
    unpack = Unpack(format=format)
    number, kind = unpack.number, unpack.number.kind
    fields = (number.sign, number.exponent, number.significand, kind.nonzero, kind.infinite, kind.nan)
    widths = [len(Value.cast(field)) for field in fields]
    together = Signal(sum(widths))
    words = []

    class Top(Elaboratable):
        def elaborate(self, platform):
            m = Module()
            m.submodules.unpack = unpack
            m.d.comb += together.eq(Cat(fields))
            return m

    async def bench(ctx):
        for pattern in patterns:
            ctx.set(unpack.pattern, pattern)
            words.append(ctx.get(together))

    simulate(Top(), bench)
    numbers = []
    for bits in words:
        parts = []
        for width in widths:
            parts.append(bits % 2**width)
            bits >>= width
        numbers.append(tuple(parts))
    return numbers


def check(simulate, format, patterns):
    form = FORMATS[format]
    scale = [Fraction(2) ** (exponent - form.bias - form.fraction_bits) for exponent in range(2**form.exponent_bits)]
    kinds = set()
    for pattern, number in zip(patterns, apart(simulate, format, patterns), strict=True):
        sign, exponent, significand, nonzero, infinite, nan = number
        kind, want_sign, want_significand, want_exponent = decode(pattern, format)
        assert (sign, infinite, nan) == (want_sign < 0, kind == "inf", kind == "nan"), hex(pattern)
        if kind == "number":
            assert nonzero == (want_significand > 0), hex(pattern)
            value = Fraction(want_significand, 2**form.fraction_bits) * Fraction(2) ** want_exponent
            assert significand * scale[exponent] == value, hex(pattern)
            # Subnormal numbers have the minimum exponent.
            assert exponent == want_exponent + form.bias, hex(pattern)
        elif kind == "inf":
            assert nonzero, hex(pattern)
        kinds.add(kind)
    assert kinds == {"number", "nan"} | ({"inf"} if form.infinities else set())


@pytest.mark.parametrize("format", SMALL)
def test_exhaustively(simulate, format):
    check(simulate, format, range(2 ** FORMATS[format].width))


@pytest.mark.parametrize("format", ["tf32", "fp32"])
def test_corners(simulate, format):
    """Every exponent with fractions of 0, all ones and every single bit; TF32 with random spare bits."""
    form = FORMATS[format]
    generator = random.Random(form.fraction_bits)
    fractions = [0, 2**form.fraction_bits - 1, *(1 << bit for bit in range(form.fraction_bits))]
    spare = 31 - form.exponent_bits - form.fraction_bits
    patterns = [
        (sign << form.exponent_bits | exponent) << form.fraction_bits | fraction
        for exponent in range(2**form.exponent_bits)
        for fraction in fractions
        for sign in (generator.getrandbits(1),)
    ]
    patterns = [pattern << spare | below for pattern in patterns for below in {0, generator.getrandbits(spare)}]
    check(simulate, format, patterns + [generator.getrandbits(32) for _ in range(3000)])


def test_values_by_hand(simulate):
    """E4M3, where all ones is the only NaN, and TF32, whose 13 spare bits are ignored."""
    e4m3 = apart(simulate, "e4m3", [0x7E, 0x7F, 0xFF, 0x78, 0x01, 0x08, 0x80])
    assert [number[:4] for number in e4m3[:1] + e4m3[3:]] == [
        (0, 15, 14, 1),  # 448
        (0, 15, 8, 1),
        (0, 1, 1, 1),
        (0, 1, 8, 1),
        (1, 1, 0, 0),
    ]
    assert [number[-1] for number in e4m3] == [0, 1, 1, 0, 0, 0, 0]
    tf32 = apart(simulate, "tf32", [0x1FFF, 0x2000, 0x3F801FFF, 0x7F801FFF, 0x7F802000, 0xFF800000])
    assert tf32[:3] == [(0, 1, 0, 0, 0, 0), (0, 1, 1, 1, 0, 0), (0, 127, 1024, 1, 0, 0)]
    assert [number[-2:] for number in tf32[3:]] == [(1, 0), (0, 1), (1, 0)]


class Apart(wiring.Component):
    """Wrapper of `take_apart` for four patterns."""

    def __init__(self, format, width):
        self.format = format
        numbers = ArrayLayout(number_layout(format), 4)
        super().__init__({"patterns": In(ArrayLayout(width, 4)), "numbers": Out(numbers)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += Value.cast(self.numbers).eq(take_apart(m, "a", self.format, self.patterns))
        return m


def test_take_apart(through):
    """An array keeps its order."""
    generator = random.Random(1)
    arrays = [[generator.getrandbits(16) for _ in range(4)] for _ in range(50)]
    cases = [{"patterns": sum(pattern << 16 * n for n, pattern in enumerate(array))} for array in arrays]
    layout = number_layout("fp16")
    for array, bits in zip(arrays, through(Apart("fp16", 16), cases, numbers=0).numbers, strict=True):
        for n, pattern in enumerate(array):
            number = layout.from_bits(bits >> n * layout.size & (2**layout.size - 1))
            exponent = pattern >> 10 & 31
            assert number.sign == pattern >> 15
            assert number.exponent == max(exponent, 1)
            assert number.significand == pattern & 0x3FF | (exponent > 0) << 10


def test_integers_stay(through):
    """An int8 passes unchanged."""
    cases = [{"patterns": random.Random(n).getrandbits(32)} for n in range(20)]
    assert through(Apart("int8", 8), cases, numbers=0).numbers == [case["patterns"] for case in cases]
    assert number_layout("int8") == signed(8)
