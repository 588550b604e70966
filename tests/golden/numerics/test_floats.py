"""Formats against NumPy and ml_dtypes over all bit patterns, and against fractions where neither has the format."""

import itertools
from fractions import Fraction
from typing import Literal

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS, Format, Number, convert, pack, to_float, to_patterns, unpack

from ..tensorcore.tensorcore_reference import decode, encode

TYPES = {
    "fp32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
}
SMALL = ("fp16", "bf16", "e4m3", "e5m2")
ROUNDINGS = ("nearest", "zero")


def all_patterns(format):
    """Every pattern; for 32 bits every sign, exponent and upper fraction, with selected lower bits."""
    form = FORMATS[format]
    if form.width < 32:
        return np.arange(2**form.width, dtype=np.uint32).astype(form.dtype)
    low = (0, 1, 0x7FF, 0x800, 0x801, 0xFFF, 0x1000, 0x1001, 0x1FFF, 0x2000, 0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF)
    upper = np.arange(2**16, dtype=np.uint32) << 16
    return (upper[:, None] | np.array(low, np.uint32)).ravel()


def floats32(patterns, format):
    """Decode patterns to float32 with NumPy or ml_dtypes."""
    if format == "tf32":
        return (patterns & np.uint32(0xFFFFE000)).view(np.float32)
    return patterns.view(TYPES[format]).astype(np.float32)


def floats(patterns, format):
    """Decode patterns to float64 with NumPy or ml_dtypes."""
    with np.errstate(invalid="ignore"):  # signalling NaNs
        return floats32(patterns, format).astype(np.float64)


def same(got, expected, format):
    """Require equal bits, except that a NaN must be the canonical one."""
    form = FORMATS[format]
    nan = np.isnan(floats32(expected, format))
    np.testing.assert_array_equal(got[~nan], expected[~nan])
    assert (got[nan] == form.nan).all()


def positive(format):
    """All finite numbers from 0 up, indexed by pattern without spare bits."""
    form = FORMATS[format]
    patterns = np.arange(0, form.largest + 1, 1 << form.spare_bits, dtype=np.uint32).astype(form.dtype)
    return floats(patterns, format)


def searched(values, format, rounding):
    """Patterns of float64 numbers, without NaNs, found by a search among all numbers of the format."""
    form, numbers = FORMATS[format], positive(format)
    magnitude = np.abs(values)
    # The number that would follow the largest one if exponents continued.
    beyond = 2 * numbers[-1] - numbers[-2]
    index = np.searchsorted(numbers, magnitude, side="right") - 1
    if rounding == "nearest":
        below, above = magnitude - numbers[index], np.append(numbers[1:], beyond)[index] - magnitude
        index = index + ((above < below) | ((above == below) & (index % 2 == 1)))
    too_large = (index == len(numbers)) | (magnitude >= beyond)
    sign = np.signbit(values).astype(np.int64) << (form.width - 1)
    pattern = np.where(too_large, form.overflow, index << form.spare_bits)
    return np.where(too_large & (not form.infinities), form.nan, pattern | sign).astype(form.dtype)


# Formats.


@pytest.mark.parametrize(
    ("format", "bias", "min_exponent", "spare", "nan", "overflow", "largest"),
    [
        ("fp32", 127, -126, 0, 0x7FFFFFFF, 0x7F800000, 0x7F7FFFFF),
        ("tf32", 127, -126, 13, 0x7FFFE000, 0x7F800000, 0x7F7FE000),
        ("fp16", 15, -14, 0, 0x7FFF, 0x7C00, 0x7BFF),
        ("bf16", 127, -126, 0, 0x7FFF, 0x7F80, 0x7F7F),
        ("e4m3", 7, -6, 0, 0x7F, 0x7F, 0x7E),
        ("e5m2", 15, -14, 0, 0x7F, 0x7C, 0x7B),
    ],
)
def test_formats(format, bias, min_exponent, spare, nan, overflow, largest):
    form = FORMATS[format]
    assert (form.bias, form.min_exponent, form.spare_bits) == (bias, min_exponent, spare)
    assert (form.nan, form.overflow, form.largest) == (nan, overflow, largest)
    assert form.dtype == np.dtype(f"uint{form.width}")


def test_largest_numbers():
    largest = {format: float(to_float(np.array(form.largest, form.dtype), format)) for format, form in FORMATS.items()}
    assert largest["e4m3"] == 448
    for format, dtype in TYPES.items():
        assert largest[format] == float(ml_dtypes.finfo(dtype).max)
    assert largest["tf32"] == (2 - 2**-10) * 2.0**127


# unpack and pack.


@pytest.mark.parametrize("format", FORMATS)
def test_unpack_all_patterns(format):
    patterns = all_patterns(format)
    number = unpack(patterns, format)
    expected = floats(patterns, format)
    np.testing.assert_array_equal(number.nan, np.isnan(expected))
    np.testing.assert_array_equal(number.infinite, np.isinf(expected))
    np.testing.assert_array_equal(number.sign, np.signbit(expected))
    finite = np.isfinite(expected)
    value = np.ldexp(number.significand.astype(np.float64), number.exponent) * np.where(number.sign, -1.0, 1.0)
    np.testing.assert_array_equal(value[finite], expected[finite])
    assert not number.significand[~finite].any()
    # Subnormals are not normalised and have the smallest exponent: a tensor core depends on it.
    form = FORMATS[format]
    assert (number.exponent >= form.min_exponent - form.fraction_bits).all()
    assert (number.significand < 2 ** (form.fraction_bits + 1)).all()
    small = finite & (np.abs(expected) < 2.0**form.min_exponent)
    assert (number.exponent[small] == form.min_exponent - form.fraction_bits).all()
    assert small.sum() >= (2**form.fraction_bits if form.width < 32 else 1000)
    np.testing.assert_array_equal(to_float(patterns, format), expected)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("format", FORMATS)
def test_pack_undoes_unpack(format, rounding):
    patterns = all_patterns(format)
    form = FORMATS[format]
    kept = patterns & form.dtype.type(2**form.width - 2**form.spare_bits)
    same(pack(unpack(patterns, format), format, rounding), kept, format)


@pytest.mark.parametrize("format", FORMATS)
def test_reference_decodes_like_ml_dtypes(format):
    patterns = all_patterns(format)[:: 1 if FORMATS[format].width < 32 else 97]
    for pattern, expected in zip(patterns.tolist(), floats32(patterns, format).tolist(), strict=True):
        kind, sign, significand, exponent = decode(pattern, format)
        if kind == "number":
            assert sign * significand * Fraction(2) ** (exponent - FORMATS[format].fraction_bits) == Fraction(expected)
        else:
            assert (kind == "nan") == (expected != expected)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("format", FORMATS)
def test_pack_wide_significands(format, rounding):
    """Significands of every length up to 62 bits, at exponents from nothing left to overflow."""
    rng = np.random.default_rng(1)
    form = FORMATS[format]
    count = 3000
    length = rng.integers(1, 63, count)
    # Often few bits or runs of ones, which tie and carry.
    significand = rng.integers(0, 2**62, count) >> (62 - length)
    mask = (np.int64(1) << rng.integers(0, 62, count)) - 1
    significand = np.where(rng.random(count) < 0.4, significand & ~mask, significand)
    significand = np.where(rng.random(count) < 0.2, significand | mask, significand)
    # All ones, which would be a bit longer as a float64.
    significand = np.where(rng.random(count) < 0.2, (np.int64(1) << length) - 1, significand)
    high = form.bias + 3
    exponent = rng.integers(form.min_exponent - form.fraction_bits - 4, high, count) - length
    sign = rng.random(count) < 0.5
    got = pack(Number(sign, significand, exponent), format, rounding)
    for s, m, e, pattern in zip(sign.tolist(), significand.tolist(), exponent.tolist(), got.tolist(), strict=True):
        expected = encode(Fraction(m) * Fraction(2) ** e, format, rounding)
        nan = not form.infinities and expected == form.nan
        assert pattern == expected | (s and not nan) << (form.width - 1)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_pack_far_away(rounding):
    """Distances beyond a 64-bit shift."""
    huge = 2**62 - 1
    for exponent, expected in ((-(2**30), 0), (-300, 0), (-213, 0), (900, 0x7F800000), (2**30, 0x7F800000)):
        for significand in (1, huge):
            assert pack(Number(False, significand, exponent), "fp32", rounding) == expected
        assert pack(Number(True, 0, exponent), "fp32", rounding) == 0x80000000
    # Half of the smallest number, just below it and just above.
    for significand, expected in ((2**61, 0), (2**61 - 1, 0), (2**61 + 1, 1)):
        assert pack(Number(False, significand, -150 - 61), "fp32", rounding) == (
            expected if rounding == "nearest" else 0
        )


def test_pack_a_format_of_its_own():
    """FP32 cut to 13 fraction bits, as FP8 sums on Hopper are."""
    form = Format(8, 13, 32)
    values = np.array([1 + 2**-13, 1 + 2**-14, -(1 + 2**-13 + 2**-23), 2**-139, 2**-140], np.float64)
    patterns = convert(values.astype(np.float32).view(np.uint32), "fp32", form, "zero")
    assert patterns.view(np.float32).tolist() == [1 + 2**-13, 1, -(1 + 2**-13), 2**-139, 0]


# convert.


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("source", FORMATS)
def test_convert_to_nearest_is_that_of_ml_dtypes(source, target):
    patterns = all_patterns(source)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = floats32(patterns, source).astype(TYPES[target])
    same(convert(patterns, source, target), expected.view(FORMATS[target].dtype), target)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("target", ["tf32", *SMALL])
@pytest.mark.parametrize("source", FORMATS)
def test_convert_finds_the_number_in_a_table(source, target, rounding):
    patterns = all_patterns(source)
    values = floats(patterns, source)
    numbers = ~np.isnan(values)
    got = convert(patterns, source, target, rounding)
    np.testing.assert_array_equal(got[numbers], searched(values[numbers], target, rounding))
    assert (got[~numbers] == FORMATS[target].nan).all()


@pytest.mark.parametrize("source", SMALL)
def test_convert_to_fp32_and_back_is_the_identity(source):
    patterns = all_patterns(source)
    for rounding in ROUNDINGS:
        same(convert(convert(patterns, source, "fp32"), "fp32", source, rounding), patterns, source)


def test_convert_by_hand():
    def half(value, rounding: Literal["nearest", "zero"] = "nearest"):
        return int(convert(np.float32(value).view(np.uint32), "fp32", "fp16", rounding))

    assert half(65519.996) == 0x7BFF
    assert half(65520) == 0x7C00  # a tie with what would be 2**16
    assert half(65535.9, "zero") == 0x7BFF
    assert half(65536, "zero") == 0x7C00  # overflows, though it is cut off
    assert half(-(2**-25)) == 0x8000  # a tie with the smallest number
    assert half(1.5 * 2**-24) == 2
    assert half(-1.9 * 2**-24, "zero") == 0x8001
    assert half(2**-14 - 2**-26) == 0x400  # carries into the normal numbers
    # A NaN only in the bits that TF32 ignores is an infinity.
    assert convert(np.array(0x7F800001, np.uint32), "tf32", "fp32") == 0x7F800000
    assert convert(np.array(0xFF802000, np.uint32), "tf32", "fp32") == 0x7FFFFFFF


# to_patterns.


@pytest.mark.parametrize("format", TYPES)
def test_to_patterns_of_every_type(format):
    form = FORMATS[format]
    patterns = all_patterns(format)[::7].reshape(-1, 1)
    np.testing.assert_array_equal(to_patterns(patterns.view(TYPES[format]), format), patterns)
    np.testing.assert_array_equal(to_patterns(patterns, format), patterns)
    assert to_patterns(np.array(1, TYPES[format]), format).shape == ()
    other = patterns.view(TYPES[format])[::-2]  # neither contiguous nor forward
    assert to_patterns(other, format).dtype == form.dtype
    np.testing.assert_array_equal(to_patterns(other, format), patterns[::-2])


def test_to_patterns_minds_the_byte_order():
    values = np.array([1.0, -2.5], np.float16)
    np.testing.assert_array_equal(to_patterns(values.astype(">f2"), "fp16"), values.view(np.uint16))
    np.testing.assert_array_equal(to_patterns(np.array([0x3C00], ">u2"), "fp16"), [0x3C00])
    assert to_patterns(np.array([1.0], np.float32), "tf32").tolist() == [0x3F800000]


@pytest.mark.parametrize(
    ("values", "format", "error", "match"),
    [
        ([1.0], "fp16", TypeError, "Values have dtype float64, but the format is fp16; use float16, or uint16 for pat"),
        (np.zeros(1, np.float32), "fp16", TypeError, "Values have dtype float32"),
        (np.zeros(1, np.uint8), "fp16", TypeError, "Values have dtype uint8"),
        (np.zeros(1, np.int16), "fp16", TypeError, "Values have dtype int16"),
        (np.zeros(1, np.float16), "bf16", TypeError, "use bfloat16, or uint16"),
        (np.zeros(1, ml_dtypes.bfloat16), "fp16", TypeError, "Values have dtype bfloat16"),
        (
            np.zeros(1, ml_dtypes.float8_e4m3),
            "e4m3",
            TypeError,
            "dtype float8_e4m3, but .* use float8_e4m3fn, or uint8",
        ),
        (np.zeros(1, ml_dtypes.float8_e5m2), "e4m3", TypeError, "dtype float8_e5m2"),
        (
            np.zeros(1, np.uint8),
            "int8",
            ValueError,
            "Format 'int8' is unknown; use one of fp32, tf32, fp16, bf16, e4m3",
        ),
        (np.zeros(1, np.uint8), 8, TypeError, "Format 8 is not a string; use one of fp32"),
    ],
)
def test_to_patterns_refuses(values, format, error, match):
    with pytest.raises(error, match=match) as caught:
        to_patterns(values, format)
    assert "\n" not in str(caught.value)


# Refusals.


def test_unpack_refuses():
    with pytest.raises(TypeError, match="Patterns have dtype int64; a format of 16 bits needs uint16"):
        unpack(np.array([1]), "fp16")
    with pytest.raises(TypeError, match="Patterns have dtype float16"):
        unpack(np.zeros(1, np.float16), "fp16")
    with pytest.raises(TypeError, match="Patterns have dtype uint16; a format of 8 bits needs uint8"):
        to_float(np.zeros(1, np.uint16), "e5m2")
    with pytest.raises(ValueError, match="Format 'fp8' is unknown"):
        unpack(np.zeros(1, np.uint8), "fp8")
    with pytest.raises(TypeError, match="Format None is not a string"):
        convert(np.zeros(1, np.uint8), "e5m2", None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kwargs", "rounding", "error", "match"),
    [
        ({"significand": 1.0}, "zero", TypeError, "Significand has dtype float64, not an integer type"),
        (
            {"significand": -1},
            "zero",
            ValueError,
            r"Significand -1 is outside \[0, 4611686018427387903\]; use less than",
        ),
        ({"significand": [0, 2**62]}, "zero", ValueError, r"Significand 4611686018427387904 at index \(1,\)"),
        ({"exponent": 2.0}, "zero", TypeError, "Exponent has dtype float64"),
        ({"exponent": 2**30 + 1}, "zero", ValueError, "Exponent 1073741825 is outside"),
        ({"sign": 1}, "zero", TypeError, "sign has dtype int64; use bool"),
        ({"nan": 0}, "zero", TypeError, "nan has dtype int64"),
        ({"infinite": None}, "zero", TypeError, "infinite has dtype object"),
        (
            {"sign": [True, False], "significand": [1, 2, 3]},
            "zero",
            ValueError,
            r"shapes \[\(2,\), \(3,\), .*use the same",
        ),
        ({}, "up", ValueError, "Rounding 'up' is unknown; use 'nearest' or 'zero'"),
        ({}, None, TypeError, "Rounding None is not a string"),
    ],
)
def test_pack_refuses(kwargs, rounding, error, match):
    number = Number(**{"sign": False, "significand": 1, "exponent": 0, **kwargs})
    with pytest.raises(error, match=match) as caught:
        pack(number, "fp16", rounding)
    assert "\n" not in str(caught.value)


def test_pack_refuses_a_tuple():
    with pytest.raises(TypeError, match=r"\(False, 1, 0\) is not a Number"):
        pack((False, 1, 0), "fp16")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("args", "error", "match"),
    [
        ((1, 3, 8), ValueError, r"exponent_bits 1 is outside \[2, 8\]"),
        ((4, 0, 8), ValueError, r"fraction_bits 0 is outside \[1, 23\]"),
        ((4.0, 3, 8), TypeError, "exponent_bits 4.0 is not an integer"),
        ((4, 3, 12), ValueError, "width 12 is not the size of a NumPy integer; use 8, 16 or 32"),
        ((5, 3, 8), ValueError, "width 8 is too small for a sign, 5 exponent bits and 3 fraction bits; use at least 9"),
        ((4, 3, 8, 0), TypeError, "infinities 0 is not a bool"),
    ],
)
def test_format_refuses(args, error, match):
    with pytest.raises(error, match=match):
        Format(*args)


def test_nothing_is_changed_and_scalars_stay_scalars():
    patterns = np.arange(16, dtype=np.uint16)
    patterns.flags.writeable = False
    for source, target in itertools.product(("fp16", "bf16"), FORMATS):
        convert(patterns, source, target)
    got = convert(np.uint16(0x3C00), "fp16", "fp32")
    assert isinstance(got, np.ndarray)
    assert (got.shape, got.dtype, int(got)) == ((), np.uint32, 0x3F800000)
    assert convert(np.zeros((0, 3), np.uint16), "fp16", "e4m3").shape == (0, 3)
