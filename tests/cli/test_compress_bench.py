"""Bench of compression on a small network and a short training."""

import json

import numpy as np
import pytest
from tercet.cli.benches import compress as bench
from tercet.cli.benches import compress_bits, compress_pruning, compress_training
from tercet.golden.compress.bits import Widths, rounded
from tercet.golden.compress.dense_sparse_dense import dense_sparse_dense
from tercet.golden.compress.pipeline import Data, compress
from tercet.golden.compress.retrain import Dense, train
from tercet.golden.networks.mlp import Mlp
from tercet.golden.npu.program import Program
from threadpoolctl import threadpool_limits

from ..compiler.small_networks import picture_network


def quickly_trained(digits, hidden, seed):
    start = Mlp.random((64, *hidden, 10), seed)
    return train([Dense(w) for w in start.weights], start.biases, digits.train_x, digits.train_y, epochs=8)


def test_pruning(tmp_path, monkeypatch, capsys):
    """Means and deviations over the seeds, and the gain of steps seed by seed."""
    digits = {seed: bench.load_digits(seed) for seed in range(2)}
    for name, value in {"_SEEDS": range(2), "_HIDDEN": (24,), "_DENSITIES": (0.5, 0.05), "_EPOCHS": 5}.items():
        monkeypatch.setattr(compress_pruning, name, value)
    monkeypatch.setattr(compress_pruning, "train_mlp", quickly_trained)
    assert bench.run_bench(["pruning"], tmp_path)
    rows = json.loads((tmp_path / "compress.json").read_text())["pruning"]
    assert [(row["density"], row["weights"]) for row in rows] == [(0.5, 888), (0.05, 89)]
    rights = []
    with threadpool_limits(1):
        for seed, each in digits.items():
            data = Data(each.train_x, each.train_y, each.test_x, each.test_y)
            done = compress(quickly_trained(each, (24,), seed), density=0.05, data=data, epochs=5, seed=seed)
            rights.append(done.accuracy["pruned"])
    assert rows[1]["once"] == pytest.approx(np.mean(rights))
    assert rows[1]["once_deviation"] == pytest.approx(np.std(rights, ddof=1))
    assert rows[1]["gain"] == pytest.approx(rows[1]["iterative"] - rows[1]["once"])
    assert rows[1]["untrained"] < rows[1]["once"] < rows[0]["once"]
    assert (tmp_path / "compress_pruning.png").read_bytes().startswith(b"\x89PNG")
    assert "64-24-10 on digits, 2 seeds" in capsys.readouterr().out


def test_digits(tmp_path, monkeypatch, capsys):
    """Figures by rank: counts by hand, accuracy that training brings back, and the gain against the same training."""
    monkeypatch.setattr(bench, "_SEEDS", range(2))
    monkeypatch.setattr(bench, "_HIDDEN", (24,))
    monkeypatch.setattr(bench, "_RANKS", (3,))
    monkeypatch.setattr(bench, "_EPOCHS", 5)
    monkeypatch.setattr(bench, "train_mlp", quickly_trained)
    assert bench.run_bench(["low-rank"], tmp_path)
    plain, factored = json.loads((tmp_path / "compress.json").read_text())["low-rank"]
    assert (plain["rank"], plain["gain"], plain["gain_deviation"]) == (None, 0, 0)
    assert factored["weight_bytes"] <= 3 * (64 + 24) + 3 * (24 + 10)
    assert plain["weight_bytes"] > 3 * factored["weight_bytes"]
    assert factored["cycles"] > 0
    assert factored["gain"] == pytest.approx(factored["trained"] - plain["trained"])
    assert factored["trained"] > factored["untrained"] + 0.1
    assert abs(factored["int8"] - factored["trained"]) < 0.05
    assert "64-24-10 on digits, 2 seeds" in capsys.readouterr().out


def test_convolutional_digits(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "_SEEDS", range(2))
    monkeypatch.setattr(bench, "_CNN_CHANNELS", (1, 8, 12))
    monkeypatch.setattr(bench, "_CNN_RANKS", (3,))
    monkeypatch.setattr(bench, "_EPOCHS", 3)
    assert bench.run_bench(["low-rank-cnn"], tmp_path)
    plain, factored = json.loads((tmp_path / "compress.json").read_text())["low-rank-cnn"]
    assert (plain["rank"], plain["gain"], plain["layers"], factored["layers"]) == (None, 0, 0, 3)
    # Folding removes channels that are never above 0.
    assert 0.5 < plain["weight_bytes"] / (9 * 8 + 72 * 12 + 48 * 10) <= 1
    assert 0.5 < factored["weight_bytes"] / (3 * (9 + 8 + 72 + 12 + 48 + 10)) <= 1
    assert factored["int8"] > factored["untrained"] + 0.1
    assert factored["gain"] == pytest.approx(factored["int8"] - plain["int8"])


def test_models(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TERCET_MODELS", raising=False)
    assert bench.run_bench(["low-rank-models"], tmp_path)
    assert "TERCET_MODELS names no folder with models" in capsys.readouterr().out
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "wide.tflite").write_bytes(picture_network(classes=40, channels=8))
    monkeypatch.setenv("TERCET_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(bench, "_MODEL_RANKS", (2,))
    assert bench.run_bench(["low-rank-models"], tmp_path)
    plain, factored = json.loads((tmp_path / "compress.json").read_text())["low-rank-models"]
    # The convolution of 4 x 72, and the layer of 40 x 4; the others are grouped or depthwise.
    assert (plain["layers"], factored["layers"]) == (0, 2)
    assert plain["macs"] - factored["macs"] == 36 * (4 * 72 - 2 * 76) + 40 * 4 - 2 * 44
    assert factored["difference"] > 0


def test_mismatches_are_seen(tmp_path, monkeypatch):
    """Outputs of the golden machine that are not those of the graph."""

    def off_by_one(program, x):
        return [out + np.int8(1) for out in right(program, x)]

    right = Program.run
    monkeypatch.setattr(Program, "run", off_by_one)
    monkeypatch.setattr(bench, "_SEEDS", range(2))
    monkeypatch.setattr(bench, "_RANKS", ())
    monkeypatch.setattr(bench, "_EPOCHS", 0)
    monkeypatch.setattr(bench, "train_mlp", lambda digits, hidden, seed: Mlp.random((64, 10), seed))
    with threadpool_limits(1):
        assert not bench.run_bench(["low-rank"], tmp_path)


def test_distillation(tmp_path, monkeypatch, capsys):
    """Students with and without a teacher over the seeds; a teacher knows what the labels leave out."""
    for name, value in {"_SEEDS": range(2), "_TEACHER": (24,), "_STUDENTS": ((5,),), "_EPOCHS": 8}.items():
        monkeypatch.setattr(compress_training, name, value)
    monkeypatch.setattr(compress_training, "train_mlp", quickly_trained)
    assert bench.run_bench(["distill"], tmp_path)
    every, few = json.loads((tmp_path / "compress.json").read_text())["distill"]
    assert [row["student"] for row in (every, few)] == ["64-5-10, all labels", "64-5-10, 100 labels"]
    assert every["weights"] == few["weights"] == 74 * 5
    digits = [bench.load_digits(seed) for seed in range(2)]
    alone = []
    with threadpool_limits(1):
        for seed, each in enumerate(digits):
            # 23 steps for all samples in each of 8 epochs, but 2 for the labelled ones.
            start = Mlp.random((64, 5, 10), seed)
            parts, labelled = [Dense(w) for w in start.weights], (each.train_x[:100], each.train_y[:100])
            done = train(parts, start.biases, *labelled, epochs=92, rate=0.1, seed=seed)
            alone.append(done.accuracy(each.test_x, each.test_y))
    assert few["alone"] == pytest.approx(np.mean(alone))
    for row in (every, few):
        assert row["gain"] == pytest.approx(row["distilled"] - row["alone"])
    assert few["gain"] > 0.03
    assert "distillation of 64-24-10 on digits, 2 seeds" in capsys.readouterr().out


def test_dense_sparse_dense(tmp_path, monkeypatch, capsys):
    """The gain is that above the same training without pruning."""
    for name, value in {"_SEEDS": range(2), "_NETWORKS": ((24,),), "_DENSITIES": (0.5,), "_PHASE_EPOCHS": 3}.items():
        monkeypatch.setattr(compress_training, name, value)
    monkeypatch.setattr(compress_training, "train_mlp", quickly_trained)
    assert bench.run_bench(["dense-sparse-dense"], tmp_path)
    [row] = json.loads((tmp_path / "compress.json").read_text())["dense-sparse-dense"]
    assert (row["network"], row["pruned"]) == ("64-24-10, density 0.5", 888)
    wholes = []
    with threadpool_limits(1):
        for seed in range(2):
            each = bench.load_digits(seed)
            mlp, labelled = quickly_trained(each, (24,), seed), (each.train_x, each.train_y)
            whole = dense_sparse_dense(mlp, *labelled, density=1.0, epochs=3, seed=seed)
            wholes.append(whole.mlp.accuracy(each.test_x, each.test_y))
    assert row["whole"] == pytest.approx(np.mean(wholes))
    assert row["gain"] == pytest.approx(row["dense"] - row["whole"])
    assert "dense-sparse-dense training on digits, 2 seeds" in capsys.readouterr().out


def test_bits(tmp_path, monkeypatch, capsys):
    """Accuracy over the seeds with each tensor rounded by itself, and all of them."""
    for name, value in {"_SEEDS": range(2), "_HIDDEN": (24,), "_BITS": (8, 2)}.items():
        monkeypatch.setattr(compress_bits, name, value)
    monkeypatch.setattr(compress_bits, "train_mlp", quickly_trained)
    assert bench.run_bench(["bits"], tmp_path)
    rows = {row["tensor"]: row for row in json.loads((tmp_path / "compress.json").read_text())["bits"]}
    kinds = [f"{layer}, {name}" for layer in ("layer 0", "layer 1", "all") for name in ("weights", "activations")]
    assert list(rows) == [*kinds, "all, both"]
    rights = []
    with threadpool_limits(1):
        for seed in range(2):
            each = bench.load_digits(seed)
            mlp = quickly_trained(each, (24,), seed)
            outputs = rounded(mlp, each.train_x, Widths((None, 2), (None, None)))(each.test_x)
            rights.append((outputs.argmax(axis=1) == each.test_y).mean())
    assert rows["layer 1, weights"]["bits_2"] == pytest.approx(np.mean(rights))
    assert rows["all, both"]["bits_8"] > rows["all, both"]["bits_2"] + 0.1
    assert "64-24-10 on digits, 2 seeds" in capsys.readouterr().out
