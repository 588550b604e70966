"""The tensor core's golden model against an independent slow one."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS, convert, to_float, unpack
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot

from .tensorcore_cases import SILICON, bits, check, make, near_cases, random_patterns


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_near_cases_agree_with_the_reference(setting):
    rng = np.random.default_rng(1)
    config = make(*setting)
    count = 12_000 // config.k_step
    got = check(*near_cases(rng, config, count, config.k_step), config)
    # The test is worthless if most results overflow or vanish.
    values = to_float(got, config.out_format)
    assert np.mean(np.isfinite(values) & (values != 0)) > 0.6


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_any_patterns_agree_with_the_reference(setting):
    """Random exponents, including infinities and NaNs."""
    rng = np.random.default_rng(2)
    config = make(*setting)
    count = 8_000 // config.k_step
    for special in (0, 0.3 / config.k_step):
        a = random_patterns(rng, (count, config.k_step), config.a_format, special=special)
        b = random_patterns(rng, (count, config.k_step), config.b_format, special=special)
        check(a, b, random_patterns(rng, (count,), config.out_format, special=special / 2), config)


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_chains_agree_with_the_reference(setting):
    rng = np.random.default_rng(3)
    config = make(*setting)
    check(*near_cases(rng, config, 6_000 // (4 * config.k_step), 4 * config.k_step), config)


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_cancellation(setting):
    """Pairs of terms that cancel, completely or almost."""
    rng = np.random.default_rng(4)
    config = make(*setting)
    count = 4_000 // config.k_step
    a, b, c = near_cases(rng, config, count, config.k_step)
    half = config.k_step // 2
    sign = FORMATS[config.b_format].dtype.type(1 << (FORMATS[config.b_format].width - 1))
    a[:, half:], b[:, half:] = a[:, :half], b[:, :half] ^ sign
    # Sometimes flip an LSB, and often remove the addend.
    a[:, 0] ^= (rng.random(count) < 0.5).astype(a.dtype) << a.dtype.type(FORMATS[config.a_format].spare_bits)
    c[rng.random(count) < 0.7] = 0
    got = check(a, b, c, config)
    assert (got == 0).any()


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_results_at_the_lower_end(setting):
    rng = np.random.default_rng(16)
    config = make(*setting)
    count, k = 4_000 // config.k_step, config.k_step
    a_form, b_form, out = (FORMATS[f] for f in (config.a_format, config.b_format, config.out_format))
    low = max(out.min_exponent, a_form.min_exponent + b_form.min_exponent) + rng.integers(-8, 8, (count, 1))
    a = random_patterns(rng, (count, k), config.a_format, low // 2 + rng.integers(-4, 4, (count, k)))
    b = random_patterns(rng, (count, k), config.b_format, low - low // 2)
    got = check(a, b, random_patterns(rng, (count,), config.out_format, low[:, 0]), config)
    magnitude = np.abs(to_float(got, config.out_format))
    if a_form.min_exponent + b_form.min_exponent < out.min_exponent:
        assert np.mean((magnitude > 0) & (magnitude < 2.0**out.min_exponent)) > 0.03


OVERFLOWING = [s for s in SILICON if s[3] == "fp16" or s[1] in ("bf16", "tf32")]


@pytest.mark.parametrize("setting", OVERFLOWING, ids="-".join)
def test_overflow_at_the_output(setting):
    """Sums near the largest number that round, carry, or cancel back."""
    rng = np.random.default_rng(5)
    config = make(*setting)
    out = FORMATS[config.out_format]
    shape = count, _ = 3_000 // config.k_step, config.k_step
    exponent = out.bias - rng.integers(0, 4, (count, 1))
    a = random_patterns(rng, shape, config.a_format, exponent // 2)
    b = random_patterns(rng, shape, config.b_format, exponent - exponent // 2)
    c = random_patterns(rng, (count,), config.out_format, out.bias - rng.integers(0, 3, count))
    got = check(a, b, c, config)
    infinite = np.isinf(to_float(got, config.out_format))
    assert 0.02 < infinite.mean() < 0.98


@pytest.mark.parametrize("fraction_bits", [1, 7, 20, 21, 22, 23, 24, 30, 48])
def test_other_numbers_of_fraction_bits(fraction_bits):
    rng = np.random.default_rng(6)
    for l, out_format, kept in ((1, "fp32", 23), (3, "fp32", 9), (5, "fp16", 10), (32, "fp16", 4)):  # noqa: E741
        fields = {"l": l, "fraction_bits": fraction_bits, "out_fraction_bits": kept}
        config = make("volta", out_format=out_format, **fields)
        check(*near_cases(rng, config, 1200 // l, 2 * l), config)


def test_every_pair_of_e4m3():
    """A lone product is exact, except for zeros and NaNs; next to c = 1 it is truncated."""
    config = make("hopper", "e4m3")
    pairs = np.array(list(itertools.product(range(256), repeat=2)), np.uint8)
    a, b = (np.zeros((len(pairs), 32), np.uint8) for _ in range(2))
    a[:, 5], b[:, 5] = pairs.T
    got = dot(a, b, np.zeros(len(pairs), np.float32), config)
    x, y = (pairs.T[n].view(ml_dtypes.float8_e4m3fn).astype(np.float32) for n in range(2))
    product = x * y
    nan = np.isnan(product)
    assert (bits(got)[nan] == 0x7FFFFFFF).all()
    np.testing.assert_array_equal(bits(got)[~nan], bits(product + np.float32(0))[~nan])
    beside = TensorCoreConfig(l=1, a_format="e4m3", fraction_bits=13, out_fraction_bits=13)
    ones = np.full(len(pairs), 0x3F800000, np.uint32)
    check(pairs[::3, :1], pairs[::3, 1:], ones[::3], beside)


@pytest.mark.parametrize("format", ["fp16", "bf16", "e4m3", "e5m2"])
def test_every_pattern_times_one(format):
    """All numbers of a format come through unchanged, as a, as b and, in FP16, as c."""
    config = TensorCoreConfig(l=1, a_format=format)
    patterns = np.arange(2 ** FORMATS[format].width).astype(FORMATS[format].dtype)[:, None]
    one = np.full_like(patterns, int(convert(np.array(0x3F800000, np.uint32), "fp32", format)))
    expected = convert(patterns[:, 0], format, "fp32")
    expected[expected == 0x80000000] = 0
    zero = np.zeros(len(patterns), np.float32)
    for a, b in ((patterns, one), (one, patterns)):
        np.testing.assert_array_equal(bits(dot(a, b, zero, config)), expected)
    if format == "fp16":
        for out_format, right in (("fp32", expected), ("fp16", convert(expected, "fp32", "fp16"))):
            wide = make("volta", l=1, out_format=out_format)
            d = dot(one * 0, one, patterns[:, 0].view(np.float16), wide)
            np.testing.assert_array_equal(bits(d, out_format), right)


def test_four_steps_of_four_are_not_one_of_sixteen():
    rng = np.random.default_rng(7)
    a, b = (rng.standard_normal((2000, 16)).astype(np.float16) for _ in range(2))
    c = rng.standard_normal(2000).astype(np.float32)
    results = [dot(a, b, c, TensorCoreConfig(l=l, fraction_bits=23)) for l in (4, 8, 16)]  # noqa: E741
    for x, y in itertools.combinations(results, 2):
        assert 0.1 < np.mean(x != y) < 0.95
    # A tree of FP32 additions gives yet another result.
    tree = (a.astype(np.float32) * b).reshape(-1, 4, 4)
    first = (tree[:, 0, 0] + tree[:, 0, 1]) + (tree[:, 0, 2] + tree[:, 0, 3]) + c
    one = dot(a[:, :4], b[:, :4], c, TensorCoreConfig.volta())
    different = np.mean(one != first)
    print(f"\n{different:.0%} of random sums of four differ from a tree of FP32 additions")
    assert 0.25 < different < 0.6


def test_near_cases_reach_every_distance():
    """The random cases above have terms at, just above and just below the truncation point."""
    config = TensorCoreConfig.volta()
    a, b, c = near_cases(np.random.default_rng(1), config, 3000, 4)
    x, y = unpack(a, "fp16"), unpack(b, "fp16")
    exponent = np.where(x.significand * y.significand != 0, x.exponent + y.exponent + 20, -1000)
    z = unpack(c, "fp32")
    largest = np.maximum(exponent.max(axis=-1), np.where(z.significand != 0, z.exponent + 23, -1000))
    seen = np.bincount(np.clip(largest[:, None] - exponent, 0, 40).ravel(), minlength=41)
    assert (seen[:27] > 20).all()
