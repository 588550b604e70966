"""The perceptron: gradients against finite differences, and errors."""

import numpy as np
import pytest
from tercet.golden.networks.mlp import Mlp, gradients


@pytest.mark.parametrize(("sizes", "linear"), [((4, 5, 3), ()), ((4, 5, 6, 3), (0,)), ((4, 5, 6, 3), (1,))])
def test_gradients_are_those_of_the_loss(sizes, linear):
    rng = np.random.default_rng(0)
    mlp = Mlp.random(sizes, seed=1)
    mlp = Mlp(mlp.weights, [rng.normal(0, 0.1, b.shape) for b in mlp.biases], linear)
    x, labels = rng.normal(size=(7, 4)), rng.integers(0, 3, 7)
    _, by_weights, by_biases = gradients(mlp, x, labels)
    step = 1e-6
    for arrays, found in ((mlp.weights, by_weights), (mlp.biases, by_biases)):
        for array, gradient in zip(arrays, found, strict=True):
            for index in np.ndindex(array.shape):
                losses = []
                for sign in (1, -1):
                    array[index] += sign * step
                    losses.append(gradients(mlp, x, labels)[0])
                    array[index] -= sign * step
                assert gradient[index] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-6)


def test_loss_of_a_sure_answer_and_of_none():
    mlp = Mlp([np.zeros((1, 4))], [np.zeros(4)])
    assert gradients(mlp, np.ones((1, 1)), np.array([2]))[0] == pytest.approx(np.log(4))
    mlp = Mlp([np.zeros((1, 2))], [np.array([1000.0, -1000.0])])
    assert gradients(mlp, np.ones((1, 1)), np.array([0]))[0] == pytest.approx(0.0)
    assert gradients(mlp, np.ones((1, 1)), np.array([1]))[0] == pytest.approx(2000.0)


def test_activations_and_accuracy():
    mlp = Mlp([np.array([[1.0, -1.0]]), np.eye(2)], [np.zeros(2), np.array([0.0, 0.5])])
    found = mlp.activations(np.array([[3.0], [-2.0]]))
    np.testing.assert_array_equal(found[1], [[3, 0], [0, 2]])
    np.testing.assert_array_equal(found[2], [[3, 0.5], [0, 2.5]])
    assert mlp.accuracy(np.array([[3.0], [-2.0]]), np.array([0, 0])) == 0.5


def test_linear_layers_have_no_relu():
    mlp = Mlp([-np.eye(2), np.eye(2), np.eye(2)], [np.zeros(2)] * 3, (0,))
    found = mlp.activations(np.array([[1.0, -2.0]]))
    np.testing.assert_array_equal(found[1], [[-1, 2]])
    np.testing.assert_array_equal(found[2], [[0, 2]])


def test_refuses():
    w, b = np.zeros((2, 3)), np.zeros(3)
    with pytest.raises(ValueError, match="There are 1 weights and 0 biases"):
        Mlp([w], [])
    with pytest.raises(ValueError, match=r"Bias of layer 0 has shape \(2,\); its weights need \(3,\)"):
        Mlp([w], [np.zeros(2)])
    with pytest.raises(ValueError, match=r"Weights of layer 0 have shape \(6,\); use a matrix"):
        Mlp([w.ravel()], [b])
    with pytest.raises(ValueError, match="Layer 1 takes 2 values but layer 0 gives 3"):
        Mlp([w, w], [b, b])
    with pytest.raises(TypeError, match="Weights of layer 0 has dtype int64, not a float type"):
        Mlp([w.astype(int)], [b])
    with pytest.raises(ValueError, match=r"Labels 3 at index \(0,\) is outside \[0, 2\]"):
        gradients(Mlp([w], [b]), np.zeros((1, 2)), np.array([3]))
    for layers, linear, message in ((3, (2,), r"Linear layer 2 is outside \[0, 1\]"), (1, (0,), "layer 0 is linear")):
        with pytest.raises(ValueError, match=message):
            Mlp([np.eye(2)] * layers, [np.zeros(2)] * layers, linear)
