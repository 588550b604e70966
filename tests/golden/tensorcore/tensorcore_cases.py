"""Configs, bit patterns and the comparison shared by the tensor-core tests."""

import ml_dtypes
import numpy as np
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot

from .tensorcore_reference import ref_of

TYPES = {
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "tf32": np.float32,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "fp32": np.float32,
}


FLOATS = ("fp16", "bf16", "tf32", "e4m3", "e5m2")


# Every preset with its formats of a, b and the output, and the FP8 rule where the preset has two.
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
    ("hopper", "e4m3", "e4m3", "fp32", "mma_sync"),
    ("hopper", "e5m2", "e4m3", "fp16", "mma_sync"),
    ("ada", "fp16", "fp16", "fp16"),
    ("ada", "bf16", "bf16", "fp32"),
    ("ada", "e4m3", "e5m2", "fp32"),
    ("ada", "e5m2", "e5m2", "fp16"),
    ("blackwell", "fp16", "fp16", "fp16"),
    ("blackwell", "tf32", "tf32", "fp32"),
    ("blackwell", "e5m2", "e5m2", "fp32"),
    ("blackwell", "e4m3", "e4m3", "fp16"),
]


def make(preset, a_format="fp16", b_format=None, out_format=None, fp8=None, **overrides):
    formats = {"a_format": a_format, "b_format": b_format or a_format, **overrides}
    if out_format:
        formats["out_format"] = out_format
    if fp8:
        formats["fp8"] = fp8
    return getattr(TensorCoreConfig, preset)(**formats)


def bits(values, format="fp32"):
    return np.asarray(values).view(FORMATS[format].dtype)


def check(a, b, c, config):
    """Compare both models on patterns (n, K), (n, K) and (n,); returns the result's patterns."""
    got = bits(dot(a, b, c, config), config.out_format)
    expected = [ref_of(config, x, y, z) for x, y, z in zip(a.tolist(), b.tolist(), c.tolist(), strict=True)]
    for row, (pattern, right) in enumerate(zip(got.tolist(), expected, strict=True)):
        assert pattern == right, f"{pattern:#x}, not {right:#x}: {a[row]} {b[row]} {c[row]}"
    return got


def random_patterns(rng, shape, format, exponent=None, special=0.0):
    """Numbers with random fractions, some zeros, and a fraction `special` of infinities and NaNs."""
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
    # Range of the operands' exponents, with room for those of product and addend to differ.
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
