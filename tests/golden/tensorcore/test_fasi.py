"""Fasi et al.'s experiments on silicon (PeerJ CS 7:e330, 2021), repeated on the golden model; `pytest -s` prints them.

Hopper is newer than the paper but undergoes the same experiments.
"""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot


def sums(values, c, config):
    """sum(values) + c, with each value multiplied by 1; values below FP16's range are products."""
    values = np.asarray(values, np.float64)
    a, b = (np.zeros(config.l, np.float16) for _ in range(2))
    low = np.where(np.abs(values) < 2.0**-14, 2.0**-12, 1.0)
    a[: len(values)], b[: len(values)] = values / low, low
    assert (a[: len(values)].astype(float) * b[: len(values)].astype(float) == values).all()
    return float(dot(a, b, np.float32(c), config))


SILICON_FP16 = ["volta", "turing", "ampere", "hopper"]
ULP = 2.0**-23


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_subnormals_count(preset):
    config = getattr(TensorCoreConfig, preset)()
    tiny = 2.0**-24
    assert sums([tiny], 0, config) == tiny
    assert float(
        dot(np.full(config.l, tiny, np.float16), np.full(config.l, tiny, np.float16), np.float32(0), config)
    ) == (config.l * 2.0**-48)
    c = np.float32(2.0**-149)
    assert float(dot(np.zeros(config.l, np.float16), np.zeros(config.l, np.float16), c, config)) == 2.0**-149
    print(f"\n{preset}: subnormal operands, addends and results are kept")


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_products_are_exact(preset):
    config = getattr(TensorCoreConfig, preset)()
    x = np.zeros(config.l, np.float16)
    x[0] = 1 + 2.0**-10
    assert float(dot(x, x, np.float32(0), config)) == 1 + 2.0**-9 + 2.0**-20
    print(f"\n{preset}: a product has all of its 22 bits")


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_order_does_not_matter(preset):
    """1 in any position and 2**-24 in the four others, which only cores with extra bits keep, not Volta."""
    config = getattr(TensorCoreConfig, preset)()
    terms = [1.0, *[2.0**-24] * 4]
    seen = {sums(p[:4], p[4], config) for p in set(itertools.permutations(terms))}
    print(f"\n{preset}: 1 + 4 * 2**-24 in any order is {[f'1 + {(s - 1) / ULP:g} ulp' for s in sorted(seen)]}")
    assert seen == {1.0 if preset == "volta" else 1 + 2 * ULP}


@pytest.mark.parametrize(
    ("preset", "expected"), [("volta", 23), ("turing", 24), ("ampere", 24), ("hopper", 25)], ids=SILICON_FP16
)
def test_extra_bits(preset, expected):
    """Smallest term that has an effect next to 1; it is subtracted, so normalisation loses none of its bits."""
    config = getattr(TensorCoreConfig, preset)()
    seen = [bits for bits in range(20, 30) if sums([1.0, -(2.0**-bits)], 0, config) < 1]
    print(f"\n{preset}: extra bits below those of FP32: {max(seen) - 23}")
    assert max(seen) == expected


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_results_are_cut_off(preset):
    """Toward zero, neither down nor to nearest."""
    config = getattr(TensorCoreConfig, preset)()
    for sign in (1, -1):
        # 2 plus 3/4 of its ULP.
        terms = [sign * 1.0, sign * ULP, sign * ULP / 2 * (preset != "volta")]
        assert sums(terms, sign * 1.0, config) == sign * 2.0
        half = dataclasses.replace(config, out_format="fp16", out_fraction_bits=10, nan=0x7FFF)
        a = np.zeros(config.l, np.float16)
        a[:3] = sign, sign, sign * 1.5 * 2.0**-10
        d = dot(a, np.ones(config.l, np.float16), np.float16(0), half)
        assert float(d) == sign * (2 + 2.0**-9)
    print(f"\n{preset}: FP32 results are cut off, FP16 results rounded to the nearest")


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_terms_are_cut_off_in_magnitude(preset):
    """A negative term below the LSB vanishes; truncation in two's complement would turn it into -1 LSB."""
    config = getattr(TensorCoreConfig, preset)()
    below = 2.0 ** -(config.fraction_bits + 1)
    assert sums([1.0, -below], 0, config) == 1.0
    assert sums([-1.0, below], 0, config) == -1.0
    print(f"\n{preset}: 1 - 2**-{config.fraction_bits + 1} is 1")


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_carry_bits(preset):
    """With all terms just below 4 and c just below 2, the upper bits are exact and nothing wraps."""
    config = getattr(TensorCoreConfig, preset)()
    x = np.full(config.l, 2 - 2.0**-10, np.float16)
    c = np.float32(2 - ULP)
    total = config.l * Fraction(float(x[0])) ** 2 + Fraction(float(c))
    unit = Fraction(2) ** (total.numerator.bit_length() - total.denominator.bit_length() - 23)
    unit = unit if unit * 2**24 > total else unit * 2
    d = float(dot(x, x, c, config))
    print(f"\n{preset}: {config.l} products near 4 and c sum to {d:.6f}: {int(total).bit_length() - 2} carry bits")
    assert d == float(total // unit * unit)
    assert int(total).bit_length() == 4 + (config.l // 4).bit_length()


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_sums_are_not_normalised_on_the_way(preset):
    """Only the final sum is normalised, to the right or to the left."""
    config = getattr(TensorCoreConfig, preset)()
    # To the right: 1 + 3 ulp plus 1 is 2 + 3 ulp; another ulp gives 2 + 4 ulp, which FP32 can represent.
    assert sums([1 + 2.0**-10, 3 * ULP, ULP], 1.0, config) == 2 + 2.0**-10 + 4 * ULP
    # To the left: 1 - 1 leaves nothing, but a term below the last bit was already gone.
    below = 2.0 ** -(config.fraction_bits + 1)
    assert sums([-1.0, below], 1.0, config) == 0
    print(f"\n{preset}: partial sums keep their place")


@pytest.mark.parametrize("preset", SILICON_FP16)
def test_sums_are_not_monotonic(preset):
    """A larger c gives a smaller sum if it pushes the terms below the LSB."""
    config = getattr(TensorCoreConfig, preset)()
    term = 2.0 ** -(config.fraction_bits + 1)
    count = config.l
    less, more = 1 - 2.0**-24, 1.0
    a = np.full(count, 2.0**-12, np.float16)
    b = np.full(count, term / 2.0**-12, np.float16)
    low, high = (float(dot(a, b, np.float32(c), config)) for c in (less, more))
    print(f"\n{preset}: {count} * 2**-{config.fraction_bits + 1} + (1 - 2**-24) = {low!r}, but + 1 = {high!r}")
    assert high == 1.0
    assert low > high
