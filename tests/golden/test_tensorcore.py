"""The tensor core's golden model against a slow one, written separately, and against what was measured on silicon."""

import dataclasses
import itertools

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.floats import FORMATS, convert, to_float, unpack
from tercet.golden.tensorcore import TensorCoreConfig, dot

from .tensorcore_reference import ref_dot, ref_exact, ref_int_dot

TYPES = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "tf32": np.float32,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "fp32": np.float32,
}
FLOATS = ("fp16", "bf16", "tf32", "e4m3", "e5m2")
# Every preset and its formats: of a, of b and of the output.
SILICON = [
    ("volta", "fp16", "fp16", "fp32"),
    ("volta", "fp16", "fp16", "fp16"),
    ("turing", "fp16", "fp16", "fp32"),
    ("turing", "fp16", "fp16", "fp16"),
    ("ampere", "fp16", "fp16", "fp32"),
    ("ampere", "fp16", "fp16", "fp16"),
    ("ampere", "bf16", "bf16", "fp32"),
    ("ampere", "tf32", "tf32", "fp32"),
    ("hopper", "fp16", "fp16", "fp32"),
    ("hopper", "fp16", "fp16", "fp16"),
    ("hopper", "bf16", "bf16", "fp32"),
    ("hopper", "tf32", "tf32", "fp32"),
    ("hopper", "e4m3", "e4m3", "fp32"),
    ("hopper", "e5m2", "e5m2", "fp32"),
    ("hopper", "e4m3", "e5m2", "fp32"),
    ("hopper", "e5m2", "e4m3", "fp16"),
]


def make(preset, a_format="fp16", b_format=None, out_format=None, **overrides):
    formats = {"a_format": a_format, "b_format": b_format or a_format, **overrides}
    if out_format:
        formats["out_format"] = out_format
    return getattr(TensorCoreConfig, preset)(**formats)


def bits(values, format="fp32"):
    return np.asarray(values).view(FORMATS[format].dtype)


def check(a, b, c, config):
    """Patterns (n, K), (n, K) and (n,) through both models; gives the result's patterns."""
    formats = (config.a_format, config.b_format, config.out_format)
    got = bits(dot(a, b, c, config), config.out_format)
    numbers = (config.l, config.fraction_bits, config.out_fraction_bits, config.nan)
    expected = [ref_dot(x, y, z, formats, *numbers) for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)]
    for row, (pattern, right) in enumerate(zip(got.tolist(), expected, strict=True)):
        assert pattern == right, f"{pattern:#x}, not {right:#x}: {a[row]} {b[row]} {c[row]}"
    return got


def random_patterns(rng, shape, format, exponent=None, special=0.0):
    """Numbers of any fraction, of exponent `exponent` if given; some zeros, and `special` of them infinite or NaN."""
    form = FORMATS[format]
    top = 2**form.exponent_bits - 1
    if exponent is None:
        field = rng.integers(0, top, shape)
    else:
        field = np.clip(np.broadcast_to(exponent, shape) + form.bias, 0, top - 1)
    fraction = rng.integers(0, 2**form.fraction_bits, shape)
    fraction = np.where(rng.random(shape) < 0.2, 0, fraction)
    fraction = np.where(rng.random(shape) < 0.1, 2**form.fraction_bits - 1, fraction)
    zero = rng.random(shape) < 0.05
    field, fraction = np.where(zero, 0, field), np.where(zero, 0, fraction)
    odd = rng.random(shape) < special
    field = np.where(odd, top, field)
    fraction = np.where(odd & (rng.random(shape) < 0.7), 0 if form.infinities else top >> 1, fraction)
    spare = rng.integers(0, 2**form.spare_bits, shape)  # ignored
    sign = rng.integers(0, 2, shape)
    pattern = (((sign << form.exponent_bits | field) << form.fraction_bits) | fraction) << form.spare_bits | spare
    return pattern.astype(form.dtype)


def near_cases(rng, config, count, k):
    """Exponents drawn so that terms lie from 0 to F + 3 bits below the largest one."""
    reach = config.fraction_bits + 3
    a_form, out = FORMATS[config.a_format], FORMATS[config.out_format]
    # What a product's exponent can be, and the addend's, with room for both to differ.
    half = min(a_form.bias, FORMATS[config.b_format].bias) - 2
    a_exponent = rng.integers(-half, half + 1, (count, 1))
    b_exponent = rng.integers(-half, half + 1, (count, 1))
    fall = rng.integers(0, reach + 1, (count, k))
    fall = np.where(rng.random((count, k)) < 0.3, 0, fall)
    a = random_patterns(rng, (count, k), config.a_format, a_exponent - fall // 2)
    b = random_patterns(rng, (count, k), config.b_format, b_exponent - (fall + 1) // 2)
    c_exponent = (a_exponent + b_exponent)[:, 0] + rng.integers(-reach, reach + 1, count)
    c = random_patterns(rng, (count,), config.out_format, np.clip(c_exponent, -out.bias, out.bias))
    return a, b, c


# The presets of silicon.


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_near_cases_agree_with_the_reference(setting):
    rng = np.random.default_rng(1)
    config = make(*setting)
    count = 12_000 // config.l
    got = check(*near_cases(rng, config, count, config.l), config)
    # They are no test if most overflow, or vanish.
    values = to_float(got, config.out_format)
    assert np.mean(np.isfinite(values) & (values != 0)) > 0.6


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_any_patterns_agree_with_the_reference(setting):
    """Any exponents, infinities and NaNs among them."""
    rng = np.random.default_rng(2)
    config = make(*setting)
    count = 8_000 // config.l
    for special in (0, 0.3 / config.l):
        a = random_patterns(rng, (count, config.l), config.a_format, special=special)
        b = random_patterns(rng, (count, config.l), config.b_format, special=special)
        check(a, b, random_patterns(rng, (count,), config.out_format, special=special / 2), config)


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_chains_agree_with_the_reference(setting):
    rng = np.random.default_rng(3)
    config = make(*setting)
    check(*near_cases(rng, config, 6_000 // (4 * config.l), 4 * config.l), config)


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_cancellation(setting):
    """Terms in pairs that leave nothing, or very little."""
    rng = np.random.default_rng(4)
    config = make(*setting)
    count = 4_000 // config.l
    a, b, c = near_cases(rng, config, count, config.l)
    half = config.l // 2
    sign = FORMATS[config.b_format].dtype.type(1 << (FORMATS[config.b_format].width - 1))
    a[:, half:], b[:, half:] = a[:, :half], b[:, :half] ^ sign
    # Now and then a last bit more, or the addend out of the way.
    a[:, 0] ^= (rng.random(count) < 0.5).astype(a.dtype) << a.dtype.type(FORMATS[config.a_format].spare_bits)
    c[rng.random(count) < 0.7] = 0
    got = check(a, b, c, config)
    assert (got == 0).any()


@pytest.mark.parametrize("setting", SILICON, ids="-".join)
def test_results_at_the_lower_end(setting):
    rng = np.random.default_rng(16)
    config = make(*setting)
    count = 4_000 // config.l
    a_form, b_form, out = (FORMATS[f] for f in (config.a_format, config.b_format, config.out_format))
    low = max(out.min_exponent, a_form.min_exponent + b_form.min_exponent) + rng.integers(-8, 8, (count, 1))
    a = random_patterns(rng, (count, config.l), config.a_format, low // 2 + rng.integers(-4, 4, (count, config.l)))
    b = random_patterns(rng, (count, config.l), config.b_format, low - low // 2)
    got = check(a, b, random_patterns(rng, (count,), config.out_format, low[:, 0]), config)
    magnitude = np.abs(to_float(got, config.out_format))
    if a_form.min_exponent + b_form.min_exponent < out.min_exponent:
        assert np.mean((magnitude > 0) & (magnitude < 2.0**out.min_exponent)) > 0.03


OVERFLOWING = [s for s in SILICON if s[3] == "fp16" or s[1] in ("bf16", "tf32")]


@pytest.mark.parametrize("setting", OVERFLOWING, ids="-".join)
def test_overflow_at_the_output(setting):
    """Sums about the largest number: what rounds, carries, or cancels back."""
    rng = np.random.default_rng(5)
    config = make(*setting)
    out = FORMATS[config.out_format]
    count = 3_000 // config.l
    exponent = out.bias - rng.integers(0, 4, (count, 1))
    a = random_patterns(rng, (count, config.l), config.a_format, exponent // 2)
    b = random_patterns(rng, (count, config.l), config.b_format, exponent - exponent // 2)
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
    """A product alone is exact, but for zeros and NaNs; one beside c = 1 is cut."""
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


# Specials.


@pytest.mark.parametrize("preset", ["volta", "hopper", "exact"])
@pytest.mark.parametrize("out_format", ["fp32", "fp16"])
def test_infinities_and_nans_in_every_position(preset, out_format):
    config = make(preset, out_format=out_format, l=4)
    dtype = TYPES[out_format]
    nan = {"fp32": 0x7FFFFFFF, "fp16": 0x7FFF}[out_format]
    inf, tiny = np.inf, 2.0**-24

    def run(products, c):
        a, b = np.array(products, np.float16).T
        d = dot(
            np.resize(a, 4) if len(a) == 4 else np.pad(a, (0, 4 - len(a))), np.pad(b, (0, 4 - len(b))), dtype(c), config
        )
        return int(bits(d, out_format))

    def value(x):
        return int(bits(dtype(x), out_format))

    for at in range(4):
        others = [(1.0, 2.0), (-3.0, 0.5), (0.0, 1.0), (65504.0, 65504.0)]

        def put(a, b, at=at, others=others):
            return [*others[:at], (a, b), *others[at + 1 :]]

        for x in (inf, -inf):
            assert run(put(x, 1.0), 0) == value(x)
            assert run(put(1.0, x), 7) == value(x)
            assert run(put(tiny, x), 0) == value(x)  # subnormal, not zero
            assert run(put(x, -inf), 0) == value(-x)
            assert run(put(x, 1.0), x) == value(x)
            assert run(put(x, 1.0), -x) == nan
            assert run(put(x, 0.0), 0) == nan
            assert run(put(-0.0, x), 0) == nan
            assert run(put(x, 0.0), x) == nan
        for quiet in (np.nan, -np.nan):
            assert run(put(quiet, 1.0), 0) == nan
            assert run(put(0.0, quiet), 0) == nan
            assert run(put(inf, quiet), inf) == nan
    both = [(inf, 1.0), (1.0, 1.0), (1.0, -inf), (1.0, 1.0)]
    assert run(both, 0) == nan
    ones = [(1.0, 1.0)] * 4
    for x in (inf, -inf):
        assert run(ones, x) == value(x)
    assert run(ones, np.nan) == nan
    # A signalling NaN too.
    signal = np.array(0x7C01, np.uint16).view(np.float16)
    assert run(ones, signal) == nan


def test_infinities_go_through_a_chain():
    config = TensorCoreConfig.volta()
    a, b = np.ones(12, np.float16), np.ones(12, np.float16)
    a[1] = np.inf
    assert dot(a, b, np.float32(0), config) == np.inf
    a[6] = -np.inf
    assert int(bits(dot(a, b, np.float32(0), config))) == 0x7FFFFFFF
    # A sum that overflows stays infinite, whatever comes; FP16 has no more room than that.
    half = TensorCoreConfig.volta(out_format="fp16")
    a = np.array([60000, 60000, 0, 0, -60000, 0, 0, 0], np.float16)
    assert dot(a, np.ones(8, np.float16), np.float16(0), half) == np.inf


def test_nan_is_a_parameter():
    a = np.array([np.nan, 0, 0, 0], np.float16)
    for out_format, nan in (("fp32", 0x7FC00000), ("fp32", 0xFFFFFFFF), ("fp16", 0x7E00)):
        config = TensorCoreConfig.volta(out_format=out_format, nan=nan)
        d = dot(a, a, TYPES[out_format](0), config)
        assert int(bits(d, out_format)) == nan


@pytest.mark.parametrize("preset", ["volta", "ampere", "hopper", "exact"])
def test_zeros_are_positive(preset):
    config = make(preset, l=4)
    zero, minus = np.zeros(4, np.float16), -np.zeros(4, np.float16)
    ones = np.ones(4, np.float16)
    for a, c in ((zero, 0.0), (minus, -0.0), (minus, 0.0), (np.array([1, -1, 0, 0], np.float16), -0.0)):
        assert int(bits(dot(a, ones, np.float32(c), config))) == 0
    # What rounds to zero: half of the smallest FP16, from below.
    half = make(preset, out_format="fp16", l=4)
    tiny = np.array([-(2.0**-24), 0, 0, 0], np.float16)
    factor = np.array([0.5, 0, 0, 0], np.float16)
    assert int(bits(dot(tiny, factor, np.float16(0), half), "fp16")) == 0
    assert int(bits(dot(tiny, factor * np.float16(1.5), np.float16(0), half), "fp16")) == 0x8001
    # What is cut off at the lower end of FP32.
    config = TensorCoreConfig(l=1, a_format="bf16")
    small, other = (np.array([x], ml_dtypes.bfloat16) for x in (-(2.0**-75), 2.0**-75))
    assert int(bits(dot(small, other, np.float32(0), config))) == 0
    assert int(bits(dot(small, other, np.float32(-(2.0**-149)), config))) == 0x80000001


def test_a_zero_product_has_no_exponent():
    """2**15 * 0 must not push 2**-24 * 1 out of reach; nor must a zero c."""
    config = TensorCoreConfig.volta()
    a, b = np.array([2.0**15, 2.0**-24, 0, -0.0], np.float16), np.array([0, 1, 2.0**15, 2.0**15], np.float16)
    assert dot(a, b, np.float32(-0.0), config) == np.float32(2.0**-24)
    # c alone, subnormal.
    c = np.array([1, 0x007FFFFF, 0x80000001], np.uint32)
    zero = np.zeros((3, 4), np.float16)
    np.testing.assert_array_equal(bits(dot(zero, zero, c, config)), c)


def test_four_steps_of_four_are_not_one_of_sixteen():
    rng = np.random.default_rng(7)
    a, b = (rng.standard_normal((2000, 16)).astype(np.float16) for _ in range(2))
    c = rng.standard_normal(2000).astype(np.float32)
    results = [dot(a, b, c, TensorCoreConfig(l=l, fraction_bits=23)) for l in (4, 8, 16)]  # noqa: E741
    for x, y in itertools.combinations(results, 2):
        assert 0.1 < np.mean(x != y) < 0.95
    # And it is not what a tree of FP32 additions gives.
    tree = (a.astype(np.float32) * b).reshape(-1, 4, 4)
    first = (tree[:, 0, 0] + tree[:, 0, 1]) + (tree[:, 0, 2] + tree[:, 0, 3]) + c
    one = dot(a[:, :4], b[:, :4], c, TensorCoreConfig.volta())
    different = np.mean(one != first)
    print(f"\n{different:.0%} of random sums of four differ from a tree of FP32 additions")
    assert 0.25 < different < 0.6


# Exact.


@pytest.mark.parametrize("out_format", ["fp32", "fp16"])
@pytest.mark.parametrize("format", FLOATS)
def test_exact_agrees_with_fractions(format, out_format):
    rng = np.random.default_rng(8)
    config = make("exact", format, out_format=out_format)
    formats = (format, format, out_format)
    near = dataclasses.replace(config, fraction_bits=30)
    parts = []
    for k, count in ((1, 300), (5, 300), (33, 60)):
        parts.append(near_cases(rng, near, count, k))
        parts.append((*(random_patterns(rng, (count, k), format, special=0.02) for _ in range(2)), parts[-1][2]))
    # Cancellation to the last bit.
    a, b, c = near_cases(rng, near, 200, 8)
    a[:, 4:], b[:, 4:] = a[:, :4], b[:, :4] ^ b.dtype.type(1 << (FORMATS[format].width - 1))
    parts.append((a, b, c))
    for a, b, c in parts:
        got = bits(dot(a, b, c, config), out_format)
        rows = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
        assert got.tolist() == [ref_exact(*row, formats) for row in rows]


def test_exact_ties_and_sticky_bits():
    config = TensorCoreConfig.exact()
    ulp, tiny = 2.0**-23, 2.0**-48

    def run(c, *products):
        a, b = np.array(products, np.float16).T
        return float(dot(a, b, np.float32(c), config))

    half = (2.0**-12, 2.0**-12)
    least = (2.0**-24, 2.0**-24)
    assert run(1.0, half) == 1.0
    assert run(1.0, half, least) == 1 + ulp
    assert run(1.0, half, (-least[0], least[1])) == 1.0
    assert run(1 + ulp, half) == 1 + 2 * ulp
    assert run(1 + ulp, half, (-least[0], least[1])) == 1 + ulp
    # 93 bits between the ends, beyond what is packed.
    large = 2.0**45
    assert run(large + 2.0**22, (2.0**10, 2.0**11), least) == large + 2.0**23
    assert run(large, (2.0**10, 2.0**11)) == large
    assert run(large, (2.0**10, 2.0**11), least) == large + 2.0**22
    assert run(-large, (-(2.0**10), 2.0**11), (-least[0], least[1])) == -large - 2.0**22
    assert run(tiny, (-least[0], least[1])) == 0


def test_exact_rounds_once_over_all_of_k():
    """A chain of steps would lose all of these, whatever it rounds to."""
    a = np.full(4096, 2.0**-12, np.float16)
    assert float(dot(a, a, np.float32(1.0), TensorCoreConfig.exact())) == 1 + 4096 * 2.0**-24
    assert float(dot(a, a, np.float32(1.0), TensorCoreConfig.volta())) == 1.0


# int8.


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize(("preset", "l"), [("turing", 16), ("ampere", 16), ("hopper", 32)])
def test_int8(preset, l, overflow):  # noqa: E741
    config = make(preset, "int8", overflow=overflow)
    assert (config.l, config.out_format, config.fraction_bits, config.nan) == (l, "int32", 0, 0)
    rng = np.random.default_rng(9)
    count, k = 300, 3 * l
    a, b = (rng.integers(-128, 128, (count, k)).astype(np.int8) for _ in range(2))
    a[:40], b[:20], b[20:40] = -128, -128, 127
    c = rng.integers(-(2**31), 2**31, count).astype(np.int32)
    edge = rng.integers(0, 2**18, count)
    c = np.where(rng.random(count) < 0.7, np.where(rng.random(count) < 0.5, 2**31 - 1 - edge, edge - 2**31), c)
    got = dot(a, b, c.astype(np.int32), config)
    assert got.dtype == np.int32
    rows = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    expected = [ref_int_dot(*row, l, overflow) for row in rows]
    assert got.tolist() == expected
    plain = (a.astype(np.int64) * b).sum(axis=-1) + c
    assert np.mean(np.asarray(expected) != plain) > 0.05


def test_int8_saturates_after_each_step():
    config = TensorCoreConfig(l=4, a_format="int8", overflow="saturate")
    a, b = np.full(8, 100, np.int8), np.repeat(np.array([100, -100], np.int8), 4)
    assert dot(a, b, np.int32(2**31 - 1), config) == 2**31 - 1 - 40_000
    assert dot(a, b, np.int32(2**31 - 1), dataclasses.replace(config, overflow="wrap")) == 2**31 - 1


def test_near_cases_reach_every_distance():
    """The random cases above are worth something: terms at, just above and just below what is cut off."""
    config = TensorCoreConfig.volta()
    a, b, c = near_cases(np.random.default_rng(1), config, 3000, 4)
    x, y = unpack(a, "fp16"), unpack(b, "fp16")
    exponent = np.where(x.significand * y.significand != 0, x.exponent + y.exponent + 20, -1000)
    z = unpack(c, "fp32")
    largest = np.maximum(exponent.max(axis=-1), np.where(z.significand != 0, z.exponent + 23, -1000))
    seen = np.bincount(np.clip(largest[:, None] - exponent, 0, 40).ravel(), minlength=41)
    assert (seen[:27] > 20).all()
