"""Quantisation of real numbers: by hand, at the ends of every range, and a full layer against real arithmetic."""

import math

import numpy as np
import pytest
from tercet.golden.numerics.quantization import (
    QuantParams,
    Requant,
    calibrate,
    dequantize,
    fold_zero_point,
    quantize,
    quantize_bias,
    weight_params,
)
from tercet.golden.numerics.requantization import ROUNDINGS

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


# QuantParams, quantize, dequantize.


def test_quantize_by_hand():
    params = QuantParams(0.5, -3)
    x = np.array([0.0, 0.25, -0.25, 0.24, 0.75, -0.75, 1.0, 100.0, -100.0])
    got = quantize(x, params)
    assert got.dtype == np.int8
    # Half a step goes away from zero: 0.25 is +1 step, -0.25 is -1.
    assert got.tolist() == [-3, -2, -4, -3, -1, -5, -1, 127, -128]
    assert dequantize(got[:3], params).tolist() == [0.0, 0.5, -0.5]
    assert quantize(x, QuantParams(0.5, 0, -2, 1)).tolist() == [0, 1, -1, 0, 1, -2, 1, 1, -2]


def test_quantize_rounds_just_below_a_half_down():
    assert quantize(np.array([0.49999999999999994, -0.49999999999999994]), QuantParams(1.0, 0)).tolist() == [0, 0]


@pytest.mark.filterwarnings("error")
def test_quantize_saturates_where_the_quotient_overflows():
    assert quantize(np.array([1e308, -1e308]), QuantParams(1e-300, 0)).tolist() == [127, -128]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_quantize_error_is_half_a_step(dtype):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(50, 3)).astype(dtype)
    params = QuantParams(np.array([0.05, 0.06, 0.07]), 5)
    inside = np.abs(x) < 120 * np.asarray(params.scale)
    error = np.abs(dequantize(quantize(x, params), params) - x)
    assert (error[inside] <= np.broadcast_to(params.scale, x.shape)[inside] / 2 * (1 + 1e-12)).all()


def test_every_code_comes_back():
    codes = np.arange(-128, 128).astype(np.int8)
    for scale in (1.0, 0.1, 1 / 3, 1e-30, 7e20):
        for zero_point in (-128, -1, 0, 127):
            params = QuantParams(scale, zero_point)
            np.testing.assert_array_equal(quantize(dequantize(codes, params), params), codes)


def test_quant_params_compare_by_value():
    assert QuantParams(np.array([1.0, 2.0]), 0) == QuantParams(np.array([1, 2]), 0)
    assert QuantParams(1.0, 0) != QuantParams(1.0, 1)
    assert QuantParams(1.0, 0) != Requant(1, 0, 0)
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(QuantParams(np.array([1.0]), 0).scale)[0] = 2


@pytest.mark.parametrize(
    ("args", "error", "match"),
    [
        (("a", 0), TypeError, "Scale 'a' is not real"),
        ((0.0, 0), ValueError, "Scale 0.0 is not finite and above 0; use a scale above 0"),
        ((-1.0, 0), ValueError, "Scale -1.0"),
        ((math.inf, 0), ValueError, "Scale inf"),
        ((np.array([1.0, math.nan]), 0), ValueError, r"Scale nan at index \(1,\)"),
        ((np.ones((2, 2)), 0), ValueError, r"Scale has shape \(2, 2\)"),
        ((1.0, 0.5), TypeError, "Zero point 0.5 is not an integer"),
        ((1.0, np.zeros(100)), TypeError, r"Zero point array\(.*\.\.\. is not an integer"),
        ((1.0, 128), ValueError, r"Zero point 128 is outside \[-128, 127\]"),
        ((1.0, -128, -127, 127), ValueError, r"Zero point -128 is outside \[-127, 127\]"),
        ((1.0, 0, 3, 2), ValueError, "qmin 3 is above qmax 2"),
        ((1.0, 0, -200, 2), ValueError, "qmin -200 is outside"),
    ],
)
def test_quant_params_refuse(args, error, match):
    with pytest.raises(error, match=match) as caught:
        QuantParams(*args)
    assert "\n" not in str(caught.value)


def test_quantize_refuses():
    params = QuantParams(np.array([1.0, 2.0]), 0)
    with pytest.raises(TypeError, match=r"Input has dtype int64, not a float type; convert with \.astype"):
        quantize(np.zeros(2, np.int64), params)
    bad = np.zeros((3, 2), np.float32)
    bad[1, 0], bad[2, 1] = np.inf, np.nan
    with pytest.raises(
        ValueError, match=r"Input has 2 of 6 values not finite, the first inf at index \(1, 0\); remove"
    ):
        quantize(bad, params)
    with pytest.raises(ValueError, match=r"Shape \(2, 3\) does not end in the 2 channels of the scale"):
        quantize(np.zeros((2, 3)), params)
    with pytest.raises(ValueError, match=r"Shape \(\) does not end in"):
        dequantize(np.array(1), params)
    with pytest.raises(TypeError, match="Code has dtype float64"):
        dequantize(np.zeros(2), params)
    with pytest.raises(ValueError, match=r"Code 128 at index \(1,\) is outside \[-128, 127\]"):
        dequantize(np.array([0, 128]), params)


# weight_params.


def test_weight_params():
    w = np.array([[1.0, -4.0, 0.0], [-2.0, 3.0, 0.0]])
    whole = weight_params(w)
    assert whole == QuantParams(4 / 127, 0, -127, 127)
    for axis in (-1, 1):
        each = weight_params(w, axis=axis)
        assert each == QuantParams(np.array([2 / 127, 4 / 127, 1.0]), 0, -127, 127)
        assert quantize(w, each).tolist() == [[64, -127, 0], [-127, 95, 0]]  # 63.5 and 95.25 steps
    assert weight_params(np.zeros((2, 2), np.float32)).scale == 1.0
    # A peak so small that a 127th of it underflows is as good as zero.
    assert weight_params(np.array([5e-324])).scale == 1.0


def test_weight_params_never_reach_minus_128():
    w = np.random.default_rng(7).normal(size=(200, 20)).astype(np.float32)
    params = weight_params(w, axis=-1)
    codes = quantize(w, params)
    assert np.abs(codes.astype(int)).max(axis=0).tolist() == [127] * 20
    assert (np.abs(dequantize(codes, params) - w) <= np.asarray(params.scale) / 2 * (1 + 1e-12)).all()


def test_weight_params_refuse():
    with pytest.raises(TypeError, match="Weight array has dtype int64, not a float type"):
        weight_params(np.ones((2, 2), np.int64))
    with pytest.raises(ValueError, match="1 of 2 values not finite, the first nan"):
        weight_params(np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match=r"Weights have shape \(0, 3\); give at least one weight"):
        weight_params(np.zeros((0, 3)))
    for axis in (0, 2, -2):
        with pytest.raises(ValueError, match=rf"Axis {axis} is not the last of shape \(2, 2\)"):
            weight_params(np.ones((2, 2)), axis=axis)
    with pytest.raises(TypeError, match="Axis 1.0 is not an integer"):
        weight_params(np.ones((2, 2)), axis=1.0)  # type: ignore[arg-type]


# calibrate.


@pytest.mark.parametrize(
    ("samples", "scale", "zero_point"),
    [
        ([-1.0, 1.55], 2.55 / 255, -28),  # -128 + 100
        ([0.0, 2.55], 0.01, -128),
        ([1.0, 2.55], 0.01, -128),  # 0 is brought into the range
        ([-2.55, -1.0], 0.01, 127),
        ([0.0, 0.0], 1.0, 0),
        ([5.1], 0.02, -128),
    ],
)
def test_calibrate_by_hand(samples, scale, zero_point):
    params = calibrate(np.array(samples))
    assert params.scale == pytest.approx(scale, rel=1e-12)
    assert (params.zero_point, params.qmin, params.qmax) == (zero_point, -128, 127)
    assert dequantize(quantize(np.zeros(1), params), params).tolist() == [0.0]


@pytest.mark.parametrize("offset", [-3.0, -0.5, 0.0, 0.1, 4.0])
def test_calibrated_samples_come_back_within_half_a_step(offset):
    x = np.random.default_rng(8).normal(offset, 1.0, 5000).astype(np.float32)
    params = calibrate(x)
    assert (np.abs(dequantize(quantize(x, params), params) - x) <= params.scale / 2 * (1 + 1e-9)).all()


@pytest.mark.filterwarnings("error")
def test_calibrate_extremes():
    assert calibrate(np.array([-1.7e308, 1.7e308])).zero_point in (-1, 0)
    assert calibrate(np.array([5e-324])) == QuantParams(1.0, 0)


def test_calibrate_percentile_cuts_outliers_at_both_ends():
    x = np.concatenate([np.linspace(-1, 1, 2001), [1000.0, -1000.0]])
    wide, narrow = calibrate(x), calibrate(x, method="percentile", percentile=99)
    assert wide.scale == pytest.approx(2000 / 255)
    assert narrow.scale == pytest.approx(2 * 0.98 / 255, rel=1e-2)
    assert calibrate(x, method="percentile", percentile=100) == wide
    default = calibrate(x, method="percentile")
    assert default == calibrate(x, method="percentile", percentile=99.9)
    assert narrow.scale < default.scale < wide.scale


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"x": np.zeros(3, int)}, TypeError, "Sample array has dtype int64"),
        ({"x": np.array([np.nan])}, ValueError, "1 of 1 values not finite"),
        ({"x": np.zeros(0)}, ValueError, r"Samples have shape \(0,\); give at least one sample"),
        ({"method": 3}, TypeError, "Method 3 is not a string"),
        ({"method": "kl"}, ValueError, "Method 'kl' is unknown; use 'minmax' or 'percentile'"),
        ({"method": "percentile", "percentile": "99"}, TypeError, "Percentile '99' is not a number"),
        ({"method": "percentile", "percentile": 50}, ValueError, r"Percentile 50 is outside \(50, 100\]"),
        ({"method": "percentile", "percentile": 100.1}, ValueError, "Percentile 100.1 is outside"),
        ({"method": "percentile", "percentile": math.nan}, ValueError, "Percentile nan is outside"),
    ],
)
def test_calibrate_refuses(kwargs, error, match):
    with pytest.raises(error, match=match):
        calibrate(**({"x": np.ones(3)} | kwargs))


# Biases.


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 5, 127])
def test_folded_zero_point_equals_shifted_activations(zero_point):
    rng = np.random.default_rng(9)
    acts, weights = rng.integers(-128, 128, (6, 30)), rng.integers(-127, 128, (30, 4))
    bias = rng.integers(-10000, 10000, 4).astype(np.int32)
    folded = fold_zero_point(weights.astype(np.int8), bias, zero_point)
    assert (folded.dtype, folded.shape) == (np.int32, (4,))
    np.testing.assert_array_equal(acts @ weights + folded, (acts - zero_point) @ weights + bias)
    np.testing.assert_array_equal(fold_zero_point(weights, None, zero_point), -zero_point * weights.sum(axis=0))


def test_folded_zero_point_in_a_convolution():
    """A padded one-dimensional convolution: padding with the zero point is padding with the real 0."""
    rng = np.random.default_rng(10)
    acts, kernel, zero_point = rng.integers(-128, 128, 20), rng.integers(-127, 128, 3), -17
    folded = int(fold_zero_point(kernel[:, None], None, zero_point)[0])
    raw = np.pad(acts, 1, constant_values=zero_point)
    shifted = np.pad(acts - zero_point, 1)
    assert [int(raw[i : i + 3] @ kernel) + folded for i in range(20)] == [
        int(shifted[i : i + 3] @ kernel) for i in range(20)
    ]


def test_fold_zero_point_reaches_both_ends_of_int32():
    weights = np.array([[1, -1]])
    assert fold_zero_point(weights, np.array([INT32_MAX - 1, INT32_MIN + 1]), -1).tolist() == [INT32_MAX, INT32_MIN]
    with pytest.raises(ValueError, match=r"Folded bias 2147483648 of channel 0 is outside \[-2147483648, 2147483647\]"):
        fold_zero_point(weights, np.array([INT32_MAX, 0]), -1)
    with pytest.raises(ValueError, match="Folded bias -2147483649 of channel 1 .*; use a smaller bias"):
        fold_zero_point(weights, np.array([0, INT32_MIN]), -1)


@pytest.mark.parametrize(
    ("args", "error", "match"),
    [
        ((np.ones((2, 2)), None, 0), TypeError, "Weight has dtype float64"),
        ((np.ones(2, int), None, 0), ValueError, r"Weights have shape \(2,\); use a matrix \(K, N\)"),
        ((np.full((2, 2), 40000), None, 0), ValueError, r"Weight 40000 at index \(0, 0\) is outside \[-32768, 32767\]"),
        ((np.ones((2, 2), int), np.zeros(2), 0), TypeError, "Bias has dtype float64"),
        ((np.ones((2, 2), int), np.array([0, 2**31]), 0), ValueError, "Bias 2147483648"),
        ((np.ones((2, 2), int), np.zeros(3, int), 0), ValueError, r"Bias has shape \(3,\) but the weights have 2"),
        ((np.ones((2, 2), int), None, 1.5), TypeError, "Zero point 1.5 is not an integer"),
        ((np.ones((2, 2), int), None, 128), ValueError, "Zero point 128 is outside"),
    ],
)
def test_fold_zero_point_refuses(args, error, match):
    with pytest.raises(error, match=match):
        fold_zero_point(*args)


def test_quantize_bias():
    got = quantize_bias(np.array([1.0, -1.0, 0.125, -0.125], np.float32), 0.5, 0.5)
    assert got.dtype == np.int32
    assert got.tolist() == [4, -4, 1, -1]  # half a step goes away from zero
    assert quantize_bias(np.array([1.0, 1.0]), 0.5, np.array([0.5, 0.25])).tolist() == [4, 8]
    ends = np.array([INT32_MAX + 0.25, INT32_MIN - 0.25])
    assert quantize_bias(ends, 1.0, 1.0).tolist() == [INT32_MAX, INT32_MIN]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("args", "error", "match"),
    [
        ((np.zeros(2, int), 1.0, 1.0), TypeError, "Bias has dtype int64"),
        ((np.array([np.inf]), 1.0, 1.0), ValueError, "Bias has 1 of 1 values not finite"),
        ((np.zeros((1, 2)), 1.0, 1.0), ValueError, r"Bias has shape \(1, 2\); use a vector"),
        ((np.zeros(2), "a", 1.0), TypeError, "Input scale 'a' is not real"),
        ((np.zeros(2), 0.0, 1.0), ValueError, "Input scale 0.0 is not finite and above 0"),
        ((np.zeros(2), np.ones(2), 1.0), ValueError, r"Input scale has shape \(2,\); use one scale"),
        ((np.zeros(2), 1.0, np.array([1.0, -1.0])), ValueError, r"Weight scale -1.0 at index \(1,\)"),
        ((np.zeros(2), 1.0, np.ones(3)), ValueError, "Weight scale has 3 channels but the bias has 2"),
        ((np.zeros(2), 1e-200, 1e-200), ValueError, "Input scale 1e-200 times the weight scale exceeds float64"),
        ((np.zeros(2), 1e200, 1e200), ValueError, "exceeds float64"),
        ((np.array([0.0, INT32_MAX + 0.5]), 1.0, 1.0), ValueError, "Bias code 2147483648 of channel 1 is outside"),
        ((np.array([INT32_MIN - 0.5]), 1.0, 1.0), ValueError, "Bias code -2147483649 of channel 0"),
        ((np.array([1e300]), 1e-100, 1.0), ValueError, "Bias code inf .*; use a larger input or weight scale"),
    ],
)
def test_quantize_bias_refuses(args, error, match):
    with pytest.raises(error, match=match) as caught:
        quantize_bias(*args)
    assert "\n" not in str(caught.value)


# All together.


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_layer_in_integers_follows_the_layer_in_reals(rounding):
    rng = np.random.default_rng(11)
    x, w, b = rng.normal(0.3, 1, (40, 64)), rng.normal(0, 0.1, (64, 8)), rng.normal(0, 0.2, 8)
    real = np.maximum(x @ w + b, 0)
    x_params, w_params, y_params = calibrate(x), weight_params(w, axis=-1), calibrate(real)
    xq, wq = quantize(x, x_params), quantize(w, w_params)
    bias = fold_zero_point(wq, quantize_bias(b, float(x_params.scale), w_params.scale), x_params.zero_point)
    sums = xq.astype(np.int32) @ wq.astype(np.int32) + bias
    factor = x_params.scale * w_params.scale / y_params.scale
    requant = Requant.from_scale(factor, y_params.zero_point, qmin=y_params.zero_point, rounding=rounding)
    got = dequantize(requant.apply(sums), y_params)
    # Three operands rounded at random: an error of a few steps; a wrong fold or scale gives dozens.
    assert np.abs(got - real).max() < 4 * y_params.scale
    # The integers themselves are exact: only the last rounding and the clamp separate them from the sums' real value.
    top = (127 - y_params.zero_point) * y_params.scale
    exact = np.clip(sums * np.asarray(w_params.scale) * x_params.scale, 0, top)
    assert np.abs(got - exact).max() <= y_params.scale * (0.5 + (0.5 if rounding == "double" else 0) + 1e-6)
