"""Sums of every magnitude: value preserved, leading 1 at the top, subnormal ones below it."""

import random
from fractions import Fraction

import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.normalise import Normalise
from tercet.rtl.tensorcore.plan import Plan

CONFIGS = {
    "FP16 to FP32": {},
    "FP16 to FP32 in 4 clocks": {"pipeline": 4},
    "FP16 to FP16": {"out_format": "fp16", "pipeline": 8},
    "16 of FP16 to FP16": {"out_format": "fp16", "l": 16, "fraction_bits": 25},
    "FP16 to FP16, no floor": {"out_format": "fp16", "min_exponent": None},
    "BF16 to FP32": {"a_format": "bf16", "b_format": "bf16", "l": 8, "fraction_bits": 24},
    "BF16 to FP32 above -133": {"a_format": "bf16", "l": 8, "fraction_bits": 25, "min_exponent": -133},
    "FP16 to FP32 above -107": {"min_exponent": -107},
    "BF16 to FP16": {"a_format": "bf16", "b_format": "bf16", "out_format": "fp16", "pipeline": 7},
    "TF32 to FP32": {"a_format": "tf32", "b_format": "tf32", "l": 8, "fraction_bits": 25, "pipeline": 10},
    "BF16 to FP32, short": {"a_format": "bf16", "b_format": "bf16", "fraction_bits": 13},
    "FP8 to 13 bits": {
        "a_format": "e4m3",
        "b_format": "e5m2",
        "l": 32,
        "fraction_bits": 13,
        "out_fraction_bits": 13,
    },
    "FP8 to FP16": {"a_format": "e5m2", "b_format": "e5m2", "out_format": "fp16", "fraction_bits": 13},
    # Products reach into the subnormal numbers, but not far.
    "E4M3 to FP16": {"a_format": "e4m3", "out_format": "fp16", "fraction_bits": 13},
    # These sums are shorter than the result.
    "E4M3 to FP32": {"a_format": "e4m3", "b_format": "e4m3", "l": 2, "fraction_bits": 13},
    "FP16 to FP32, short": {"l": 4, "fraction_bits": 13, "pipeline": 9},
}


def magnitudes(width, generator):
    """0, 1, every power of two, a neighbour of each, a random value of each length, and the maximum."""
    values = {0, 1, 2**width - 1}
    for bit in range(width):
        power = 1 << bit
        values |= {power, power + generator.choice((-1, 1)), generator.randrange(power, 2 * power)}
    return sorted(values)


def cases_of(config, generator):
    """Cases: total, and exponent of its terms."""
    plan = Plan(config)
    c = FORMATS[config.out_format]
    # With this exponent, 1.0 among the terms is the smallest normal number of the output.
    smallest = plan.origin + 1 - c.bias
    floor = plan.floor or 0
    lowest = max(plan.product_exponents[0], floor)
    highest = max(plan.product_exponents[-1], smallest + 2**c.exponent_bits - 2)
    width = config.fraction_bits + (4 * config.l + 1).bit_length()
    cases = []
    for magnitude in magnitudes(width, generator):
        power = magnitude & (magnitude - 1) == 0
        # Limits of the exponent; and exponents that put the leading 1 near the smallest normal number, near the LSB of
        # subnormal numbers, or near half of that.
        normal = smallest - (magnitude.bit_length() - 1 - config.fraction_bits)
        last = normal - config.out_fraction_bits
        ends = [lowest, lowest + 1, highest, generator.randint(lowest, highest)]
        near = [normal - 1, normal, normal + 1, last - 2, last - 1, last, generator.randint(last, normal)]
        near = [most for most in near if lowest <= most <= highest]
        for most in {generator.choice(ends), *generator.sample(near, min(len(near), 3 if power else 1))}:
            cases += [(sign * magnitude, most) for sign in ((1, -1) if power else generator.choice(((1,), (-1,))))]
    # An addend alone; at the smallest exponent also subnormal ones. Its sign is factored out.
    spare = max(0, config.fraction_bits - c.fraction_bits)
    bits = range(config.fraction_bits + 1 - spare)
    first = max(smallest, floor)
    for most in range(first, lowest):
        cases.append((generator.randrange(1 << bits[-1], 2 << bits[-1]) << spare, most))
        if most == first:
            small = [generator.choice((1 << bit, generator.randrange(1, 2 << bit))) for bit in bits]
            cases += [(magnitude << spare, most) for magnitude in small]
    generator.shuffle(cases)
    return cases


def run(through, config, cases):
    component = Normalise(config=config)
    width = config.fraction_bits + (4 * config.l + 1).bit_length() + 1
    names = ("negative", "significand", "below", "above", "exponent")
    out = through(
        component,
        [{"total": total % 2**width, "maximum": most} for total, most in cases],
        {"total": component.lead},
        **dict.fromkeys(names, component.lead + component.latency),
    )
    return list(zip(*(getattr(out, name) for name in names), strict=True)), len(component.below)


@pytest.mark.parametrize("fields", CONFIGS.values(), ids=CONFIGS)
def test_value(through, fields):
    config = TensorCoreConfig(**fields)
    c, one = FORMATS[config.out_format], Plan(config).origin
    cases = cases_of(config, random.Random(config.l))
    out, rest = run(through, config, cases)
    kept = config.out_fraction_bits + 1
    least = Fraction(2) ** (1 - c.bias)
    seen = set()
    for (total, most), (negative, significand, below, above, exponent) in zip(cases, out, strict=True):
        details = (total, most)
        value = abs(total) * Fraction(2) ** (most - one - config.fraction_bits)
        assert negative == (total < 0), details
        # Without a leading 1, the exponent is the minimum.
        whole = above or significand >> kept - 1
        unit = (Fraction(2) ** (exponent - c.bias) if whole else least) / 2 ** (kept - 1)
        assert whole if value >= least else not whole, details
        if 0 < value < unit / 2:
            # Such a small sum loses bits, but must not round up: its half-ULP bit is 0.
            assert (significand, below >> rest - 1) == (0, 0), details
            seen.add("nothing")
            continue
        assert Fraction((above << kept | significand) << rest | below, 2**rest) * unit == value, details
        if whole:
            assert exponent >= 1, details
            # Only a power of two can be in `above`, with zeros below it.
            assert not above or not significand and not below, details
        seen.add("above" if above else "normal" if whole else "subnormal" if total else "zero")
    # Bits are lost only where sums can be this small.
    smallest = Plan(config).product_exponents[0] - one
    if config.min_exponent is not None and config.reaches_floor:
        smallest = max(smallest, config.min_exponent)
    little = smallest - config.fraction_bits < 1 - c.bias - kept
    assert seen == {"normal", "above", "subnormal", "zero"} | ({"nothing"} if little else set())


@pytest.mark.parametrize("fields", CONFIGS.values(), ids=CONFIGS)
def test_clocks(fields):
    registers = Plan(TensorCoreConfig(**fields)).registers
    component = Normalise(config=TensorCoreConfig(**fields))
    assert component.lead == ("add_c" in registers)
    assert component.latency == sum(step in registers for step in ("negate", "leading", "normalise"))
