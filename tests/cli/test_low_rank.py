"""``tercet low-rank``."""

import json
import re

import numpy as np
import pytest
from tercet.compiler import load
from tercet.golden.networks.int8_network import Int8Network
from tercet.golden.npu.program import Program
from threadpoolctl import threadpool_limits

from ..compiler.models import model
from ..compiler.small_networks import picture_network
from ..compiler.tflite_files import Network
from .command import fails, tercet


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def convolution():
    """A convolution whose weights have rank 2, and a fully connected layer."""
    rng = np.random.default_rng(0)
    net = Network()
    weights = (rng.integers(-5, 6, (16, 2)) @ rng.integers(-5, 6, (2, 72))).reshape(16, 3, 3, 8)
    x, y = net.input((1, 6, 6, 8), 0.5, 0, name="x"), net.tensor((1, 6, 6, 16), 80.0, -128, name="maps")
    window = {"Padding": "SAME", "StrideH": 1, "StrideW": 1}
    net.add("CONV_2D", [x, net.constant(weights, 0.05, dtype=np.int8)], y, **window, FusedActivationFunction="RELU")
    flat, scores = net.tensor((1, 576), 80.0, -128, name="flat;view"), net.tensor((1, 4), 4000.0, 0, name="scores")
    net.add("RESHAPE", [y, net.constant([1, 576])], flat)
    net.add("FULLY_CONNECTED", [flat, net.constant(rng.integers(-127, 128, (4, 576)), 0.05, dtype=np.int8)], scores)
    net.outputs = [scores]
    return net.file()


def trained(folder):
    """A float network and its samples."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(20, 30)), rng.normal(size=(30, 24)), rng.normal(size=(24, 3))]
    np.savez(folder / "model.npz", W0=weights[0], b0=np.zeros(30), W1=weights[1], W2=weights[2])
    x = rng.normal(size=(400, 20))
    labels = (np.maximum(np.maximum(x @ weights[0], 0) @ weights[1], 0) @ weights[2]).argmax(axis=1)
    np.savez(folder / "data.npz", x=x[:300], y=labels[:300], test_x=x[300:], test_y=labels[300:])
    np.save(folder / "x.npy", x)


def test_quantised_model(folder):
    """A program that runs; the figures in the file are those of both graphs and both programs."""
    (folder / "net.tflite").write_bytes(convolution())
    x = np.random.default_rng(1).integers(-128, 128, (40, 6, 6, 8)).astype(np.int8)
    np.save(folder / "x.npy", x)
    options = ("--layer", "maps", "--inputs", "x.npy", "--json", "new/figures.json")
    result = tercet("low-rank", "net.tflite", "-o", "new/net.tercetn", "--rank", 2, *options)
    assert result.exit_code == 0, result.output
    program, graph = Program.load(folder / "new/net.tercetn"), load(folder / "net.tflite")
    want, found = (each.run(x[4::5])[0].astype(int) for each in (graph, program))
    found_in = json.loads((folder / "new/figures.json").read_text())
    macs = [36 * 72 * 16, 36 * (72 + 16) * 2]
    assert found_in["total"]["macs"] == [macs[0] + 2304, macs[1] + 2304]
    assert found_in["total"]["weight_bytes"] == [72 * 16 + 2304, (72 + 16) * 2 + 2304]
    whole = tercet("compile", "net.tflite", "--board", "ulx3s-85f", "--report", "r.json")
    assert whole.exit_code == 0, whole.output
    assert found_in["total"]["cycles"] == [json.loads((folder / "r.json").read_text())["cycles"], program.cycles]
    assert [layer["rank"] for layer in found_in["layers"]] == [2, None, None]
    assert re.search(r"│ maps +│ CONV_2D +│ +2 │ 0.000 │ 41,472 > 6,336 │ +1,152 > 176 │", result.output)
    shares = [new / old for old, new in found_in["total"].values()]
    assert re.search(r"│ left +│ +│ +│ +│" + "│".join(rf" +{share:.1%} " for share in shares), result.output)
    [row] = found_in["outputs"]
    assert row["mean"] == pytest.approx(4000 * np.abs(want - found).mean())
    assert row["largest"] == pytest.approx(4000 * np.abs(want - found).max())
    assert row["agreement"] == (want.argmax(axis=1) == found.argmax(axis=1)).mean()
    assert row["mean"] < 0.1 * row["deviation"]
    assert found_in["samples"] == 8


def test_float_network(folder):
    """Trained factors are better; the file is an INT8 network that compiles to the cycles shown."""
    trained(folder)
    rows = {}
    for name, epochs in (("without", 0), ("with", 20)):
        options = ("--data", "data.npz", "--epochs", epochs, "--json", "figures.json")
        result = tercet("low-rank", "model.npz", "-o", f"{name}.npz", "--rank", 4, *options)
        assert result.exit_code == 0, result.output
        rows[name] = json.loads((folder / "figures.json").read_text())
    before, after = rows["without"]["accuracy"], rows["with"]["accuracy"]
    assert before["float"] == after["float"] == 1
    assert before["factored"] == before["retrained"] == after["factored"]
    assert after["retrained"] > before["retrained"] + 0.1
    assert abs(after["retrained int8"] - after["retrained"]) < 0.05
    assert re.search(rf"│ retrained +│ +{after['retrained']:.2%} │", result.output)
    network = Int8Network.load(folder / "with.npz")
    assert [layer.weights.shape for layer in network.layers] == [(20, 4), (4, 30), (30, 4), (4, 24), (24, 3)]
    data = np.load(folder / "data.npz")
    right = network.run(data["test_x"])[-1].argmax(axis=1) == data["test_y"]
    assert right.mean() == after["retrained int8"]
    compiled = tercet("compile", "with.npz", "--board", "ulx3s-85f", "--report", "r.json")
    assert compiled.exit_code == 0, compiled.output
    assert json.loads((folder / "r.json").read_text())["cycles"] == rows["with"]["total"]["cycles"][1]


def test_inputs_alone(folder):
    trained(folder)
    result = tercet(
        "low-rank", "model.npz", "-o", "a.tercetn", "--error", 0.5, "--inputs", "x.npy", "--layer", "layer1"
    )
    assert result.exit_code == 0, result.output
    assert "accuracy" not in result.output
    assert re.search(r"layer0 +│ FULLY_CONNECTED │ +│ +│ +600 │", result.output)
    assert Program.load(folder / "a.tercetn").run(np.load(folder / "x.npy")[:2])[0].shape == (2, 3)
    again = tercet("low-rank", "a.npz", "-o", "b.npz", "--rank", 3)
    assert again.exit_code == 2
    for name, model_file, options in (("a.npz", "model.npz", ("--inputs", "x.npy")), ("b.npz", "a.npz", ())):
        result = tercet("low-rank", model_file, "-o", name, "--rank", 6, "--layer", "layer1", *options)
        assert result.exit_code == 0 or name == "b.npz", result.output
    # layer1 is now the first factor of 30 x 6, which rank 6 does not make smaller.
    assert "rank 6 saves no products of a matrix of 6 x 30; use at most 4" in result.output


def test_idle_neurons_do_not_count(folder):
    """Folding removes what is 0 for every input, before and after."""
    rng = np.random.default_rng(0)
    first, bias = rng.normal(size=(20, 30)), np.zeros(30)
    first[:, :6], bias[:6] = 0, -1
    np.savez(folder / "model.npz", W0=first, b0=bias, W1=rng.normal(size=(30, 10)))
    np.save(folder / "x.npy", rng.normal(size=(30, 20)))
    options = ("--rank", 3, "--inputs", "x.npy", "--json", "figures.json")
    assert tercet("low-rank", "model.npz", "-o", "a.npz", *options).exit_code == 0
    macs = json.loads((folder / "figures.json").read_text())["total"]["macs"]
    assert macs == [24 * (20 + 10), 3 * (20 + 24) + 3 * (24 + 10)]


def test_only_faster(folder):
    """The first layer takes more cycles in two steps, the second fewer."""
    rng = np.random.default_rng(0)
    arrays = {"W0": rng.normal(size=(8, 64)), "W1": rng.normal(size=(64, 400)), "W2": rng.normal(size=(400, 300))}
    np.savez(folder / "model.npz", W0=arrays["W0"], W1=arrays["W1"], W2=arrays["W2"])
    np.save(folder / "x.npy", rng.normal(size=(30, 8)))
    figures = []
    for flags in ((), ("--only-faster",)):
        options = ("--rank", 4, "--inputs", "x.npy", "--json", "figures.json", *flags)
        result = tercet("low-rank", "model.npz", "-o", "a.npz", *options)
        assert result.exit_code == 0, result.output
        figures.append(json.loads((folder / "figures.json").read_text()))
    slower = [layer["cycles"][0] < layer["cycles"][1] for layer in figures[0]["layers"]]
    assert slower == [True, False, False]
    assert [layer["rank"] for layer in figures[1]["layers"]] == [None, 4, 4]
    assert figures[1]["total"]["cycles"][1] < figures[0]["total"]["cycles"][1]
    np.savez(folder / "small.npz", W0=arrays["W0"])
    options = ("--rank", 4, "--inputs", "x.npy", "--only-faster")
    assert "No layer takes fewer cycles with these factors" in fails("low-rank", "small.npz", "-o", "b.npz", *options)


def test_network_that_fits_only_afterwards(folder):
    """Weights beyond the memory of the board: cycles of the factors alone."""
    rng = np.random.default_rng(0)
    np.savez(folder / "model.npz", W0=rng.normal(size=(300, 300)), W1=rng.normal(size=(300, 4)))
    np.save(folder / "x.npy", rng.normal(size=(30, 300)))
    options = ("--rank", 8, "--inputs", "x.npy", "--board", "ulx3s-25f")
    result = tercet("low-rank", "model.npz", "-o", "a.tercetn", *options)
    assert result.exit_code == 0, result.output
    assert re.search(r"no program before: .*weight", result.output)
    assert re.search(r"layer0 +│.*│ 90,000 > 4,800 │ 90,000 > 4,800 │ +- > [\d,]+ │", result.output)
    message = fails("low-rank", "model.npz", "-o", "b.tercetn", *options, "--only-faster")
    assert "--only-faster needs the cycles of both networks" in message
    message = fails("low-rank", "model.npz", "-o", "b.tercetn", *options, "--layer", "layer1", "--rank", 2)
    assert "weight" in message
    assert not (folder / "b.tercetn").exists()


def test_mistakes(folder):
    trained(folder)
    (folder / "net.tflite").write_bytes(convolution())
    (folder / "picture.tflite").write_bytes(picture_network())
    np.save(folder / "codes.npy", np.zeros((4, 20), np.int8))
    np.save(folder / "thin.npy", np.zeros((4, 19)))
    quantised, real = ("net.tflite", "-o", "a.tercetn"), ("model.npz", "-o", "a.npz")
    mistakes = {
        quantised: "Rank is None and error is None; give one of them",
        (*quantised, "--rank", 2, "--error", 0.1): "Rank is 2 and error is 0.1; give one of them",
        (*quantised, "--rank", 0): "Rank 0 is outside [1,",
        (*quantised, "--error", 1): "Error 1.0 is outside [0, 1)",
        (*quantised, "--rank", 99): "No layer can be factored: 'maps': rank 99 is beyond the 16 of a matrix of 16 x 72",
        (*quantised, "--rank", 2, "--layer", "none"): "There is no layer 'none'; use 'maps', 'flat', 'scores'",
        (*quantised, "--rank", 2, "--layer", "s"): "2 layers end in 's': 'maps', 'scores'; name more of it",
        (*quantised, "--rank", 2, "--layer", "flat"): "'flat;view' (RESHAPE) cannot be factored: it has no weights",
        (*quantised, "--rank", 2, "--data", "data.npz"): "--data trains networks of real numbers, not a quantised one",
        (*quantised, "--rank", 2, "--epochs", 3): "--epochs trains networks of real numbers",
        (*quantised, "--rank", 2, "--inputs", "x.npy"): "Input 'x' has shape (400, 20); use (6, 6, 8)",
        ("net.tflite", "-o", "a.npz", "--rank", 2): "Input 'x' is int8 (6, 6, 8); an INT8 network takes int8 (in,)",
        ("net.tflite", "-o", "a.bin", "--rank", 2): "'a.bin' is neither .npz, an INT8 network, nor .tercetn",
        ("no.tflite", "-o", "a.npz", "--rank", 2): "No such file or directory: 'no.tflite'",
        ("picture.tflite", "-o", "a.tercetn", "--rank", 9): "No layer can be factored",
        (*real, "--rank", 2): "A network of real numbers needs samples for its codes; give one of --data and --inputs",
        (*real, "--rank", 2, "--data", "model.npz"): "has unknown names",
        (
            *real,
            "--rank",
            2,
            "--inputs",
            "codes.npy",
        ): "'codes.npy' has x of int8 (4, 20); use real numbers (samples, 20)",
        (*real, "--rank", 2, "--inputs", "thin.npy"): "'thin.npy' has x of float64 (4, 19); use real numbers",
        (*real, "--rank", 2, "--inputs", "x.npy", "--layer", "3"): "There is no layer '3'; use layer0, layer1, layer2",
        (*real, "--rank", 2, "--data", "data.npz", "--epochs", -1): "Epochs -1 is outside",
        (*real, "--rank", 2, "--data", "data.npz", "--seed", -1): "Seed -1 is below 0",
        (*real, "--rank", 2, "--inputs", "x.npy", "--board", "icebreaker"): "Engine npu does not fit icebreaker",
    }
    for args, message in mistakes.items():
        assert message in fails("low-rank", *args), args
    assert not (folder / "a.npz").exists()
    assert not (folder / "a.tercetn").exists()


def test_real_model(folder):
    """Random inputs; all layers are fully connected, so that the result may be an INT8 network."""
    path = model("ad01_int8")
    result = tercet("low-rank", path, "-o", "a.npz", "--rank", 8, "--json", "figures.json")
    assert result.exit_code == 0, result.output
    assert "64 random inputs" in result.output
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["total"]["macs"] == [264192, 26624]
    small = load(folder / "a.npz")
    assert sum(layer.macs for layer in small.layers) == 26624
    assert load(path).simplified().inputs[0].scale == small.inputs[0].scale
