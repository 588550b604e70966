"""The `Requant` object: copies, equality, channels, and real scales as multipliers and shifts."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from tercet.golden.numerics.requantization import Requant, requantize

from .test_requantization import random_cases


def test_requant_holds_its_own_read_only_copy():
    multiplier = np.array([1, 2, 3], dtype=np.int32)
    requant = Requant(multiplier, -1, 0)
    multiplier[0] = 99
    assert np.asarray(requant.multiplier).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(requant.multiplier)[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        requant.shift = 3  # type: ignore[misc]
    assert type(Requant(np.array(4, np.int32), np.array(-3), 1).multiplier) is int
    assert dataclasses.replace(requant, zero_point=4).zero_point == 4


def test_requant_compares_by_value():
    a, b = (Requant(np.array([1, 2]), np.array([0, -1]), 3) for _ in range(2))
    assert a == b
    assert hash(a) == hash(b)
    assert a != Requant(np.array([1, 3]), np.array([0, -1]), 3)
    assert a != Requant(np.array([1, 2]), np.array([0, -1]), 3, rounding="single")
    assert Requant(5, 0, 0) == Requant(np.array(5), 0, 0)
    assert Requant(5, 0, 0) != Requant(np.array([5]), 0, 0)
    assert Requant(5, 0, 0) != 5


def test_per_channel():
    multiplier, shift = Requant(7, np.array([-1, 2]), 0).per_channel(2)
    assert (multiplier.dtype, shift.dtype) == (np.int64, np.int64)
    assert (multiplier.tolist(), shift.tolist()) == ([7, 7], [-1, 2])
    multiplier[0] = 0  # a copy
    assert Requant(7, 0, 0).per_channel(3)[0].tolist() == [7, 7, 7]
    with pytest.raises(ValueError, match="Shift has 2 channels but the sums have 3; give a scalar or 3"):
        Requant(7, np.array([-1, 2]), 0).per_channel(3)
    with pytest.raises(TypeError, match="Number of channels 2.0 is not an integer"):
        Requant(7, 0, 0).per_channel(2.0)  # type: ignore[arg-type]


def test_apply_is_requantize():
    acc, multiplier, shift = random_cases(1000, seed=4)
    got = Requant(multiplier, shift, -9, -50, 60, "single").apply(acc)
    np.testing.assert_array_equal(got, requantize(acc, multiplier, shift, -9, -50, 60, "single"))


@pytest.mark.parametrize(
    ("scale", "multiplier", "shift"),
    [
        (0.5, 2**30, 0),
        (1.0, 2**30, 1),
        (0.75, 3 * 2**29, 0),
        (0.001, 1099511628, -9),  # 0.001 * 2**9 * 2**31 = 1099511627.776
        (0.0, 0, 0),
        (1 - 2**-40, 2**30, 1),  # the mantissa rounds to 1
        (1 - 2**-31, 2**31 - 1, 0),
        (1 - 2**-32, 2**30, 1),  # a tie, away from zero
        (2.0**-32, 2**30, -31),  # the smallest
        (2.0**-32 * (1 - 2**-40), 2**30, -31),
        (2.0**-33, 0, 0),
        (5e-324, 0, 0),
        (2.0**29, 2**30, 30),
        (2.0**30 - 1, 2**31 - 2, 30),
        (3, 3 * 2**29, 2),
    ],
)
def test_from_scale_by_hand(scale, multiplier, shift):
    requant = Requant.from_scale(scale, 4, -100, 100, "single")
    assert requant == Requant(multiplier, shift, 4, -100, 100, "single")
    assert type(requant.multiplier) is int


def test_from_scale_is_accurate():
    scale = np.exp2(np.random.default_rng(5).uniform(-32, 29.99, 10_000))
    multiplier, shift = Requant.from_scale(scale, 0).per_channel(scale.size)
    assert ((multiplier >= 2**30) & (multiplier < 2**31)).all()
    for s, m, e in zip(scale.tolist(), multiplier.tolist(), shift.tolist(), strict=True):
        error = abs(Fraction(m) * Fraction(2) ** (e - 31) / Fraction(s) - 1)
        assert error <= Fraction(1, 2**31)
    one = [Requant.from_scale(s, 0) for s in scale[:100].tolist()]
    assert [r.multiplier for r in one] == multiplier[:100].tolist()
    assert [r.shift for r in one] == shift[:100].tolist()


def test_from_scale_channels_with_zeros():
    requant = Requant.from_scale(np.array([0.0, 0.25, 1e-30], np.float32), 0)
    assert requant == Requant(np.array([0, 2**30, 0]), np.array([0, -1, 0]), 0)


@pytest.mark.parametrize(
    ("scale", "error", "match"),
    [
        ("1", TypeError, "Scale '1' is not real"),
        (True, TypeError, "Scale True is not real"),
        (1j, TypeError, "Scale 1j is not real"),
        (-0.1, ValueError, "Scale -0.1 is not finite and at least 0"),
        (math.nan, ValueError, "Scale nan is not finite"),
        (np.array([1.0, math.inf]), ValueError, r"Scale inf at index \(1,\) is not finite"),
        (2.0**30, ValueError, r"Scale 1073741824.0 rounds to 2\*\*30 or more; use a larger output scale"),
        (2.0**30 * (1 - 2**-40), ValueError, "rounds to"),
        (np.array([1.0, 2e9]), ValueError, "Scale 2000000000.0 rounds"),
        (np.ones((2, 2)), ValueError, r"Scale has shape \(2, 2\); use a scalar or a vector"),
    ],
)
def test_from_scale_refuses(scale, error, match):
    with pytest.raises(error, match=match) as caught:
        Requant.from_scale(scale, 0)
    assert "\n" not in str(caught.value)
