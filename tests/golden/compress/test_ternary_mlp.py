"""Perceptrons with weights of -1, 0 and 1."""

import numpy as np
import pytest
from tercet.golden.compress.pipeline import Data
from tercet.golden.compress.ternary_mlp import ternary_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.systolic.config import SystolicConfig
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def task():
    """A network and samples that it labels right."""
    mlp = Mlp.random((8, 30, 4), 3)
    x = np.random.default_rng(0).normal(size=(500, 8))
    y = mlp.activations(x)[-1].argmax(axis=1)
    return mlp, Data(x[:400], y[:400], x[400:], y[400:])


def test_training_and_codes():
    """The integers are those of the trained weights, layer by layer, and run on an engine without multipliers."""
    mlp, data = task()
    done = ternary_mlp(mlp, data, epochs=40, seed=1)
    for real, layer in zip(done.mlp.weights, done.network.layers, strict=True):
        scale = np.abs(real).max()
        np.testing.assert_allclose(layer.weights * scale, real, atol=1e-12)
        assert {*np.unique(layer.weights)} == {-1, 0, 1}
    assert done.accuracy["float"] == 1
    assert done.accuracy["trained"] == done.mlp.accuracy(data.test_x, data.test_y)
    assert done.accuracy["trained"] > done.accuracy["rounded"]
    assert abs(done.accuracy["int8"] - done.accuracy["trained"]) < 0.05
    out = done.network.run(data.test_x, SystolicConfig(rows=8, cols=4, mac="ternary"))[-1]
    assert (out.argmax(axis=1) == data.test_y).mean() == done.accuracy["int8"]
    weights = np.concatenate([layer.weights.ravel() for layer in done.network.layers])
    assert done.zeros == (weights == 0).mean()
    again = ternary_mlp(mlp, data, epochs=40, seed=1)
    assert all(np.array_equal(*pair) for pair in zip(done.mlp.weights, again.mlp.weights, strict=True))


def test_untrained():
    """Without epochs the rounded network is the result."""
    mlp, data = task()
    done = ternary_mlp(mlp, data, epochs=0)
    assert done.accuracy["trained"] == done.accuracy["rounded"] < 1
    # Each layer has one scale, the mean magnitude of the weights above a twentieth of the largest.
    for w, real in zip(mlp.weights, done.mlp.weights, strict=True):
        beyond = np.abs(w) > 0.05 * np.abs(w).max()
        np.testing.assert_allclose(real, np.sign(w) * beyond * np.abs(w[beyond]).mean())


def test_refuses():
    mlp, data = task()
    linear = Mlp([np.ones((8, 3)), np.ones((3, 30)), np.ones((30, 4))], [np.zeros(n) for n in (3, 30, 4)], linear=(0,))
    with pytest.raises(ValueError, match="Layer 0 is linear; use a network with a ReLU"):
        ternary_mlp(linear, data)
    with pytest.raises(ValueError, match="Epochs -1 is outside"):
        ternary_mlp(mlp, data, epochs=-1)
