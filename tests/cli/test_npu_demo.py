"""Demo of the NPU on a small machine: RTL, board and cycle model agree, and differences are seen."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from tercet.boards.catalog import soc_config
from tercet.cli.demos import models
from tercet.cli.demos import npu as demo
from tercet.golden.networks.cnn import train_cnn
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.program import Program
from tercet.sim.engine import EngineRun

from .command import tercet

pytest.importorskip("onnx")

SMALL = NpuConfig(
    rows=4, cols=4, requant_lanes=2, depthwise_taps=1, buffer_bytes=2048, weight_bytes=2048, channels=64, operators=16
)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A network trained for two epochs, and few digits."""
    files = models.model_files
    monkeypatch.setattr(models, "train_cnn", lambda x, y, channels, epochs: train_cnn(x, y, (1, 4, 8), epochs=2))

    def few(digits):
        part = dataclasses.replace(digits, test_x=digits.test_x[:20], test_y=digits.test_y[:20])
        return files(part)

    monkeypatch.setattr(demo, "model_files", few)
    monkeypatch.setattr(demo, "_ON_BOARD", 2)
    monkeypatch.setattr(demo, "soc_config", lambda board, engine: soc_config(board, engine, config=SMALL))


def test_demo(tmp_path, capsys, monkeypatch):
    assert demo.run_demo(tmp_path, None)
    printed = capsys.readouterr().out
    assert printed.count("yes, every bit") == 2
    assert printed.count(", exact") == 2
    program = Program.load(tmp_path / "digits.tercetn")
    assert program.config == SMALL
    scores = program.run(np.load(tmp_path / "digits_inputs.npy"))[0]
    right = (scores.argmax(axis=1) == np.load(tmp_path / "digits_labels.npy")).mean()
    assert f"{right:.2%}" in printed
    report = json.loads((tmp_path / "digits_npu.json").read_text())
    assert report["cycles"] == program.cycles
    runs = [(report[name]["digits"], report[name]["cycles"]) for name in ("rtl", "board")]
    assert runs == [(20, 20 * program.cycles), (2, 2 * program.cycles)]
    assert (tmp_path / "digits_buffer.png").read_bytes().startswith(b"\x89PNG")
    # The model that is there is used again; a wrong result on the RTL is seen.
    monkeypatch.setattr(demo, "model_files", None)
    monkeypatch.setattr(demo, "_on_board", lambda soc, program, x, want: demo._Run(1, True, 5, 5))

    def wrong(config, program, x, **options):
        out: Any = [program.run(x)[0] + 1]
        return EngineRun(out, 0)

    monkeypatch.setattr(demo.npu, "run", wrong)
    assert not demo.run_demo(tmp_path, None)
    assert capsys.readouterr().out.count("NO") == 2


def test_help():
    shown = tercet("demo", "npu", "--help").output
    assert "tercet demo npu" in shown
    assert ".onnx" in shown


def test_machine_of_the_preset():
    """The demo simulates the board's own machine, of whatever multipliers, with inferred ones."""
    config = soc_config(demo._BOARD, "npu").config
    found = demo.inferred_machine(config)
    assert (found.mac, found.rows, found.cols) == ("infer", config.rows, config.cols)
