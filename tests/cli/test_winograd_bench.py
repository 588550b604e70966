"""Bench of Winograd convolutions on small layers and a small network."""

import json
from types import SimpleNamespace

import pytest
from tercet.cli.benches import winograd as bench
from tercet.golden.systolic import matmul

from ..compiler.small_networks import picture_network


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench, "_ROWS", 2)
    monkeypatch.setattr(bench, "_COLS", 2)
    monkeypatch.setattr(bench, "_LAYERS", ((5, 4, 3, 3),))


@pytest.mark.parametrize(("wrong", "late"), [(0, 0), (1, 0), (0, 1)])
def test_products(tmp_path, small, monkeypatch, wrong, late):
    """Sums or clocks other than the model's are seen, in each of 1 + 1 + 16 products; tests/sim has them on the RTL."""

    def runs(config, jobs):
        for job in jobs:
            clocks = config.cycles(*job.acts.shape, job.weights.shape[1])
            # The output transform takes the scale of 4 out.
            out = matmul(job.acts, job.weights, job.bias, config) + 4 * wrong
            yield SimpleNamespace(out=out, cycles=clocks + late)

    monkeypatch.setattr(bench.systolic, "matmuls", lambda config, jobs: list(runs(config, jobs)))
    assert bench.run_bench(["products"], tmp_path) == (not wrong and not late)
    [row] = json.loads((tmp_path / "winograd.json").read_text())["products"]
    assert min(row["direct"], row["winograd"]) > row["two_products"] > 0
    assert (row["outputs"], row["mismatches"], row["off_model"]) == (60, 3 * 60 * wrong, 18 * late)


def test_layers(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TERCET_MODELS", raising=False)
    assert bench.run_bench(["layers"], tmp_path)
    assert "TERCET_MODELS names no folder with models" in capsys.readouterr().out
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "picture.tflite").write_bytes(picture_network(classes=10, channels=8))
    monkeypatch.setenv("TERCET_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(bench, "_DEVICES", ("ecp5-25k",))
    assert bench.run_bench(["layers"], tmp_path)
    layer, network = json.loads((tmp_path / "winograd.json").read_text())["layers"]
    # One of its convolutions is neither grouped nor of another window: 9 tiles, two slices of 6 channels, 4 columns.
    assert (layer["layer"], network["layer"]) == ("6x6x8 to 4", "network")
    assert layer["transform"] == 16 * 9 * 2
    assert layer["winograd"] == layer["products"] + layer["transform"] > layer["direct"] > 9 * 36
    # The network takes the direct convolution where it is faster.
    assert network["winograd"] == network["direct"] > network["products"]
    assert network["direct"] - network["products"] == layer["direct"] - layer["products"]
