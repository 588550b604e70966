"""Networks of signs: words of an engine, files, training."""

import io
from typing import Any

import numpy as np
import pytest
from tercet.golden.compress.binary_mlp import binary_mlp, thresholds
from tercet.golden.compress.pipeline import Data
from tercet.golden.networks.binary_network import BinaryLayer, BinaryNetwork, signs
from tercet.golden.systolic.binary import pack_signs
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul
from threadpoolctl import threadpool_limits

RNG = np.random.default_rng


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def network(*sizes, seed=0):
    rng = RNG(seed)
    layers = [
        BinaryLayer(rng.choice([-1, 1], shape).astype(np.int8), rng.integers(-3, 4, shape[1]).astype(np.int32))
        for shape in zip(sizes, sizes[1:], strict=False)
    ]
    return BinaryNetwork(rng.normal(size=(sizes[0] // 2, 2)), tuple(layers))


@pytest.mark.parametrize("width", [4, 8, 14])
@pytest.mark.parametrize("inputs", [2, 6, 14, 24, 30])
def test_words_of_an_engine(width, inputs):
    """Whole and padded words, with an even or odd number of signs in the padding, give the sums of the signs."""
    made = network(inputs, 9, 5, seed=width)
    config = SystolicConfig(rows=2, mac="binary", act_width=width, weight_width=width)
    values = made.run(RNG(1).normal(size=(20, inputs // 2)))
    fed = values[0]
    for layer, want in zip(made.layers, values[1:], strict=True):
        words = layer.words(config)
        sums = matmul(pack_signs(fed, width), words.weights, words.bias, config)
        np.testing.assert_array_equal(sums, want)
        fed = signs(sums)


def test_run_by_hand():
    first = BinaryLayer(np.array([[1, -1], [1, 1], [-1, 1], [1, 1]], np.int8), np.array([0, -1], np.int32))
    last = BinaryLayer(np.array([[1], [-1]], np.int8), np.array([10], np.int32))
    made = BinaryNetwork(np.array([[0.0, 1.0], [0.0, 2.0]]), (first, last))
    codes, sums, out = made.run(np.array([[0.5, 3.0], [0.0, 0.0]]))
    assert codes.tolist() == [[1, -1, 1, 1], [-1, -1, -1, -1]]
    assert sums.tolist() == [[0, -1], [-2, -3]]
    assert out.tolist() == [[12], [10]]


def test_files(tmp_path):
    made, path = network(6, 4, 3), tmp_path / "a.npz"
    path.write_bytes(made.dumps())
    again = BinaryNetwork.load(path)
    x = RNG(0).normal(size=(9, 3))
    np.testing.assert_array_equal(again.run(x)[-1], made.run(x)[-1])
    arrays = dict(np.load(io.BytesIO(made.dumps())))
    for change, message in (
        ({"W0": 2 * arrays["W0"]}, "is not a binary network: Weights"),
        ({"W1": np.zeros((4, 3), np.int8)}, "A weight is 0"),
        ({"W1": arrays["W1"][:3]}, "Layer 1 has 3 inputs but gets 4 signs"),
        ({"b1": arrays["b1"].astype(float)}, "use int8 .in, out. and int32"),
        ({"thresholds": np.zeros(3)}, r"Thresholds have shape \(3,\); use \(inputs, levels\)"),
        ({"c": np.zeros(3)}, "unknown"),
    ):
        np.savez(path, **{**arrays, **change})
        with pytest.raises(ValueError, match=message):
            BinaryNetwork.load(path)
    with pytest.raises(ValueError, match=r"Inputs have shape \(2, 4\); the network takes \(samples, 3\)"):
        made.run(np.zeros((2, 4)))


def test_thresholds():
    x = np.array([[0.0, 1.0], [1.0, 1.0], [0.2, 1.0]])
    np.testing.assert_allclose(thresholds(x, 3), [[0.25, 0.5, 0.75], [1, 1, 1]])
    with pytest.raises(ValueError, match="Levels 0 is outside"):
        thresholds(x, 0)


def test_training():
    """It learns a task of signs, the same way for the same seed."""
    x = RNG(0).uniform(-1, 1, size=(900, 6))
    y = (x[:, 0] + x[:, 1] > 0) + 2 * (x[:, 2] > x[:, 3])
    data = Data(x[:700], y[:700], x[700:], y[700:])
    options: dict[str, Any] = {"levels": 5, "seed": 2}
    done, again = (binary_mlp(data, (40,), 4, epochs=25, **options) for _ in range(2))
    assert done.accuracy > 0.8 > 0.5 > binary_mlp(data, (40,), 4, epochs=0, **options).accuracy
    assert done.network.dumps() == again.network.dumps()
    assert done.accuracy == (done.network.run(data.test_x)[-1].argmax(axis=1) == data.test_y).mean()
    assert [layer.weights.shape for layer in done.network.layers] == [(30, 40), (40, 4)]
    mistakes: list[tuple[dict[str, Any], str]] = [({"rate": 0}, "Rate 0 is out"), ({"epochs": -1}, "Epochs -1 is out")]
    for wrong, match in mistakes:
        with pytest.raises(ValueError, match=match):
            binary_mlp(data, (40,), 4, **wrong)
    with pytest.raises(ValueError, match="Hidden layer 0 is outside"):
        binary_mlp(data, (0,), 4)
