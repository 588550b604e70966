"""Products as FP32 numbers against NumPy, bit for bit."""

import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS, to_float
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.float32 import Float32
from tercet.rtl.tensorcore.float_product import FloatProduct

from .test_exact_product import number

SETTINGS = [("fp16", "fp16", 14), ("fp16", "fp16", 4), ("e4m3", "e4m3", 14), ("e5m2", "e4m3", 14), ("e5m2", "e5m2", 14)]


def pairs(a_format, b_format, count):
    """Random patterns, half of them subnormal with fractions of any length; some with the encoding of infinity."""
    rng = np.random.default_rng(count)
    chosen = []
    for format in (a_format, b_format):
        form = FORMATS[format]
        values = rng.integers(0, 2**form.width, count)
        subnormal = rng.random(count) < 0.5
        values = np.where(subnormal, values & ~(2**form.exponent_bits - 1 << form.fraction_bits), values)
        fraction = 2**form.fraction_bits - 1
        short = (values & fraction) >> rng.integers(0, form.fraction_bits, count)
        values = np.where(subnormal, values & ~fraction | short, values)
        special = values & 1 << form.width - 1 | form.overflow
        chosen.append(np.where(rng.random(count) < 0.05, special, values).astype(form.dtype))
    return chosen


@pytest.mark.parametrize(("a_format", "b_format", "pipeline"), SETTINGS)
def test_against_numpy(through, a_format, b_format, pipeline):
    """Every number of leading zeros, both zeros, infinities and NaNs."""
    a, b = pairs(a_format, b_format, 3000)
    with np.errstate(all="ignore"):
        want = to_float(a, a_format).astype(np.float32) * to_float(b, b_format).astype(np.float32)
    component = FloatProduct(config=TensorCoreConfig(a_format=a_format, b_format=b_format, pipeline=pipeline))
    cases = [{"a": number(a_format, int(x)), "b": number(b_format, int(y))} for x, y in zip(a, b, strict=True)]
    exponents = set()
    products = through(component, cases, product=component.latency).product
    for bits, x, y, product in zip(products, a, b, want, strict=True):
        got, details = Float32.from_bits(bits), f"{x:#x} * {y:#x} is not {product}"
        assert got.nan == np.isnan(product), details
        if np.isnan(product):
            continue
        assert got.sign == np.signbit(product), details
        assert got.infinite == np.isinf(product), details
        if np.isfinite(product):
            assert got.sign << 31 | got.exponent << 23 | got.fraction == product.view(np.uint32), details
            assert got.normal == (product != 0), details
            exponents.add(got.exponent)
    # From the exponent of the smallest product upwards.
    least = FORMATS["fp32"].bias + sum(
        form.min_exponent - form.fraction_bits for form in (FORMATS[a_format], FORMATS[b_format])
    )
    assert {0, *range(least, least + 30)} <= exponents
    assert np.isnan(want).any()
    assert "e4m3" in (a_format, b_format) or np.isinf(want).any()


def test_refused():
    with pytest.raises(ValueError, match="not bf16 times bf16 to fp32; use fp16, e4m3, e5m2 to fp32"):
        FloatProduct(config=TensorCoreConfig(a_format="bf16"))
