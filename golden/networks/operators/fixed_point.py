"""gemmlowp's fixed-point functions, used by TFLite's LOGISTIC, TANH and SOFTMAX.

A number with `n` integer bits is an int32 with ``31 - n`` fraction bits. All arrays are int64 holding int32 values.
Source: gemmlowp, ``fixedpoint.h``.
"""

import math
from typing import Any

import numpy as np

__all__ = [
    "exp_on_negative_values",
    "logistic",
    "multiply",
    "one_over_one_plus_x",
    "radius",
    "round_shift",
    "saturating_shift",
    "tanh",
]

_MIN, _MAX = -(2**31), 2**31 - 1


def multiply(a: Any, b: Any) -> np.ndarray:
    """Product of two Q31 fractions, rounded to nearest, ties upwards; integer bits add up."""
    return np.minimum((np.asarray(a, np.int64) * b + 2**30) >> 31, _MAX)


def round_shift(x: Any, bits: Any) -> np.ndarray:
    """``x / 2**bits``, rounded to nearest, ties away from zero."""
    x = np.asarray(x, np.int64)
    half = (np.int64(1) << np.asarray(bits, np.int64)) >> 1
    return (x + half - ((x < 0) & (half > 0))) >> bits


def saturating_shift(x: Any, bits: int) -> np.ndarray:
    """``x * 2**bits``, saturated to int32."""
    return np.clip(np.asarray(x, np.int64) << bits, _MIN, _MAX)


def radius(integer_bits: int, left_shift: int) -> int:
    """Largest magnitude of an input code that fits `integer_bits` after a left shift by `left_shift`."""
    return math.floor((2**integer_bits - 1) * 2.0 ** (31 - integer_bits) / 2.0**left_shift)


def exp_on_negative_values(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """``exp(x)`` with 0 integer bits, for x <= 0 with `integer_bits` <= 5."""
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    remainder_base = (x & (quarter - 1)) - quarter
    result = _exp_below_quarter(remainder_base << integer_bits)
    remainder = remainder_base - x
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in zip(range(-2, 5), factors, strict=True):
        if integer_bits > exponent:
            result = np.where(remainder & (1 << (fraction + exponent)), multiply(result, factor), result)
    return np.where(x == 0, _MAX, result)


def _exp_below_quarter(a: np.ndarray) -> np.ndarray:
    """``exp(a)`` for a in [-1/4, 0), both with 0 integer bits: a Taylor series about -1/8."""
    x = a + (1 << 28)
    x2 = multiply(x, x)
    x3, x4 = multiply(x2, x), multiply(x2, x2)
    tail = round_shift(multiply(round_shift(x4, 2) + x3, 715827883) + x2, 1)
    return 1895147668 + multiply(1895147668, x + tail)


def _reciprocal(a: np.ndarray) -> np.ndarray:
    """``2 / (1 + a)`` with 2 integer bits for a in [0, 1] with 0 integer bits: three Newton iterations."""
    # (1 + a) / 2, rounded away from zero.
    total = a + _MAX
    half = (total + np.where(total >= 0, 1, -1)) // 2
    x = 1515870810 + multiply(half, -1010580540)
    for _ in range(3):
        x = x + saturating_shift(multiply(x, (1 << 29) - multiply(half, x)), 2)
    return x


def one_over_one_plus_x(a: np.ndarray) -> np.ndarray:
    """``1 / (1 + a)`` for a in [0, 1], both with 0 integer bits."""
    return saturating_shift(_reciprocal(a), 1)


def logistic(x: np.ndarray, integer_bits: int = 4) -> np.ndarray:
    """``1 / (1 + exp(-x))``, with 0 integer bits."""
    positive = one_over_one_plus_x(exp_on_negative_values(-np.abs(x), integer_bits))
    return np.where(x == 0, 1 << 30, np.where(x > 0, positive, _MAX - positive))


def tanh(x: np.ndarray, integer_bits: int = 4) -> np.ndarray:
    """Hyperbolic tangent, with 0 integer bits."""
    # exp(2x): the same word with one more integer bit.
    reciprocal = _reciprocal(exp_on_negative_values(-np.abs(x), integer_bits + 1))
    magnitude = saturating_shift(reciprocal - (1 << 29), 2)
    return np.where(x == 0, 0, np.where(x > 0, magnitude, -magnitude))
