"""Magnitude pruning: number and choice of the weights kept."""

import numpy as np
import pytest
from tercet.golden.compress import prune


@pytest.mark.parametrize("density", [0.0, 0.1, 0.5, 0.999, 1.0])
def test_density_keeps_the_greatest(density):
    w = np.random.default_rng(1).normal(size=(30, 41))
    mask = prune(w, density=density)
    assert mask.sum() == int(density * w.size + 0.5)
    assert np.abs(w[mask]).min(initial=np.inf) >= np.abs(w[~mask]).max(initial=0.0)


def test_quality_is_in_standard_deviations():
    w = np.array([-3.0, -1.0, 0.5, 1.0, 3.0, 0.1])
    np.testing.assert_array_equal(prune(w, quality=1.0), np.abs(w) > w.std())
    assert prune(w, quality=0.0).all()


def test_ties_and_zeros():
    np.testing.assert_array_equal(prune(np.array([1.0, -1.0, 1.0, 0.5]), density=0.5), [True, True, False, False])
    assert not prune(np.zeros((3, 3)), density=1.0).any()
    assert prune(np.zeros((0, 3)), density=0.5).shape == (0, 3)


def test_refuses():
    w = np.ones(3)
    for options in ({}, {"density": 0.1, "quality": 1.0}):
        with pytest.raises(ValueError, match="give one of them"):
            prune(w, **options)
    with pytest.raises(ValueError, match=r"Density 1.5 is outside \[0, 1\]"):
        prune(w, density=1.5)
    with pytest.raises(ValueError, match="Density nan"):
        prune(w, density=float("nan"))
    with pytest.raises(ValueError, match="Quality -1 is not finite and at least 0"):
        prune(w, quality=-1)
    with pytest.raises(TypeError, match="not a float type"):
        prune(w.astype(int), density=0.1)
    with pytest.raises(ValueError, match="1 of 3 values not finite"):
        prune(np.array([1.0, np.nan, 2.0]), density=0.1)
