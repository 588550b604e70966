"""Activations and int8-to-int8 requantisation as 256-entry lookup tables.

Each ``*_table`` function returns the output codes of TFLite Micro's kernel for the inputs -128 to 127. Floating-point
kernels compute in float32, and so do their tables. Scales for which the kernel overflows are rejected.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...numerics.quantization import QuantParams
from ...numerics.requantization import Requant, rescale
from . import fixed_point
from .base import INT8_MAX, INT8_MIN, Operator, Shape, check_left_shift

__all__ = [
    "FUNCTIONS",
    "Lookup",
    "by_float",
    "clamp_table",
    "hard_swish_table",
    "leaky_relu_table",
    "logistic_table",
    "relu_table",
    "requantize_table",
    "tanh_table",
]

CODES = np.arange(INT8_MIN, INT8_MAX + 1)


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup(Operator):
    """Lookup table: a function of one code.

    Attributes
    ----------
    table : (256,) or (channels, 256) int8 array
        Output code for each input code from -128 on; shared, or one row per channel of the last axis.
    op : str
        TFLite name of the kind of operator.
    """

    table: np.ndarray
    op: str = "LOOKUP"  # pyright: ignore[reportIncompatibleVariableOverride]

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        index = arrays[0].astype(np.intp) + 128
        if self.table.ndim == 1:
            return self.table[index]
        return self.table[np.arange(len(self.table)), index]


def _codes(values: np.ndarray) -> np.ndarray:
    return np.clip(values, INT8_MIN, INT8_MAX).astype(np.int8)


def _centred(source: QuantParams, *requants: Requant) -> np.ndarray:
    """Centred codes, int64; raises if a requantisation shifts them out of int32."""
    x = (CODES - source.zero_point).astype(np.int64)
    for requant in requants:
        check_left_shift(int(np.abs(x).max()), int(requant.shift))
    return x


def requantize_table(source: QuantParams, target: QuantParams) -> np.ndarray:
    """QUANTIZE from int8 to int8."""
    requant = Requant.from_scale(float(source.scale) / float(target.scale), target.zero_point)
    return requant.apply(_centred(source, requant))


def clamp_table(low: int, high: int) -> np.ndarray:
    """RELU6 and RELU_N1_TO_1: a clamp on the code."""
    return _codes(np.clip(CODES, low, high))


def relu_table(source: QuantParams, target: QuantParams) -> np.ndarray:
    """RELU, rescaled to the output's scale."""
    scale = np.float32(source.scale) / np.float32(target.scale)
    requant = Requant.from_scale(float(scale), target.zero_point, qmin=target.zero_point)
    return requant.apply(_centred(source, requant))


def leaky_relu_table(source: QuantParams, target: QuantParams, alpha: float) -> np.ndarray:
    """LEAKY_RELU: one of two scales, selected by the sign of the input."""
    scales = np.float32(source.scale), np.float32(target.scale)
    positive = Requant.from_scale(float(scales[0] / scales[1]), 0)
    factor = np.float32(scales[0] * np.float32(alpha)) / scales[1]
    negative = Requant.from_scale(abs(float(factor)), 0)
    x = _centred(source, positive, negative)
    up = rescale(x, positive.multiplier, positive.shift)
    down = rescale(x, negative.multiplier, negative.shift)
    return _codes(np.where(x >= 0, up, down if factor >= 0 else -down) + target.zero_point)


def _centred_input(source: QuantParams) -> tuple[np.ndarray, np.ndarray, int]:
    """Centred codes, their fixed-point form with 4 integer bits, and the largest magnitude that fits."""
    if source.scale < 2.0**-28:
        raise ValueError(f"input scale {source.scale} is below 2**-28, {2.0**-28:.3g}; use a larger one")
    mantissa, shift = np.frexp(float(source.scale) * 2.0**27)
    multiplier = int(np.floor(mantissa * 2.0**31 + 0.5))
    x = (CODES - source.zero_point).astype(np.int64)
    limit = fixed_point.radius(4, int(shift))
    inside = np.where(np.abs(x) < limit, x, 0)
    return x, fixed_point.multiply(inside << int(shift), multiplier), limit


def logistic_table(source: QuantParams) -> np.ndarray:
    """LOGISTIC; the output has scale 1/256 and zero point -128."""
    x, scaled, limit = _centred_input(source)
    codes = fixed_point.round_shift(fixed_point.logistic(scaled), 23) - 128
    codes = np.where(x <= -limit, INT8_MIN, np.where(x >= limit, INT8_MAX, codes))
    return _codes(codes)


def tanh_table(source: QuantParams) -> np.ndarray:
    """TANH; the output has scale 1/128 and zero point 0."""
    x, scaled, limit = _centred_input(source)
    codes = fixed_point.round_shift(fixed_point.tanh(scaled), 24)
    codes = np.where(x <= -limit, INT8_MIN, np.where(x >= limit, INT8_MAX, codes))
    return _codes(codes)


def hard_swish_table(source: QuantParams, target: QuantParams) -> np.ndarray:
    """HARD_SWISH in the kernel's 16-bit fixed point.

    Raises
    ------
    ValueError
        If the output scale is at most 1/128 of the input's or above 512 times it, or the input scale is below
        3 * 2**-24.
    """
    hires = np.float32(np.float32(1.0 / 128.0) * np.float32(source.scale))
    output = Requant.from_scale(float(hires / np.float32(target.scale)), 0)
    reluish = Requant.from_scale(float(hires / np.float32(3.0 / 32768.0)), 0)
    if output.shift > 0:
        raise ValueError(f"output scale {target.scale} is not above 1/128 of the input's; use a larger one")
    # The kernel right-shifts 16-bit words.
    if output.shift < -15:
        raise ValueError(f"output scale {target.scale} is above 512 times the input's; use a smaller one")
    if reluish.shift < -15:
        raise ValueError(f"input scale {source.scale} is below 3 * 2**-24; use a larger one")
    factors = [_short(int(requant.multiplier)) for requant in (output, reluish)]
    exponent = int(reluish.shift)
    x = (CODES - source.zero_point).astype(np.int64) << 7
    preshift = _high16(x, factors[0])
    y = x
    if exponent > 0:
        y = _int16(y << (exponent - 1))
    y = _high16(y, factors[1])
    if exponent > 0:
        y = _int16(y << 1)
    elif exponent < 0:
        y = fixed_point.round_shift(y, -exponent)
    y = (y + (1 << 15)) >> 1
    # Truncated, not rounded.
    product = y * preshift
    result = np.where(product >= 0, product >> 15, -(-product >> 15))
    return _codes(fixed_point.round_shift(_int16(result), -int(output.shift)) + target.zero_point)


def _short(multiplier: int) -> int:
    """Round a Q31 multiplier to 16 bits."""
    return 32767 if multiplier >= 2**31 - 1 - 2**15 else (multiplier + 2**15) >> 16


def _int16(x: np.ndarray) -> np.ndarray:
    return np.clip(x, -(2**15), 2**15 - 1)


def _high16(a: np.ndarray, b: int) -> np.ndarray:
    """Upper half of twice a 16-bit product, rounded to nearest, ties upwards."""
    return (a * b + 2**14) >> 15


def by_float(source: QuantParams, target: QuantParams, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Table of a real function, computed in float32 as in TFLite, for example ELU."""
    real = (np.float32(source.scale) * (CODES - source.zero_point).astype(np.float32)).astype(np.float32)
    with np.errstate(all="ignore"):
        values = function(real).astype(np.float32) * (np.float32(1) / np.float32(target.scale))
    values = values.astype(np.float64)
    if not (np.abs(values) < 2.0**31 - 256).all():
        raise ValueError(f"output scale {target.scale} is too small: codes overflow int32; use a larger one")
    return _codes(np.trunc(values + np.copysign(0.5, values)) + target.zero_point)


def _elu(x: np.ndarray) -> np.ndarray:
    # The kernel subtracts in float32, which loses bits near 0.
    return np.where(x < 0, np.exp(x.astype(np.float64)).astype(np.float32) - np.float32(1), x)


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"ELU": _elu}
"""Real functions of the operators whose kernel fills a table in floating point."""
