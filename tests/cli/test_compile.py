"""``tercet compile``: tables and JSON of a model file, folded or not."""

import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from tercet.boards.catalog import board
from tercet.compiler import load
from tercet.golden.npu import NpuConfig

from ..compiler.small_networks import picture_network
from ..compiler.tflite_files import Network
from .command import fails, tercet


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "picture.tflite"
    path.write_bytes(picture_network())
    return path


def test_tables(model, tmp_path):
    result = tercet("compile", model, "--report", tmp_path / "out" / "report.json")
    assert result.exit_code == 0, result.output
    graph = load(model)
    macs = sum(layer.macs for layer in graph.layers)
    assert macs == 36 * (4 * 27 + 4 * 18 + 4 * 9) + 16
    assert f"{macs:,}" in result.output
    assert "-127..127" in result.output
    assert "host: scores (SOFTMAX)" in result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["macs"] == report["before"]["macs"] == macs
    assert report["host"] == ["scores"]
    ops = [layer["op"] for layer in report["layers"]]
    assert ops == [layer.op for layer in graph.layers]
    assert [layer["where"] for layer in report["layers"]] == ["npu"] * 7 + ["host"]
    first = report["layers"][0]
    assert (first["shape"], first["macs"], first["weights"]) == ([1, 6, 6, 4], 36 * 4 * 27, 4 * 27)


def test_what_folding_saves(tmp_path):
    """A dead channel; with --no-fold it stays."""
    net = Network()
    x, y, z = net.input((1, 4, 4, 2)), net.tensor((1, 4, 4, 3), 0.5, 0), net.tensor((1, 4, 4, 2), 0.5, 0)
    weights = np.ones((3, 1, 1, 2), np.int8)
    weights[1] = 0
    window = {"Padding": "VALID", "StrideH": 1, "StrideW": 1}
    net.add("CONV_2D", [x, net.constant(weights, 0.5, dtype=np.int8)], y, **window)
    net.add("CONV_2D", [y, net.constant(np.ones((2, 1, 1, 3)), 0.5, dtype=np.int8)], z, **window)
    net.outputs = [z]
    (tmp_path / "net.tflite").write_bytes(net.file())
    shown = tercet("compile", tmp_path / "net.tflite").output
    assert re.search(r"│ products +│ +192 │ +128 │ +66.7% │", shown)
    assert re.search(r"│ channels computed +│ +5 │ +4 │ +80.0% │", shown)
    assert "folded" not in tercet("compile", tmp_path / "net.tflite", "--no-fold").output


def test_mistakes(model, tmp_path):
    assert "No such file or directory" in fails("compile", tmp_path / "nothing.tflite")
    assert "is not a model file" in fails("compile", tmp_path)
    (tmp_path / "cut.tflite").write_bytes(model.read_bytes()[:300])
    assert "cut.tflite" in fails("compile", tmp_path / "cut.tflite")
    assert "Is a folder; name a file" in fails("compile", model, "--report", tmp_path)


def test_program(model, tmp_path):
    """A program that runs, its listing, its memories and its picture."""
    from tercet.golden.npu.program import Program

    sizes = ("--rows", 4, "--cols", 8, "--buffer-bytes", 1024)
    files = ("-o", tmp_path / "out" / "net.tercetn", "--picture", tmp_path / "b.png", "--report", tmp_path / "r.json")
    result = tercet("compile", model, *sizes, *files, "--listing")
    assert result.exit_code == 0, result.output
    program, graph = Program.load(tmp_path / "out" / "net.tercetn"), load(model)
    x = np.random.default_rng(0).integers(-128, 128, (3, 6, 6, 3)).astype(np.int8)
    np.testing.assert_array_equal(program.run(x)[0], graph.run(x)[0])
    assert (program.config.rows, program.config.cols, program.config.requant_lanes) == (4, 8, 4)
    assert program.listing() in result.output
    assert re.search(r"│ unified buffer, bytes +│ +432 │ +1,024 │ +42.2% │", result.output)
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["memory"] == program.memory
    assert [layer["name"] for layer in report["layers"]] == [layer.name for layer in program.layers]
    assert report["config"]["buffer_bytes"] == 1024
    assert "needs 432 bytes" in fails("compile", model, "--buffer-bytes", 300, "--listing")
    assert "rows 1 is outside" in fails("compile", model, "--rows", 1)


def test_cycles(model, tmp_path):
    """The report of the program at a clock, in the table and beside the graph's in the file."""
    from tercet.compiler import compile as compile_graph

    result = tercet("compile", model, "--clock", 50, "--report", tmp_path / "r.json")
    report, program = json.loads((tmp_path / "r.json").read_text()), compile_graph(load(model))
    want = program.report(50e6)
    assert {name: report[name] for name in want if name not in ("layers", "model")} == {
        name: value for name, value in want.items() if name not in ("layers", "model")
    }
    assert report["model"] == "picture.tflite"
    for layer, wanted in zip(report["layers"], want["layers"], strict=True):
        assert layer == {**layer, **wanted}
        assert layer["weights"] == wanted["weight_bytes"]
    assert f"one inference: {program.cycles:,} cycles, {program.cycles / 50e3:.3f} ms at 50 MHz" in result.output
    total = rf"│total .*│ +{program.cycles:,} │ +{want['utilisation']:.1%} │"
    assert re.search(total, result.output)
    for layer in program.layers:
        assert not layer.cycles or re.search(rf"│ +{layer.cycles:,} │.*│ {layer.bound} +│", result.output)


def test_board(model, tmp_path):
    """The preset of a board and its clock; flags change it."""
    result = tercet("compile", model, "--board", "ulx3s-45f", "--tables", 3, "--report", tmp_path / "r.json")
    assert result.exit_code == 0
    report, preset = json.loads((tmp_path / "r.json").read_text()), board("ulx3s-45f").preset("npu")
    assert report["config"] == {**asdict(NpuConfig(**preset.params)), "tables": 3}
    assert report["clock_hz"] == preset.clock_hz
    assert report["ms"] == pytest.approx(1e3 * report["cycles"] / preset.clock_hz)
    assert "Engine npu does not fit icebreaker" in fails("compile", model, "--board", "icebreaker")


def test_networks_that_the_npu_lacks(tmp_path):
    """Without a flag for the npu, they are only listed."""
    net = Network()
    x, y = net.input((1, 3, 4)), net.tensor((1, 4, 3), 0.5, 0)
    net.add("TRANSPOSE", [x, net.constant([0, 2, 1])], y)
    net.outputs = [y]
    path, report = tmp_path / "net.tflite", tmp_path / "r.json"
    path.write_bytes(net.file())
    result = tercet("compile", path, "--report", report)
    assert result.exit_code == 0
    assert "no program for the default npu: node 't1' (TRANSPOSE)" in result.output
    assert "cycles" not in json.loads(report.read_text())
    assert "node 't1' (TRANSPOSE)" in fails("compile", path, "--rows", 8)
    assert "cycles" in tercet("compile", path, "--host-fallback").output


def test_help():
    shown = tercet("compile", "--help").output
    assert "tercet compile model.tflite" in shown
    assert "--no-fold" in shown
