"""Requantisation against the kernels that the roundings are named after: TFLite Micro's and LiteRT's."""

from fractions import Fraction

import numpy as np
import pytest
from tercet.golden.numerics.quantization import fold_zero_point
from tercet.golden.numerics.requantization import Requant, requantize
from tercet.golden.systolic.model import matmul

from .test_requantization import average_multiplier
from .tflite_models import average_pool_model, product_model, run_litert, run_micro

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
# Left shifts that leave int32 are undefined in the kernels: with scales above 1/2, no sum is as large.
EXPONENTS = range(-30, 4)


def kernel(run, kind, sums, scales, zero_point=0):
    """Output codes of an operator with zero input whose biases are `sums`; `scales` are of input, weights, output."""
    sums = np.asarray(sums, np.int32)
    data = product_model(
        kind, np.zeros((1, sums.size), np.int8), sums, rows=1, scales=scales, zero_points=(0, zero_point)
    )
    x = np.zeros((1, 1, 1, 1) if kind == "CONV_2D" else (1, 1), np.int8)
    return run(data, x).ravel()


def sums_near_codes(rng, scale, count):
    """Sums with codes mostly within int8, with ties where the scale has them, and both ends of int32 if they fit."""
    limit = min(INT32_MAX, int(140 / scale))
    steps = np.arange(-140, 140) * 2 + 1
    ties = np.rint(steps / (2 * scale)).astype(np.int64)[:, None] + np.arange(-1, 2)
    ends = [INT32_MIN, INT32_MIN + 1, INT32_MAX] if scale <= 0.5 else []
    sums = np.concatenate([rng.integers(-limit, limit, count, endpoint=True), ties.ravel(), ends])
    return sums[(sums >= INT32_MIN) & (sums <= INT32_MAX)].astype(np.int64)


@pytest.mark.parametrize(
    ("run", "kind"), [(run_micro, "FULLY_CONNECTED"), (run_micro, "CONV_2D"), (run_litert, "CONV_2D")]
)
def test_double(run, kind):
    """More than 50,000 sums: ties on both sides of zero, saturation, every power of two and as many other scales."""
    rng = np.random.default_rng(1)
    for exponent in EXPONENTS:
        for mantissa in (1.0, 1 + rng.random()):
            scale, zero_point = float(np.float32(2.0**exponent * mantissa)), int(rng.integers(-128, 128))
            sums = sums_near_codes(rng, scale, 300)
            want = Requant.from_scale(scale, zero_point).apply(sums)
            np.testing.assert_array_equal(kernel(run, kind, sums, (1.0, scale, 1.0), zero_point), want)


@pytest.mark.parametrize("run", [run_micro, run_litert])
def test_double_per_channel(run):
    """One scale per sum."""
    rng = np.random.default_rng(2)
    scales = np.exp2(rng.uniform(-23, 0, 20_000)).astype(np.float32)
    sums = np.rint(rng.uniform(-130, 130, scales.size) / scales)
    want = Requant.from_scale(scales.astype(float), -7).apply(sums.astype(np.int64))
    np.testing.assert_array_equal(kernel(run, "CONV_2D", sums, (1.0, scales, 1.0), -7), want)


def test_away_at_powers_of_two():
    """LiteRT's FULLY_CONNECTED: a third of these sums are ties."""
    rng = np.random.default_rng(3)
    ties = 0
    for exponent in EXPONENTS:
        scale, zero_point = 2.0**exponent, int(rng.integers(-128, 128))
        sums = sums_near_codes(rng, scale, 300)
        want = Requant.from_scale(scale, zero_point, rounding="away").apply(sums)
        np.testing.assert_array_equal(kernel(run_litert, "FULLY_CONNECTED", sums, (1.0, scale, 1.0), zero_point), want)
        ties += int((want != Requant.from_scale(scale, zero_point, rounding="single").apply(sums)).sum())
    # The other roundings would fail this test.
    assert ties > 1000


@pytest.mark.parametrize(
    ("denominator", "differ"), [(2, 0), (3, 0), (4, 0), (5, 0), (6, 14), (7, 0), (10, 8), (12, 6), (18, 0), (20, 4)]
)
def test_away_elsewhere(denominator, differ):
    """Of the 81 sums from -40 to 40, LiteRT differs only on ties, where the multiplier is below the scale."""
    sums = np.arange(-40, 41)
    got = kernel(run_litert, "FULLY_CONNECTED", sums, (1.0, 1.0, float(denominator)))
    other = sums[got != Requant.from_scale(1 / denominator, 0, rounding="away").apply(sums)]
    assert other.size == differ
    assert all(2 * int(acc) % (2 * denominator) == denominator for acc in np.abs(other))


def test_away_differs_next_to_ties_only():
    """For any scale, LiteRT differs only if the real product lies within 2**-23 of a tie."""
    rng = np.random.default_rng(4)
    differ = total = 0
    for _ in range(40):
        denominator = float(rng.integers(3, 2**20))
        sums = sums_near_codes(rng, 1 / denominator, 500)
        got = kernel(run_litert, "FULLY_CONNECTED", sums, (1.0, 1.0, denominator))
        other = sums[got != Requant.from_scale(1 / denominator, 0, rounding="away").apply(sums)]
        for acc in other.tolist():
            assert abs(Fraction(abs(acc)) / Fraction(denominator) % 1 - Fraction(1, 2)) <= Fraction(1, 2**23)
        differ, total = differ + other.size, total + sums.size
    # A sixth of these sums is placed on ties, which exist for even denominators.
    assert 0 < differ < total / 10


@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "CONV_2D"])
def test_full_layer(kind):
    """Products, folded zero point, bias and requantisation together, against each interpreter."""
    rng = np.random.default_rng(5)
    acts, weights = (rng.integers(-128, 128, shape).astype(np.int8) for shape in ((40, 64), (64, 30)))
    weights = np.maximum(weights, -127)
    bias = rng.integers(-(2**16), 2**16, 30).astype(np.int32)
    scales = np.exp2(rng.integers(-11, -8, 30))
    per_channel = scales if kind == "CONV_2D" else float(scales[0])
    data = product_model(
        kind, weights, bias, rows=40, scales=(0.5, np.asarray(per_channel) * 4, 2.0), zero_points=(-9, 5)
    )
    sums = matmul(acts, weights, fold_zero_point(weights, bias, -9))
    x = acts.reshape(40, 1, 1, 64) if kind == "CONV_2D" else acts
    for run in (run_micro, run_litert):
        rounding = "away" if (run, kind) == (run_litert, "FULLY_CONNECTED") else "double"
        want = Requant.from_scale(per_channel, 5, rounding=rounding).apply(sums)
        assert np.unique(want).size > 100
        np.testing.assert_array_equal(run(data, x).reshape(40, 30), want)


@pytest.mark.parametrize("run", [run_micro, run_litert])
@pytest.mark.parametrize("window", [(1, 1), (1, 2), (2, 2), (3, 2), (3, 3), (5, 5), (7, 7), (8, 8), (25, 5), (32, 32)])
def test_away_averages(run, window):
    """AVERAGE_POOL_2D adds raw codes and divides with ties away from zero, whatever the zero point."""
    count = window[0] * window[1]
    # Sums below, on and above every tie, made up of two adjacent codes.
    sums = np.sort(np.concatenate([np.arange(-128, 127) * count + count // 2 + d for d in (-1, 0, 1)]))
    sums = sums[sums >= -128 * count]
    codes = sums // count + (np.arange(count)[:, None] < sums % count)
    x = codes.astype(np.int8).reshape(1, *window, -1)
    got = run(average_pool_model(x.shape, window, zero_point=-3), x)[0, 0, 0]
    np.testing.assert_array_equal(got, requantize(sums, *average_multiplier(count), 0, -128, 127, "away"))
