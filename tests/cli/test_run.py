"""Networks on simulated boards from the command line: INT8 digits, compressed digits, a tiled product."""

import re

import numpy as np
import pytest
from tercet.cli.demos.digits import load_digits, train_mlp
from tercet.golden.compress.container import load
from tercet.golden.compress.model import to_mlp
from tercet.golden.networks.int8_network import quantize_mlp

from .command import fails, tercet


@pytest.fixture(scope="module")
def digits():
    found = load_digits()
    return found, train_mlp(found, (16,))


def test_digits_in_int8(tmp_path, digits):
    found, mlp = digits
    network = quantize_mlp(mlp, found.train_x)
    network.save(tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", found.test_x[:40])
    np.save(tmp_path / "labels.npy", found.test_y[:40])
    result = tercet(
        *("run", tmp_path / "net.npz", "--device", "sim:icebreaker,bytes"),
        *("--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "--labels", tmp_path / "labels.npy"),
    )
    assert result.exit_code == 0, result.output
    assert "yes, every bit" in result.output
    assert "40 x 64 inputs on systolic, icebreaker" in result.output
    assert re.search(r"│ device +│ +sim:icebreaker,bytes │", result.output)
    scores = np.load(tmp_path / "y.npy")
    np.testing.assert_array_equal(scores, network.run(found.test_x[:40])[-1])
    right = (scores.argmax(axis=1) == found.test_y[:40]).mean()
    assert right > 0.8
    assert re.search(rf"│ accuracy +│ +{right:.2%} │", result.output)
    np.save(tmp_path / "x.npy", (found.test_x[:40] * 16).astype(np.uint8))
    args = ("--device", "sim:icebreaker,bytes", "--inputs", tmp_path / "x.npy")
    line = fails("run", tmp_path / "net.npz", *args)
    assert "Inputs have dtype uint8; use int8 for codes, or float32 for the numbers themselves" in line
    assert "Is a folder; name a file" in fails("run", tmp_path / "net.npz", *args, "-o", tmp_path)


def test_digits_compressed(tmp_path, digits):
    found, mlp = digits
    arrays = {f"W{n}": w for n, w in enumerate(mlp.weights)} | {f"b{n}": b for n, b in enumerate(mlp.biases)}
    np.savez(tmp_path / "model.npz", **arrays)
    np.save(tmp_path / "x.npy", found.test_x[:20])
    np.savez(tmp_path / "data.npz", x=found.test_x[:99], y=found.test_y[:99])
    options = ("--density", "0.3", "--code-bits", "7", "--data", tmp_path / "data.npz", "--epochs", "2")
    result = tercet("compress", tmp_path / "model.npz", "-o", tmp_path / "net.tercet", *options)
    assert result.exit_code == 0, result.output
    np.savez(tmp_path / "labelled.npz", x=found.test_x[:20], y=found.test_y[:20])
    # The network has wider codes and more constants than the board's preset; the given flag stays.
    args = ("--device", "sim:tang-nano-9k,bytes", "--fifo-depth", "3", "--inputs", tmp_path / "x.npy")
    labels = ("--labels", tmp_path / "labelled.npz")
    result = tercet("run", tmp_path / "net.tercet", *args, *labels, "-o", tmp_path / "out.npy")
    assert result.exit_code == 0, result.output
    assert "yes, every bit" in result.output
    assert re.search(r"│ code_bits +│ +7, chosen │", result.output)
    assert re.search(rf"│ constant_depth +│ +{2 * 128 + 16 // 2 + 10 // 2}, chosen │", result.output)
    assert re.search(r"│ pointer_depth +│ +512 │", result.output)
    assert re.search(r"counter saturated +│ +0 │", result.stdout)
    assert re.search(r"fraction bits from +│ +ranges of the network │", result.stdout)
    bits = re.search(r"inputs; outputs of each layer +│ +14; \d+; (\d+) │", result.stdout)
    assert bits, result.stdout
    mlp = to_mlp(load(tmp_path / "net.tercet"))
    want = mlp.activations(found.test_x[:20])[-1]
    out = np.load(tmp_path / "out.npy")
    largest = np.abs(out / 2.0 ** int(bits[1]) - want).max()
    assert largest < 0.01 * np.abs(want).max()
    error = re.search(r"largest error against the float network +│ +(\S+) of (\S+) │", result.stdout)
    assert error, result.stdout
    assert error.groups() == (f"{largest:.3g}", f"{np.abs(want).max():.3g}")
    right = (out.argmax(axis=1) == found.test_y[:20]).mean()
    assert f" {right:.2%}; {mlp.accuracy(found.test_x[:20], found.test_y[:20]):.2%} │" in result.stdout
    assert "warning" not in result.stderr
    np.save(tmp_path / "y.npy", found.test_y[:19])
    run = ("run", tmp_path / "net.tercet", *args)
    line = fails(*run, "--labels", tmp_path / "y.npy")
    assert "Labels have shape (19,) but there are 20 vectors; use (20,)" in line
    np.save(tmp_path / "x.npy", found.test_x[:0])
    assert "have shape (0, 64); every size must be at least 1" in fails(*run)


def test_product_of_tiles(tmp_path):
    generator = np.random.default_rng(1)
    b, c = (generator.standard_normal((16, 12)).astype(kind) for kind in (np.float16, np.float32))
    np.savez(tmp_path / "net.npz", b=b, c=c[0])
    np.save(tmp_path / "a.npy", generator.standard_normal((16, 16)).astype(np.float16))
    result = tercet("run", tmp_path / "net.npz", "--device", "sim:icebreaker,bytes", "--inputs", tmp_path / "a.npy")
    assert result.exit_code == 0, result.output
    assert "yes, every bit" in result.output
    assert "16 x 16 inputs on tensorcore, icebreaker" in result.output
    np.savez(tmp_path / "net.npz", b=b, c=c[:3])
    args = ("--device", "sim:icebreaker,bytes", "--inputs", tmp_path / "a.npy")
    line = fails("run", tmp_path / "net.npz", *args, "--labels", tmp_path / "a.npy")
    assert "--labels applies to a network, not to a matrix product; leave it out" in line
    line = fails("run", tmp_path / "net.npz", *args)
    assert "c has 3 rows but the inputs 16; use equal numbers, or one row" in line


def test_what_cannot_be_run(tmp_path):
    np.savez(tmp_path / "net.npz", weights=np.zeros((2, 2)))
    np.save(tmp_path / "x.npy", np.zeros((2, 2)))
    for name in ("net.npz", "x.npy"):
        line = fails("run", tmp_path / name, "--device", "sim:icebreaker", "--inputs", tmp_path / "x.npy")
        assert (
            "is not a network file; use a .tflite or .onnx, the output of tercet compress, the .npz of an Int8Network"
            in line
        )
    np.savez(tmp_path / "net.npz", b=np.float16(1))
    line = fails("run", tmp_path / "net.npz", "--device", "sim:icebreaker", "--inputs", tmp_path / "x.npy")
    assert "b has shape (); use a matrix (K, N)" in line
    np.savez_compressed(tmp_path / "net.npz", b=np.zeros((2, 2), np.float16))
    content = bytearray((tmp_path / "net.npz").read_bytes())
    content[60] ^= 255
    (tmp_path / "net.npz").write_bytes(content)
    line = fails("run", tmp_path / "net.npz", "--device", "sim:icebreaker", "--inputs", tmp_path / "x.npy")
    assert "net.npz' is not a NumPy file: " in line
    np.savez(tmp_path / "net.npz", b=np.zeros((2, 2), np.float16))
    line = fails("run", tmp_path / "net.npz", "--device", "/dev/nothing", "--inputs", tmp_path / "x.npy")
    assert "Port '/dev/nothing' does not exist; plug the board in" in line
    line = fails("run", tmp_path / "net.npz", "--device", "sim:nothing", "--inputs", tmp_path / "x.npy")
    assert "Board 'nothing' is unknown" in line
    line = fails("run", tmp_path / "no.npz", "--device", "sim:icebreaker", "--inputs", tmp_path / "x.npy")
    assert "No such file or directory" in line
