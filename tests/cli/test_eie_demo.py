"""EIE demo on a few digits, and EIE bench without a simulator."""

import dataclasses
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from tercet.cli import main
from tercet.cli.benches import eie as bench
from tercet.cli.benches import eie_paper as paper
from tercet.cli.benches.common import run_parts
from tercet.cli.demos.eie import run_demo
from tercet.golden.compress.container import load
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import cycles
from tercet.golden.eie.product import network_spmv
from tercet.sim.engine import EngineRun

PNG = b"\x89PNG"


def test_demo(tmp_path, capsys):
    assert run_demo(tmp_path, None, config=EieConfig(n_pe=2), epochs=3, images=12)
    printed = capsys.readouterr().out
    assert "12 handwritten digits on 2 PEs" in printed
    assert "yes, every bit" in printed
    assert "exact" in printed
    assert re.search(r"fraction bits from +│ +ranges of the network", printed)
    assert re.search(r"largest error against the float network +│ +0.0\d+ of ", printed)
    assert re.search(r"saturated +│ +0  0.0% of 4920 results", printed)
    for name in ("eie_weights.png", "eie_work.png", "eie_queue.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)
    assert "module eie" in (tmp_path / "eie.v").read_text()
    layers = load(tmp_path / "digits.tercet")
    assert [layer.codes.shape for layer in layers] == [(300, 64), (100, 300), (10, 100)]
    assert sum(np.count_nonzero(layer.codes) for layer in layers) <= 0.1 * sum(layer.codes.size for layer in layers)


def fake(items, out=0, busy=0, saturated=0):
    """Runs as the RTL would give them, with injected differences."""
    runs = []
    for (layer,), acts in items:
        result = network_spmv([layer], acts)
        counts = {**vars(cycles(layer, acts)), "saturated": sum(result.saturated) + saturated}
        counts["busy"] += busy
        runs.append(EngineRun(result.out + np.int16(out), counts["total"], counts))
    return runs


@pytest.mark.parametrize(
    ("wrong", "column"),
    [({}, None), ({"out": 1}, "mismatches"), ({"busy": 1}, "off_model"), ({"saturated": 1}, "off_model")],
)
def test_bench_sees_what_differs(tmp_path, monkeypatch, wrong, column):
    monkeypatch.setattr(bench, "_ENGINES", [EieConfig(n_pe=3)])
    monkeypatch.setattr(bench, "_LAYERS", 4)
    monkeypatch.setattr(bench.eie, "networks", lambda config, items, stall, seed: fake(items, **wrong))
    assert bench.run_bench(["layers"], tmp_path) == (column is None)
    rows = json.loads((tmp_path / "eie.json").read_text())["layers"]
    assert [row["stall"] for row in rows] == [0.0, 0.3]
    for row in rows:
        assert row["layers"] == 4
        assert row["outputs"] > 0
        assert {name for name in ("mismatches", "off_model") if row[name]} == ({column} if column else set())


def test_bench_on_the_cycle_model(tmp_path, monkeypatch, capsys):
    small = [dataclasses.replace(layer, n_out=96 * layer.n_out // 600, n_in=60) for layer in paper._PUBLISHED]
    monkeypatch.setattr(paper, "_PUBLISHED", small[:3])
    monkeypatch.setattr(paper, "_BY_NAME", {layer.name: layer for layer in small})
    monkeypatch.setattr(paper, "_PES", (1, 5))
    monkeypatch.setattr(paper, "_QUEUES", (1, 8))
    assert bench.run_bench(["paper", "queue", "pes", "encode"], tmp_path)
    content = json.loads((tmp_path / "eie.json").read_text())
    assert [row["layer"] for row in content["paper"]] == ["Alex-6", "Alex-7", "Alex-8"]
    for row in content["paper"]:
        assert row["clocks"] > row["bound"]
        assert row["overhead_queue_32"] <= row["overhead"] == pytest.approx(row["clocks"] / row["bound"] - 1)
        assert len({row[f"overhead{how}"] for how in ("", "_balance", "_unpermuted")}) == 3
    assert all(one["clocks"] > other["clocks"] for one, other in zip(*[iter(content["queue"])] * 2, strict=True))
    assert all(3 < row["speedup"] < 6 for row in content["pes"] if row["n_pe"] == 5)
    for name in ("eie_queue.png", "eie_pes.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)
    assert "Alex-8" in capsys.readouterr().out


def test_parts_are_written_and_judged(tmp_path):
    runs = {"a": lambda: [{"mismatches": 0}], "b": lambda: [{"off_model": 1}]}
    pictures = {"b": lambda rows: str(rows).encode()}
    assert run_parts("x", runs, pictures, ["a"], tmp_path)
    assert not (tmp_path / "x_b.png").exists()
    assert not run_parts("x", runs, pictures, ["a", "b"], tmp_path)
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [{"mismatches": 0}], "b": [{"off_model": 1}]}
    assert (tmp_path / "x_b.png").read_bytes() == b"[{'off_model': 1}]"


def test_commands():
    def output(*args):
        return CliRunner().invoke(main, args).output

    for command in ("demo", "bench"):
        for engine in ("eie", "systolic"):
            assert engine in output(command, "--help")
            assert f"tercet {command} {engine}" in output(command, engine, "--help")
    assert "15 values per layer" in output("demo", "eie", "--help")
    assert "'area' is not one of 'layers', 'large', 'paper'" in output("bench", "eie", "--part", "area")
