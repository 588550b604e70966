"""``tercet ternary``, its bench, and its networks on the RTL of an array without multipliers."""

import json
import re

import numpy as np
import pytest
from tercet.cli.benches import compress as bench
from tercet.cli.benches import compress_ternary
from tercet.cli.mlp_files import read_data, read_mlp
from tercet.golden.compress.ternary_mlp import ternary_mlp
from tercet.golden.networks.int8_network import Int8Network
from tercet.golden.systolic.config import SystolicConfig
from tercet.sim import systolic
from threadpoolctl import threadpool_limits

from .command import fails, tercet

OPTIONS = ("ternary", "model.npz", "-o", "new/ternary.npz", "--data", "data.npz")
# As in the tests of the engine, whose simulator is then compiled once.
CONFIG = SystolicConfig(rows=5, cols=3, acc_depth=13, mac="ternary", requant_lanes=2)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def test_ternary(files):
    """The file is the golden model's network; the table has its accuracies; the RTL computes it."""
    result = tercet(*OPTIONS, "--epochs", 10, "--rate", 0.1, "--seed", 3)
    assert result.exit_code == 0, result.output
    mlp = read_mlp(files / "model.npz")
    data = read_data(files / "data.npz", mlp, 3)
    want = ternary_mlp(mlp, data, epochs=10, rate=0.1, seed=3)
    assert (files / "new/ternary.npz").read_bytes() == want.network.dumps()
    rows = ("real numbers", "weights of -1, 0 and 1, not trained", "the same, trained", "the same, int8 activations")
    for row, name in zip(rows, ("float", "rounded", "trained", "int8"), strict=True):
        assert re.search(rf"│ {row} +│ +{want.accuracy[name]:.2%} │", result.output)
    assert f"216 weights, {want.zeros:.1%} of them 0; 54 bytes with 2 bits each, 216 with 8" in result.output
    network = Int8Network.load(files / "new/ternary.npz")
    x = data.test_x[:20]
    values = network.run(x)
    for layer, before, after in zip(network.layers, values, values[1:], strict=False):
        run = systolic.matmul(CONFIG, before, layer.weights, layer.bias, layer.requant)
        np.testing.assert_array_equal(run.out, after)
    ran = tercet(
        "sim", "systolic", "--mac", "ternary", "--rows", 5, "--cols", 3, "--acc-depth", 13, "--requant-lanes", 2
    )
    assert ran.exit_code == 0, ran.output
    assert "yes" in ran.output


def test_mistakes(files):
    for args, message in {
        ("--epochs", -1): "Epochs -1 is outside",
        ("--rate", 0): "Rate 0.0 and momentum 0.9 are out of range",
        ("--seed", -1): "Seed -1 is below 0",
        ("--data", "x.npy"): "x.npy",
        ("--data", "model.npz"): "lacks x, y",
        ("-o", "a.tercet"): "'a.tercet' is not an .npz",
    }.items():
        assert message in fails(*OPTIONS, *args), args
    assert not list(files.glob("new/*"))


def test_bench(tmp_path, monkeypatch, capsys):
    """Figures of each network, and the difference from int8 seed by seed."""
    for name, value in {"_SEEDS": range(2), "_NETWORKS": ((12,),), "_EPOCHS": 8}.items():
        monkeypatch.setattr(compress_ternary, name, value)
    assert bench.run_bench(["ternary"], tmp_path)
    [row] = json.loads((tmp_path / "compress.json").read_text())["ternary"]
    assert (row["network"], row["weights"]) == ("64-12-10", 888)
    assert row["gain"] == pytest.approx(row["ternary"] - row["int8"])
    assert row["rounded"] < row["trained"] < row["int8"]
    assert abs(row["ternary"] - row["trained"]) < 0.02
    assert "weights of -1, 0 and 1 on digits, 2 seeds" in capsys.readouterr().out
