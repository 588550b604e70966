"""Infinities, NaNs and zeros in the tensor core's golden model."""

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot

from .tensorcore_cases import TYPES, bits, make


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
    # A sum that overflows stays infinite: FP16 results have no headroom between steps.
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
    # A negative sum that rounds to zero: half of the smallest FP16 number.
    half = make(preset, out_format="fp16", l=4)
    tiny = np.array([-(2.0**-24), 0, 0, 0], np.float16)
    factor = np.array([0.5, 0, 0, 0], np.float16)
    assert int(bits(dot(tiny, factor, np.float16(0), half), "fp16")) == 0
    assert int(bits(dot(tiny, factor * np.float16(1.5), np.float16(0), half), "fp16")) == 0x8001
    # A sum truncated at the lower end of FP32.
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
