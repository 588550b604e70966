"""Weight sharing: one-dimensional k-means and its known pitfalls."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from tercet.golden.compress import prune, share_weights
from tercet.golden.compress.share import fixed_point


def error(w, mask, codes, centroids):
    return float(((w - centroids[codes]) ** 2)[mask].sum())


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
def test_lloyds_conditions(bits):
    """Every weight has its nearest value, and every value is the mean of its weights."""
    w = np.random.default_rng(bits).normal(size=(60, 50))
    mask = prune(w, density=0.3)
    codes, centroids = share_weights(w, mask, bits)
    assert codes.dtype == np.uint8
    assert (codes == 0).sum() == (~mask).sum()
    assert not codes[~mask].any()
    assert centroids.shape == (2**bits,)
    assert centroids[0] == 0
    assert (np.diff(centroids[1:]) > 0).all()
    for value in range(1, 2**bits):
        assert centroids[value] == pytest.approx(w[codes == value].mean(), abs=1e-9)
    distance = np.abs(w[mask][:, None] - centroids[1:])
    np.testing.assert_allclose(np.abs(w - centroids[codes])[mask], distance.min(axis=1), atol=1e-9)


def test_as_good_as_another_k_means():
    """At least as good as scikit-learn from the same linear start."""
    w = np.random.default_rng(3).normal(size=2000)
    mask = prune(w, density=0.2)
    codes, centroids = share_weights(w, mask, 4)
    values = w[mask][:, None]
    start = np.linspace(values.min(), values.max(), 15)[:, None]
    other = KMeans(15, init=start, tol=0, max_iter=1000).fit(values)
    nearest = other.cluster_centers_[other.predict(values)]
    assert error(w, mask, codes, centroids) <= float(((values - nearest) ** 2).sum()) * 1.001


def test_empty_clusters_get_work():
    """Two distant groups leave the centroids between them without weights; these move into the groups."""
    w = np.concatenate([np.linspace(-1.001, -0.999, 50), np.linspace(0.999, 1.001, 50), [0.0005]])
    codes, centroids = share_weights(w, np.ones(101, bool), 4)
    assert (np.bincount(codes, minlength=16)[1:] > 0).all()
    assert np.abs(w - centroids[codes]).max() < 2e-4


@pytest.mark.parametrize("values", [[0.5], [-2.0, 3.0], [1.0, 2.0, 4.0]])
def test_fewer_values_than_codes(values):
    w = np.array(values * 4)
    codes, centroids = share_weights(w, np.ones(len(w), bool), 4)
    np.testing.assert_array_equal(centroids[codes], w)
    assert not centroids[len(values) + 1 :].any()


def test_nothing_stays():
    codes, centroids = share_weights(np.ones((2, 3)), np.zeros((2, 3), bool), 4)
    assert not codes.any()
    assert not centroids.any()


def test_fixed_point():
    np.testing.assert_array_equal(fixed_point(np.array([0.0, 0.5, -0.25, 1.5, 0.126]), 2), [0, 2, -1, 6, 1])
    np.testing.assert_array_equal(fixed_point(np.array([0.5, 1.5, 2.5]), 0), [0, 2, 2])
    assert fixed_point(np.array([-1.0]), 15).tolist() == [-(2**15)]
    with pytest.raises(ValueError, match="Centroid 1.0 does not fit 16 bits with 15 fraction bits"):
        fixed_point(np.array([1.0]), 15)


def test_refuses():
    w = np.ones(3)
    with pytest.raises(TypeError, match="Mask has dtype int64; use a bool array"):
        share_weights(w, np.ones(3, int), 4)
    with pytest.raises(ValueError, match=r"Mask has shape \(2,\) but the weights have \(3,\)"):
        share_weights(w, np.ones(2, bool), 4)
    with pytest.raises(ValueError, match=r"Code bits 9 is outside \[1, 8\]"):
        share_weights(w, np.ones(3, bool), 9)
