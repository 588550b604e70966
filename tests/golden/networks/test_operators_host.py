"""SOFTMAX, QUANTIZE and DEQUANTIZE against TFLite Micro's kernels."""

from collections import namedtuple

import numpy as np
import pytest
from tercet.golden.networks.operators import Dequantize, Quantize, Requantize, Softmax
from tercet.golden.networks.operators.host import float_codes
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import Requant

from .operator_cases import CODES, kernel, random_codes, random_params

PROBABILITIES = QuantParams(1 / 256, -128)
Unsigned = namedtuple("Unsigned", "scale zero_point")
ENDS = {"name": "n", "inputs": ("x",), "output": "y"}


def softmax(x, params, beta):
    """Codes of the operator, and of TFLite Micro."""
    found = Softmax(**ENDS, scale=float(params.scale), beta=beta).run(x)
    return found, kernel("SOFTMAX", (x,), (params,), x.shape, PROBABILITIES, Beta=beta)


@pytest.mark.parametrize("depth", [1, 2, 3, 10, 12, 100, 511])
@pytest.mark.parametrize("beta", [1.0, 0.5, 3.0])
def test_softmax(depth, beta):
    rng = np.random.default_rng(depth)
    for _ in range(8):
        # Rows of codes near each other give probabilities other than 0 and 1.
        spread = rng.integers(1, 128, (500, 1))
        x = np.clip(rng.normal(0, spread, (500, depth)), -128, 127).astype(np.int8)
        np.testing.assert_array_equal(*softmax(x, random_params(rng, 0.05, 8), beta))


@pytest.mark.parametrize("exponent", [-25, -20, -12, 0, 8, 20])
def test_softmax_of_every_difference(exponent):
    """Two classes: all 65536 pairs of codes."""
    x = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)), axis=-1).reshape(-1, 2).astype(np.int8)
    np.testing.assert_array_equal(*softmax(x, QuantParams(1.25 * 2.0**exponent, 0), 1.0))


def test_softmax_of_a_thousand_classes():
    """One of which stands out: the exponentials add up to less than 512."""
    x = random_codes(np.random.default_rng(0), (4, 1000))
    np.testing.assert_array_equal(*softmax(x, QuantParams(0.2, 0), 1.0))


@pytest.mark.parametrize("depth", [512, 1000, 4096])
def test_softmax_beyond_the_kernel(depth):
    """Equal shares of at most 1/512 round to 0."""
    codes = Softmax(**ENDS, scale=0.1).run(np.zeros((1, depth), np.int8))
    np.testing.assert_array_equal(codes, -128)


def test_softmax_over_the_last_axis_of_four():
    x = random_codes(np.random.default_rng(0), (1, 3, 4, 5))
    np.testing.assert_array_equal(*softmax(x, QuantParams(0.05, 3), 1.0), strict=True)


@pytest.mark.parametrize(("scale", "beta"), [(2.0**-26, 1.0), (0.5, 0.0), (0.5, -1.0), (0.5, float("nan"))])
def test_softmax_refuses_scales_that_abort_the_kernel(scale, beta):
    with pytest.raises(ValueError, match=r"use more than 2\*\*-26"):
        Softmax(**ENDS, scale=scale, beta=beta)


def test_quantize():
    rng = np.random.default_rng(1)
    for _ in range(10):
        params = random_params(rng, 0.1)
        steps = np.concatenate([np.arange(-300, 300) / 2, rng.uniform(-200, 200, 300), [1e6, -1e6]])
        x = (steps * float(params.scale)).astype(np.float32)[None]
        want = kernel("QUANTIZE", (x,), (None,), x.shape, params)
        np.testing.assert_array_equal(Quantize(**ENDS, params=params).run(x), want, strict=True)


def test_quantize_saturates_where_the_kernel_overflows():
    x = np.array([[3e38, -3e38]], np.float32)
    codes = Quantize(**ENDS, params=QuantParams(2.0, 5)).run(x)
    np.testing.assert_array_equal(codes, [[127, -128]])


def test_dequantize():
    rng = np.random.default_rng(2)
    for _ in range(20):
        params = random_params(rng, 0.1)
        want = kernel("DEQUANTIZE", (CODES,), (params,), CODES.shape, None, dtype="FLOAT32")
        np.testing.assert_array_equal(Dequantize(**ENDS, params=params).run(CODES), want, strict=True)


@pytest.mark.parametrize("equal", [False, True])
def test_requantize_between_uint8_and_int8(equal):
    rng = np.random.default_rng(3)
    for _ in range(20):
        source = random_params(rng, 0.1, 4)
        target = random_params(rng, float(source.scale), 0 if equal else 3)
        x = np.arange(256).astype(np.uint8)[None]
        zero = source.zero_point + 128
        requant = Requant.from_scale(float(source.scale) / float(target.scale), target.zero_point)
        found = Requantize(**ENDS, input_zero_point=zero, requant=requant).run(x)
        want = kernel("QUANTIZE", (x,), (Unsigned(source.scale, zero),), x.shape, target)
        np.testing.assert_array_equal(found, want, strict=True)
        found = Requantize(**ENDS, input_zero_point=source.zero_point, requant=requant, unsigned=True).run(CODES)
        ends = (source,), CODES.shape, Unsigned(target.scale, target.zero_point + 128)
        want = kernel("QUANTIZE", (CODES,), *ends, dtype="UINT8")
        np.testing.assert_array_equal(found, want, strict=True)


def test_requantize_refuses_what_leaves_int32():
    with pytest.raises(ValueError, match="beyond int32; use a larger output scale"):
        Requantize(**ENDS, input_zero_point=0, requant=Requant.from_scale(2.0**26, 0))


@pytest.mark.parametrize("quantiser", ["tflite", "onnx", "exact"])
@pytest.mark.filterwarnings("error")
def test_quotients_beyond_the_range_saturate(quantiser):
    x = np.array([1e38, -1e38, 0.0])
    np.testing.assert_array_equal(float_codes(x, 1e-30, 3, np.int8, quantiser), [127, -128, 3])
    np.testing.assert_array_equal(float_codes(10 * x, 1e-30, 3, np.uint8, quantiser), [255, 0, 3])
