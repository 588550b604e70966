"""Quantisation: real numbers to int8, and INT32 sums back to int8 with integers only.

The engines never see a real number. A scale becomes a Q31 multiplier and a shift here, once, and from then on the
model, the RTL and TFLite compute the same integers.
"""

import operator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = [
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

INT8 = (-128, 127)
INT32 = (-(2**31), 2**31 - 1)
# The widest weight an engine takes.
INT16 = (-(2**15), 2**15 - 1)

MULTIPLIER = (0, 2**31 - 1)
SHIFT = (-31, 30)


# Checks: TypeError for the kind, then ValueError for the range.


def _show(value: Any) -> str:
    """A value on one line of a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _int(name: str, value: Any, bounds: tuple[int, int]) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} {value} is a bool; use an int in [{bounds[0]}, {bounds[1]}]")
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} {_show(value)} is not an integer; use an int in [{bounds[0]}, {bounds[1]}]") from None
    if not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"{name} {value} is outside [{bounds[0]}, {bounds[1]}]; use an int in that range")
    return value


def _where(bad: np.ndarray) -> tuple[int, ...]:
    """Index of the first true element, as plain ints."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))


def _place(index: tuple[int, ...]) -> str:
    """How a message names an element; one without dimensions has no index."""
    return f" at index {index}" if index else ""


def _int_array(name: str, value: Any, bounds: tuple[int, int], fix: str) -> np.ndarray:
    """Copy of an integer array as int64, every element inside the bounds."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {array.dtype}, not an integer type; {fix}")
    bad = (array < bounds[0]) | (array > bounds[1])
    if bad.any():
        index = _where(bad)
        raise ValueError(f"{name} {array[index]}{_place(index)} is outside [{bounds[0]}, {bounds[1]}]; {fix}")
    return array.astype(np.int64)


def _int_or_channels(name: str, value: Any, bounds: tuple[int, int]) -> int | np.ndarray:
    """An int, or a read-only int64 vector with one element per channel."""
    if np.ndim(value) == 0:
        return _int(name, value, bounds)
    array = _int_array(name, value, bounds, "use integers in that range, one per channel")
    return _channels(name, array)


def _channels(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}; use a scalar or a vector (N,) with one value per channel")
    array.flags.writeable = False
    return array


def _float_array(name: str, value: Any) -> np.ndarray:
    """A finite floating-point array as float64."""
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}, not a float type; convert with .astype(np.float32)")
    bad = ~np.isfinite(array)
    if bad.any():
        index = _where(bad)
        raise ValueError(
            f"{name} has {int(bad.sum())} of {bad.size} values not finite, the first {array[index]}{_place(index)}; "
            "remove or replace them, for instance with np.nan_to_num"
        )
    return array.astype(np.float64)


def _scale(name: str, value: Any, *, zero: bool = False) -> float | np.ndarray:
    """A finite scale, positive unless ``zero`` is allowed: a float, or a read-only float64 vector."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} {_show(value)} is not real; use a float or a float vector (N,)")
    array = array.astype(np.float64)
    bad = ~(np.isfinite(array) & (array >= 0 if zero else array > 0))
    if bad.any():
        index = _where(bad)
        floor = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} {array[index]}{_place(index)} is not finite and {floor}; use a scale {floor}")
    return float(array) if array.ndim == 0 else _channels(name, array)


def _qrange(owner: Any) -> None:
    """Check qmin and qmax of a frozen dataclass, and store them as ints."""
    for name in ("qmin", "qmax"):
        object.__setattr__(owner, name, _int(name, getattr(owner, name), INT8))
    if owner.qmin > owner.qmax:
        raise ValueError(f"qmin {owner.qmin} is above qmax {owner.qmax}; use -128 <= qmin <= qmax <= 127")


def _round_half_away(x: np.ndarray) -> np.ndarray:
    """Nearest integer, ties away from zero, on float64."""
    # Adding 0.5 and truncating would round 0.49999999999999994 to 1; the distance to the truncation is exact.
    whole = np.trunc(x)
    return whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0.0)


class _ByValue:
    """Equality and hash for frozen dataclasses some of whose fields may be arrays."""

    def _key(self) -> tuple:
        values = vars(self).values()
        return tuple((v.shape, v.tobytes()) if isinstance(v, np.ndarray) else v for v in values)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())


# Integers to integers: what the hardware does.


@dataclass(frozen=True, eq=False)
class Requant(_ByValue):
    """How INT32 sums become int8: multiply by ``multiplier * 2**(shift - 31)``, add the zero point, clamp.

    A ReLU or ReLU6 costs nothing more: it is a clamp, ``qmin=zero_point`` for instance.

    Parameters
    ----------
    multiplier : int or (N,) integer array
        Q31 fraction, 0 to 2**31 - 1; one for all output channels or one each.
    shift : int or (N,) integer array
        Power of two, -31 to 30; positive is to the left.
    zero_point : int
        Output code of the real number 0, -128 to 127.
    qmin, qmax : int
        Clamp of the output code, -128 <= qmin <= qmax <= 127.
    rounding : "double" or "single"
        ``"double"`` rounds after the multiplication and again after a right shift, as the reference kernels of TFLite
        and gemmlowp do; ``"single"`` rounds once, half towards plus infinity.

    Raises
    ------
    TypeError
        If a number is not an integer, or ``rounding`` not a string.
    ValueError
        If a value is out of range, or two vectors differ in length.

    Notes
    -----
    Arrays are copied and read-only. Source: Jacob et al., CVPR 2018, section 2.2; ``spec/systolic.md``,
    "Requantisation".
    """

    multiplier: int | np.ndarray
    shift: int | np.ndarray
    zero_point: int
    qmin: int = INT8[0]
    qmax: int = INT8[1]
    rounding: Literal["double", "single"] = "double"

    def __post_init__(self):
        object.__setattr__(self, "multiplier", _int_or_channels("Multiplier", self.multiplier, MULTIPLIER))
        object.__setattr__(self, "shift", _int_or_channels("Shift", self.shift, SHIFT))
        object.__setattr__(self, "zero_point", _int("Zero point", self.zero_point, INT8))
        _qrange(self)
        if not isinstance(self.rounding, str):
            raise TypeError(f"Rounding {_show(self.rounding)} is not a string; use 'double' or 'single'")
        if self.rounding not in ("double", "single"):
            raise ValueError(f"Rounding {self.rounding!r} is unknown; use 'double' or 'single'")
        if np.ndim(self.multiplier) and np.ndim(self.shift) and np.size(self.multiplier) != np.size(self.shift):
            raise ValueError(
                f"Multiplier has {np.size(self.multiplier)} channels but shift has {np.size(self.shift)}; "
                "give both the same length, or one of them as a scalar"
            )

    @classmethod
    def from_scale(
        cls,
        scale: float | np.ndarray,
        zero_point: int,
        qmin: int = INT8[0],
        qmax: int = INT8[1],
        rounding: Literal["double", "single"] = "double",
    ) -> "Requant":
        """Nearest multiplier and shift for a real scale.

        Parameters
        ----------
        scale : float or (N,) float array
            Real factor from sum to output code, usually ``input_scale * weight_scale / output_scale``; at least 0
            and below 2**30. Relative error of the result at most 2**-31.
        zero_point, qmin, qmax, rounding
            As in the class.

        Returns
        -------
        Requant
            Multiplier in [2**30, 2**31 - 1], or multiplier and shift 0 for a scale of 0 or one so small (below 2**-32)
            that no INT32 sum could leave 0.

        Raises
        ------
        TypeError
            If the scale is not real.
        ValueError
            If a scale is negative, not finite, or rounds to 2**30 or more.
        """
        real = _scale("Scale", scale, zero=True)
        mantissa, shift = np.frexp(real)
        # The product is exact (53 bits and a power of two), so this rounds half up without an error of its own.
        multiplier = np.floor(mantissa * 2.0**31 + 0.5).astype(np.int64)
        shift = np.asarray(shift, dtype=np.int64)
        # A mantissa just below 1 rounds to 2**31, one more than a Q31 holds.
        full = multiplier == 2**31
        multiplier, shift = np.where(full, 2**30, multiplier), np.where(full, shift + 1, shift)
        if (shift > SHIFT[1]).any():
            worst = float(np.max(real))
            raise ValueError(f"Scale {worst} rounds to 2**30 or more; use a larger output scale so that it falls below")
        kept = (multiplier > 0) & (shift >= SHIFT[0])
        multiplier, shift = np.where(kept, multiplier, 0), np.where(kept, shift, 0)
        if multiplier.ndim == 0:
            return cls(int(multiplier), int(shift), zero_point, qmin, qmax, rounding)
        return cls(multiplier, shift, zero_point, qmin, qmax, rounding)

    def per_channel(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Multiplier and shift of each of ``n`` channels.

        Parameters
        ----------
        n : int
            Number of output channels, at least 0.

        Returns
        -------
        (multiplier, shift) : (n,) int64 arrays
            Fresh copies; scalars are repeated.

        Raises
        ------
        TypeError
            If ``n`` is not an integer.
        ValueError
            If ``n`` is negative, or a vector of multipliers or shifts has another length.
        """
        n = _int("Number of channels", n, (0, INT32[1]))
        for name, value in (("Multiplier", self.multiplier), ("Shift", self.shift)):
            if np.ndim(value) and np.size(value) != n:
                raise ValueError(f"{name} has {np.size(value)} channels but the sums have {n}; give a scalar or {n}")
        multiplier, shift = (np.array(np.broadcast_to(v, n), dtype=np.int64) for v in (self.multiplier, self.shift))
        return multiplier, shift

    def apply(self, acc: np.ndarray) -> np.ndarray:
        """Requantise sums; see `requantize`.

        Parameters
        ----------
        acc : (..., N) integer array
            Sums, each in the int32 range. Vectors of multipliers and shifts run along the last axis.

        Returns
        -------
        (..., N) int8 array
            Codes in [qmin, qmax].

        Raises
        ------
        TypeError
            If ``acc`` is not of an integer type.
        ValueError
            If a sum is outside int32, or the last axis does not fit the channels.
        """
        sums = _int_array("Sum", acc, INT32, "give int32 sums")
        multiplier, shift = self.multiplier, self.shift
        if np.ndim(multiplier) or np.ndim(shift):
            if not sums.ndim:
                raise ValueError(f"Sum {sums} has no channel axis; give an array (..., N), or one multiplier and shift")
            multiplier, shift = self.per_channel(sums.shape[-1])
        scaled = (_scale_double if self.rounding == "double" else _scale_single)(sums, multiplier, np.asarray(shift))
        return np.asarray(np.clip(scaled + self.zero_point, self.qmin, self.qmax), dtype=np.int8)


def requantize(
    acc: np.ndarray,
    multiplier: int | np.ndarray,
    shift: int | np.ndarray,
    zero_point: int,
    qmin: int,
    qmax: int,
    rounding: Literal["double", "single"] = "double",
) -> np.ndarray:
    """INT32 sums to int8 codes, bit-exact over the whole range of every argument.

    ``"double"``: shift left by ``max(shift, 0)``, saturating to int32; multiply by the Q31 fraction and round to the
    nearest integer, ties upwards; divide by ``2**max(-shift, 0)`` and round again, ties away from zero.
    ``"single"``: ``(acc * multiplier + 2**(30 - shift)) >> (31 - shift)``.
    Either way the zero point is then added and the sum clamped.

    Parameters
    ----------
    acc : (..., N) integer array
        Sums, each in the int32 range.
    multiplier : int or (N,) integer array
        Q31 fraction, 0 to 2**31 - 1; a vector runs along the last axis.
    shift : int or (N,) integer array
        Power of two, -31 to 30; a vector runs along the last axis.
    zero_point : int
        Output code of the real number 0, -128 to 127.
    qmin, qmax : int
        Clamp of the output code, -128 <= qmin <= qmax <= 127.
    rounding : "double" or "single"
        See above.

    Returns
    -------
    (..., N) int8 array
        Codes in [qmin, qmax].

    Raises
    ------
    TypeError
        If a value is not an integer, or ``rounding`` not a string.
    ValueError
        If a value is out of range, or the last axis does not fit the channels.

    Notes
    -----
    Source: ``spec/systolic.md``, "Requantisation", which follows the reference kernels of TFLite and gemmlowp. They
    leave an overflowing left shift undefined; here it saturates.
    """
    return Requant(multiplier, shift, zero_point, qmin, qmax, rounding).apply(acc)


def _scale_double(sums: np.ndarray, multiplier: int | np.ndarray, shift: np.ndarray) -> np.ndarray:
    # At most 2**31 * 2**30 before saturation, and less than 2**62 in the product: int64 holds both.
    x = np.clip(sums * (np.int64(1) << np.maximum(shift, 0)), *INT32)
    product = x * multiplier
    # Nudge by 2**30, or 1 - 2**30 below zero, and divide by 2**31 toward zero, here on magnitudes. The product that
    # would need saturation, INT32_MIN squared, cannot occur: multipliers are not negative.
    negative = product < 0
    magnitude = (np.abs(product) + (2**30 - negative)) >> 31
    # The second rounding is symmetric, so it needs the sign only at the end.
    right = np.maximum(-shift, 0)
    magnitude = (magnitude + ((np.int64(1) << right) >> 1)) >> right
    return np.where(negative, -magnitude, magnitude)


def _scale_single(sums: np.ndarray, multiplier: int | np.ndarray, shift: np.ndarray) -> np.ndarray:
    # Product below 2**62 and nudge at most 2**61: the sum stays inside int64.
    return (sums * multiplier + (np.int64(1) << (30 - shift))) >> (31 - shift)


def fold_zero_point(weights: np.ndarray, bias: np.ndarray | None, zero_point: int) -> np.ndarray:
    """Bias that lets the array multiply raw activation codes.

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
        If shapes do not fit, an argument is out of range, or a folded bias leaves int32.
    """
    w = _int_array("Weight", weights, INT16, "give weight codes of 16 bits at most")
    if w.ndim != 2:
        raise ValueError(f"Weights have shape {w.shape}; use a matrix (K, N)")
    n = w.shape[1]
    b = np.zeros(n, np.int64) if bias is None else _int_array("Bias", bias, INT32, "give int32 biases")
    if b.shape != (n,):
        raise ValueError(f"Bias has shape {b.shape} but the weights have {n} columns; use shape ({n},)")
    zero_point = _int("Zero point", zero_point, INT8)
    return _to_int32("Folded bias", b - zero_point * w.sum(axis=0), "use a smaller bias or a zero point nearer to 0")


def _to_int32(name: str, values: np.ndarray, fix: str) -> np.ndarray:
    bad = (values < INT32[0]) | (values > INT32[1])
    if bad.any():
        index = _where(bad)
        raise ValueError(f"{name} {values[index]:.0f} of channel {index[0]} is outside [{INT32[0]}, {INT32[1]}]; {fix}")
    return values.astype(np.int32)


# Real numbers to integers and back: done once, before anything runs.


@dataclass(frozen=True, eq=False)
class QuantParams(_ByValue):
    """What an int8 code means: ``real = scale * (code - zero_point)``.

    Parameters
    ----------
    scale : float or (N,) float array
        Real size of one step, above 0; a vector has one per channel, along the last axis.
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
        object.__setattr__(self, "scale", _scale("Scale", self.scale))
        _qrange(self)
        object.__setattr__(self, "zero_point", _int("Zero point", self.zero_point, (self.qmin, self.qmax)))

    def _fit(self, shape: tuple[int, ...]) -> None:
        n = np.size(self.scale)
        if np.ndim(self.scale) and (not shape or shape[-1] != n):
            raise ValueError(f"Shape {shape} does not end in the {n} channels of the scale; move them to the last axis")


def quantize(x: np.ndarray, params: QuantParams) -> np.ndarray:
    """Nearest int8 code of each real number.

    The quotient is a float64 and rounds half away from zero, as TFLite's does; what lies outside the range saturates.

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
        If a value is NaN or infinite, or the last axis does not fit the scale.
    """
    real = _float_array("Input", x)
    params._fit(real.shape)
    # A quotient too large for float64 is infinite, and saturates all the same.
    with np.errstate(over="ignore", invalid="ignore"):
        codes = _round_half_away(real / params.scale) + params.zero_point
    return np.asarray(np.clip(codes, params.qmin, params.qmax), dtype=np.int8)


def dequantize(q: np.ndarray, params: QuantParams) -> np.ndarray:
    """Real numbers that int8 codes stand for.

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
        If a code is outside int8, or the last axis does not fit the scale.
    """
    codes = _int_array("Code", q, INT8, "give int8 codes")
    params._fit(codes.shape)
    return np.asarray((codes - params.zero_point) * params.scale, dtype=np.float64)


def weight_params(w: np.ndarray, *, axis: int | None = None) -> QuantParams:
    """Symmetric quantisation of weights: codes -127 to 127, zero point 0.

    Leaving out -128 keeps the range symmetric, and two products then fit one 18x18 multiplier.

    Parameters
    ----------
    w : (..., N) float array
        Finite weights, at least one.
    axis : int or None
        None for one scale; the last axis, -1, for one per output channel.

    Returns
    -------
    QuantParams
        Scale ``max(abs(w)) / 127``, and 1 where all weights are zero.

    Raises
    ------
    TypeError
        If ``w`` is not of a float type or ``axis`` not an integer.
    ValueError
        If a weight is not finite, there is none, or ``axis`` is not the last one.

    Notes
    -----
    Source: TFLite 8-bit quantisation specification.
    """
    real = _float_array("Weight array", w)
    if not real.size:
        raise ValueError(f"Weights have shape {real.shape}; give at least one weight")
    if axis is None:
        peak = np.max(np.abs(real))
    else:
        axis = _int("Axis", axis, INT32)
        if not real.ndim or axis not in (-1, real.ndim - 1):
            raise ValueError(f"Axis {axis} is not the last of shape {real.shape}; move the channels there and use -1")
        peak = np.max(np.abs(real), axis=tuple(range(real.ndim - 1)))
    scale = peak / 127
    return QuantParams(np.where(scale > 0, scale, 1.0), 0, -127, 127)


def calibrate(
    x: np.ndarray, *, method: Literal["minmax", "percentile"] = "minmax", percentile: float = 99.9
) -> QuantParams:
    """Asymmetric int8 quantisation of activations, from samples of them.

    Parameters
    ----------
    x : float array of any shape
        Finite samples, at least one.
    method : "minmax" or "percentile"
        Cover every sample, or cut outliers off at both ends.
    percentile : float
        With ``"percentile"``: the range runs from percentile ``100 - percentile`` to ``percentile``; above 50, at
        most 100.

    Returns
    -------
    QuantParams
        One scale, codes -128 to 127. The range always includes 0, which is exact; every real number inside it comes
        back within half a step. Samples that are all zero give scale 1 and zero point 0.

    Raises
    ------
    TypeError
        If ``x`` is not of a float type, ``method`` not a string or ``percentile`` not a number.
    ValueError
        If a sample is not finite, there is none, or an option is out of range.

    Notes
    -----
    Source: Jacob et al., CVPR 2018, section 3.
    """
    real = _float_array("Sample array", x)
    if not real.size:
        raise ValueError(f"Samples have shape {real.shape}; give at least one sample")
    if not isinstance(method, str):
        raise TypeError(f"Method {_show(method)} is not a string; use 'minmax' or 'percentile'")
    if method not in ("minmax", "percentile"):
        raise ValueError(f"Method {method!r} is unknown; use 'minmax' or 'percentile'")
    if isinstance(percentile, bool) or not isinstance(percentile, (int, float, np.integer, np.floating)):
        raise TypeError(f"Percentile {_show(percentile)} is not a number; use one above 50, at most 100")
    if not 50 < percentile <= 100:
        raise ValueError(f"Percentile {percentile} is outside (50, 100]; use for instance 99.9")
    if method == "minmax":
        low, high = float(real.min()), float(real.max())
    else:
        low, high = (float(v) for v in np.percentile(real, [100 - float(percentile), float(percentile)]))
    low, high = min(low, 0.0), max(high, 0.0)
    # Divided before the subtraction, which could overflow.
    scale = high / 255 - low / 255
    if scale == 0:
        return QuantParams(1.0, 0)
    # Rounding the zero point moves the range by half a step at most, so both ends stay within that error.
    zero_point = int(np.clip(_round_half_away(np.asarray(INT8[0] - low / scale)), *INT8))
    return QuantParams(scale, zero_point)


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
        If shapes do not fit, a scale is not above 0, or a bias leaves int32.
    """
    real = _float_array("Bias", bias)
    if real.ndim != 1:
        raise ValueError(f"Bias has shape {real.shape}; use a vector (N,)")
    if np.ndim(input_scale):
        raise ValueError(f"Input scale has shape {np.shape(input_scale)}; use one scale for all activations")
    weights = np.asarray(_scale("Weight scale", weight_scale))
    if weights.ndim and weights.shape != real.shape:
        raise ValueError(
            f"Weight scale has {weights.size} channels but the bias has {real.size}; give one or {real.size}"
        )
    # What leaves float64 becomes 0 or infinite, and is refused below.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        step = _scale("Input scale", input_scale) * weights
        if not ((step > 0) & np.isfinite(step)).all():
            raise ValueError(f"Input scale {input_scale} times the weight scale leaves float64; use scales nearer to 1")
        codes = _round_half_away(real / step)
    return _to_int32("Bias code", codes, "use a larger input or weight scale, or a smaller bias")
