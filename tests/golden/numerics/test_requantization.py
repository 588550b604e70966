"""Requantisation against slow references in exact arithmetic, and against the hardware's form."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from tercet.golden import numerics
from tercet.golden.numerics.requantization import ROUNDINGS, Requant, requantize, rounding_code

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
SHIFTS = range(-31, 31)
ACCS = sorted(
    {INT32_MIN, INT32_MIN + 1, INT32_MAX - 1, INT32_MAX, 12345678, -12345678}
    | {sign * v for sign in (1, -1) for v in (0, 1, 2, 3, 5, 6, 127, 128, 129, 255, 256, 2**29 - 1, 2**29, 2**29 + 1)}
    | {sign * v for sign in (1, -1) for v in (2**30 - 1, 2**30, 2**30 + 1, 3 * 2**29)}
)
MULTIPLIERS = (0, 1, 2, 3, 127, 2**29, 2**30 - 1, 2**30, 2**30 + 1, 3 * 2**29, 1518500250, 2**31 - 2, 2**31 - 1)


# References in Python integers and fractions, following the specification literally.


def ref_scale(acc: int, multiplier: int, shift: int, rounding: str) -> int:
    """The scaled sum before zero point and clamp."""
    if rounding == "away":
        magnitude = math.floor(abs(Fraction(acc * multiplier) * Fraction(2) ** (shift - 31)) + Fraction(1, 2))
        return magnitude if acc >= 0 else -magnitude
    if rounding == "single":
        return math.floor(Fraction(acc * multiplier + 2 ** (30 - shift), 2 ** (31 - shift)))
    x = min(max(acc * 2 ** max(shift, 0), INT32_MIN), INT32_MAX)
    product = x * multiplier
    nudge = 2**30 if product >= 0 else 1 - 2**30
    high = math.trunc(Fraction(product + nudge, 2**31))
    quotient = Fraction(high, 2 ** max(-shift, 0))
    away = math.floor(abs(quotient) + Fraction(1, 2))
    return away if quotient >= 0 else -away


def ref_requantize(acc, multiplier, shift, zero_point, qmin, qmax, rounding) -> int:
    return min(max(ref_scale(acc, multiplier, shift, rounding) + zero_point, qmin), qmax)


def hardware_form(acc, multiplier, shift, rounding):
    """Scaled sum by the datapath's steps: one product, one right shift, one rounding increment.

    Accepts Python integers and int64 arrays.
    """
    if rounding != "double":
        product = acc * multiplier - (acc < 0) * (rounding == "away")
        w = (product << 1) >> (31 - shift)
        return (w + 1) >> 1
    left, right = (shift > 0) * shift, (shift < 0) * -shift
    x = acc << left
    x = np.clip(x, INT32_MIN, INT32_MAX) if isinstance(x, np.ndarray) else min(max(x, INT32_MIN), INT32_MAX)
    y = (x * multiplier + 2**30) >> 31
    v = y - ((y < 0) & (right >= 1))
    w = (v << 1) >> right
    return (w + 1) >> 1


def clamp(scaled, zero_point=0, qmin=-128, qmax=127):
    return np.clip(scaled + zero_point, qmin, qmax).astype(np.int8)


def random_cases(count: int, seed: int):
    """Sums of every magnitude; half of the shifts are chosen so that the result is near the int8 range."""
    rng = np.random.default_rng(seed)
    acc = rng.integers(INT32_MIN, INT32_MAX, count, endpoint=True) >> rng.integers(0, 31, count)
    multiplier = rng.integers(0, INT32_MAX, count, endpoint=True) >> (
        rng.integers(0, 31, count) * (rng.random(count) < 0.2)
    )
    shift = rng.integers(-31, 30, count, endpoint=True)
    bits = np.log2(np.abs(acc) + 1.0) + np.log2(multiplier + 1.0) - 31
    near = np.clip(np.round(rng.uniform(-1, 8, count) - bits), -31, 30).astype(np.int64)
    return acc, multiplier, np.where(rng.random(count) < 0.5, near, shift)


# requantize.


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("shift", SHIFTS)
def test_requantize_corners(shift, rounding):
    acc = np.array(ACCS, dtype=np.int32)
    for multiplier in MULTIPLIERS:
        scaled = [ref_scale(a, multiplier, shift, rounding) for a in ACCS]
        assert [hardware_form(a, multiplier, shift, rounding) for a in ACCS] == scaled
        for zero_point, qmin, qmax in ((0, -128, 127), (-128, -128, 127), (127, -127, 127), (-3, -3, 60)):
            expected = [min(max(s + zero_point, qmin), qmax) for s in scaled]
            got = requantize(acc, multiplier, shift, zero_point, qmin, qmax, rounding)
            assert got.dtype == np.int8
            assert got.tolist() == expected


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_requantize_random(rounding):
    acc, multiplier, shift = random_cases(100_000, seed=1)
    got = requantize(acc, multiplier, shift, 7, -100, 120, rounding)
    cases = zip(acc.tolist(), multiplier.tolist(), shift.tolist(), strict=True)
    expected = [ref_requantize(*case, 7, -100, 120, rounding) for case in cases]
    assert got.tolist() == expected
    # The test is worthless if most cases clamp or vanish.
    assert np.mean((got > -100) & (got < 120) & (got != 7)) > 0.3


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_requantize_ties(rounding):
    """Sums one below, on and one above every tie of both roundings."""
    for shift in (-31, -30, -17, -3, -2, -1, 0, 1, 2):
        step = 2 ** max(-shift, 0)
        centres = [(2 * j + 1) * step + d for j in range(-130, 130) for d in (-2, -1, 0, 1, 2)]
        acc = [a for a in centres if INT32_MIN <= a <= INT32_MAX]
        for multiplier in (2**30 - 1, 2**30, 2**30 + 1):
            scaled = [ref_scale(a, multiplier, shift, rounding) for a in acc]
            assert [hardware_form(a, multiplier, shift, rounding) for a in acc] == scaled
            got = requantize(np.array(acc), multiplier, shift, 0, -128, 127, rounding)
            assert got.tolist() == [min(max(s, -128), 127) for s in scaled]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_hardware_form_in_int64(rounding):
    """The identities hold in 64-bit arithmetic too, over all corners and a million random cases."""
    corners = np.array(list(itertools.product(ACCS, MULTIPLIERS, SHIFTS)), dtype=np.int64).T
    for acc, multiplier, shift in (corners, random_cases(1_000_000, seed=2)):
        expected = clamp(hardware_form(acc, multiplier, shift, rounding))
        np.testing.assert_array_equal(requantize(acc, multiplier, shift, 0, -128, 127, rounding), expected)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("shift", SHIFTS)
def test_scaled_sum_is_near_the_real_product(shift, rounding):
    """The result is within half a step of acc * scale, plus the first rounding for double."""
    for acc, multiplier in itertools.product((-1000, -7, 0, 7, 1000), MULTIPLIERS):
        real = Fraction(acc * multiplier) * Fraction(2) ** (shift - 31)
        if abs(real) <= 126 and abs(acc) * 2 ** max(shift, 0) <= INT32_MAX:
            got = int(requantize(np.array([acc]), multiplier, shift, 0, -128, 127, rounding)[0])
            bound = Fraction(1, 2)
            if rounding == "double" and shift < 0:
                bound += Fraction(1, 2 ** (1 - shift))
            assert abs(got - real) <= bound


@pytest.mark.parametrize(
    ("acc", "multiplier", "shift", "double", "single", "away"),
    [
        (100, 2**30, 0, 50, 50, 50),  # 100 * 0.5
        (100, 2**30, 1, 100, 100, 100),
        (100, 3 * 2**29, -1, 38, 38, 38),  # 37.5, up in each
        (-100, 3 * 2**29, -1, -38, -37, -38),  # -37.5: away from zero, upwards, away from zero
        (5, 2**30, 0, 3, 3, 3),  # 2.5
        (-5, 2**30, 0, -2, -2, -3),  # -2.5: the multiplication rounds ties upwards in the first two
        (-1, 2**30, 0, 0, 0, -1),  # -0.5
        (-10, 2**30, -1, -3, -2, -3),  # -2.5 by way of the exact -5
        (5, 2**30, -1, 2, 1, 1),  # 1.25: 2.5 -> 3, 1.5 -> 2 rounds twice
        (-7, 2**30, -1, -2, -2, -2),  # -1.75: -3.5 -> -3, -1.5 -> -2
        (-1, 0, 30, 0, 0, 0),
        (-1, 1, 30, 0, 0, -1),  # -0.5, at the largest shift
        (INT32_MAX, 100, 7, 100, 127, 127),  # the left shift saturates, at 2**31 - 1
        (INT32_MIN, 100, 7, -100, -128, -128),
        (INT32_MIN, 2**31 - 1, -24, -128, -128, -128),  # -127.99999994
        (INT32_MIN, 2**31 - 1, -31, -1, -1, -1),  # -0.9999999995
        (INT32_MAX, 2**31 - 1, -31, 1, 1, 1),  # 0.999999999
        (2**30, 2**30, -30, 1, 1, 1),  # 0.5
        (-(2**30), 2**30, -30, -1, 0, -1),  # -0.5
    ],
)
def test_requantize_by_hand(acc, multiplier, shift, double, single, away):
    sums = np.array([acc], dtype=np.int32)
    assert requantize(sums, multiplier, shift, 0, -128, 127).tolist() == [double]
    assert requantize(sums, multiplier, shift, 0, -128, 127, "single").tolist() == [single]
    assert requantize(sums, multiplier, shift, 0, -128, 127, "away").tolist() == [away]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_every_small_sum(rounding):
    """All sums of 8 bits, all multipliers of 4 bits, scales from 2**-10 to 8."""
    cases = list(itertools.product(range(-128, 128), range(0, 2**31, 2**27), range(-6, 4)))
    expected = [min(max(ref_scale(*case, rounding), -128), 127) for case in cases]
    acc, multiplier, shift = np.array(cases).T
    assert requantize(acc, multiplier, shift, 0, -128, 127, rounding).tolist() == expected


def test_away_is_odd():
    """A sum and its negative give codes of opposite sign, unlike with the other roundings."""
    acc, multiplier, shift = random_cases(100_000, seed=6)
    acc = np.maximum(acc, -INT32_MAX)
    ties = (np.arange(250) * 2 + 1) * 64
    for sums, m, s in ((acc, multiplier, shift), (ties, 2**30, -6)):
        one, other = (requantize(sign * sums, m, s, 0, -127, 127, "away") for sign in (1, -1))
        np.testing.assert_array_equal(one, -other)


def average_multiplier(count):
    """Multiplier and shift for ``sum / count``: ``ceil(2**t / count)`` with the largest t that fits."""
    t = max(t for t in range(63) if -(-(2**t) // count) < 2**31)
    return -(-(2**t) // count), 31 - t


@pytest.mark.parametrize("counts", [range(1, 65), (100, 225, 441, 961, 1024, 2047, 4096)], ids=["small", "large"])
def test_away_is_the_division_of_average_pooling(counts):
    """Every sum of `count` codes is divided with ties away from zero."""
    for count in counts:
        sums = np.arange(-128 * count, 128 * count + 1)
        half = np.sign(sums) * ((2 * np.abs(sums) + count) // (2 * count))
        got = requantize(sums, *average_multiplier(count), 0, -128, 127, "away")
        np.testing.assert_array_equal(got, np.minimum(half, 127))


def test_codes_of_roundings():
    """The codes appear in commands and registers, so they never change."""
    assert {name: rounding_code(name) for name in ROUNDINGS} == {"double": 0, "single": 1, "away": 2}


def test_numerics():
    assert (numerics.Requant, numerics.requantize) == (Requant, requantize)


def test_clamps_are_activations():
    acc = np.array([-1000, -10, 0, 10, 90, 1000])
    assert requantize(acc, 2**30, 1, 0, -128, 127).tolist() == [-128, -10, 0, 10, 90, 127]
    assert requantize(acc, 2**30, 1, -5, -5, 127).tolist() == [-5, -5, -5, 5, 85, 127]  # ReLU
    assert requantize(acc, 2**30, 1, -5, -5, 55).tolist() == [-5, -5, -5, 5, 55, 55]  # ReLU6 with scale 0.1
    assert requantize(acc, 2**30, 1, 0, 3, 3).tolist() == [3] * 6


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_channels_run_along_the_last_axis(rounding):
    rng = np.random.default_rng(3)
    acc = rng.integers(-(2**20), 2**20, (2, 5, 4)).astype(np.int32)
    multiplier, shift = rng.integers(2**30, 2**31, 4), np.array([-14, -12, -9, -13])
    got = requantize(acc, multiplier, shift, 3, -128, 127, rounding)
    assert got.shape == acc.shape
    for n in range(4):
        one = requantize(acc[..., n], int(multiplier[n]), int(shift[n]), 3, -128, 127, rounding)
        np.testing.assert_array_equal(got[..., n], one)
    mixed = requantize(acc, 2**30, shift, 3, -128, 127, rounding)
    np.testing.assert_array_equal(mixed, requantize(acc, np.full(4, 2**30), shift, 3, -128, 127, rounding))


def test_requantize_leaves_its_input_and_takes_any_integer_type():
    acc = np.array([[1, -2], [3, 100]], dtype=np.int32)
    kept = acc.copy()
    expected = requantize(acc, 2**30, 0, 0, -128, 127)
    np.testing.assert_array_equal(acc, kept)
    for dtype in (np.int8, np.int16, np.int64):
        np.testing.assert_array_equal(requantize(acc.astype(dtype), 2**30, 0, 0, -128, 127), expected)
    assert requantize(np.array([200], np.uint64), 2**30, 0, 0, -128, 127).tolist() == [100]
    scalar = requantize(np.array(7), 2**30, 1, 0, -128, 127)
    assert isinstance(scalar, np.ndarray)
    assert (scalar.shape, scalar.dtype, int(scalar)) == ((), np.int8, 7)
    assert requantize(np.zeros((0, 3), np.int32), np.array([1, 2, 3]), 0, 0, -128, 127).shape == (0, 3)


@pytest.mark.parametrize(
    ("kwargs", "error", "match"),
    [
        ({"acc": np.zeros(2)}, TypeError, "Sum has dtype float64, not an integer type; give int32 sums"),
        ({"acc": np.array([True])}, TypeError, "Sum has dtype bool"),
        ({"acc": np.array([0, 2**31])}, ValueError, r"Sum 2147483648 at index \(1,\) is outside \[-2147483648, 2147"),
        ({"acc": np.array([-(2**31) - 1])}, ValueError, "Sum -2147483649"),
        ({"acc": np.array([2**64 - 1], np.uint64)}, ValueError, "Sum 18446744073709551615"),
        ({"multiplier": 0.5}, TypeError, "Multiplier 0.5 is not an integer"),
        ({"multiplier": True}, TypeError, "Multiplier True is a bool"),
        ({"multiplier": -1}, ValueError, r"Multiplier -1 is outside \[0, 2147483647\]"),
        ({"multiplier": 2**31}, ValueError, "Multiplier 2147483648 is outside"),
        ({"multiplier": np.array([1.0, 2.0])}, TypeError, "Multiplier has dtype float64"),
        ({"multiplier": np.array([0, 2**31])}, ValueError, r"Multiplier 2147483648 at index \(1,\)"),
        ({"multiplier": np.array([1, 2, 3])}, ValueError, "Multiplier has 3 channels but the sums have 2"),
        ({"multiplier": np.ones((1, 2), int)}, ValueError, r"Multiplier has shape \(1, 2\); use a scalar or a vector"),
        ({"multiplier": np.ones(0, int)}, ValueError, r"Multiplier has shape \(0,\)"),
        ({"shift": 1.0}, TypeError, "Shift 1.0 is not an integer"),
        ({"shift": 31}, ValueError, r"Shift 31 is outside \[-31, 30\]"),
        ({"shift": -32}, ValueError, "Shift -32 is outside"),
        ({"shift": np.array([0, 31])}, ValueError, r"Shift 31 at index \(1,\)"),
        ({"shift": np.array([0])}, ValueError, "Shift has 1 channels but the sums have 2"),
        ({"acc": np.array(5), "shift": np.array([0])}, ValueError, "Sum 5 has no channel axis"),
        (
            {"multiplier": np.array([1, 2, 3]), "shift": np.array([1, 2])},
            ValueError,
            "Multiplier has 3 channels but shift has 2",
        ),
        ({"zero_point": None}, TypeError, "Zero point None is not an integer"),
        ({"zero_point": 128}, ValueError, r"Zero point 128 is outside \[-128, 127\]"),
        ({"zero_point": -129}, ValueError, "Zero point -129"),
        ({"qmin": 0.0}, TypeError, "qmin 0.0 is not an integer"),
        ({"qmin": -129}, ValueError, "qmin -129 is outside"),
        ({"qmax": 128}, ValueError, "qmax 128 is outside"),
        ({"qmin": 5, "qmax": 4}, ValueError, "qmin 5 is above qmax 4"),
        ({"rounding": 1}, TypeError, "Rounding 1 is not a string"),
        ({"rounding": "up"}, ValueError, "Rounding 'up' is unknown; use one of 'double', 'single', 'away'"),
    ],
)
def test_requantize_refuses(kwargs, error, match):
    good = {"acc": np.zeros(2, np.int32), "multiplier": 1, "shift": 0, "zero_point": 0, "qmin": -128, "qmax": 127}
    with pytest.raises(error, match=match) as caught:
        requantize(**(good | kwargs))
    assert "\n" not in str(caught.value)
