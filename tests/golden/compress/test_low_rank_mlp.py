"""Factored perceptrons: what becomes of each layer, and what training brings back."""

import numpy as np
import pytest
from tercet.golden.compress import factor
from tercet.golden.compress.low_rank_mlp import low_rank_mlp
from tercet.golden.compress.pipeline import Data, compress
from tercet.golden.compress.retrain import Dense, Factored, train
from tercet.golden.networks.mlp import Mlp

from .test_retrain import blobs


@pytest.fixture(scope="module")
def network():
    start = Mlp.random((8, 24, 16, 4), seed=2)
    return train([Dense(w) for w in start.weights], start.biases, *blobs(), epochs=20)


def data():
    return Data(*blobs(), *blobs(1))


def test_layers_of_the_rank_asked_for(network):
    done = low_rank_mlp(network, rank=3)
    assert done.ranks == (3, 3, 3)
    assert done.mlp.linear == (0, 2, 4)
    assert [w.shape for w in done.mlp.weights] == [(8, 3), (3, 24), (24, 3), (3, 16), (16, 3), (3, 4)]
    for n, w in enumerate(network.weights):
        product = done.mlp.weights[2 * n] @ done.mlp.weights[2 * n + 1]
        values = np.linalg.svd(w, compute_uv=False)
        assert done.errors[n] == pytest.approx(np.sqrt((values[3:] ** 2).sum() / (values**2).sum()))
        assert np.linalg.norm(w - product) == pytest.approx(done.errors[n] * np.linalg.norm(w))
        assert not done.mlp.biases[2 * n].any()
        np.testing.assert_array_equal(done.mlp.biases[2 * n + 1], network.biases[n])
    assert done.accuracy == {}


def test_outputs_are_those_of_the_products(network):
    """The pair of layers against one layer with the product of their weights."""
    done, x = low_rank_mlp(network, rank=2, layers=[1]), blobs(1)[0]
    assert (done.ranks, done.errors[0], done.errors[2]) == ((None, 2, None), 0.0, 0.0)
    weights = [network.weights[0], done.mlp.weights[1] @ done.mlp.weights[2], network.weights[2]]
    whole = Mlp(weights, network.biases)
    np.testing.assert_allclose(done.mlp.activations(x)[-1], whole.activations(x)[-1])


def test_layers_that_save_nothing_stay(network):
    assert low_rank_mlp(network, rank=6).ranks == (None, 6, None)  # 8 x 24: below 6; 16 x 4: below 3.2
    by_error = low_rank_mlp(network, error=0.6)
    for rank, error in zip(by_error.ranks, by_error.errors, strict=True):
        assert error <= 0.6 if rank else error == 0


def test_training_brings_accuracy_back(network):
    done = low_rank_mlp(network, rank=1, layers=[0, 1], data=data(), epochs=20)
    assert done.accuracy["float"] == network.accuracy(*blobs(1))
    assert done.accuracy["retrained"] == done.mlp.accuracy(*blobs(1))
    plain = low_rank_mlp(network, rank=1, layers=[0, 1])
    assert done.accuracy["factored"] == plain.mlp.accuracy(*blobs(1))
    assert done.accuracy["retrained"] > done.accuracy["factored"]
    parts = [*(Factored(*factor(w, rank=1)) for w in network.weights[:2]), Dense(network.weights[2])]
    want = train(parts, network.biases, *blobs(), epochs=20, rate=0.05)
    x = blobs(1)[0]
    np.testing.assert_allclose(done.mlp.activations(x)[-1], want.activations(x)[-1])
    again = [low_rank_mlp(network, rank=1, data=data(), epochs=2, seed=seed).mlp.weights[0] for seed in (3, 3, 4)]
    np.testing.assert_array_equal(again[0], again[1])
    assert (again[0] != again[2]).any()
    assert done.errors == plain.errors


def test_refuses(network):
    with pytest.raises(ValueError, match="give one of them"):
        low_rank_mlp(network)
    with pytest.raises(ValueError, match=r"There is no layer 3; use 0 to 2"):
        low_rank_mlp(network, rank=1, layers=[3])
    with pytest.raises(ValueError, match="Layer 2 cannot be factored: rank 4 saves no products of a matrix of 16 x 4"):
        low_rank_mlp(network, rank=4, layers=[2])
    with pytest.raises(
        ValueError, match="No layer can be factored: layer 0: rank 10 is beyond .* use at most 9; layer 2"
    ):
        low_rank_mlp(network, rank=10)
    factored = low_rank_mlp(network, rank=1).mlp
    with pytest.raises(ValueError, match="Layer 0 is linear; factor networks with a ReLU after each layer"):
        low_rank_mlp(factored, rank=1)
    with pytest.raises(
        ValueError, match="Layer 0 is linear; only networks with a ReLU after each layer are compressed"
    ):
        compress(factored)
