"""`load`: which files it takes, and INT8 networks as graphs."""

import numpy as np
import pytest
from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.compiler import load
from tercet.golden.networks.int8_network import Int8Network, quantize_mlp


@pytest.fixture(scope="module")
def network():
    digits = load_digits()
    return quantize_mlp(train_mlp(digits, (12,)), digits.train_x), digits.test_x[:50]


def test_int8_network(tmp_path, network):
    """The graph gives the sums of the network, from real numbers and from codes, with a batch and without."""
    found, x = network
    found.save(tmp_path / "net.npz")
    graph = load(tmp_path / "net.npz")
    want = found.run(x)[-1]
    np.testing.assert_array_equal(graph.run(x)[0], want, strict=True)
    np.testing.assert_array_equal(graph.run(found.codes(x))[0], want, strict=True)
    np.testing.assert_array_equal(graph.run(x[3])[0], want[3], strict=True)
    assert [(layer.op, layer.macs, layer.shape) for layer in graph.layers] == [
        ("FULLY_CONNECTED", 64 * 12, (1, 12)),
        ("FULLY_CONNECTED", 12 * 10, (1, 10)),
    ]
    np.testing.assert_array_equal(graph.simplified().run(x)[0], want, strict=True)


def test_int8_network_that_requantises(tmp_path, network):
    """The last layer may give codes."""
    found, x = network
    Int8Network(found.input, found.layers[:1]).save(tmp_path / "net.npz")
    out = load(tmp_path / "net.npz").run(x)[0]
    np.testing.assert_array_equal(out, found.run(x)[1], strict=True)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tercet", b"", "is a compressed network for the EIE engine; use tercet run"),
        ("a.pb", b"", "is not a model file; use .tflite, .onnx, or the .npz of an Int8Network"),
        ("a.tflite", b"", "lacks the identifier TFL3"),
        ("a.tflite", b"\0\0\0\0TFL3" + bytes(20), "a.tflite"),
        ("a.onnx", b"no protobuf", "a.onnx"),
        ("a.npz", b"nothing", "is not a NumPy file"),
    ],
)
def test_refusals(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as found:
        load(tmp_path / name)
    assert "\n" not in str(found.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.tflite")


@pytest.mark.parametrize(("suffix", "package"), [(".tflite", "tflite"), (".onnx", "onnx")])
def test_missing_package(tmp_path, monkeypatch, suffix, package):
    """One line says what to install."""
    monkeypatch.setitem(__import__("sys").modules, package, None)
    (tmp_path / f"a{suffix}").write_bytes(b"\0\0\0\0TFL3")
    with pytest.raises(ImportError, match=rf"needs the package {package}; run: pip install 'tercet\[models\]'"):
        load(tmp_path / f"a{suffix}")
