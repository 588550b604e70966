"""``tercet sim npu``: model files on the RTL, from first to last layer."""

import json
import re
from typing import Any

import numpy as np
import pytest
from tercet.cli.graph_inputs import random_inputs
from tercet.cli.sims import npu as command
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.golden.npu import NpuConfig
from tercet.sim.engine import EngineRun

from ..compiler.small_networks import picture_network
from ..compiler.tflite_files import Network
from .command import cycles_agree, fails, tercet

FIELDS: dict[str, Any] = {
    "rows": 4,
    "cols": 4,
    "requant_lanes": 2,
    "weight_rows": 2,
    "acc_depth": 8,
    "buffer_bytes": 1024,
}
SMALL = [f"--{name.replace('_', '-')}={value}" for name, value in FIELDS.items()]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "picture.tflite"
    path.write_bytes(picture_network())
    return path


@pytest.fixture
def without_rtl(monkeypatch):
    """The golden machine in place of the RTL; returns a function that sets what is added to the first output code."""
    added = [0]

    def run(config, program, x, **options):
        out: Any = [array.copy() for array in program.run(x)]
        out[0].flat[-1] += added[0]
        return EngineRun(out, program.cycles, {"run": program.cycles, "active": 1, "load": 1, "unload": 1})

    monkeypatch.setattr(command, "run_jobs", lambda *args, **options: [])
    monkeypatch.setattr(command.npu, "run", run)
    return lambda value: added.__setitem__(0, value)


def test_model(model, tmp_path):
    """Two inputs from a file: bits, cycles, outputs, report."""
    graph = load(model)
    x = np.random.default_rng(1).integers(-128, 128, (2, 6, 6, 3)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    files = ("--inputs", tmp_path / "x.npy", "-o", tmp_path / "out.npy", "--json", tmp_path / "r" / "out.json")
    result = tercet("sim", "npu", "--model", model, *SMALL, *files, "--clock", 50)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), graph.run(x)[0], strict=True)
    cycles = compile_graph(graph, NpuConfig(**FIELDS)).cycles
    assert cycles_agree(result.output) == [str(2 * cycles)] * 2
    assert "yes, every bit" in result.output
    assert f"{cycles:,} cycles" in result.output
    found = json.loads((tmp_path / "r" / "out.json").read_text())
    assert (found["equal"], found["samples"]) == (True, 2)
    assert found["cycles"] == found["cycles_predicted"] == found["counters"]["run"] == 2 * cycles
    assert found["report"]["ms"] == pytest.approx(cycles / 50e3)
    assert found["report"]["host"] == ["scores"]
    assert sum(layer["cycles"] for layer in found["report"]["layers"]) == cycles
    assert {*found["seconds"]} == {"build", "run"}


def test_compiled_program(model, tmp_path):
    """A program runs on the RTL of the machine that it was compiled for, as the model does."""
    path = tmp_path / "picture.tercetn"
    compile_graph(load(model), NpuConfig(**FIELDS)).save(path)
    shown = [tercet("sim", "npu", "--model", *given, "--batch", 2) for given in ((path,), (model, *SMALL))]
    assert [result.exit_code for result in shown] == [0, 0]
    assert "RTL equals golden machine" in shown[0].output
    assert cycles_agree(shown[0].output) == cycles_agree(shown[1].output) != []


def test_mistakes_with_a_program(model, tmp_path):
    path = tmp_path / "picture.tercetn"
    compile_graph(load(model), NpuConfig(**FIELDS)).save(path)
    line = fails("sim", "npu", "--model", path, "--rows", 4, "--clip-weights")
    assert "A compiled program does not take --rows and --clip-weights; name the model file" in line
    path.write_bytes(path.read_bytes()[:-1])
    assert "damaged or truncated" in fails("sim", "npu", "--model", path)


def test_stalls_do_not_count(model):
    shown = [tercet("sim", "npu", "--model", model, *SMALL, "--stall", stall).output for stall in (0, 0.3)]
    assert cycles_agree(shown[0]) == cycles_agree(shown[1]) != []


def test_a_difference_is_told(model, without_rtl):
    without_rtl(1)
    result = tercet("sim", "npu", "--model", model, *SMALL, "--batch", 2)
    assert result.exit_code == 1
    (name,) = [edge.name for edge in load(model).outputs]
    assert f"{name}[1, 3]: " in result.output
    assert "; 1 of 8" in result.output
    without_rtl(0)
    assert tercet("sim", "npu", "--model", model, *SMALL).exit_code == 0


def test_clipped_weights(tmp_path, without_rtl):
    """The graph's own weights are no reference then."""
    net = Network()
    x, y = net.input((1, 4)), net.tensor((1, 3), 0.5, 0)
    net.add("FULLY_CONNECTED", [x, net.constant(np.full((3, 4), -128, np.int8), 0.01, dtype=np.int8)], y)
    net.outputs = [y]
    (tmp_path / "net.tflite").write_bytes(net.file())
    result = tercet("sim", "npu", "--model", tmp_path / "net.tflite", *SMALL, "--clip-weights")
    assert result.exit_code == 0, result.output
    assert "golden machine, clipped weights" in result.output
    assert re.search(r"clipped to -127 +│ +12 │", result.output)


def test_random_inputs(model):
    graph = load(model)
    x = random_inputs(graph, np.random.default_rng(0), 3)
    assert (x.shape, x.dtype) == ((3, 6, 6, 3), np.int8)
    assert len(np.unique(x)) > 150
    assert len(graph.run(x)[0]) == 3


def test_mistakes(model, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((6, 6, 2), np.int8))
    assert "--batch applies only to random inputs" in fails(
        "sim", "npu", "--model", model, "--inputs", tmp_path / "x.npy", "--batch", 2
    )
    assert "(6, 6, 2)" in fails("sim", "npu", "--model", model, "--inputs", tmp_path / "x.npy")
    assert "buffer_bytes" in fails("sim", "npu", "--model", model, "--buffer-bytes", 300)
    assert "rows 1 is outside" in fails("sim", "npu", "--model", model, "--rows", 1)
    assert "No such file or directory" in fails("sim", "npu", "--model", tmp_path / "nothing.tflite")
    assert "Is a folder; name a file" in fails("sim", "npu", "--model", model, "--json", tmp_path)
    assert "Seed -1 is below 0" in fails("sim", "npu", "--model", model, "--seed", -1)
    assert "must end in .fst or .vcd" in fails("sim", "npu", "--model", model, "--waves", tmp_path / "a.txt")


def test_help():
    shown = tercet("sim", "npu", "--help").output
    assert "tercet sim npu --model model.tflite" in shown
    assert "--depthwise-taps" in shown
