"""Dense-sparse-dense training: what each phase may move, the baseline of density 1, and errors."""

import numpy as np
import pytest
from tercet.golden.compress import prune
from tercet.golden.compress.dense_sparse_dense import dense_sparse_dense
from tercet.golden.compress.retrain import Dense, Masked, train
from tercet.golden.networks.mlp import Mlp

from .test_distill import same
from .test_retrain import blobs


@pytest.fixture(scope="module")
def network():
    start = Mlp.random((8, 24, 4), seed=2)
    return train([Dense(w) for w in start.weights], start.biases, *blobs(), epochs=5)


def test_phases(network):
    """By hand from `prune` and `train`: the mask holds in the sparse phase only, the last has a tenth of the rate."""
    rounds = []
    done = dense_sparse_dense(
        network, *blobs(), density=0.3, epochs=4, rate=0.02, seed=3, progress=lambda: rounds.append(0)
    )
    masks = [prune(w, density=0.3) for w in network.weights]
    parts = [Masked(w, mask) for w, mask in zip(network.weights, masks, strict=True)]
    sparse = train(parts, network.biases, *blobs(), epochs=4, rate=0.02, seed=3)
    want = train([Dense(w) for w in sparse.weights], sparse.biases, *blobs(), epochs=4, rate=0.002, seed=3)
    assert same(done.sparse, sparse)
    assert same(done.mlp, want)
    assert len(rounds) == 8
    for w, final, mask, kept in zip(done.sparse.weights, done.mlp.weights, done.masks, masks, strict=True):
        np.testing.assert_array_equal(mask, kept)
        assert mask.sum() == int(0.3 * mask.size + 0.5)
        assert not w[~mask].any()
        # Some neurons may be dead.
        assert (final[~mask] != 0).mean() > 0.5


def test_released_weights_start_at_zero(network):
    done = dense_sparse_dense(network, *blobs(), density=0.5, epochs=1, rate=1e-9)
    for w, before, mask in zip(done.mlp.weights, network.weights, done.masks, strict=True):
        np.testing.assert_allclose(w, before * mask, atol=1e-6)


def test_all_weights_are_the_baseline(network):
    """Density 1 trains without a mask, a weight of 0 included."""
    weights = [w.copy() for w in network.weights]
    weights[0][:, 0] = 0
    start = Mlp(weights, network.biases)
    done = dense_sparse_dense(start, *blobs(), density=1, epochs=3, seed=1)
    first = train([Dense(w) for w in start.weights], start.biases, *blobs(), epochs=3, rate=0.05, seed=1)
    want = train([Dense(w) for w in first.weights], first.biases, *blobs(), epochs=3, rate=0.005, seed=1)
    assert same(done.sparse, first)
    assert same(done.mlp, want)
    assert all(mask.all() for mask in done.masks)
    assert not same(dense_sparse_dense(start, *blobs(), density=0.9, epochs=3, seed=1).mlp, want)


@pytest.mark.parametrize("density", [0, -0.1, 1.01, np.nan, np.inf])
def test_refuses_densities(network, density):
    with pytest.raises(
        ValueError, match=rf"Density {density} is outside \(0, 1\]; use the fraction of weights to keep"
    ):
        dense_sparse_dense(network, *blobs(), density=density)


def test_refuses(network):
    x, y = blobs()
    with pytest.raises(ValueError, match="there are 399 labels"):
        dense_sparse_dense(network, x, y[1:])
    with pytest.raises(ValueError, match="Epochs -1 is outside"):
        dense_sparse_dense(network, x, y, epochs=-1)
    linear = Mlp([np.eye(8), np.eye(8, 4)], [np.zeros(8), np.zeros(4)], (0,))
    with pytest.raises(ValueError, match="Layer 0 is linear; train networks with a ReLU after each layer"):
        dense_sparse_dense(linear, x, y)
