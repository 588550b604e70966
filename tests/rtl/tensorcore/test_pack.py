"""Encoding of results: rounded, truncated, overflowing, zero, infinite or NaN."""

import random
from fractions import Fraction
from math import floor

import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.pack import Pack

NEAREST = {
    "FP16": {"out_format": "fp16"},
    "FP16 in 4 clocks": {"out_format": "fp16", "pipeline": 4, "nan": 0xFE00},
    "BF16 to FP16": {"a_format": "bf16", "out_format": "fp16"},
    "FP16 of 5 bits": {"out_format": "fp16", "out_fraction_bits": 5},
}
ZERO = {
    "FP32": {"nan": 0x7FC00000},
    "BF16 to FP32": {"a_format": "bf16", "l": 8, "fraction_bits": 24},
    "13 bits": {"a_format": "e4m3", "l": 32, "fraction_bits": 13, "out_fraction_bits": 13},
    "13 bits of FP16": {"out_fraction_bits": 13},
}
NAMES = ("negative", "significand", "below", "above", "exponent", "nan", "infinite", "infinite_sign")


def settings(fields):
    return pytest.mark.parametrize("config", [TensorCoreConfig(**values) for values in fields.values()], ids=fields)


def run(through, config, cases):
    """Bit patterns of cases; a case has values for the first of `NAMES`, the others are 0."""
    component = Pack(config=config)
    filled = [dict(zip(NAMES, (*case, *(0 for _ in NAMES[len(case) :])), strict=True)) for case in cases]
    return through(component, filled, value=component.latency).value


def sizes(config):
    """Widths of `below` and `exponent` in bits."""
    component = Pack(config=config)
    return len(component.below), len(component.exponent)


def ref_pattern(config, negative, magnitude, nearest):
    """Reference by value: round to nearest even, or truncate; overflow gives infinity."""
    c = FORMATS[config.out_format]
    kept = config.out_fraction_bits
    spare = c.fraction_bits - kept
    infinite = 2**c.exponent_bits - 1 << c.fraction_bits
    sign = negative << c.width - 1
    if magnitude == 0:
        return 0
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    exponent = max(exponent - (magnitude < Fraction(2) ** exponent), 1 - c.bias)
    units = magnitude / Fraction(2) ** (exponent - kept)
    units = round(units) if nearest else floor(units)  # of Fraction, half to even
    if units == 2 ** (kept + 1):
        units, exponent = units // 2, exponent + 1
    if units == 0:
        return 0
    if units < 2**kept:
        return sign | units << spare
    if exponent > c.bias:
        return sign | infinite
    return sign | exponent + c.bias << c.fraction_bits | units - 2**kept << spare


def check(through, config, cases, nearest):
    """Check cases of (negative, significand, below, above, exponent); return their bit patterns."""
    c = FORMATS[config.out_format]
    kept, (rest, _) = config.out_fraction_bits + 1, sizes(config)
    got = run(through, config, cases)
    for case, pattern in zip(cases, got, strict=True):
        negative, significand, below, above, exponent = case
        # Without a leading 1, the exponent input is ignored and the minimum applies.
        whole = above or significand >> kept - 1
        bits = (above << kept | significand) << rest | below
        magnitude = Fraction(bits, 2 ** (rest + kept - 1)) * Fraction(2) ** ((exponent if whole else 1) - c.bias)
        assert pattern == ref_pattern(config, negative, magnitude, nearest), case
    return got


def numbers(config, generator, exponents):
    """Corner-case fractions with `below` around one half, for these exponents; at exponent 1 also subnormal numbers."""
    fraction, (rest, _) = config.out_fraction_bits, sizes(config)
    half = 1 << rest - 1
    cases = []
    for exponent in exponents:
        fractions = {0, 1, 2**fraction - 1, 2**fraction - 2, generator.getrandbits(fraction)}
        belows = {0, 1, half - 1, half, 2 * half - 1, generator.getrandbits(rest)} | ({half + 1} if half > 1 else set())
        leads = (0, 1) if exponent == 1 else (1,)
        cases += [
            (generator.getrandbits(1), lead << fraction | low, below, 0, exponent)
            for low in sorted(fractions)
            for below in sorted(belows)
            for lead in leads
        ]
        # A power of two above the significand.
        cases += [(sign, 0, 0, 1, exponent) for sign in (0, 1)]
    generator.shuffle(cases)
    return cases


@settings(NEAREST | ZERO)
def test_numbers(through, config):
    """From the smallest number to beyond the largest, including subnormal ones."""
    generator = random.Random(config.fraction_bits)
    c = FORMATS[config.out_format]
    rest, width = sizes(config)
    top = 2**c.exponent_bits - 1
    wide = [top + 1, top + 2, 2**width - 1] if 2**width > top + 2 else [2**width - 1]
    exponents = sorted({1, 2, 3, c.bias, top - 2, top - 1, top, *wide})
    nearest = config.out_format == "fp16"
    cases = numbers(config, generator, [exponent for exponent in exponents if exponent < 2**width])
    got = check(through, config, cases, nearest)
    infinite = top << c.fraction_bits
    assert {0, infinite, infinite | 1 << c.width - 1} <= set(got)
    # All ones: rounding carries from subnormal to normal, and from the largest number to infinity.
    ones = 2**config.out_fraction_bits - 1
    carried = {}
    for (_, significand, below, above, exponent), pattern in zip(cases, got, strict=True):
        if significand & ones == ones and below == 2**rest - 1 and not above:
            carried[exponent, significand > ones] = pattern % 2 ** (c.width - 1)
    last = 1 << c.fraction_bits - config.out_fraction_bits
    assert carried[1, False] == (1 << c.fraction_bits) - (0 if nearest else last)
    assert carried[top - 1, True] == infinite - (0 if nearest else last)


@settings(NEAREST | ZERO)
def test_zero(through, config):
    """Zero, and a number that rounds to zero, is +0 for any exponent."""
    generator = random.Random(1)
    rest, width = sizes(config)
    half = 1 << rest - 1
    # With rounding, one half is a tie, and zero is even.
    belows = {0, 1, half - 1, half} if config.out_format == "fp16" else {0, 1, half, 2 * half - 1}
    exponents = [*range(min(2**width, 40)), 2**width - 1]
    cases = [(sign, 0, below, 0, e) for e in exponents for below in belows for sign in (0, 1) if below < 2 * half]
    generator.shuffle(cases)
    got = run(through, config, cases)
    assert got == [0] * len(cases)


@settings(NEAREST | ZERO)
def test_no_number(through, config):
    """NaN takes precedence over infinity, infinity over finite numbers; infinity has its own sign."""
    generator = random.Random(2)
    c = FORMATS[config.out_format]
    rest, width = sizes(config)
    infinite = 2**c.exponent_bits - 1 << c.fraction_bits
    cases, want = [], []
    for _ in range(200):
        number = [generator.getrandbits(bits) for bits in (1, config.out_fraction_bits + 1, rest, 1, width)]
        if generator.random() < 0.3:
            number = [number[0], 0, 0, 0, number[-1]]
        nan = generator.getrandbits(1)
        sign = generator.getrandbits(1)
        cases.append((*number, nan, 1 if not nan else generator.getrandbits(1), sign))
        want.append(config.nan if nan else infinite | sign << c.width - 1)
    got = run(through, config, cases)
    assert got == want
    assert len(set(want)) == 3


def test_ties_by_hand(through):
    """FP16: one half goes to the even neighbour, a bit more rounds up; 65504 is the largest number, 65520 infinite."""
    config = TensorCoreConfig(out_format="fp16")
    rest, _ = sizes(config)
    half = 1 << rest - 1
    cases = [
        (0, 0x400, half, 0, 15),
        (0, 0x401, half, 0, 15),
        (0, 0x400, half + 1, 0, 15),
        (1, 0x7FF, half - 1, 0, 30),
        (0, 0x7FF, half, 0, 30),
        (1, 0x3FF, half, 0, 1),
        (1, 0x000, half, 0, 1),
        (0, 0x000, half + 1, 0, 1),
        (1, 0x000, 0, 1, 29),
        (1, 0x000, 0, 1, 30),
    ]
    got = run(through, config, cases)
    assert got == [0x3C00, 0x3C02, 0x3C01, 0xFBFF, 0x7C00, 0x8400, 0x0000, 0x0001, 0xF800, 0xFC00]


def test_cut_off_by_hand(through):
    """FP32: nothing is rounded up; with 13 fraction bits, ten zeros follow."""
    config = TensorCoreConfig()
    rest, _ = sizes(config)
    ones = 2**rest - 1
    cases = [(0, 0xFFFFFF, ones, 0, 254), (1, 0xFFFFFF, 0, 0, 255), (0, 0x7FFFFF, ones, 0, 1), (1, 0, 0, 1, 126)]
    got = run(through, config, cases)
    assert got == [0x7F7FFFFF, 0xFF800000, 0x007FFFFF, 0xBF800000]
    config = TensorCoreConfig(a_format="e5m2", l=32, fraction_bits=13, out_fraction_bits=13)
    ones = 2 ** sizes(config)[0] - 1
    got = run(through, config, [(0, 0x3FFF, ones, 0, 127), (1, 0x2001, ones, 0, 128)])
    assert got == [0x3FFFFC00, 0xC0000400]
