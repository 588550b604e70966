"""``tercet run`` for model files: arrays, real numbers, pictures, names of classes."""

import re
from typing import Any

import numpy as np
import pytest
from tercet.cli.graph_inputs import graph_inputs
from tercet.compiler import load

from ..compiler.small_networks import picture_network
from ..compiler.tflite_files import Network
from .command import fails, tercet

DEVICE = ("--device", "sim:icebreaker,bytes")
X = np.random.default_rng(3).integers(-128, 128, (2, 6, 6, 3)).astype(np.int8)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "picture.tflite"
    path.write_bytes(picture_network())
    return path


def save_picture(path, pixels, mode: Any = "RGB"):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(pixels, mode).save(path)


def test_codes(model, tmp_path):
    """The codes of NumPy; what the table says of time; names of the classes."""
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "names.txt").write_text("\n".join(("cat", "dog", "bird", "fish")) + "\n")
    files = ("--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "--labels", tmp_path / "names.txt")
    result = tercet("run", model, *DEVICE, *files)
    assert result.exit_code == 0, result.output
    assert re.search(r"│ board equals NumPy +│ +yes, every bit │", result.output)
    for name in ("link, and the simulated board", "engine, by its counters", "host, operators that are not"):
        assert name in result.output
    graph = load(model)
    want = graph.run(X)[0]
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), want, strict=True)
    best = ("cat", "dog", "bird", "fish")[int(want[1].argmax())]
    assert re.search(rf"│ sample 1 +│ +{best} \({(int(want[1].max()) + 128) / 256:.3g}\) │", result.output)


def test_a_picture_and_real_numbers(tmp_path):
    """0 to 255 are the ends of the input's range, whatever its type; --float gives real numbers."""
    pixels = np.random.default_rng(4).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    save_picture(tmp_path / "x.png", pixels)
    graphs = []
    for dtype in ("INT8", "FLOAT32"):
        path = tmp_path / f"{dtype}.tflite"
        path.write_bytes(picture_network(dtype=dtype))
        graphs.append(load(path))
        found = graph_inputs(graphs[-1], tmp_path / "x.png")
        want = pixels.astype(np.float64) / 255 if dtype == "FLOAT32" else pixels.astype(int) - 128
        np.testing.assert_allclose(found, want, atol=1e-6)
    int8, real = graphs
    scores = int8.run(graph_inputs(int8, tmp_path / "x.png"))[0]
    reals = real.run(graph_inputs(real, tmp_path / "x.png"))[0]
    np.testing.assert_array_equal(reals, (scores.astype(np.float32) + 128) / 256)
    arguments = ("--inputs", tmp_path / "x.png", "--float", "-o", tmp_path / "y.npy")
    result = tercet("run", tmp_path / "INT8.tflite", *DEVICE, *arguments)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), reals)


def test_grey_pictures(tmp_path):
    path = tmp_path / "grey.tflite"
    path.write_bytes(picture_network(channels=1))
    pixels = np.arange(36, dtype=np.uint8).reshape(6, 6)
    save_picture(tmp_path / "x.png", pixels, "L")
    found = graph_inputs(load(path), tmp_path / "x.png")
    np.testing.assert_array_equal(found, (pixels.astype(int) - 128).astype(np.int8)[:, :, None], strict=True)


def test_two_inputs_by_name(tmp_path):
    net = Network()
    a, b, y = net.input((1, 5), name="a"), net.input((1, 5), name="b"), net.tensor((1, 5), 0.5, 0)
    net.add("ADD", [a, b], y)
    net.outputs = [y]
    (tmp_path / "net.tflite").write_bytes(net.file())
    graph = load(tmp_path / "net.tflite")
    arrays: dict[str, Any] = {name: np.full((2, 5), code, np.int8) for name, code in (("b", 7), ("a", -3))}
    np.savez(tmp_path / "x.npz", **arrays)
    found = graph_inputs(graph, tmp_path / "x.npz")
    np.testing.assert_array_equal(graph.run(found)[0], np.full((2, 5), 4, np.int8))
    np.savez(tmp_path / "wrong.npz", a=arrays["a"])
    with pytest.raises(ValueError, match=r"wrong.npz' lacks b; use a, b"):
        graph_inputs(graph, tmp_path / "wrong.npz")
    np.savez(tmp_path / "more.npz", **arrays, c=arrays["a"])
    with pytest.raises(ValueError, match=r"more.npz' has unknown c; use a, b"):
        graph_inputs(graph, tmp_path / "more.npz")
    np.save(tmp_path / "one.npy", arrays["a"])
    with pytest.raises(ValueError, match="is one array, but the network takes a, b; use an .npz"):
        graph_inputs(graph, tmp_path / "one.npy")


def test_mistakes(model, tmp_path):
    np.save(tmp_path / "x.npy", X)
    inputs = ("--inputs", tmp_path / "x.npy")
    np.save(tmp_path / "wide.npy", X[:, :, :5])
    assert "use (6, 6, 3) for one sample" in fails("run", model, *DEVICE, "--inputs", tmp_path / "wide.npy")
    np.save(tmp_path / "unsigned.npy", X.astype(np.uint8))
    line = fails("run", model, *DEVICE, "--inputs", tmp_path / "unsigned.npy")
    assert "has dtype uint8; use int8 for codes, or float32 for real numbers" in line
    save_picture(tmp_path / "x.png", np.zeros((6, 7, 3), np.uint8))
    assert "has 7 x 6 pixels; use 6 x 6" in fails("run", model, *DEVICE, "--inputs", tmp_path / "x.png")
    save_picture(tmp_path / "deep.png", np.full((6, 6), 300, np.uint16), None)
    assert "has more than 8 bits a channel (I;16)" in fails("run", model, *DEVICE, "--inputs", tmp_path / "deep.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    assert "is not a picture" in fails("run", model, *DEVICE, "--inputs", tmp_path / "bad.png")
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    line = fails("run", model, *DEVICE, *inputs, "--labels", tmp_path / "names.txt")
    assert "names 2 classes, but the network has 4" in line
    for count in (1, 3, 4):
        np.save(tmp_path / "labels.npy", np.zeros(count, np.int64))
        line = fails("run", model, *DEVICE, *inputs, "--labels", tmp_path / "labels.npy")
        assert f"Labels have shape ({count},) but there are 2 vectors; use (2,)" in line
    np.savez(tmp_path / "product.npz", b=np.ones((4, 4), np.float16))
    assert "--float applies to a .tflite or .onnx" in fails(
        "run", tmp_path / "product.npz", *DEVICE, *inputs, "--float"
    )
