"""Quantisation: real numbers to int8 codes and back.

The engines never see a real number. Here a scale becomes a Q31 multiplier and a shift, once; from then on the model,
the RTL and TFLite compute the same integers.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..checks import (
    INT8,
    INT16,
    INT32,
    ByValue,
    check_qrange,
    float_array,
    int_array,
    integer,
    scale_value,
    show,
    where,
)
from .requantization import Requant, requantize

__all__ = [
    "CODE_BITS",
    "QuantParams",
    "Requant",
    "calibrate",
    "dequantize",
    "fold_zero_point",
    "quantize",
    "quantize_bias",
    "requantize",
    "weight_params",
]


CODE_BITS = (2, 8)
"""Fewest and most bits of a code: below two, none but 0 is symmetric."""


def _round_half_away(x: np.ndarray) -> np.ndarray:
    """Round float64 to the nearest integer, ties away from zero."""
    # Adding 0.5 and truncating would round 0.49999999999999994 to 1; the distance to the truncation is exact.
    whole = np.trunc(x)
    return whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0.0)


def fold_zero_point(weights: np.ndarray, bias: np.ndarray | None, zero_point: int) -> np.ndarray:
    """Fold the activations' zero point into the bias, so that the array can multiply raw activation codes.

    ``sum_k (a[k] - zp) * W[k, n] + bias[n]  ==  sum_k a[k] * W[k, n] + folded[n]``

    Parameters
    ----------
    weights : (K, N) integer array
        Weight codes with zero point 0, 16 bits at most.
    bias : (N,) integer array or None
        Bias in units of the sums, int32 range; None is 0.
    zero_point : int
        Zero point of the activations, -128 to 127.

    Returns
    -------
    (N,) int32 array
        ``bias - zero_point * weights.sum(axis=0)``.

    Raises
    ------
    TypeError
        If an argument is not of an integer type.
    ValueError
        If shapes do not match, an argument is out of range, or a folded bias exceeds int32.
    """
    w = int_array("Weight", weights, INT16, "give weight codes of 16 bits at most")
    if w.ndim != 2:
        raise ValueError(f"Weights have shape {w.shape}; use a matrix (K, N)")
    n = w.shape[1]
    b = np.zeros(n, np.int64) if bias is None else int_array("Bias", bias, INT32, "give int32 biases")
    if b.shape != (n,):
        raise ValueError(f"Bias has shape {b.shape} but the weights have {n} columns; use shape ({n},)")
    zero_point = integer("Zero point", zero_point, INT8)
    return _to_int32("Folded bias", b - zero_point * w.sum(axis=0), "use a smaller bias or a zero point nearer to 0")


def _to_int32(name: str, values: np.ndarray, fix: str) -> np.ndarray:
    bad = (values < INT32[0]) | (values > INT32[1])
    if bad.any():
        index = where(bad)
        raise ValueError(f"{name} {values[index]:.0f} of channel {index[0]} is outside [{INT32[0]}, {INT32[1]}]; {fix}")
    return values.astype(np.int32)


# Real numbers to integers and back, once, before anything runs.


@dataclass(frozen=True, eq=False)
class QuantParams(ByValue):
    """Mapping from int8 codes to real numbers: ``real = scale * (code - zero_point)``.

    Parameters
    ----------
    scale : float or (N,) float array
        Real size of one step, above 0; a vector holds one per channel, along the last axis.
    zero_point : int
        Code of the real number 0, in [qmin, qmax], so that zero (padding, a pruned weight) is exact.
    qmin, qmax : int
        Range of the codes, -128 <= qmin <= qmax <= 127.

    Raises
    ------
    TypeError
        If the scale is not real or another value not an integer.
    ValueError
        If a value is out of range.

    Notes
    -----
    Arrays are copied and read-only. Source: Jacob et al., CVPR 2018, section 2.1.
    """

    scale: float | np.ndarray
    zero_point: int
    qmin: int = INT8[0]
    qmax: int = INT8[1]

    def __post_init__(self):
        object.__setattr__(self, "scale", scale_value("Scale", self.scale))
        check_qrange(self)
        object.__setattr__(self, "zero_point", integer("Zero point", self.zero_point, (self.qmin, self.qmax)))

    def _fit(self, shape: tuple[int, ...]) -> None:
        n = np.size(self.scale)
        if np.ndim(self.scale) and (not shape or shape[-1] != n):
            raise ValueError(f"Shape {shape} does not end in the {n} channels of the scale; move them to the last axis")


def quantize(x: np.ndarray, params: QuantParams) -> np.ndarray:
    """Quantise real numbers to the nearest int8 codes.

    The float64 quotient rounds half away from zero, as in TFLite; values outside the range saturate.

    Parameters
    ----------
    x : (..., N) float array
        Finite real numbers.
    params : QuantParams
        Scale, zero point and range; a vector of scales runs along the last axis.

    Returns
    -------
    (..., N) int8 array
        ``clip(round(x / scale) + zero_point, qmin, qmax)``.

    Raises
    ------
    TypeError
        If ``x`` is not of a float type.
    ValueError
        If a value is NaN or infinite, or the last axis does not match the scale.
    """
    real = float_array("Input", x)
    params._fit(real.shape)
    # A quotient too large for float64 becomes infinite and still saturates.
    with np.errstate(over="ignore", invalid="ignore"):
        codes = _round_half_away(real / params.scale) + params.zero_point
    return np.asarray(np.clip(codes, params.qmin, params.qmax), dtype=np.int8)


def dequantize(q: np.ndarray, params: QuantParams) -> np.ndarray:
    """Convert int8 codes to the real numbers that they represent.

    Parameters
    ----------
    q : (..., N) integer array
        Codes, -128 to 127.
    params : QuantParams
        Scale and zero point; a vector of scales runs along the last axis.

    Returns
    -------
    (..., N) float64 array
        ``scale * (q - zero_point)``.

    Raises
    ------
    TypeError
        If ``q`` is not of an integer type.
    ValueError
        If a code is outside int8, or the last axis does not match the scale.
    """
    codes = int_array("Code", q, INT8, "give int8 codes")
    params._fit(codes.shape)
    return np.asarray((codes - params.zero_point) * params.scale, dtype=np.float64)


def weight_params(w: np.ndarray, *, axis: int | None = None, bits: int = 8) -> QuantParams:
    """Symmetric quantisation parameters for weights: codes -127 to 127 with 8 bits, zero point 0.

    Excluding -128 keeps the range symmetric and lets two products share one 18x18 multiplier.

    Parameters
    ----------
    w : (..., N) float array
        Finite weights, at least one.
    axis : int or None
        None for one scale; the last axis, -1, for one per output channel.
    bits : int
        Width of the codes, 2 to 8; their largest magnitude is ``2**(bits - 1) - 1``.

    Returns
    -------
    QuantParams
        Scale ``max(abs(w)) / 127`` with 8 bits, or 1 where all weights are zero.

    Raises
    ------
    TypeError
        If ``w`` is not of a float type, ``axis`` or ``bits`` not an integer.
    ValueError
        If a weight is not finite, ``w`` is empty, ``axis`` is not the last one, or ``bits`` is out of range.

    Notes
    -----
    Source: TFLite 8-bit quantisation specification.
    """
    real = float_array("Weight array", w)
    if not real.size:
        raise ValueError(f"Weights have shape {real.shape}; give at least one weight")
    if axis is None:
        peak = np.max(np.abs(real))
    else:
        axis = integer("Axis", axis, INT32)
        if not real.ndim or axis not in (-1, real.ndim - 1):
            raise ValueError(f"Axis {axis} is not the last of shape {real.shape}; move the channels there and use -1")
        peak = np.max(np.abs(real), axis=tuple(range(real.ndim - 1)))
    most = (1 << integer("Width", bits, CODE_BITS) - 1) - 1
    scale = peak / most
    return QuantParams(np.where(scale > 0, scale, 1.0), 0, -most, most)


def calibrate(
    x: np.ndarray,
    *,
    method: Literal["minmax", "percentile"] = "minmax",
    percentile: float = 99.9,
    bits: int = 8,
) -> QuantParams:
    """Asymmetric int8 quantisation parameters for activations, from samples.

    Parameters
    ----------
    x : float array of any shape
        Finite samples, at least one.
    method : "minmax" or "percentile"
        Cover every sample, or clip outliers at both ends.
    percentile : float
        With ``"percentile"``: the range runs from percentile ``100 - percentile`` to ``percentile``; above 50, at
        most 100.
    bits : int
        Width of the codes, 2 to 8.

    Returns
    -------
    QuantParams
        One scale, codes -128 to 127 with 8 bits. The range always includes 0, which is exact; a round trip of any real
        number in the range errs by at most half a step. All-zero samples give scale 1 and zero point 0.

    Raises
    ------
    TypeError
        If ``x`` is not of a float type, ``method`` not a string, ``percentile`` not a number or ``bits`` no integer.
    ValueError
        If a sample is not finite, ``x`` is empty, or an option is out of range.

    Notes
    -----
    Source: Jacob et al., CVPR 2018, section 3.
    """
    real = float_array("Sample array", x)
    if not real.size:
        raise ValueError(f"Samples have shape {real.shape}; give at least one sample")
    if not isinstance(method, str):
        raise TypeError(f"Method {show(method)} is not a string; use 'minmax' or 'percentile'")
    if method not in ("minmax", "percentile"):
        raise ValueError(f"Method {method!r} is unknown; use 'minmax' or 'percentile'")
    if isinstance(percentile, bool) or not isinstance(percentile, (int, float, np.integer, np.floating)):
        raise TypeError(f"Percentile {show(percentile)} is not a number; use one above 50, at most 100")
    if not 50 < percentile <= 100:
        raise ValueError(f"Percentile {percentile} is outside (50, 100]; use for instance 99.9")
    if method == "minmax":
        low, high = float(real.min()), float(real.max())
    else:
        low, high = (float(v) for v in np.percentile(real, [100 - float(percentile), float(percentile)]))
    low, high = min(low, 0.0), max(high, 0.0)
    levels = 1 << integer("Width", bits, CODE_BITS)
    ends = (-levels // 2, levels // 2 - 1)
    # Divide before subtracting: the difference could overflow.
    scale = high / (levels - 1) - low / (levels - 1)
    if scale == 0:
        return QuantParams(1.0, 0, *ends)
    # Rounding the zero point shifts the range by at most half a step, so both ends stay within that error.
    zero_point = int(np.clip(_round_half_away(np.asarray(ends[0] - low / scale)), *ends))
    return QuantParams(scale, zero_point, *ends)


def quantize_bias(bias: np.ndarray, input_scale: float, weight_scale: float | np.ndarray) -> np.ndarray:
    """Bias in units of the INT32 sums, rounded half away from zero.

    Parameters
    ----------
    bias : (N,) float array
        Real biases.
    input_scale : float
        Scale of the activations, above 0.
    weight_scale : float or (N,) float array
        Scale of the weights, above 0.

    Returns
    -------
    (N,) int32 array
        ``round(bias / (input_scale * weight_scale))``.

    Raises
    ------
    TypeError
        If ``bias`` is not of a float type or a scale not real.
    ValueError
        If shapes do not match, a scale is not above 0, or a bias exceeds int32.
    """
    real = float_array("Bias", bias)
    if real.ndim != 1:
        raise ValueError(f"Bias has shape {real.shape}; use a vector (N,)")
    if np.ndim(input_scale):
        raise ValueError(f"Input scale has shape {np.shape(input_scale)}; use one scale for all activations")
    weights = np.asarray(scale_value("Weight scale", weight_scale))
    if weights.ndim and weights.shape != real.shape:
        raise ValueError(
            f"Weight scale has {weights.size} channels but the bias has {real.size}; give one or {real.size}"
        )
    # A step outside the float64 range becomes 0 or infinite and is rejected below.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        step = scale_value("Input scale", input_scale) * weights
        if not ((step > 0) & np.isfinite(step)).all():
            raise ValueError(
                f"Input scale {input_scale} times the weight scale exceeds float64; use scales nearer to 1"
            )
        codes = _round_half_away(real / step)
    return _to_int32("Bias code", codes, "use a larger input or weight scale, or a smaller bias")
