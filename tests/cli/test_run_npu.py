"""``tercet run`` on an npu: model files and programs, its figures, and mistakes."""

import re

import numpy as np
import pytest
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.npu.config import NpuConfig

from ..boards.socs import CONFIGS
from ..compiler.small_networks import picture_network
from .command import fails, tercet

CONFIG = CONFIGS["npu"]
NAMES = (
    *("rows", "cols", "weight_rows", "requant_lanes", "acc_depth", "mac", "lut_rows"),
    *("buffer_bytes", "weight_bytes", "channels", "operators", "tables"),
)
FLAGS = [part for name in NAMES for part in (f"--{name.replace('_', '-')}", getattr(CONFIG, name))]
DEVICE = ("--device", "sim:ulx3s-85f,bytes")
X = np.random.default_rng(3).integers(-128, 128, (2, 6, 6, 3)).astype(np.int8)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "picture.tflite"
    path.write_bytes(picture_network())
    np.save(tmp_path / "x.npy", X)
    return path


def row(output, name):
    """Value of a row of the table."""
    found = re.search(rf"│ +{re.escape(name)} +│ +(.*?) │", output)
    assert found, f"{name} is not in {output}"
    return found[1]


def test_a_model_and_a_program(model, tmp_path):
    """The npu is preferred; codes are those of NumPy, cycles those of the program."""
    graph = load(model)
    program = compile_graph(graph, CONFIG)
    program.save(tmp_path / "net.tercetn")
    want = graph.run(X)[0]
    files = ("--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    for network, reference in ((model, "NumPy"), (tmp_path / "net.tercetn", "the golden machine")):
        result = tercet("run", network, *DEVICE, *FLAGS, *files)
        assert result.exit_code == 0, result.output
        np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), want, strict=True)
        assert "2 inputs on npu, ulx3s-85f" in result.output
        assert row(result.output, f"board equals {reference}") == "yes, every bit"
        milliseconds = f"{program.cycles / 120e3:.3f} ms"
        assert row(result.output, "machine, an inference") == f"{milliseconds}, {program.cycles:,} cycles"
        assert row(result.output, "cycles counted by the board") == f"{program.cycles:,}"
        assert row(result.output, "counter run") == str(2 * program.cycles)
        load_row = re.fullmatch(r"([\d.]+) s, at 3000000 baud, ([\d,]+) bytes", row(result.output, "program load"))
        assert load_row
        assert float(load_row[1]) == pytest.approx(int(load_row[2].replace(",", "")) / 300_000, abs=1e-3)
        assert re.fullmatch(r"[\d.]+ ms, at 3000000 baud, \d+ bytes", row(result.output, "link, an inference"))
        assert re.fullmatch(r"[\d.]+%", row(result.output, "share of the link"))
        assert row(result.output, "host operators") == graph.operators[-1].name


def test_systolic_on_request(model, tmp_path):
    result = tercet("run", model, "--device", "sim:icebreaker,bytes", "--inputs", tmp_path / "x.npy")
    assert result.exit_code == 0, result.output
    assert "on systolic, icebreaker" in result.output
    line = fails("run", model, "--device", "sim:icebreaker,bytes", "--inputs", tmp_path / "x.npy", "--engine", "npu")
    assert "Engine npu does not fit icebreaker; use systolic or eie or tensorcore, or ulx3s-12f, ulx3s-25f" in line
    line = fails("run", model, *DEVICE, "--inputs", tmp_path / "x.npy", "--engine", "systolic", "--clip-weights")
    assert "--clip-weights applies to engine npu, not to systolic; leave it out" in line


def test_refused(model, tmp_path):
    """A network too large, a program for another machine or damaged, flags of others."""
    inputs = ("--inputs", tmp_path / "x.npy")
    line = fails("run", model, *DEVICE, *inputs, "--weight-bytes", 512)
    assert re.search(
        r"bytes of weights, \d+ more than the machine's 512; use weight_bytes=\d+, or --engine systolic", line
    )
    program = compile_graph(load(model), NpuConfig(cols=8))
    path = tmp_path / "net.tercetn"
    program.save(path)
    line = fails("run", path, *DEVICE, *inputs)
    assert "The program is for a machine with cols 8, not 16; " in line
    assert "--engine systolic cannot run a program for the npu" in fails(
        "run", path, *DEVICE, *inputs, "--engine", "systolic"
    )
    line = fails("run", path, *DEVICE, *inputs, "--host-fallback", "--clip-weights")
    assert "A compiled program does not take --host-fallback and --clip-weights; name the model file" in line
    assert "--acc-width 24 is not a flag of engine npu" in fails("run", path, *DEVICE, *inputs, "--acc-width", 24)
    path.write_bytes(program.dumps()[:-9])
    assert "net.tercetn': the program is damaged or truncated; compile the model again" in fails(
        "run", path, *DEVICE, *inputs
    )
    np.savez(tmp_path / "product.npz", b=np.ones((4, 4), np.float16))
    for flag in ("--engine", "--host-fallback"):
        words = (flag, "npu") if flag == "--engine" else (flag,)
        assert f"{flag} applies to a .tflite or .onnx" in fails(
            "run", tmp_path / "product.npz", *DEVICE, *inputs, *words
        )


def test_an_int8_network(tmp_path):
    """On the npu on request; the host takes the last layer's sums."""
    x = np.random.default_rng(2).random((3, 12)).astype(np.float32)
    network = quantize_mlp(Mlp.random((12, 9, 5), seed=1), x)
    network.save(tmp_path / "net.npz")
    np.save(tmp_path / "x.npy", x)
    files = ("--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy")
    result = tercet("run", tmp_path / "net.npz", *DEVICE, *FLAGS, *files, "--engine", "npu")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), network.run(x)[-1])


def test_build_refuses_boards_without_a_preset():
    line = fails("build", "npu", "--board", "icebreaker")
    assert "Engine npu does not fit icebreaker; use systolic or eie or tensorcore, or ulx3s-12f, ulx3s-25f" in line
