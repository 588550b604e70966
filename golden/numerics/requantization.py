"""Requantisation of INT32 sums to int8 in integers only, bit-exact with TFLite's kernels.

Kernels differ in their rounding, so each rounding has a name:

========== ======================================== ===============================================================
rounding   ties                                     equals
========== ======================================== ===============================================================
``double`` twice: after the multiplication upwards, TFLite Micro's FULLY_CONNECTED and convolutions, LiteRT's reference
           after a right shift away from zero       convolutions and, up to 1.2, FULLY_CONNECTED; for every scale. They
                                                    leave an overflowing left shift undefined; here it saturates.
``single`` once, upwards                            the same kernels compiled with ``TFLITE_SINGLE_ROUNDING``.
``away``   once, away from zero                     LiteRT's reference FULLY_CONNECTED from 1.3 on, which rounds
                                                    ``acc * scale`` in float64, for every scale that is a power of two;
                                                    and, with the multiplier for ``1 / count``, AVERAGE_POOL_2D.
========== ======================================== ===============================================================

``away`` differs from LiteRT only where ``acc * scale`` lies within 2**-23 of a tie and no 31-bit multiplier represents
the scale: with scale 1/6, for 14 of the 81 sums from -40 to 40. LiteRT's other kernels match none of the three:
XNNPACK, its default, rounds in float32, on x86-64 with ties to even.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ..checks import INT8, INT32, ByValue, check_qrange, int_array, int_or_channels, integer, scale_value, show

__all__ = [
    "KERNELS",
    "MULTIPLIER",
    "ROUNDINGS",
    "SHIFT",
    "Requant",
    "Rounding",
    "requantize",
    "rescale",
    "rounding_code",
]

MULTIPLIER = (0, 2**31 - 1)
SHIFT = (-31, 30)

Rounding = Literal["double", "single", "away"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
KERNELS: dict[Rounding, str] = {
    "double": "rounds twice, like TFLite Micro's kernels and LiteRT's reference convolutions",
    "single": "rounds once, ties upwards, like TFLite's kernels compiled with TFLITE_SINGLE_ROUNDING",
    "away": "rounds once, ties away from zero, like LiteRT's reference FULLY_CONNECTED since 1.3 (bit-exact if the "
    "scale is a power of two) and the division in AVERAGE_POOL_2D",
}
"""One-line description of each rounding and the kernels that it matches."""


def rounding_code(rounding: Rounding) -> int:
    """Code of a rounding in an engine's commands and registers: its index in `ROUNDINGS`.

    Raises
    ------
    TypeError
        If ``rounding`` is not a string.
    ValueError
        If it is not one of `ROUNDINGS`.
    """
    allowed = ", ".join(map(repr, ROUNDINGS))
    if not isinstance(rounding, str):
        raise TypeError(f"Rounding {show(rounding)} is not a string; use one of {allowed}")
    if rounding not in ROUNDINGS:
        raise ValueError(f"Rounding {rounding!r} is unknown; use one of {allowed}")
    return ROUNDINGS.index(rounding)


@dataclass(frozen=True, eq=False)
class Requant(ByValue):
    """Requantisation of INT32 sums to int8: multiply by ``multiplier * 2**(shift - 31)``, add the zero point, clamp.

    A ReLU or ReLU6 is free: it is a clamp, such as ``qmin=zero_point``.

    Parameters
    ----------
    multiplier : int or (N,) integer array
        Q31 fraction, 0 to 2**31 - 1; one for all output channels, or one per channel.
    shift : int or (N,) integer array
        Power of two, -31 to 30; positive shifts left.
    zero_point : int
        Output code of the real number 0, -128 to 127.
    qmin, qmax : int
        Clamp of the output code, -128 <= qmin <= qmax <= 127.
    rounding : "double", "single" or "away"
        ``"double"`` rounds after the multiplication and again after a right shift, like TFLite Micro's kernels;
        ``"single"`` rounds once, ties upwards; ``"away"`` rounds once, ties away from zero, like LiteRT's
        FULLY_CONNECTED. The table in the module docstring lists the matching kernels and the exceptions.

    Raises
    ------
    TypeError
        If a number is not an integer, or ``rounding`` is not a string.
    ValueError
        If a value is out of range, or two vectors differ in length.

    Notes
    -----
    Arrays are copied and read-only. Source: Jacob et al., CVPR 2018, section 2.2; `requantize`.
    """

    multiplier: int | np.ndarray
    shift: int | np.ndarray
    zero_point: int
    qmin: int = INT8[0]
    qmax: int = INT8[1]
    rounding: Rounding = "double"

    def __post_init__(self):
        object.__setattr__(self, "multiplier", int_or_channels("Multiplier", self.multiplier, MULTIPLIER))
        object.__setattr__(self, "shift", int_or_channels("Shift", self.shift, SHIFT))
        object.__setattr__(self, "zero_point", integer("Zero point", self.zero_point, INT8))
        check_qrange(self)
        rounding_code(self.rounding)
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
        rounding: Rounding = "double",
    ) -> "Requant":
        """Nearest multiplier and shift for a real scale.

        Parameters
        ----------
        scale : float or (N,) float array
            Real factor from sum to output code, usually ``input_scale * weight_scale / output_scale``; at least 0
            and below 2**30. The relative error of the result is at most 2**-31.
        zero_point, qmin, qmax, rounding
            As in the class.

        Returns
        -------
        Requant
            Multiplier in [2**30, 2**31 - 1], or multiplier and shift 0 for a scale of 0 or one so small (below 2**-32)
            that every INT32 sum rounds to 0.

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
        # A mantissa just below 1 rounds to 2**31, one more than Q31 can hold.
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

    def scales(self, n: int) -> np.ndarray:
        """Real factor from sum to output code of each of ``n`` channels, (n,) float64; errors as for `per_channel`."""
        multiplier, shift = self.per_channel(n)
        return multiplier * 2.0 ** (shift - 31.0)

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
            If a sum is outside int32, or the last axis does not match the channels.
        """
        sums = int_array("Sum", acc, INT32, "give int32 sums")
        multiplier, shift = self.multiplier, self.shift
        if np.ndim(multiplier) or np.ndim(shift):
            if not sums.ndim:
                raise ValueError(f"Sum {sums} has no channel axis; give an array (..., N), or one multiplier and shift")
            multiplier, shift = self.per_channel(sums.shape[-1])
        scaled = _SCALE[self.rounding](sums, multiplier, np.asarray(shift))
        return np.asarray(np.clip(scaled + self.zero_point, self.qmin, self.qmax), dtype=np.int8)


def requantize(
    acc: np.ndarray,
    multiplier: int | np.ndarray,
    shift: int | np.ndarray,
    zero_point: int,
    qmin: int,
    qmax: int,
    rounding: Rounding = "double",
) -> np.ndarray:
    """Requantise INT32 sums to int8 codes, bit-exact over the whole range of every argument.

    ``"double"``: shift left by ``max(shift, 0)``, saturating to int32; multiply by the Q31 fraction and round to the
    nearest integer, ties upwards; divide by ``2**max(-shift, 0)`` and round again, ties away from zero.
    ``"single"``: ``(acc * multiplier + 2**(30 - shift)) >> (31 - shift)``.
    ``"away"``: ``sign(acc) * ((abs(acc) * multiplier + 2**(30 - shift)) >> (31 - shift))``.
    In each case the zero point is then added and the result clamped. The module docstring lists the matching kernels.

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
    rounding : "double", "single" or "away"
        See above.

    Returns
    -------
    (..., N) int8 array
        Codes in [qmin, qmax].

    Raises
    ------
    TypeError
        If a value is not an integer, or ``rounding`` is not a string.
    ValueError
        If a value is out of range, or the last axis does not match the channels.

    Notes
    -----
    Source: ``MultiplyByQuantizedMultiplier`` of TFLite Micro (double), the same with ``TFLITE_SINGLE_ROUNDING``
    (single), and LiteRT's ``reference_integer_ops::FullyConnected`` (away).
    """
    return Requant(multiplier, shift, zero_point, qmin, qmax, rounding).apply(acc)


def rescale(
    sums: np.ndarray, multiplier: int | np.ndarray, shift: int | np.ndarray, rounding: Rounding = "double"
) -> np.ndarray:
    """Scale sums by ``multiplier * 2**(shift - 31)``; the core of `requantize`, without checks, zero point and clamp.

    Parameters
    ----------
    sums : (..., N) int64 array
        Each in the int32 range.
    multiplier, shift : int or (N,) int64 array
        As in `Requant`.
    rounding : "double", "single" or "away"
        As in `Requant`.

    Returns
    -------
    (..., N) int64 array
    """
    return _SCALE[rounding](sums, multiplier, np.asarray(shift))


def _scale_double(sums: np.ndarray, multiplier: int | np.ndarray, shift: np.ndarray) -> np.ndarray:
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    # At most 2**31 * 2**30 before saturation, and less than 2**62 in the product: int64 holds both.
    x = np.clip(sums << left, *INT32) if left.any() else sums
    # Nearest integer, ties upwards. The product that would need saturation, INT32_MIN squared, cannot occur:
    # multipliers are not negative. In place, since networks spend most of their time here.
    x = np.asarray(x * multiplier)
    x += 2**30
    x >>= 31
    # Nearest integer, ties away from zero: below zero, the nudge is one less than half.
    nudge = x >> 63
    if not right.all():
        nudge *= right > 0
    nudge += (np.int64(1) << right) >> 1
    x += nudge
    x >>= right
    return x


def _scale_single(sums: np.ndarray, multiplier: int | np.ndarray, shift: np.ndarray) -> np.ndarray:
    # The product is below 2**62 and the nudge at most 2**61: the sum fits int64.
    return (sums * multiplier + (np.int64(1) << (30 - shift))) >> (31 - shift)


def _scale_away(sums: np.ndarray, multiplier: int | np.ndarray, shift: np.ndarray) -> np.ndarray:
    # The magnitude of INT32_MIN is 2**31; its product is still below 2**62.
    magnitude = (np.abs(sums) * multiplier + (np.int64(1) << (30 - shift))) >> (31 - shift)
    return np.where(sums < 0, -magnitude, magnitude)


_SCALE = {"double": _scale_double, "single": _scale_single, "away": _scale_away}
