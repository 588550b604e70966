"""Bench of the tensor core, shortened: counts, detection of differences, plots."""

import dataclasses
import json

import numpy as np
import pytest
from tercet.cli.benches import tensorcore as bench
from tercet.cli.benches import tensorcore_errors as errors
from tercet.cli.benches import tensorcore_synth as synth
from tercet.golden.tensorcore.config import TensorCoreConfig

from .command import tercet

PNG = b"\x89PNG"


def rows_of(folder, part):
    return json.loads((folder / "tensorcore.json").read_text())[part]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(bench, "_SUMS", 400)
    monkeypatch.setattr(bench, "_BATCH", 200)
    units = {name: bench._UNITS[name] for name in ("volta", "turing, INT8")}
    monkeypatch.setattr(bench, "_UNITS", units)


def test_sums(tmp_path, few):
    assert bench.run_bench(["sums"], tmp_path)
    floats, integers = rows_of(tmp_path, "sums")
    assert floats["sums"] == 400 + floats["directed"]
    assert floats["directed"] > 100
    for name in ("distance", "cancelled", "subnormal_in", "subnormal_out", "infinite", "nan", "negative_zero"):
        assert floats[name] > 0, name
    assert floats["mismatches"] == floats["off_model"] == integers["mismatches"] == 0
    assert integers["sums"] >= 400
    assert integers["distance"] == "-"


@pytest.mark.parametrize("wrong", ["out", "cycles"])
def test_it_sees_what_differs(tmp_path, few, monkeypatch, wrong):
    take = bench.tensorcore.mma

    def broken(*args):
        run = take(*args)
        if wrong == "cycles":
            return dataclasses.replace(run, cycles=run.cycles + 1)
        run.out.view(np.uint32)[7] ^= 1
        return run

    monkeypatch.setattr(bench.tensorcore, "mma", broken)
    assert not bench.run_bench(["sums"], tmp_path)
    found = rows_of(tmp_path, "sums")[0]
    assert (found["mismatches"] > 0) == (wrong == "out")
    assert (found["off_model"] > 0) == (wrong == "cycles")


def test_units_are_what_was_asked():
    """At least a dozen units; all families and formats, the shortest and the longest pipelines."""
    assert len(bench._UNITS) >= 12
    assert {config.pipeline for config in bench._UNITS.values()} >= {4, 20}
    assert {config.family for config in bench._UNITS.values()} == {"any", "ecp5", "ice40"}
    formats = {config.a_format for config in bench._UNITS.values()}
    assert formats == {"fp16", "bf16", "tf32", "e4m3", "e5m2", "int8"}


def test_throughput_and_golden(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "_OPERATIONS", 20)
    monkeypatch.setattr(bench, "_FOLDS", (8, 16))
    monkeypatch.setattr(bench, "_SUMS", 100)
    assert bench.run_bench(["throughput", "golden"], tmp_path)
    for row in rows_of(tmp_path, "throughput"):
        assert row["beyond"] == 0
        assert row["cycles"] == 20 * row["fold"] + row["latency"]
        assert row["mismatches"] == row["off_model"] == 0
    assert [row["products"] for row in rows_of(tmp_path, "golden")] == [4, 8, 8, 16]


def test_errors(tmp_path, monkeypatch):
    monkeypatch.setattr(errors, "_COUNT", 20)
    monkeypatch.setattr(errors, "_LENGTHS", (32, 64))
    assert bench.run_bench(["errors"], tmp_path)
    found = rows_of(tmp_path, "errors")
    assert len(found) == len(errors._CONFIGS) * 2 * 2
    assert (tmp_path / "tensorcore_errors.png").read_bytes().startswith(PNG)


def fake_rows(_spec, jobs):
    rows = []
    for n, job in enumerate(jobs):
        fmax = {"min": 90.0 + n, "median": 100.0 + n, "max": 120.0 + n}
        cells = {"lut4": 900 * (n + 1), "carry": 150, "ff": 1000 * (n + 1)}
        rows.append({"config": job.label, "params": dataclasses.asdict(job.config), **cells, "fmax_mhz": fmax})
    return rows


def test_synthesis(tmp_path, monkeypatch, capsys):
    """Place-and-route jobs, and the results derived from their rows."""
    monkeypatch.setattr(synth, "place_and_route", fake_rows)
    assert bench.run_bench(["pipelines", "synth"], tmp_path)
    assert (tmp_path / "tensorcore_pipelines.png").read_bytes().startswith(PNG)
    rows = rows_of(tmp_path, "synth")
    ratios = rows[1]["ratios"]
    assert ratios["LUT4 equivalents"] == pytest.approx((1800 + 300) / (900 + 300))
    assert ratios["fmax"] == pytest.approx(101 / 100)
    assert "2.00" in capsys.readouterr().out
    assert [row["params"]["fold"] for row in rows] == [1, 1, 1, 1, 4, 16]
    assert len(rows_of(tmp_path, "pipelines")) >= 3
    assert all(isinstance(row["params"], dict) for row in rows)
    assert TensorCoreConfig(**rows[5]["params"]).family == "ice40"


def test_help():
    shown = tercet("bench", "tensorcore", "--help").output
    assert "tercet bench tensorcore" in shown
    assert "conventional unit" in shown
