"""Conversion between floating-point bit patterns and numbers, in integers only.

A number is a sign, an integer significand and a power of two. Nothing here depends on the host's rounding, and
products and sums can be computed exactly before they are packed.
"""

from typing import Any, Literal, NamedTuple

import numpy as np

from ..checks import int_array, show
from .float_format import FORMATS, Format

__all__ = ["FORMATS", "Format", "Number", "convert", "pack", "to_float", "to_patterns", "unpack"]

_SIGNIFICAND = (0, 2**62 - 1)
_EXPONENT = (-(2**30), 2**30)


_DTYPES = {
    "fp32": "float32",
    "tf32": "float32",
    "fp16": "float16",
    "bf16": "bfloat16",
    "e4m3": "float8_e4m3fn",
    "e5m2": "float8_e5m2",
}


class Number(NamedTuple):
    """Unpacked numbers: ``(-1)**sign * significand * 2**exponent``, unless infinite or NaN.

    Attributes
    ----------
    sign : (...) bool array
        True if negative; zeros are signed too.
    significand : (...) int64 array
        Integer significand, at least 0.
    exponent : (...) int64 array
        Exponent of the significand's LSB.
    infinite, nan : (...) bool array
        Flags for a signed infinity and for a NaN. If either is set, the significand is meaningless.
    """

    sign: Any
    significand: Any
    exponent: Any
    infinite: Any = False
    nan: Any = False


def to_patterns(values: Any, format: str, name: str = "Values") -> np.ndarray:
    """View an array of numbers as bit patterns of a format, without conversion.

    Parameters
    ----------
    values : (...) array
        NumPy's type for the format (``float16``; ``float32``, also for TF32), the type of the package ``ml_dtypes``
        (``bfloat16``, ``float8_e4m3fn``, ``float8_e5m2``), or bit patterns as unsigned integers of the format's width.
    format : str
        A name in `FORMATS`.
    name : str
        Name of the values in error messages.

    Returns
    -------
    (...) uint8, uint16 or uint32 array
        May share the values' memory.

    Raises
    ------
    TypeError
        If the array is of another type.
    ValueError
        If the format is unknown.
    """
    form = _form(format)
    array = np.asarray(values)
    # A dtype named float16 need not have the host's byte order.
    if array.dtype.name == _DTYPES[format]:
        return array.astype(array.dtype.newbyteorder("="), copy=False).view(form.dtype)
    if array.dtype.name == form.dtype.name:
        return array.astype(form.dtype, copy=False)
    raise TypeError(
        f"{name} have dtype {array.dtype}, but the format is {format}; "
        f"use {_DTYPES[format]}, or {form.dtype} for patterns"
    )


def unpack(patterns: Any, format: str | Format) -> Number:
    """Unpack bit patterns. Subnormals keep the smallest exponent and a significand without a leading 1.

    Parameters
    ----------
    patterns : (...) uint8, uint16 or uint32 array
        Bit patterns, of the format's width.
    format : str or Format
        A name in `FORMATS` or a custom format.

    Returns
    -------
    Number
        Arrays of the same shape; infinities and NaNs have significand 0.

    Raises
    ------
    TypeError
        If the patterns are not unsigned integers of that width.
    ValueError
        If the format is unknown.
    """
    form = _form(format)
    array = np.asarray(patterns)
    if array.dtype.name != form.dtype.name:
        raise TypeError(f"Patterns have dtype {array.dtype}; a format of {form.width} bits needs {form.dtype}")
    bits = array.astype(np.int64) >> form.spare_bits
    top = 2**form.exponent_bits - 1
    field = (bits >> form.fraction_bits) & top
    fraction = bits & (2**form.fraction_bits - 1)
    special = field == top
    if not form.infinities:
        special &= fraction == 2**form.fraction_bits - 1
    infinite = special & (fraction == 0)
    normal = field > 0
    significand = np.where(special, 0, fraction + (normal.astype(np.int64) << form.fraction_bits))
    exponent = np.maximum(field, 1) - (form.bias + form.fraction_bits)
    sign = bits >> (form.exponent_bits + form.fraction_bits) != 0
    return Number(sign, significand, exponent, infinite, special & ~infinite)


def pack(number: Number, format: str | Format, rounding: Literal["nearest", "zero"] = "nearest") -> np.ndarray:
    """Round numbers to a format and pack them.

    Parameters
    ----------
    number : Number
        Significands below 2**62; its arrays broadcast against each other.
    format : str or Format
        A name in `FORMATS` or a custom format.
    rounding : "nearest" or "zero"
        Round to nearest, ties to even, or truncate. Either way subnormals are kept, a number whose rounded exponent is
        too large becomes an infinity (NaN in E4M3), and a number that becomes zero keeps its sign.

    Returns
    -------
    (...) uint8, uint16 or uint32 array
        Bit patterns; a NaN is positive and all ones.

    Raises
    ------
    TypeError
        If a field of `number` is of the wrong type.
    ValueError
        If a field of `number` is out of range, or the format or rounding is unknown.

    Notes
    -----
    Source: ``spec/tensorcore.md``, "FP32 out" and "FP16 out"; with "nearest", IEEE 754. Unlike in a tensor core,
    rounding toward zero in IEEE 754 overflows to the largest finite number.
    """
    form = _form(format)
    _check_rounding(rounding)
    sign, significand, exponent, infinite, nan = _checked(number)
    # A significand with 53 or more leading ones rounds up in float64 and seems one bit longer. It is then rounded one
    # place higher, to all ones without the leading one or up to a power of two: the same pattern.
    length = np.frexp(significand.astype(np.float64))[1].astype(np.int64)
    # The exponent of the result's LSB gives the number of surplus or missing bits.
    last = np.maximum(exponent + length - 1, form.min_exponent) - form.fraction_bits
    right = np.clip(last - exponent, 0, 63)
    left = np.maximum(exponent - last, 0)
    if rounding == "nearest":
        # Add just under half, plus one if the last kept bit is odd so that a tie carries. Always below 2**63.
        odd = (significand >> right) & 1
        significand = significand + np.where(right > 0, (np.int64(1) << np.maximum(right - 1, 0)) - 1 + odd, 0)
    kept = (significand >> right) << left
    # The leading 1 adds one to the exponent field, as does a carry out of the fraction: from subnormal to normal, to
    # the next power of two, and to infinity.
    field = np.where(length > 0, last + form.fraction_bits - form.min_exponent, 0)
    magnitude = (kept + (field << form.fraction_bits)) << form.spare_bits
    too_large = infinite | (magnitude > form.largest)
    pattern = np.where(too_large, form.overflow, magnitude) | (sign.astype(np.int64) << (form.width - 1))
    if not form.infinities:
        nan = nan | too_large
    return np.asarray(np.where(nan, form.nan, pattern).astype(form.dtype))


def convert(
    patterns: Any, source: str | Format, target: str | Format, rounding: Literal["nearest", "zero"] = "nearest"
) -> np.ndarray:
    """Convert bit patterns from one format to another; see `unpack` and `pack`.

    Parameters
    ----------
    patterns : (...) uint8, uint16 or uint32 array
        Bit patterns of the source's width.
    source, target : str or Format
        Names in `FORMATS` or custom formats.
    rounding : "nearest" or "zero"
        As in `pack`.

    Returns
    -------
    (...) uint8, uint16 or uint32 array
        Bit patterns of the target's width. Zeros and infinities keep their sign; a NaN becomes the canonical one.

    Raises
    ------
    TypeError
        If the patterns are not unsigned integers of the source's width.
    ValueError
        If a format or the rounding is unknown.
    """
    return pack(unpack(patterns, source), target, rounding)


def to_float(patterns: Any, format: str | Format) -> np.ndarray:
    """Exact values of bit patterns as float64.

    Parameters
    ----------
    patterns : (...) uint8, uint16 or uint32 array
        Bit patterns of the format's width.
    format : str or Format
        A name in `FORMATS` or a custom format.

    Returns
    -------
    (...) float64 array

    Raises
    ------
    TypeError
        If the patterns are not unsigned integers of that width.
    ValueError
        If the format is unknown.
    """
    number = unpack(patterns, format)
    magnitude = np.ldexp(number.significand.astype(np.float64), number.exponent)
    magnitude = np.where(number.infinite, np.inf, np.where(number.nan, np.nan, magnitude))
    return np.asarray(np.where(number.sign, -magnitude, magnitude))


def _form(format: str | Format) -> Format:
    if isinstance(format, Format):
        return format
    if not isinstance(format, str):
        raise TypeError(f"Format {show(format)} is not a string; use one of {', '.join(FORMATS)}")
    if format not in FORMATS:
        raise ValueError(f"Format {format!r} is unknown; use one of {', '.join(FORMATS)}")
    return FORMATS[format]


def _check_rounding(rounding: str) -> None:
    if not isinstance(rounding, str):
        raise TypeError(f"Rounding {show(rounding)} is not a string; use 'nearest' or 'zero'")
    if rounding not in ("nearest", "zero"):
        raise ValueError(f"Rounding {rounding!r} is unknown; use 'nearest' or 'zero'")


def _checked(number: Number) -> list[np.ndarray]:
    if not isinstance(number, Number):
        raise TypeError(f"{show(number)} is not a Number; use one, such as unpack returns")
    significand = int_array("Significand", number.significand, _SIGNIFICAND, "use less than 62 bits")
    exponent = int_array("Exponent", number.exponent, _EXPONENT, "use an exponent in that range")
    flags = [np.asarray(flag) for flag in (number.sign, number.infinite, number.nan)]
    for name, flag in zip(("sign", "infinite", "nan"), flags, strict=True):
        if flag.dtype != np.bool_:
            raise TypeError(f"{name} has dtype {flag.dtype}; use bool")
    shapes = [part.shape for part in (flags[0], significand, exponent, *flags[1:])]
    try:
        return list(np.broadcast_arrays(flags[0], significand, exponent, *flags[1:]))
    except ValueError:
        raise ValueError(f"The fields of a Number have shapes {show(shapes)}; use the same for all") from None
