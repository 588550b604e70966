"""Ternary weights: threshold, codes, scales."""

import numpy as np
import pytest
from tercet.golden.compress import ternarize
from tercet.golden.compress.ternary import NEGATIVE, POSITIVE, ternary_values


def test_threshold_is_five_percent_of_the_greatest():
    codes, scales = ternarize(np.array([[1.0, 0.05, 0.0501], [-0.06, -0.04, 0.0]]))
    np.testing.assert_array_equal(codes, [[POSITIVE, 0, POSITIVE], [NEGATIVE, 0, 0]])
    np.testing.assert_allclose(scales, [(1.0 + 0.0501) / 2, 0.06])
    np.testing.assert_allclose(ternary_values(scales)[codes], [[0.52505, 0, 0.52505], [-0.06, 0, 0]])


def test_one_sign_and_none():
    codes, scales = ternarize(np.array([-1.0, -3.0]))
    assert codes.tolist() == [NEGATIVE, NEGATIVE]
    assert scales.tolist() == [0.0, 2.0]
    assert ternarize(np.zeros(4))[1].tolist() == [0.0, 0.0]


def test_refuses():
    with pytest.raises(ValueError, match="not finite"):
        ternarize(np.array([np.inf]))
