"""``tercet binary``, its bench, and its networks on a simulated board and on the RTL."""

import json
import re

import numpy as np
import pytest
from tercet.boards.catalog import soc_config
from tercet.boards.host.networks import Binary, as_network, read_network
from tercet.boards.sizing import check_run
from tercet.cli.benches import compress as bench
from tercet.cli.benches import compress_ternary
from tercet.cli.mlp_files import read_data
from tercet.golden.compress.binary_mlp import binary_mlp
from tercet.golden.networks.binary_network import BinaryNetwork, signs
from tercet.golden.systolic.binary import pack_signs
from tercet.golden.systolic.config import SystolicConfig
from tercet.sim import systolic
from threadpoolctl import threadpool_limits

from .command import fails, tercet

OPTIONS = ("binary", "data.npz", "-o", "new/signs.npz", "--hidden", "20")
# As in the tests of the engine, whose simulator is then compiled once.
CONFIG = SystolicConfig(rows=5, cols=3, acc_depth=13, mac="binary", requant_lanes=2)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def test_binary(files):
    """The file is the golden model's network; the table has its accuracy; the RTL computes it."""
    result = tercet(*OPTIONS, "--levels", 2, "--epochs", 10, "--rate", 0.2, "--seed", 3)
    assert result.exit_code == 0, result.output
    data = read_data(files / "data.npz", None, 3)
    want = binary_mlp(data, (20,), 3, levels=2, epochs=10, rate=0.2, seed=3)
    assert (files / "new/signs.npz").read_bytes() == want.network.dumps()
    assert re.search(rf"accuracy on 100 test samples +│ +{want.accuracy:.2%} │", result.output)
    assert re.search(r"weights, of one bit +│ +300 │", result.output)
    network = BinaryNetwork.load(files / "new/signs.npz")
    values = network.run(data.test_x[:20])
    fed = values[0]
    for layer, after in zip(network.layers, values[1:], strict=True):
        words = layer.words(CONFIG)
        run = systolic.matmul(CONFIG, pack_signs(fed, 8), words.weights, words.bias)
        np.testing.assert_array_equal(run.out, after)
        fed = signs(after)


def test_on_a_simulated_board(files):
    """Through the link, in words, with signs taken between the layers by the host."""
    assert tercet(*OPTIONS, "--epochs", 5).exit_code == 0
    data = np.load(files / "data.npz")
    np.save(files / "y.npy", data["test_y"][:20])
    np.save(files / "x20.npy", data["test_x"][:20])
    where = ("--device", "sim:ulx3s-12f,bytes", "--inputs", "x20.npy", "--labels", "y.npy")
    result = tercet("run", "new/signs.npz", *where, "--mac", "binary", "--rows", 2, "--cols", 2)
    assert result.exit_code == 0, result.output
    assert "yes, every bit" in result.output
    want = BinaryNetwork.load(files / "new/signs.npz").run(data["test_x"][:20])[-1].argmax(axis=1)
    assert re.search(rf"accuracy +│ +{(want == data['test_y'][:20]).mean():.2%} │", result.output)


def test_networks_of_a_board(files):
    assert tercet(*OPTIONS, "--epochs", 1).exit_code == 0
    found = read_network(files / "new/signs.npz")
    assert isinstance(found, Binary)
    assert isinstance(as_network(found.network), Binary)
    x = np.load(files / "x.npy")
    fitting = soc_config("ulx3s-12f", "systolic", config=SystolicConfig(rows=4, cols=4, mac="binary"))
    check_run(fitting, found, x)
    with pytest.raises(ValueError, match=r"Inputs have shape \(70, 5\); the network takes \(samples, 6\)"):
        check_run(fitting, found, x[:, :5])
    with pytest.raises(ValueError, match="weights of -1 and 1, but the engine has mac 'ecp5'; use mac binary"):
        check_run(soc_config("ulx3s-12f", "systolic", config=SystolicConfig(rows=4, cols=4, mac="ecp5")), found, x)


def test_mistakes(files):
    for args, message in {
        ("--epochs", -1): "Epochs -1 is outside",
        ("--rate", 0): "Rate 0.0 is out of range",
        ("--seed", -1): "Seed -1 is below 0",
        ("--levels", 65): "Levels 65 is outside [1, 64]",
        ("--hidden", "4,a"): "Hidden layers '4,a' are not numbers with commas",
        ("--hidden", "0"): "Hidden layers '0' have one of 0 neurons",
        ("-o", "a.tercet"): "'a.tercet' is not an .npz",
    }.items():
        assert message in fails(*OPTIONS, *args), args
    assert "lacks x, y" in fails("binary", "model.npz", "-o", "a.npz", "--hidden", "4")
    assert not list(files.glob("new/*"))


def test_bench(tmp_path, monkeypatch, capsys):
    """Accuracy of each network, and the difference from int8 seed by seed."""
    for name, value in {"_SEEDS": range(2), "_SIGNS": ((16,),), "_LEVELS": (1, 3), "_EPOCHS": 8}.items():
        monkeypatch.setattr(compress_ternary, name, value)
    assert bench.run_bench(["binary"], tmp_path)
    whole, one, three = json.loads((tmp_path / "compress.json").read_text())["binary"]
    assert (whole["network"], whole["gain"]) == ("int8 64-64-32-10", 0)
    assert (one["network"], one["weights"], three["weights"]) == ("64x1-16-10", 74 * 16, 202 * 16)
    assert one["gain"] == pytest.approx(one["accuracy"] - whole["accuracy"])
    assert 0.3 < one["accuracy"] < three["accuracy"] < whole["accuracy"]
    assert "networks of signs on digits, 2 seeds" in capsys.readouterr().out
