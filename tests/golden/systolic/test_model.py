"""The systolic golden model against plain Python integers, and its errors."""

import dataclasses
import itertools

import numpy as np
import pytest
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul


def operands(m, k, n, seed=0, bits=8):
    rng = np.random.default_rng(seed)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    dtype = np.int8 if bits <= 8 else np.int16
    return rng.integers(low, high, (m, k)).astype(dtype), rng.integers(low, high, (k, n)).astype(dtype)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 2), (7, 40, 9)])
def test_matmul_is_the_sum_of_products(shape):
    m, k, n = shape
    acts, weights = operands(m, k, n)
    bias = np.arange(n, dtype=np.int32) * 1000 - 500
    out = matmul(acts, weights, bias)
    assert out.dtype == np.int32
    for i, j in itertools.product(range(m), range(n)):
        assert out[i, j] == sum(int(a) * int(w) for a, w in zip(acts[i], weights[:, j], strict=True)) + int(bias[j])


def test_matmul_is_exact_at_the_ends():
    config = SystolicConfig(act_width=16, weight_width=16)
    acts = np.full((1, 1), -(2**15), np.int16)
    weights = np.full((1, 1), -(2**15), np.int16)
    assert matmul(acts, weights, np.array([2**30 - 1]), config) == 2**31 - 1
    with pytest.raises(ValueError, match=r"Column 0 can reach \[32768, 2147483648\], beyond acc_width 32"):
        matmul(acts, weights, np.array([2**30]), config)


@pytest.mark.parametrize("acc_width", [16, 17, 20, 32])
def test_proof_refuses_exactly_what_can_overflow(acc_width):
    """For one column of equal weights the extreme sums are known."""
    config = SystolicConfig(acc_width=acc_width)
    limit = 2 ** (acc_width - 1)
    for weight in (127, -128, 3):
        step = max(-128 * weight, 127 * weight)
        fits = min((limit - 1) // step, 40)
        acts = np.zeros((1, fits), np.int8)
        matmul(acts, np.full((fits, 1), weight, np.int8), None, config)
        room = limit - 1 - fits * step
        if room < 2**31:
            matmul(acts, np.full((fits, 1), weight, np.int8), np.array([room]), config)
            with pytest.raises(ValueError, match="use smaller weights, a smaller bias, a shorter K or a wider"):
                matmul(acts, np.full((fits, 1), weight, np.int8), np.array([room + 1]), config)


@pytest.mark.parametrize(
    ("fields", "error", "match"),
    [
        ({"rows": 0}, ValueError, r"rows 0 is outside \[1, 256\]"),
        ({"rows": 4.0}, TypeError, "rows 4.0 is not an integer"),
        ({"cols": True}, TypeError, "cols True is a bool"),
        ({"act_width": 3}, ValueError, r"act_width 3 is outside \[4, 16\]"),
        ({"weight_width": 17}, ValueError, "weight_width 17 is outside"),
        ({"acc_width": 33}, ValueError, "acc_width 33 is outside"),
        ({"acc_width": 15}, ValueError, "acc_width 15 cannot hold one product; use at least 16"),
        ({"acc_depth": 1}, ValueError, "acc_depth 1 is outside"),
        ({"dataflow": "is"}, ValueError, "dataflow 'is' is unknown; use one of ws, os"),
        ({"mac": 3}, TypeError, "mac 3 is not a string; use one of infer, ecp5, ecp5-dual, ice40, ternary"),
        ({"weight_width": 3}, ValueError, "weight_width 3 is below 4; use at least 4, or 2 with mac 'ternary'"),
        ({"weight_width": 4, "mac": "ternary"}, ValueError, "weight_width is 4, but mac 'ternary' is for -1, 0 and 1"),
        ({"dataflow": "os", "mac": "ternary-ecp5"}, ValueError, "mac 'ternary-ecp5' is weight stationary"),
        (
            {"acc_width": 16, "act_width": 16, "mac": "ternary"},
            ValueError,
            "acc_width 16 cannot hold one product; use at",
        ),
        ({"mac": "ice40", "cols": 3}, ValueError, "cols 3 is odd"),
        ({"cols": 4, "requant_lanes": 5}, ValueError, "requant_lanes 5 is above cols 4"),
        ({"dataflow": "os", "acc_depth": 15}, ValueError, "acc_depth 15 is below rows 16"),
        ({"lut_rows": 1}, ValueError, "lut_rows is 1, but mac is 'infer'; use 0 or mac 'ecp5-dual'"),
        ({"rows": 2, "mac": "ecp5-dual", "lut_rows": 3}, ValueError, "lut_rows 3 is above rows 2; use at most 2"),
    ],
)
def test_config_refuses(fields, error, match):
    with pytest.raises(error, match=match) as caught:
        SystolicConfig(**fields)
    assert "\n" not in str(caught.value)


def test_config_is_frozen_and_has_presets():
    config = SystolicConfig.tpu_v1(acc_depth=4096)
    assert (config.rows, config.cols, config.acc_depth) == (256, 256, 4096)
    assert config.sum_width == 24
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.rows = 3  # pyright: ignore[reportAttributeAccessIssue]
    assert SystolicConfig(cols=5).requant_lanes == 3


def test_ternary_weights():
    """Two bits, whether given or not; sums as narrow as an activation and its negative allow."""
    config = SystolicConfig(rows=8, mac="ternary")
    assert config == SystolicConfig(rows=8, mac="ternary", weight_width=2) == dataclasses.replace(config, cols=16)
    assert (config.weight_width, config.weight_range, config.product_width, config.sum_width) == (2, (-1, 1), 9, 12)
    acts, weights = np.array([[-128, 127]], np.int8), np.array([[-1, 0], [0, 1]], np.int8)
    assert matmul(acts, weights, None, config).tolist() == [[128, 127]]
    for wrong in (2, -2):
        with pytest.raises(ValueError, match=rf"{wrong} at index \(0, 1\) is outside \[-1, 1\]; mac 'ternary' needs"):
            matmul(acts, weights + np.array([[0, wrong], [0, 0]], np.int8), None, config)


INT8 = np.zeros((2, 3), np.int8)


@pytest.mark.parametrize(
    ("acts", "weights", "bias", "error", "match"),
    [
        (INT8.astype(float), INT8.T, None, TypeError, "Activations have dtype float64; 8 bits need int8"),
        (INT8, INT8.T.astype(np.int16), None, TypeError, "Weights have dtype int16; 8 bits need int8"),
        (INT8[0], INT8.T, None, ValueError, r"Activations have shape \(3,\); use a matrix"),
        (INT8, INT8.T[:, :0], None, ValueError, r"Weights have shape \(3, 0\); every size must be at least 1"),
        (INT8, INT8, None, ValueError, r"Activations \(2, 3\) and weights \(2, 3\) do not match"),
        (INT8, INT8.T, np.zeros(3, int), ValueError, r"Bias has shape \(3,\) but the weights have 2 columns"),
        (INT8, INT8.T, np.zeros(2), TypeError, "Bias has dtype float64"),
        (INT8, INT8.T, np.array([0, 2**31]), ValueError, r"Bias 2147483648 at index \(1,\) is outside"),
    ],
)
def test_matmul_refuses(acts, weights, bias, error, match):
    with pytest.raises(error, match=match) as caught:
        matmul(acts, weights, bias)
    assert "\n" not in str(caught.value)


def test_narrow_operands_are_checked():
    config = SystolicConfig(act_width=6, weight_width=12)
    acts, weights = np.array([[31]], np.int8), np.array([[2047]], np.int16)
    assert matmul(acts, weights, None, config) == 31 * 2047
    with pytest.raises(ValueError, match=r"Activations 32 at index \(0, 0\) is outside \[-32, 31\]"):
        matmul(acts + np.int8(1), weights, None, config)


def test_cycles_by_hand():
    """Command and sequencing, weight plane, array and accumulator latency, read, output stage."""
    config = SystolicConfig(rows=2, cols=2)
    plane, array, accumulators, read, outlet = 1 + 2, config.array_latency, 4, 1 + 4, 2
    assert config.cycles(1, 2, 2, params=False) == 5 + plane + array + accumulators - 1 + read + outlet


@pytest.mark.parametrize(("m", "least"), [(256, 0.95), (64, 0.90)])
def test_utilisation_of_16x16(m, least):
    config = SystolicConfig()
    assert m * 256 * 256 / 256 / config.cycles(m, 256, 256) >= least


def test_cycles_refuses():
    with pytest.raises(ValueError, match="requant_lanes is 0: the engine has no requantiser"):
        SystolicConfig(requant_lanes=0).cycles(1, 1, 1, requant=True)
    with pytest.raises(ValueError, match="M 0 is outside"):
        SystolicConfig().cycles(0, 1, 1)
