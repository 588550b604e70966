"""Training of a CNN within a rank: the rank holds, and accuracy comes back."""

import numpy as np
import pytest
from tercet.golden.compress.low_rank_cnn import low_rank_cnn
from tercet.golden.networks.cnn import train_cnn


def bars(seed, count=300):
    """Images of 4 x 4 with a row or a column brighter than the noise: eight classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 8, count)
    x = rng.normal(0, 0.4, (count, 4, 4, 1))
    for image, label in zip(x, labels, strict=True):
        image[(label, slice(None)) if label < 4 else (slice(None), label - 4)] += 1.5
    return x, labels


def accuracy(network):
    x, labels = bars(1)
    return (network.activations(x)[-1].argmax(axis=1) == labels).mean()


@pytest.fixture(scope="module")
def network():
    return train_cnn(*bars(0), (1, 10, 12), epochs=15)


def ranks(network):
    return [np.linalg.matrix_rank(w.reshape(-1, w.shape[-1])) for w in (*network.kernels, network.weights)]


def test_rank_holds_and_accuracy_comes_back(network):
    before = [each.copy() for each in network.parameters]
    truncated = low_rank_cnn(network, *bars(0), rank=2, epochs=0)
    trained = low_rank_cnn(network, *bars(0), rank=2, epochs=10)
    assert ranks(network) == [9, 12, 8]
    assert ranks(truncated) == ranks(trained) == [2, 2, 2]
    assert accuracy(trained) > accuracy(truncated) + 0.1
    assert all((a == b).all() for a, b in zip(before, network.parameters, strict=True))
    # Without training, each layer is the best of its rank.
    for old, new in zip(network.kernels, truncated.kernels, strict=True):
        values = np.linalg.svd(old.reshape(-1, old.shape[-1]), compute_uv=False)
        assert np.linalg.norm(old - new) == pytest.approx(np.sqrt((values[2:] ** 2).sum()))
    np.testing.assert_array_equal(truncated.bias, network.bias)


def test_layers_that_save_nothing_are_free(network):
    assert ranks(low_rank_cnn(network, *bars(0), rank=5, epochs=1)) == [9, 5, 8]  # 9 x 10 and 12 x 8: below 4.8


def test_same_seed_same_network(network):
    found = [low_rank_cnn(network, *bars(0), error=0.5, epochs=1, seed=seed).weights for seed in (3, 3, 4)]
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_refuses(network):
    x, labels = bars(0)
    wrong = {
        "give one of them": {},
        "Epochs -1 is outside": {"rank": 1, "epochs": -1},
        "Rate 0 is out of range": {"rank": 1, "rate": 0},
        "Rank 0 is outside": {"rank": 0},
    }
    for message, given in wrong.items():
        with pytest.raises(ValueError, match=message):
            low_rank_cnn(network, x, labels, **given)
    with pytest.raises(ValueError, match="There are 300 samples and 299 labels"):
        low_rank_cnn(network, x, labels[1:], rank=1)
