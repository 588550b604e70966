"""A perceptron in INT8: close to the real one, the same after a round trip through its file, and what is refused."""

import itertools

import numpy as np
import pytest
from tercet.golden.int8_network import Int8Layer, Int8Network, quantize_mlp
from tercet.golden.mlp import Mlp
from tercet.golden.quantize import QuantParams
from tercet.golden.requantize import ROUNDINGS, Requant


def network(sizes=(12, 9, 5)):
    mlp = Mlp.random(sizes, seed=1)
    samples = np.random.default_rng(2).random((200, sizes[0]))
    return mlp, samples, quantize_mlp(mlp, samples)


def test_answers_as_the_real_network_does():
    mlp, samples, net = network()
    out = net.run(samples)[-1]
    assert out.dtype == np.int32
    real = mlp.activations(samples)[-1]
    # A scale turns the sums into the real scores.
    factor = (out * real).sum() / (out.astype(float) ** 2).sum()
    assert np.abs(out * factor - real).max() < 0.05 * np.abs(real).max()


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
    # Integers may be codes, or what codes stand for.
    for kind in (np.int64, np.uint8, bool):
        with pytest.raises(TypeError, match=f"Inputs have dtype {np.dtype(kind)}; use int8 for codes, or float32"):
            net.codes(codes.astype(kind))
    with pytest.raises(ValueError, match=r"shape \(3, 4\); the network takes \(samples, 12\)"):
        net.codes(np.zeros((3, 4)))


def test_layers_that_do_not_fit():
    params = QuantParams(0.5, 3)
    with pytest.raises(ValueError, match="no layer"):
        Int8Network(params, ())
    sums = Int8Layer(np.zeros((3, 4), np.int8), np.zeros(4, np.int32), None)
    with pytest.raises(ValueError, match="Layer 0 leaves INT32 sums"):
        Int8Network(params, (sums, Int8Layer(np.zeros((4, 2), np.int8), np.zeros(2, np.int32), None)))
    whole = Int8Layer(sums.weights, sums.bias, Requant(2**30, 0, 0))
    with pytest.raises(ValueError, match="Layer 1 has 5 inputs but layer 0 has 4 outputs"):
        Int8Network(params, (whole, Int8Layer(np.zeros((5, 2), np.int8), np.zeros(2, np.int32), None)))
    with pytest.raises(ValueError, match=r"Layer 0 has a bias of shape \(3,\)"):
        Int8Network(params, (Int8Layer(np.zeros((3, 4), np.int8), np.zeros(3, np.int32), None),))


def test_files_that_are_none(tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"net\.npz' is no NumPy file: it is neither \.npy nor \.npz"):
        Int8Network.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(ValueError, match="is no INT8 network: it lacks 'input_scale"):
        Int8Network.load(tmp_path / "array.npy")
    np.savez(path, W0=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="it lacks 'input_scale"):
        Int8Network.load(path)
    np.savez(path, W0=np.zeros((2, 2)), b0=np.zeros(2, np.int32), input_scale=1.0, input_zero_point=0)
    with pytest.raises(ValueError, match="W0 is float64"):
        Int8Network.load(path)
