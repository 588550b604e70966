"""Bits against accuracy: rounding by hand, exhaustive small widths, and the project's INT8 network."""

import numpy as np
import pytest
from tercet.golden.compress.bits import BitsPoint, Widths, bits_against_accuracy, fewest_bits, rounded
from tercet.golden.compress.pipeline import Data
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.numerics.quantization import calibrate, dequantize, quantize, weight_params


def network(seed=0, sizes=(6, 16, 12, 4)):
    mlp = Mlp.random(sizes, seed)
    rng = np.random.default_rng(seed)
    mlp = Mlp(mlp.weights, [rng.normal(0, 0.1, b.shape) for b in mlp.biases])
    x = rng.normal(size=(400, 6))
    y = mlp.activations(x)[-1].argmax(axis=1)
    return mlp, Data(x[:200], y[:200], x[200:], y[200:])


@pytest.mark.parametrize("bits", range(2, 9))
def test_weight_codes(bits):
    """As many codes as a symmetric range has, with the largest weight at its end; no other code is nearer."""
    w = np.linspace(-3.0, 3.0, 997)
    params = weight_params(w, bits=bits)
    codes = quantize(w, params)
    most = 2 ** (bits - 1) - 1
    assert sorted(set(codes.tolist())) == list(range(-most, most + 1))
    grid = np.arange(-most, most + 1) * 3.0 / most
    assert np.abs(w - dequantize(codes, params)) == pytest.approx(np.abs(w[:, None] - grid).min(axis=1))


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize(("low", "high"), [(0.0, 5.0), (-2.0, 1.0), (-4.0, -1.0)])
def test_activation_codes(bits, low, high):
    """All codes of the width, 0 exact, and at most half a step away within the range."""
    x = np.linspace(low, high, 4001)
    params = calibrate(x, bits=bits)
    span = max(high, 0.0) - min(low, 0.0)
    assert params.scale == pytest.approx(span / (2**bits - 1))
    assert (params.qmin, params.qmax) == (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    back = dequantize(quantize(x, params), params)
    assert np.abs(back - x).max() <= params.scale * (0.5 + 1e-9)
    assert dequantize(quantize(np.zeros(1), params), params) == 0
    if high > 0:
        assert len(set(back.tolist())) == 2**bits


@pytest.mark.parametrize("bits", [1, 9, 2.0, True])
def test_refused_width(bits):
    for function in (weight_params, calibrate):
        with pytest.raises((TypeError, ValueError), match=r"Width .*\[2, 8\]"):
            function(np.ones(3), bits=bits)


def test_by_hand():
    """Ternary weights with a scale per output, activations of four levels from 0 to 3."""
    mlp = Mlp([np.array([[4.0, -0.9], [1.9, 1.0]]), np.array([[1.0], [-3.0]])], [np.array([0.0, 0.5]), np.zeros(1)])
    samples = np.array([[0.0, 3.0], [3.0, 0.0]])
    outputs = rounded(mlp, samples, Widths((2, None), (2, None)), percentile=100)
    # Inputs become 2 and 0 (1.4 is nearer to 1), the weights [[4, -1], [0, 1]].
    hidden = np.maximum(np.array([2.0, 1.0]) @ np.array([[4.0, -1.0], [0.0, 1.0]]) + [0.0, 0.5], 0)
    assert outputs(np.array([[1.6, 1.4]])) == pytest.approx(np.array([[hidden[0] - 3 * hidden[1]]]))


def test_real_where_none():
    mlp, data = network()
    nothing = (None,) * 3
    assert np.array_equal(
        rounded(mlp, data.train_x, Widths(nothing, nothing))(data.test_x), mlp.activations(data.test_x)[-1]
    )


def test_eight_bits_are_the_int8_network():
    """Up to the rounding of biases, half a unit of the sums, and of the requantiser, which moves few codes by one."""
    mlp, data = network()
    sums = quantize_mlp(mlp, data.train_x).run(data.test_x)[-1]
    inputs = calibrate(mlp.activations(data.train_x)[-2], method="percentile", percentile=99.95)
    found = sums * (inputs.scale * weight_params(mlp.weights[-1]).scale)
    outputs = rounded(mlp, data.train_x, Widths((8,) * 3, (8,) * 3))(data.test_x)
    step = inputs.scale * np.abs(mlp.weights[-1]).max()
    assert np.abs(found - outputs).max() < 2 * step
    assert np.mean(np.abs(found - outputs) < 0.05 * step) > 0.8
    real = mlp.activations(data.test_x)[-1]
    assert np.abs(real - outputs).mean() > 3 * np.abs(found - outputs).mean()


def test_points():
    """One tensor at a time, then all; each point is that of its widths; errors fall with the bits."""
    mlp, data = network()
    rounds = []
    points = bits_against_accuracy(mlp, data, (8, 5, 2), progress=lambda: rounds.append(0))
    assert len(rounds) == 9
    assert len(points) == 27
    found = {(each.layer, each.tensor, each.bits): each for each in points}
    assert len(found) == 27
    for key, widths in {
        (1, "weights", 2): Widths((None, 2, None), (None,) * 3),
        (2, "activations", 5): Widths((None,) * 3, (None, None, 5)),
        (None, "weights", 5): Widths((5,) * 3, (None,) * 3),
        (None, "both", 2): Widths((2,) * 3, (2,) * 3),
    }.items():
        out = rounded(mlp, data.train_x, widths)(data.test_x)
        real = mlp.activations(data.test_x)[-1]
        assert found[key].accuracy == (out.argmax(axis=1) == data.test_y).mean()
        assert found[key].error == pytest.approx(np.linalg.norm(out - real) / np.linalg.norm(real))
    for layer, tensor in {key[:2] for key in found}:
        errors = [found[layer, tensor, bits].error for bits in (8, 5, 2)]
        assert 0 < errors[0] < errors[1] < errors[2]
    assert found[None, "both", 8].accuracy > found[None, "both", 2].accuracy


def test_fewest():
    """Down from the top while the loss is small, not to a width below one that fails."""
    mlp, data = network(sizes=(6, 4))
    # The network's own answers are the labels: its accuracy is 1.
    rights = {"weights": {8: 1.0, 7: 0.995, 6: 0.98, 5: 0.995}, "activations": {8: 0.9, 7: 1.0, 6: 1.0, 5: 1.0}}
    points = [BitsPoint(0, name, bits, right, 0.0) for name, row in rights.items() for bits, right in row.items()]
    widths, right = fewest_bits(mlp, data, points, 0.01)
    assert widths == Widths((7,), (8,))
    out = rounded(mlp, data.train_x, widths)(data.test_x)
    assert right == (out.argmax(axis=1) == data.test_y).mean()
    assert fewest_bits(mlp, data, points, 0.2)[0] == Widths((5,), (5,))
    for loss in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="Loss"):
            fewest_bits(mlp, data, points, loss)


def test_refused():
    mlp, data = network()
    with pytest.raises(ValueError, match="2 widths of weights for 3 layers"):
        rounded(mlp, data.train_x, Widths((8, 8), (8, 8, 8)))
    with pytest.raises(ValueError, match=r"Width 9 is outside \[2, 8\]"):
        bits_against_accuracy(mlp, data, (9,))
    with pytest.raises(ValueError, match="Percentile 40"):
        bits_against_accuracy(mlp, data, (8,), percentile=40)
