"""Requantisation: INT32 sums back to int8 with integers only, as TFLite and gemmlowp define it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .checks import INT8, INT32, ByValue, check_qrange, int_array, int_or_channels, integer, scale_value, show

__all__ = ["MULTIPLIER", "SHIFT", "Requant", "requantize"]

MULTIPLIER = (0, 2**31 - 1)
SHIFT = (-31, 30)


@dataclass(frozen=True, eq=False)
class Requant(ByValue):
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
        object.__setattr__(self, "multiplier", int_or_channels("Multiplier", self.multiplier, MULTIPLIER))
        object.__setattr__(self, "shift", int_or_channels("Shift", self.shift, SHIFT))
        object.__setattr__(self, "zero_point", integer("Zero point", self.zero_point, INT8))
        check_qrange(self)
        if not isinstance(self.rounding, str):
            raise TypeError(f"Rounding {show(self.rounding)} is not a string; use 'double' or 'single'")
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
        real = scale_value("Scale", scale, zero=True)
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
        n = integer("Number of channels", n, (0, INT32[1]))
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
        sums = int_array("Sum", acc, INT32, "give int32 sums")
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
