"""Largest exponent, for every number of products and at every index."""

import random
from itertools import product

import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.maximum import ExponentMaximum
from tercet.rtl.tensorcore.plan import Plan

CONFIGS = {
    "2": {"l": 2},
    "2 in 4 clocks": {"l": 2, "pipeline": 4},
    "4": {},
    "4 in 8 clocks": {"pipeline": 8},
    "4 to FP16": {"out_format": "fp16"},
    "8 of BF16": {"l": 8, "a_format": "bf16", "b_format": "bf16", "pipeline": 15},
    "8 of TF32 to FP16": {"l": 8, "a_format": "tf32", "b_format": "tf32", "out_format": "fp16"},
    "16 of E4M3": {"l": 16, "a_format": "e4m3", "b_format": "e4m3"},
    "32 of E4M3 and E5M2": {"l": 32, "a_format": "e4m3", "b_format": "e5m2", "fraction_bits": 13},
}


def settings():
    return pytest.mark.parametrize("config", [TensorCoreConfig(**fields) for fields in CONFIGS.values()], ids=CONFIGS)


def scale(config):
    """On the common scale: exponent of 1, and (smallest, largest) exponents of products and of the addend."""
    a, b, c = (FORMATS[name] for name in (config.a_format, config.b_format, config.out_format))
    one = Plan(config).origin
    products = (one + 2 - a.bias - b.bias, one + 2**a.exponent_bits + 2**b.exponent_bits - 2 - a.bias - b.bias)
    return one, products, (one + 1 - c.bias, one + 2**c.exponent_bits - 1 - c.bias)


def check(through, config, terms):
    """Check terms: (exponents of products on the common scale, their non-zero flags, addend's exponent, its flag)."""
    a, b = FORMATS[config.a_format], FORMATS[config.b_format]
    base = scale(config)[0] - a.bias - b.bias
    width = 1 + max(a.exponent_bits, b.exponent_bits)
    cases = [
        {
            "exponents": sum(exponent - base << width * n for n, exponent in enumerate(exponents)),
            "nonzero": sum(1 << n for n, counts in enumerate(nonzero) if counts),
            "addend": addend,
            "addend_nonzero": addend_nonzero,
        }
        for exponents, nonzero, addend, addend_nonzero in terms
    ]
    component = ExponentMaximum(config=config)
    got = through(component, cases, maximum=component.latency).maximum
    for (exponents, nonzero, addend, addend_nonzero), largest in zip(terms, got, strict=True):
        count = [exponent for exponent, counts in zip(exponents, nonzero, strict=True) if counts]
        count += [addend] if addend_nonzero else []
        # If no term counts, the result is meaningless, but its neighbours must be right.
        assert not count or largest == max(count)


@settings()
def test_latency(config):
    """One clock per register from the comparison to the step before the distance."""
    plan = Plan(config)
    steps = ["compare", "select", *(f"maximum_{level}" for level in range(2, 6))]
    assert ExponentMaximum(config=config).latency == sum(step in plan.registers for step in steps)


@settings()
def test_every_place(through, config):
    """The largest at every index; the others are zero terms with a larger exponent, one smaller, or equal."""
    _, (lowest, highest), (addend_lowest, addend_highest) = scale(config)
    low, high = max(lowest, addend_lowest), min(highest, addend_highest)
    terms = []
    for top in (low, low + 1, (low + high) // 2, high):
        for index in range(config.l + 1):
            for zeros in (False, True):
                others = high if zeros else max(low, top - 1)
                exponents, nonzero = [others] * (config.l + 1), [not zeros] * (config.l + 1)
                exponents[index], nonzero[index] = top, True
                terms.append((exponents[:-1], nonzero[:-1], exponents[-1], nonzero[-1]))
            # All terms zero, between two other cases.
            terms.append(([high] * config.l, [False] * config.l, high, False))
        terms.append(([top] * config.l, [True] * config.l, top, True))
    # The addend beyond all products.
    for addend in (addend_lowest, addend_highest):
        for others in (lowest, highest):
            for zeros in (0, 1, config.l):
                nonzero = [n >= zeros for n in range(config.l)]
                terms.append(([others] * config.l, nonzero, addend, True))
    check(through, config, terms)


@settings()
def test_random(through, config):
    generator = random.Random(config.l)
    _, (lowest, highest), (addend_lowest, addend_highest) = scale(config)
    low, high = max(lowest, addend_lowest), min(highest, addend_highest)
    terms, winners = [], set()
    for _ in range(300):
        spread, share = generator.choice((1, 3, high - low)), generator.choice((0.1, 0.5, 0.9, 1.0))
        centre = generator.randrange(low, high + 1)
        bounds = max(low, centre - spread), min(high, centre + spread)
        near = [generator.randint(*bounds) for _ in range(config.l + 1)]
        anywhere = [generator.randint(lowest, highest) for _ in range(config.l)]
        anywhere.append(generator.randint(addend_lowest, addend_highest))
        exponents = [generator.choice(pair) if spread > 1 else pair[0] for pair in zip(near, anywhere, strict=True)]
        nonzero = [generator.random() < share for _ in exponents]
        terms.append((exponents[:-1], nonzero[:-1], exponents[-1], nonzero[-1]))
        count = [exponent for exponent, counts in zip(exponents, nonzero, strict=True) if counts]
        winners |= {n for n, exponent in enumerate(exponents) if nonzero[n] and exponent == max(count)}
    assert winners == set(range(config.l + 1))
    check(through, config, terms)


def test_two_of_few_values_exhaustively(through):
    """Two products and the addend, each with four exponents, zero or not."""
    config = TensorCoreConfig(l=2)
    _, (low, _), _ = scale(config)
    keys = [(low + exponent, counts) for exponent in range(1, 5) for counts in (False, True)]
    triples = product(keys, repeat=3)
    terms = [([a, b], [a_counts, b_counts], c, c_counts) for (a, a_counts), (b, b_counts), (c, c_counts) in triples]
    check(through, config, terms)
