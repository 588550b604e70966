"""Sums of aligned terms are exact for all signs."""

import random
from itertools import product

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.adder_tree import AdderTree
from tercet.rtl.tensorcore.plan import Plan

# (products, fraction bits, pipeline): every placement of registers between adders, including none.
FEW = [(2, 23, 4), (2, 25, 12), (4, 23, 13), (4, 13, 6), (4, 24, 8), (4, 23, 4)]
MANY = [(8, 24, 15), (8, 24, 7), (16, 25, 13), (16, 13, 10), (32, 13, 13), (32, 25, 17), (32, 13, 4)]


def check(through, setting, terms):
    """Check terms, each (magnitudes of products, signs of products, magnitude of the addend); return their sums."""
    count, fraction_bits, pipeline = setting
    config = TensorCoreConfig(l=count, fraction_bits=fraction_bits, pipeline=pipeline)
    width = fraction_bits + 2
    ones = 2**width - 1
    cases = [
        {
            "terms": sum((ones - value if minus else value) << width * n for n, (value, minus) in enumerate(pairs)),
            "negate": sum(minus << n for n, (_, minus) in enumerate(pairs)),
            "addend": addend,
        }
        for pairs, addend in ((list(zip(values, signs, strict=True)), addend) for values, signs, addend in terms)
    ]
    component = AdderTree(config=config)
    got = through(component, cases, total=component.latency).total
    want = [addend + sum(-v if s else v for v, s in zip(values, signs, strict=True)) for values, signs, addend in terms]
    whole = 2 ** (fraction_bits + (4 * count + 1).bit_length() + 1)
    assert [total - whole if 2 * total >= whole else total for total in got] == want
    return want


@pytest.mark.parametrize("setting", FEW + MANY)
def test_latency(setting):
    """One clock for each step of the tree with a register."""
    count, fraction_bits, pipeline = setting
    config = TensorCoreConfig(l=count, fraction_bits=fraction_bits, pipeline=pipeline)
    steps = ["add_c", *(f"add_{level}" for level in range(1, count.bit_length()))]
    assert AdderTree(config=config).latency == sum(step in Plan(config).registers for step in steps)


@pytest.mark.parametrize("setting", FEW)
def test_every_sign(through, setting):
    """All combinations of signs, with terms of 0, 1, the maximum, and random ones."""
    count, fraction_bits, _ = setting
    generator = random.Random(count)
    most = 2 ** (fraction_bits + 2) - 1
    terms = []
    for signs in product((0, 1), repeat=count):
        terms.append(([most] * count, signs, 0))
        for low, high in ((0, 0), (1, 1), (most, most), (0, most), (0, most), (0, most)):
            terms.append(([generator.randint(low, high) for _ in range(count)], signs, generator.randint(low, high)))
        # One term alone, and all but one.
        for n in range(count):
            terms.append(([most if k == n else 0 for k in range(count)], signs, 0))
            terms.append(([0 if k == n else most for k in range(count)], signs, most // 2))
    generator.shuffle(terms)
    sums = check(through, setting, terms)
    assert {0, count * most + most, -count * most, -1, 1} <= set(sums)


@pytest.mark.parametrize("setting", MANY)
def test_many_terms(through, setting):
    """Extremes, one differing sign, and random sums near zero and far from it."""
    count, fraction_bits, _ = setting
    generator = random.Random(count)
    most = 2 ** (fraction_bits + 2) - 1
    plus, minus = [0] * count, [1] * count
    terms = [([most] * count, plus, most), ([most] * count, minus, 0), (plus, minus, 0), (plus, plus, 0)]
    for n in range(count):
        one = [int(k == n) for k in range(count)]
        others = [1 - sign for sign in one]
        terms += [([most] * count, one, 0), ([most] * count, others, most), ([0] * count, one, 1), (one, minus, 0)]
    for _ in range(200):
        values = [generator.randint(0, most) >> generator.randrange(fraction_bits + 2) for _ in range(count)]
        terms.append((values, [generator.getrandbits(1) for _ in range(count)], generator.randint(0, most)))
        # Pairs that cancel to 0 or 1.
        half = [generator.randint(0, most) for _ in range(count // 2)]
        sign = [generator.getrandbits(1) for _ in half]
        order = generator.sample(range(count), count)
        values, signs = half + half, sign + [1 - s for s in sign]
        terms.append(([values[n] for n in order], [signs[n] for n in order], generator.getrandbits(1)))
    sums = check(through, setting, terms)
    assert {0, 1, -1, count * most + most, -count * most} <= set(sums)


def test_registers_differ():
    """The settings include trees without a register and with one after each step."""
    settings = [(count, TensorCoreConfig(l=count, pipeline=pipeline)) for count, _, pipeline in FEW + MANY]
    clocks = [(count, AdderTree(config=config).latency) for count, config in settings]
    assert {latency for _, latency in clocks} >= {0, 1, 2, 3}
    assert any(latency == count.bit_length() for count, latency in clocks)
