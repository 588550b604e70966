"""Host operators at the ends of a graph: SOFTMAX, and conversions between codes and real numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ...numerics.quantization import QuantParams, Requant
from . import fixed_point
from .base import INT8_MIN, Operator, Shape, check_left_shift
from .matrix import requantized

__all__ = ["Dequantize", "Quantiser", "Quantize", "Requantize", "Softmax", "float_codes", "real_numbers"]

_DIFFERENCE_BITS = 5  # integer bits of the difference from the largest input
_SUM_BITS = 12  # integer bits of the sum of exponentials


Quantiser = Literal["tflite", "onnx", "exact"]
"""Quantisation arithmetic: float32 quotient rounded half away from zero (TFLite) or half to even (ONNX), or float64
quotient rounded half away from zero (`quantize`)."""


def float_codes(
    x: np.ndarray, scale: float, zero_point: int, dtype: Any = np.int8, quantiser: Quantiser = "tflite"
) -> np.ndarray:
    """Quantise real numbers to codes, saturating."""
    kind = np.float64 if quantiser == "exact" else np.float32
    # Quotients may overflow to infinity, which saturates.
    with np.errstate(over="ignore", invalid="ignore"):
        quotient = x.astype(kind) / kind(scale)
        if quantiser == "onnx":
            rounded = np.rint(quotient)
        else:
            whole = np.trunc(quotient)
            rounded = whole + np.where(np.abs(quotient - whole) >= 0.5, np.sign(quotient), 0)
    info = np.iinfo(dtype)
    return np.clip(rounded.astype(np.float64) + zero_point, info.min, info.max).astype(dtype)


def real_numbers(codes: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Dequantise codes to float32 as TFLite's DEQUANTIZE does."""
    return ((codes.astype(np.int64) - zero_point) * scale).astype(np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class _SameShape(Operator):
    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]


@dataclass(frozen=True, eq=False, kw_only=True)
class Quantize(_SameShape):
    """Quantisation of real numbers to int8 codes with scale and zero point `params`."""

    op: ClassVar[str] = "QUANTIZE"
    params: QuantParams
    quantiser: Quantiser = "tflite"

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return float_codes(arrays[0], float(self.params.scale), self.params.zero_point, quantiser=self.quantiser)


@dataclass(frozen=True, eq=False, kw_only=True)
class Requantize(_SameShape):
    """QUANTIZE between uint8 and int8 codes, at the ends of a graph.

    Attributes
    ----------
    input_zero_point : int
        Zero point of the input, which may be uint8.
    requant : Requant
        Rescaling, with the output zero point as an int8 code.
    unsigned : bool
        Whether the output is uint8.
    """

    op: ClassVar[str] = "QUANTIZE"
    input_zero_point: int
    requant: Requant
    unsigned: bool = False

    def __post_init__(self):
        check_left_shift(255, int(self.requant.shift))

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        codes = requantized(arrays[0].astype(np.int64) - self.input_zero_point, self.requant)
        return (codes.astype(np.int16) + 128).astype(np.uint8) if self.unsigned else codes


@dataclass(frozen=True, eq=False, kw_only=True)
class Dequantize(_SameShape):
    """Dequantisation of codes with scale and zero point `params` to float32."""

    op: ClassVar[str] = "DEQUANTIZE"
    params: QuantParams

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return real_numbers(arrays[0], float(self.params.scale), self.params.zero_point)


@dataclass(frozen=True, eq=False, kw_only=True)
class Softmax(_SameShape):
    """Softmax over the last axis in fixed point; the output has scale 1/256 and zero point -128.

    If the exponentials sum to 512 or more, which takes at least that many inputs near the largest, TFLite Micro aborts.
    Here, each such class gets the code that its share rounds to, -128.

    Attributes
    ----------
    scale : float
        Scale of the input.
    beta : float
        Factor applied to the exponents.

    Raises
    ------
    ValueError
        If ``beta * scale`` is at most 2**-26.

    Source: ``reference_ops::Softmax`` of TFLite, for int8.
    """

    op: ClassVar[str] = "SOFTMAX"
    scale: float
    beta: float = 1.0

    def __post_init__(self):
        # At or below this, the kernel aborts.
        least = 2.0 ** (_DIFFERENCE_BITS - 31)
        if not self.beta * self.scale > least:
            raise ValueError(
                f"beta times the input scale is {self.beta * self.scale}; use more than 2**-26, {least:.3g}"
            )

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        x = arrays[0].astype(np.int64)
        real = min(float(np.float32(self.beta)) * self.scale * 2.0 ** (31 - _DIFFERENCE_BITS), 2.0**31 - 1)
        mantissa, shift = np.frexp(real)
        multiplier, shift = int(np.floor(mantissa * 2.0**31 + 0.5)), int(shift)
        if multiplier == 2**31:
            multiplier, shift = 2**30, shift + 1
        difference = x - x.max(axis=-1, keepdims=True)
        counted = difference >= -fixed_point.radius(_DIFFERENCE_BITS, shift)
        scaled = fixed_point.multiply(np.where(counted, difference, 0) << shift, multiplier)
        exponential = fixed_point.exp_on_negative_values(scaled, _DIFFERENCE_BITS)
        total = np.where(counted, fixed_point.round_shift(exponential, _SUM_BITS), 0).sum(axis=-1, keepdims=True)
        headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
        reciprocal = fixed_point.one_over_one_plus_x((total << headroom) - 2**31)
        product = fixed_point.multiply(reciprocal, exponential)
        codes = fixed_point.round_shift(product, (_SUM_BITS - headroom) + 31 - 8) + INT8_MIN
        return np.where(counted, np.clip(codes, -128, 127), INT8_MIN).astype(np.int8)
