"""INT8 perceptron: accuracy against the real one, round trip through its file, and errors."""

import itertools

import numpy as np
import pytest
from tercet.golden.networks.int8_network import Int8Layer, Int8Network, quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import ROUNDINGS, Requant


def network(sizes=(12, 9, 5)):
    mlp = Mlp.random(sizes, seed=1)
    samples = np.random.default_rng(2).random((200, sizes[0]))
    return mlp, samples, quantize_mlp(mlp, samples)


def test_results_match_the_real_network():
    mlp, samples, net = network()
    out = net.run(samples)[-1]
    assert out.dtype == np.int32
    real = mlp.activations(samples)[-1]
    # A scale turns the sums into the real scores.
    factor = (out * real).sum() / (out.astype(float) ** 2).sum()
    assert np.abs(out * factor - real).max() < 0.05 * np.abs(real).max()


def test_linear_layers_keep_negative_codes_and_outputs_may_be_codes():
    mlp, samples, _ = network((12, 9, 8, 5))
    linear = Mlp(mlp.weights, mlp.biases, (0,))
    net = quantize_mlp(linear, samples, int8_outputs=True)
    requants = [layer.requant for layer in net.layers if layer.requant is not None]
    assert [one.qmin for one in requants] == [-128, requants[1].zero_point, -128]
    out = net.run(samples)
    assert out[-1].dtype == np.int8
    real = linear.activations(samples)
    for n in (1, 3):
        codes = out[n].astype(float) - requants[n - 1].zero_point
        step = (codes * real[n]).sum() / (codes**2).sum()
        assert np.abs(codes * step - real[n]).mean() < 0.01 * np.abs(real[n]).max()
        assert (codes < -20).any()


@pytest.mark.parametrize("layer", [0, 1])
def test_bias_of_a_channel_with_tiny_weights(layer):
    """Regularisation shrinks the weights of idle neurons to nearly nothing."""
    mlp, samples, _ = network()
    mlp.weights[layer][:, 3 if layer == 0 else slice(None)] *= 1e-12
    mlp.biases[layer][:] = 0.7
    net = quantize_mlp(mlp, samples, int8_outputs=True)
    peaks = np.abs(net.layers[0].weights.astype(int)).max(axis=0)
    assert (np.delete(peaks, 3) == 127).all()  # the others are as fine as ever
    out = net.run(samples)
    codes = out[layer + 1][:, 3].astype(float)
    real = mlp.activations(samples)[layer + 1]
    assert (codes == codes[0]).all()
    largest = real.max()
    assert codes[0] == pytest.approx(-128 + 255 * 0.7 / largest, abs=2)


def test_its_file(tmp_path):
    _, samples, net = network()
    net.save(tmp_path / "net.npz")
    again = Int8Network.load(tmp_path / "net.npz")
    assert again.dumps() == net.dumps()
    for one, other in zip(net.run(samples), again.run(samples), strict=True):
        np.testing.assert_array_equal(one, other)


def test_its_file_keeps_the_rounding(tmp_path):
    _, samples, net = network()
    first, last = net.layers
    assert first.requant is not None
    outputs = []
    for rounding in ROUNDINGS:
        requant = Requant(2**30, -5, 0, rounding=rounding)
        rounded = Int8Network(net.input, (Int8Layer(first.weights, first.bias, requant), last))
        rounded.save(tmp_path / "net.npz")
        again = Int8Network.load(tmp_path / "net.npz")
        assert again.layers[0].requant == requant
        outputs.append(again.run(samples)[1])
        np.testing.assert_array_equal(outputs[-1], rounded.run(samples)[1])
    assert not any((one == other).all() for one, other in itertools.combinations(outputs, 2))


def test_codes_are_taken_as_they_are():
    _, samples, net = network()
    codes = net.codes(samples)
    np.testing.assert_array_equal(net.codes(codes), codes)
    # Other integers may be codes or real values.
    for kind in (np.int64, np.uint8, bool):
        with pytest.raises(TypeError, match=f"Inputs have dtype {np.dtype(kind)}; use int8 for codes, or float32"):
            net.codes(codes.astype(kind))
    with pytest.raises(ValueError, match=r"shape \(3, 4\); the network takes \(samples, 12\)"):
        net.codes(np.zeros((3, 4)))


def layer(inputs, outputs, requant=None):
    return Int8Layer(np.zeros((inputs, outputs), np.int8), np.zeros(outputs, np.int32), requant)


def test_layers_that_do_not_match():
    params, requant = QuantParams(0.5, 3), Requant(2**30, 0, 0)
    with pytest.raises(ValueError, match="no layer"):
        Int8Network(params, ())
    with pytest.raises(ValueError, match="Layer 0 outputs INT32 sums"):
        Int8Network(params, (layer(3, 4), layer(4, 2)))
    with pytest.raises(ValueError, match="Layer 1 has 5 inputs but layer 0 has 4 outputs; use equal numbers$"):
        Int8Network(params, (layer(3, 4, requant), layer(5, 2)))
    with pytest.raises(ValueError, match=r"use equal numbers; weights are .*: if yours is \(out, in\), use \.T$"):
        Int8Network(params, (layer(3, 4, requant), layer(2, 4)))


def test_invalid_layers():
    w, b = np.zeros((3, 4), np.int8), np.zeros(4, np.int32)
    with pytest.raises(ValueError, match=r"Bias has shape \(3,\) but the weights \(3, 4\); .*is \(out, in\), use \.T"):
        Int8Layer(w, np.zeros(3, np.int32), None)
    with pytest.raises(ValueError, match=r"Bias has shape \(2,\) but the weights \(3, 4\); use \(4,\)$"):
        Int8Layer(w, np.zeros(2, np.int32), None)
    with pytest.raises(ValueError, match=r"Weights have shape \(0, 4\)"):
        Int8Layer(w[:0], b, None)
    with pytest.raises(TypeError, match=r"Weights are uint8 and the bias int32; .* subtract 128 from .* zero point"):
        Int8Layer(w.astype(np.uint8), b, None)
    with pytest.raises(TypeError, match="the bias int64; use int8"):
        Int8Layer(w, b.astype(np.int64), None)
    with pytest.raises(TypeError, match="requant 3 is not a Requant"):
        Int8Layer(w, b, 3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="3 channels"):
        Int8Layer(w, b, Requant([1, 2, 3], 0, 0))  # pyright: ignore[reportArgumentType]


def test_byte_order_does_not_matter():
    _, samples, net = network()
    swapped = [Int8Layer(each.weights, each.bias.astype(">i4"), each.requant) for each in net.layers]
    again = Int8Network(net.input, tuple(swapped))
    assert again.layers[0].bias.dtype == np.int32
    np.testing.assert_array_equal(again.run(samples.astype(">f8"))[-1], net.run(samples)[-1])


def test_other_files(tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"net\.npz' is not a NumPy file: it is neither \.npy nor \.npz"):
        Int8Network.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match="is not an INT8 network: it lacks input_scale, input_zero_point, W0, b0; use"):
        Int8Network.load(tmp_path / "array.npy")


def saved(path, arrays):
    np.savez(path, **arrays)
    return Int8Network.load(path)


@pytest.fixture
def arrays(tmp_path):
    """Arrays of a saved network with two layers, the first of which requantises."""
    network()[2].save(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as whole:
        return dict(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w1": "W1"}, r"it has unknown name 'w1' \(did you mean 'W1'\?\) and lacks W1; use input_scale, "),
        ({"W2": "W1", "b2": "b1"}, r"it has unknown names 'W2'.*, 'b2'.*lacks W1, b1;"),
        ({"W01": "W1"}, r"it has unknown name 'W01' \(did you mean 'W1'\?\)"),
        (
            {"multiplier": "multiplier0"},
            r"it has unknown name 'multiplier' \(did you mean 'multiplier0'\?\) and lacks ",
        ),
        ({"": "multiplier0"}, "it lacks multiplier0; use "),
        ({"": "rounding0"}, "it lacks rounding0; use "),
        ({"": "b1"}, "it lacks b1; use "),
        ({"": "input_scale"}, "it lacks input_scale; use "),
        ({"multiplier1": 3}, "it lacks shift1, zero_point1, qmin1, qmax1, rounding1; use "),
        ({"zero_point1": 0}, "it lacks multiplier1, shift1, qmin1, qmax1, rounding1; use "),
        ({"note": 0}, "it has unknown name 'note'; use input_scale, input_zero_point, for each layer n"),
        ({"input_zero_point": 7.9}, "input_zero_point 7.9 is not an integer"),
        ({"input_zero_point": [7]}, r"input_zero_point has shape \(1,\); use a single value"),
        ({"input_zero_point": 128}, r"input_zero_point 128 is outside \[-128, 127\]"),
        ({"input_scale": [0.5, 0.5]}, r"input_scale has shape \(2,\); use a single value"),
        ({"input_scale": "0.5"}, "input_scale '0.5' is not a real number"),
        ({"input_scale": True}, "input_scale True is not a real number"),
        ({"input_scale": -0.5}, "Scale -0.5 is not finite and above 0"),
        ({"W0": np.zeros((12, 9))}, "layer 0: Weights are float64"),
        ({"W0": np.zeros((9, 12), np.int8)}, r"layer 0: Bias has shape \(9,\).*if yours is \(out, in\), use \.T"),
        ({"b1": np.zeros((5, 1), np.int32)}, r"layer 1: Bias has shape \(5, 1\)"),
        ({"zero_point0": [0]}, r"layer 0: zero_point0 has shape \(1,\); use a single value"),
        ({"zero_point0": 1.0}, "layer 0: Zero point 1.0 is not an integer"),
        ({"shift0": np.zeros(9)}, "layer 0: Shift has dtype float64"),
        ({"multiplier0": np.zeros(8, int)}, "layer 0: .*8 channels"),
        ({"rounding0": "up"}, "layer 0: Rounding 'up' is unknown"),
    ],
)
def test_nothing_unknown_is_skipped(tmp_path, arrays, change, message):
    """A change renames an array, removes it if the new name is empty, or replaces its value."""
    for name, value in change.items():
        if isinstance(value, str) and value in arrays:
            taken = arrays.pop(value)
            arrays |= {name: taken} if name else {}
        else:
            arrays[name] = np.asarray(value)
    with pytest.raises(ValueError, match=rf"^'.*net\.npz' is not an INT8 network: .*{message}"):
        saved(tmp_path / "net.npz", arrays)


def test_a_last_layer_that_requantises(tmp_path, arrays):
    arrays |= {f"{name[:-1]}1": array for name, array in arrays.items() if name.endswith("0") and name[0] not in "Wb"}
    arrays |= {"multiplier1": np.int64(2**30), "shift1": np.int64(-3)}
    net = saved(tmp_path / "net.npz", arrays)
    assert net.run(np.zeros((1, 12)))[-1].dtype == np.int8
    assert Int8Network.of(arrays).dumps() == net.dumps()
