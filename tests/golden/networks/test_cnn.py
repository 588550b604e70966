"""Convolutional network: gradients against differences, training against a task that it can learn."""

import numpy as np
import pytest
from tercet.golden.networks.cnn import Cnn, train_cnn


def loss(network, x, labels):
    scores = network.activations(x)[-1]
    scores = scores - scores.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(x)), labels]).mean())


def test_gradients():
    rng = np.random.default_rng(1)
    network = Cnn.random(8, (2, 3, 4), 5, rng)
    x, labels = rng.normal(size=(6, 8, 8, 2)), rng.integers(0, 5, 6)
    for array, gradient in zip(network.parameters, network.gradients(x, labels), strict=True):
        assert array.shape == gradient.shape
        for _ in range(5):
            index = tuple(rng.integers(0, n) for n in array.shape)
            value, step = array[index], 1e-6
            array[index] = value + step
            above = loss(network, x, labels)
            array[index] = value - step
            below = loss(network, x, labels)
            array[index] = value
            assert gradient[index] == pytest.approx((above - below) / (2 * step), abs=1e-5)


def test_training():
    """Vertical or horizontal stripes at random places, in noise."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 200)
    x = rng.normal(0, 0.3, (200, 8, 8, 1))
    for n, label in enumerate(labels):
        place = rng.integers(0, 8)
        x[n, place if label else slice(None), slice(None) if label else place, 0] += 2
    network = train_cnn(x[:150], labels[:150], (1, 4), epochs=10)
    assert (network.activations(x[150:])[-1].argmax(axis=1) == labels[150:]).mean() > 0.9
    again = train_cnn(x[:150], labels[:150], (1, 4), epochs=10)
    np.testing.assert_array_equal(network.weights, again.weights)
