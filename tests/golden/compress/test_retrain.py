"""Constrained training: frozen weights stay, shared weights move together, and accuracy recovers."""

import numpy as np
import pytest
from tercet.golden.compress import factor, prune, share_weights, ternarize
from tercet.golden.compress.retrain import Dense, Factored, Masked, Shared, Ternary, train
from tercet.golden.networks.mlp import Mlp


def blobs(seed=0, count=400):
    """Four groups in eight dimensions."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    return np.random.default_rng(9).normal(size=(4, 8))[labels] + rng.normal(0, 0.6, (count, 8)), labels


@pytest.fixture(scope="module")
def network():
    start = Mlp.random((8, 24, 4), seed=2)
    return train([Dense(w) for w in start.weights], start.biases, *blobs(), epochs=20)


def test_dense_learns(network):
    assert network.accuracy(*blobs(1)) > 0.9
    assert Mlp.random((8, 24, 4), seed=2).accuracy(*blobs(1)) < 0.6


def test_momentum_by_hand():
    part = Dense(np.array([1.0]))
    for _ in range(2):
        part.step(np.array([2.0]), rate=0.1, momentum=0.5)
    assert part.value[0] == pytest.approx(1.0 - 0.2 - 0.3)


def test_pruned_weights_stay_zero(network):
    masks = [prune(w, density=0.2) for w in network.weights]
    before = Mlp([w * mask for w, mask in zip(network.weights, masks, strict=True)], network.biases)
    parts = [Masked(w, mask) for w, mask in zip(network.weights, masks, strict=True)]
    after = train(parts, network.biases, *blobs(), epochs=20)
    for w, old, mask in zip(after.weights, before.weights, masks, strict=True):
        assert not w[~mask].any()
        # Only about half must move: neurons may be dead.
        assert (w[mask] != old[mask]).mean() > 0.5
    assert after.accuracy(*blobs(1)) > before.accuracy(*blobs(1))


def test_shared_weights_move_together(network):
    codes, centroids = share_weights(network.weights[0], prune(network.weights[0], density=0.3), 2)
    part = Shared(codes, centroids)
    gradient = np.random.default_rng(0).normal(size=codes.shape)
    part.step(gradient, rate=0.01, momentum=0.9)
    for code in range(1, 4):
        moved = centroids[code] - 0.01 * gradient[codes == code].sum()
        np.testing.assert_allclose(part.value[codes == code], moved)
    assert part.centroids[0] == 0
    assert not part.value[codes == 0].any()


def test_ternary_training_brings_accuracy_back(network):
    coarse = [Ternary(w) for w in network.weights]
    before = Mlp([part.value for part in coarse], network.biases).accuracy(*blobs(1))
    after = train(coarse, network.biases, *blobs(), epochs=20, rate=0.05)
    assert all(len(np.unique(w)) <= 3 for w in after.weights)
    assert after.accuracy(*blobs(1)) >= max(before, network.accuracy(*blobs(1)) - 0.02)


def test_ternary_step_by_hand():
    """Scales move by the mean gradient of their weights, the full weights by the gradient times their scale."""
    w = np.array([1.0, 0.5, 0.01, -0.8])
    part = Ternary(w)
    part.step(np.array([0.1, 0.3, 1.0, -0.2]), rate=0.1, momentum=0.0)
    np.testing.assert_allclose(part.scales, [0.75 - 0.1 * 0.2, 0.8 - 0.1 * 0.2])
    full = w - 0.1 * np.array([0.1 * 0.75, 0.3 * 0.75, 1.0, -0.2 * 0.8])
    np.testing.assert_array_equal(part.codes, ternarize(full)[0])


def test_ternary_step_with_one_scale():
    """The scale is the mean magnitude of both signs and moves by the mean gradient of all weights that are not 0."""
    w = np.array([1.0, 0.5, 0.01, -0.9])
    part = Ternary(w, one_scale=True)
    np.testing.assert_allclose(part.value, np.array([0.8, 0.8, 0, -0.8]))
    part.step(np.array([0.1, 0.3, 1.0, -0.2]), rate=0.1, momentum=0.0)
    np.testing.assert_allclose(part.scales, np.full(2, 0.8 - 0.1 * (0.1 + 0.3 + 0.2) / 3))
    full = w - 0.1 * np.array([0.1 * 0.8, 0.3 * 0.8, 1.0, -0.2 * 0.8])
    np.testing.assert_array_equal(part.codes, ternarize(full)[0])
    assert Ternary(np.zeros((2, 2)), one_scale=True).scales.tolist() == [0, 0]


def test_factored_step_by_hand():
    """Both factors move by the gradient of the product times the other one as it was."""
    left, right = np.array([[1.0], [2.0]]), np.array([[3.0, -1.0]])
    part, gradient = Factored(left, right), np.array([[0.5, 1.0], [0.0, 2.0]])
    np.testing.assert_allclose(part.value, [[3, -1], [6, -2]])
    part.step(gradient, rate=0.1, momentum=0.5)
    np.testing.assert_allclose(part.left, left - 0.1 * np.array([[0.5], [-2.0]]))
    np.testing.assert_allclose(part.right, right - 0.1 * np.array([[0.5, 5.0]]))
    np.testing.assert_allclose(part.value, part.left @ part.right)
    part.step(np.zeros((2, 2)), rate=0.1, momentum=0.5)
    np.testing.assert_allclose(part.right, right - 0.1 * 1.5 * np.array([[0.5, 5.0]]))


def test_factored_weights_keep_their_rank(network):
    parts = [Factored(*factor(w, rank=2)) for w in network.weights]
    before = Mlp([part.value for part in parts], network.biases).accuracy(*blobs(1))
    after = train(parts, network.biases, *blobs(), epochs=20)
    assert [np.linalg.matrix_rank(w) for w in after.weights] == [2, 2]
    assert after.accuracy(*blobs(1)) > before
    with pytest.raises(ValueError, match=r"Factors have shape \(2, 1\) and \(2, 1\); use \(in, rank\)"):
        Factored(np.ones((2, 1)), np.ones((2, 1)))


def test_same_seed_same_network(network):
    again = [train([Dense(w) for w in network.weights], network.biases, *blobs(), epochs=2, seed=s) for s in (5, 5, 6)]
    np.testing.assert_array_equal(again[0].weights[0], again[1].weights[0])
    assert (again[0].weights[0] != again[2].weights[0]).any()


def test_refuses(network):
    parts = [Dense(w) for w in network.weights]
    x, y = blobs()
    with pytest.raises(ValueError, match="Rate 0 and momentum 0.9 are out of range"):
        train(parts, network.biases, x, y, epochs=1, rate=0)
    with pytest.raises(ValueError, match="momentum 1 are out of range"):
        train(parts, network.biases, x, y, epochs=1, momentum=1)
    with pytest.raises(ValueError, match=r"Samples have shape \(400, 8\) and there are 399 labels"):
        train(parts, network.biases, x, y[1:], epochs=1)
    with pytest.raises(ValueError, match=r"Epochs -1 is outside"):
        train(parts, network.biases, x, y, epochs=-1)
    with pytest.raises(ValueError, match=r"Codes 4 at index \(0,\) is outside \[0, 3\]"):
        Shared(np.array([4]), np.zeros(4))
