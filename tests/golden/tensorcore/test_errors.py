"""Errors of tensor cores in ULP."""

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.errors import QUANTILES, error_statistics, ulp_errors
from tercet.golden.tensorcore.model import dot


def test_errors_by_hand():
    config = TensorCoreConfig.volta()
    # The first step loses 4 * 2**-24, two ULP; the second has nothing to lose.
    a = np.zeros((3, 8), np.float16)
    a[:, :4] = 2.0**-12
    a[2] = 0
    b = a * np.array([1, -1, 1], np.float16)[:, None]
    c = np.array([1, -1, 0], np.float32)
    assert ulp_errors(a, b, c, config).tolist() == [-2, -2, 0]
    # 1 - 4 * 2**-24 is 4 ULP below 1, but Volta returns 1.
    assert ulp_errors(a[0], -a[0], np.float32(1), config) == 4
    # Hopper keeps 25 bits.
    a, b = np.zeros(16, np.float16), np.zeros(16, np.float16)
    a[:4] = b[:4] = 2.0**-12
    assert ulp_errors(a, b, np.float32(1), TensorCoreConfig.hopper()) == 0


def test_units_are_those_of_the_result():
    # 1 + 2**-14: FP8 sums on Hopper have 13 bits, in which that is half an ULP.
    config = TensorCoreConfig.hopper(a_format="e4m3")
    a, b = np.zeros(32), np.zeros(32)
    a[:2], b[:2] = (1, 2.0**-7), (1, 2.0**-7)
    a, b = (x.astype(ml_dtypes.float8_e4m3fn) for x in (a, b))
    assert ulp_errors(a, b, np.float32(0), config) == -0.5
    half = TensorCoreConfig.volta(out_format="fp16")
    a = np.array([1, 2.0**-11, 0, 0, 2.0**-11, 0, 0, 0], np.float16)
    assert ulp_errors(a, np.ones(8, np.float16), np.float16(0), half) == -1  # two ties, one after the other
    # If the exact sum is zero, an ULP is the smallest number.
    config = TensorCoreConfig(l=1, a_format="bf16", fraction_bits=23)
    a = np.array([2.0**-60, -(2.0**-60), 2.0**-75], ml_dtypes.bfloat16)
    b = np.array([2.0**-60, 2.0**-60, 2.0**-74], ml_dtypes.bfloat16)
    assert dot(a, b, np.float32(-(2.0**-149)), config) == 2.0**-149
    assert ulp_errors(a, b, np.float32(-(2.0**-149)), config) == 1


def test_statistics_are_those_of_the_errors():
    config = TensorCoreConfig.ampere()
    (stats,) = error_statistics(config, [16], count=500, seed=3)
    rng = np.random.default_rng((3, 16))
    a, b = (rng.standard_normal((500, 16), np.float32).astype(np.float16) for _ in range(2))
    errors = ulp_errors(a, b, np.zeros(500, np.float32), config)
    assert (stats.k, stats.count) == (16, 500)
    assert (stats.bias, stats.spread) == (errors.mean(), errors.std())
    assert (stats.worst, stats.equal) == (np.abs(errors).max(), np.mean(errors == 0))
    assert stats.quantiles == tuple(np.quantile(errors, QUANTILES))


def test_bias_grows_with_k_and_shrinks_with_the_steps():
    """Positive sums are truncated in each step, so the bias is toward zero and grows with the number of steps."""
    ks = (32, 64, 256)
    bias = {}
    for name in ("volta", "ampere", "hopper"):
        stats = error_statistics(getattr(TensorCoreConfig, name)(), ks, count=200, operands="positive")
        assert [s.k for s in stats] == list(ks)
        bias[name] = [s.bias for s in stats]
        assert bias[name] == sorted(bias[name], reverse=True)
        assert all(s.quantiles[-1] <= 0 for s in stats)
    assert all(v < a < h < 0 for v, a, h in zip(*bias.values(), strict=True))
    # A rounded result has hardly any bias; exact has no error at all.
    (half,) = error_statistics(TensorCoreConfig.volta(out_format="fp16"), [64], count=500, operands="positive")
    assert abs(half.bias) < 0.2 < half.spread
    (exact,) = error_statistics(TensorCoreConfig.exact(), [40], count=50)
    assert (exact.bias, exact.spread, exact.worst, exact.equal) == (0, 0, 0, 1)


def test_statistics_repeat_and_do_not_depend_on_other_k():
    config = TensorCoreConfig.volta(a_format="fp16")
    assert error_statistics(config, [4, 8], count=50)[1] == error_statistics(config, [8], count=50)[0]
    assert error_statistics(config, [8], count=50, seed=1) != error_statistics(config, [8], count=50)
    # More rows than are processed at a time.
    (long,) = error_statistics(config, [2**12], count=65, operands="positive")
    assert long.count == 65
    assert long.bias < -500


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"config": None}, TypeError, "Config None is not a TensorCoreConfig"),
        ({"config": TensorCoreConfig(a_format="int8")}, ValueError, "a_format 'int8' has exact sums"),
        ({"ks": [6]}, ValueError, "K is 6, not a positive multiple of l 4"),
        ({"ks": [0]}, ValueError, r"K 0 is outside \[1, 16777216\]"),
        ({"ks": [4.0]}, TypeError, "K 4.0 is not an integer"),
        ({"count": 0}, ValueError, "Count 0 is outside"),
        ({"seed": -1}, ValueError, "Seed -1 is outside"),
        ({"operands": "uniform"}, ValueError, "Operands 'uniform' are unknown; use 'normal' or 'positive'"),
        ({"operands": 1}, TypeError, "Operands 1 are not a string"),
    ],
)
def test_statistics_refuse(kwargs, error, match):
    with pytest.raises(error, match=match) as caught:
        error_statistics(**{"config": TensorCoreConfig(), "ks": [4], "count": 2, **kwargs})
    assert "\n" not in str(caught.value)


def test_errors_refuse_results_that_are_not_finite():
    a = np.array([np.inf, 0, 0, 0], np.float16)
    with pytest.raises(ValueError, match="D inf is not finite; use smaller operands"):
        ulp_errors(a, np.ones(4, np.float16), np.float32(0), TensorCoreConfig())
    a = np.full((2, 8), 60000, np.float16)
    a[:, 4:] = -60000
    a[0] = 0
    half = TensorCoreConfig(out_format="fp16")
    with pytest.raises(ValueError, match=r"D inf at index \(1,\) is not finite"):
        ulp_errors(a, np.ones((2, 8), np.float16), np.zeros(2, np.float16), half)
    with pytest.raises(ValueError, match="a_format 'int8' has exact sums"):
        ulp_errors(a, a, a, TensorCoreConfig(a_format="int8"))
