"""``tercet compress`` for int8 networks, and the same layers on both engines."""

import json
import re

import numpy as np
import pytest
from tercet.cli.benches import compress as bench
from tercet.cli.benches import compress_int8
from tercet.cli.eie_against_npu import Engines, layer_costs
from tercet.compiler import load
from tercet.compiler.int8_network import graph_of_int8_network
from tercet.golden.compress import container
from tercet.golden.compress.eie import eie_acts, sized_layers
from tercet.golden.compress.eie_section import EieSection, compress_layers, with_sections
from tercet.golden.compress.graph_layers import graph_layers
from tercet.golden.eie.encoding import network_cycles
from tercet.golden.networks.int8_network import quantize_mlp
from tercet.golden.networks.mlp import Mlp
from threadpoolctl import threadpool_limits

from ..compiler.models import model
from ..compiler.tflite_files import Network
from .command import fails, tercet


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def network(folder):
    """An INT8 network of two layers, ``net.npz``, with inputs, ``x.npy``."""
    x = np.random.default_rng(0).normal(size=(60, 40))
    made = quantize_mlp(Mlp.random((40, 64, 12), 1), x, int8_outputs=True)
    made.save(folder / "net.npz")
    np.save(folder / "x.npy", x)
    return load(folder / "net.npz").simplified()


def branched():
    """Two 1x1 convolutions of the same picture, their sum after a 3x3 convolution, and a fully connected layer."""
    rng = np.random.default_rng(0)
    net = Network()

    def weights(*shape):
        return net.constant(rng.integers(-127, 128, shape), 0.05, dtype=np.int8)

    x = net.input((1, 4, 4, 8), 0.5, 0, name="x")
    window = {"Padding": "SAME", "StrideH": 1, "StrideW": 1}
    maps = [net.tensor((1, 4, 4, 6), 40.0, -128, name=f"maps{n}") for n in range(3)]
    for y in maps[:2]:
        net.add("CONV_2D", [x, weights(6, 1, 1, 8)], y, **window, FusedActivationFunction="RELU")
    net.add("CONV_2D", [maps[1], weights(6, 3, 3, 6)], maps[2], **window)
    total = net.tensor((1, 4, 4, 6), 80.0, -128, name="total")
    net.add("ADD", [maps[0], maps[2]], total)
    flat, scores = net.tensor((1, 96), 80.0, -128, name="flat"), net.tensor((1, 3), 4000.0, 0, name="scores")
    net.add("RESHAPE", [total, net.constant([1, 96])], flat)
    net.add("FULLY_CONNECTED", [flat, weights(3, 96)], scores)
    net.outputs = [scores]
    return net.file()


def number(text, row):
    [found] = re.findall(rf"│ {row} +│ +([\d,.]+) │", text)
    return float(found.replace(",", ""))


def test_chain(network, folder):
    """The file holds the pruned layers; outputs, clocks and bytes shown are those of the golden models."""
    options = ("--density", "0.3,0.6", "--code-bits", 3, "--index-bits", 5, "--inputs", "x.npy")
    result = tercet("compress", "net.npz", "-o", "new/a.tercet", *options)
    assert result.exit_code == 0, result.output
    layers, x = graph_layers(network), np.load(folder / "x.npy")
    kept = np.arange(60) % 5 != 4
    tensors = network.tensors(x[kept])
    want = compress_layers(layers, density=[0.3, 0.6], code_bits=3, index_bits=5, tensors=tensors)
    assert container.load(folder / "new/a.tercet") == want
    encoded = sized_layers(want, {"n_pe": 16}, permute="balance")
    section = EieSection.of(network, layers, encoded)
    old, new = (graph.run(x[~kept])[0].argmax(axis=1) for graph in (network, with_sections(network, [section])))
    assert f"│ {(old == new).mean():.1%} │" in re.sub(" +", " ", result.output)
    assert 0.3 < (old == new).mean() < 1
    acts = section.acts(network.tensors(x[~kept][:4])[layers[0].operator.inputs[0]])
    assert number(result.output, "clocks of EIE, one run") == round(network_cycles(encoded, acts).total / 4)
    assert number(result.output, "  kept") == 768 + 461
    compiled = tercet("compile", "net.npz", "--board", "ulx3s-85f", "--report", "r.json")
    assert compiled.exit_code == 0, compiled.output
    found = [layer["cycles"] for layer in json.loads((folder / "r.json").read_text())["layers"] if layer["macs"]]
    assert number(result.output, "clocks of the NPU") == sum(found)
    assert "Too large" not in result.output
    ran = tercet("sim", "eie", "--model", "new/a.tercet", "--n-pe", 4)
    assert ran.exit_code == 0, ran.output


def test_costs_of_a_layer():
    """EIE's clocks by an independent encoding, and the largest densities with fewer clocks, less time, fewer bytes."""
    rng = np.random.default_rng(0)
    network = quantize_mlp(Mlp.random((400, 140), 1), rng.normal(size=(20, 400)), int8_outputs=True)
    graph = graph_of_int8_network(network).simplified()
    engines = Engines.of("ulx3s-85f", code_bits=4, index_bits=4)
    [layer] = graph_layers(graph)
    tensors = graph.tensors(np.maximum(rng.normal(size=(2, 400)), -1))
    codes = tensors[layer.operator.inputs[0]]
    [encoded] = sized_layers(compress_layers([layer], density=0.25), {"n_pe": 16}, permute="balance")
    acts = eie_acts(layer.vectors(codes), encoded.config, encoded.act_frac)
    costs = layer_costs(graph, layer, 0.25, tensors, engines)
    assert costs.eie_cycles == network_cycles([encoded], acts).total / 2
    assert costs.active == (codes != layer.before.zero_point).mean()
    assert (costs.weights, costs.vectors, costs.op) == (400 * 140, 1, "FULLY_CONNECTED")
    # 140 channels on 8 columns: weights of 18 passes, parameters of what there is.
    assert costs.npu_bytes == 400 * 144 + 9 * 140
    assert 0 < costs.wins["time"] < costs.wins["clocks"] < costs.wins["bytes"] < 1
    assert costs.npu_cycles is not None
    times = {"clocks": costs.npu_cycles, "time": costs.npu_cycles / 120 * 110}
    for name, limit in times.items():
        below, above = (costs.wins[name] + n / 256 for n in range(2))
        shares = [layer_costs(graph, layer, share, tensors, engines) for share in (below, above)]
        assert shares[0].eie_cycles < limit <= shares[1].eie_cycles
    below, above = (costs.wins["bytes"] + n / 256 for n in range(2))
    shares = [layer_costs(graph, layer, share, tensors, engines).eie_bytes for share in (below, above)]
    assert shares[0] < costs.npu_bytes <= shares[1]


def test_layers_apart(folder):
    """Layers that do not feed each other are runs of their own, which no file holds; one of them is a file."""
    (folder / "net.tflite").write_bytes(branched())
    graph = load(folder / "net.tflite").simplified()
    np.save(folder / "x.npy", np.random.default_rng(1).integers(-128, 128, (4, 4, 4, 8)).astype(np.int8))
    result = tercet("compress", "net.tflite", "--density", 0.5, "--code-bits", 8, "--inputs", "x.npy")
    assert result.exit_code == 0, result.output
    for name, weights, vectors in (("maps0", 48, 16), ("maps1", 48, 16), ("scores", 288, 1)):
        assert re.search(rf"│ {name} +│ +{weights} │ +{vectors} │ +\d+% │ +0.5 │", result.output)
    layers, x = graph_layers(graph), np.load(folder / "x.npy")
    want = compress_layers(layers, density=0.5, code_bits=8, tensors=graph.tensors(x))
    pairs = [([a], sized_layers([b], permute="balance")) for a, b in zip(layers, want, strict=True)]
    sections = [EieSection.of(graph, *pair) for pair in pairs]
    # Fewer than five samples are for both.
    difference = 4000 * np.abs(graph.run(x)[0].astype(float) - with_sections(graph, sections).run(x)[0])
    shown = [re.escape(f"{value:.4g}") for value in (difference.mean(), difference.max())]
    assert re.search(rf"│ scores │ +{shown[0]} │ +{shown[1]} │", result.output)
    assert "does not read" in result.output
    assert number(result.output, "clocks of EIE, 3 runs") > 0
    result = tercet("compress", "net.tflite", "-o", "a.tercet", "--layer", "maps1", "--board", "icepi-zero")
    assert result.exit_code == 0, result.output
    assert "64 random inputs" in result.output
    assert [layer.codes.shape for layer in container.load(folder / "a.tercet")] == [(6, 8)]


def test_anomaly_detection(folder):
    """Ten fully connected layers in one run; each takes fewer clocks on EIE at a fifth of its weights."""
    result = tercet("compress", model("ad01_int8"), "-o", "a.tercet", "--density", 0.2)
    assert result.exit_code == 0, result.output
    assert len(container.load(folder / "a.tercet")) == 10
    rows = re.findall(r"│ +0.2 │ +([\d,]+) │ +([\d,]+) │", result.output)
    assert len(rows) == 10
    assert all(int(eie.replace(",", "")) < int(npu.replace(",", "")) for eie, npu in rows)
    assert number(result.output, "weights") == 264192
    assert number(result.output, "clocks of EIE, one run") < 0.6 * number(result.output, "clocks of the NPU")


def test_too_large(folder):
    """A layer without a program for the NPU, and a chain without room on the board."""
    x = np.random.default_rng(0).normal(size=(20, 1500))
    quantize_mlp(Mlp.random((1500, 400), 1), x, int8_outputs=True).save(folder / "net.npz")
    result = tercet("compress", "net.npz", "--density", 0.9, "--board", "ulx3s-12f")
    assert result.exit_code == 0, result.output
    assert re.search(r"No program of the NPU for \S+: .*weight_bytes", result.output)
    assert "Too large for the board as it is: The network does not fit ulx3s-12f" in result.output
    assert "clocks of the NPU" not in result.output
    assert re.search(r"│ +0.9 │ +[\d,]+ │ +- │ +[\d,]+ │ +- │", result.output)


def test_mistakes(network, folder):
    (folder / "net.tflite").write_bytes(branched())
    (folder / "none.txt").write_text("none")
    np.savez(folder / "real.npz", W0=np.ones((4, 3)), W1=np.ones((3, 2)))
    np.save(folder / "thin.npy", np.zeros((4, 19)))
    np.savez(folder / "data.npz", x=np.zeros((9, 4)), y=np.zeros(9, int))
    quantised = ("net.npz",)
    mistakes = {
        (
            "net.tflite",
            "-o",
            "a.tercet",
        ): "a chain, which a file of EIE holds: layer 'maps1' does not read 'maps0'; name",
        ("net.tflite", "--layer", "none"): "There is no layer 'none'",
        ("net.tflite", "--layer", "maps2"): "(CONV_2D) cannot run on an EIE: its window is 3 x 3; it takes fully",
        ("net.tflite", "--layer", "total"): "(ADD) cannot run on an EIE: it has no weights",
        (
            "net.tflite",
            "--layer",
            "maps0",
            "--layer",
            "scores",
            "-o",
            "a.tercet",
        ): "layer 'scores' does not read 'maps0'",
        ("net.tflite", "--layer", "maps"): "There is no layer 'maps'",
        (*quantised, "--density", "1.5"): "Density 1.5 is outside [0, 1]",
        (*quantised, "--density", "0.1,0.1,0.1"): "There are 3 densities for 2 layers",
        (*quantised, "--density", "a"): "Density 'a' is not a number",
        (*quantised, "--code-bits", 9): "Code bits 9",
        (*quantised, "--index-bits", 1): "Index bits 1",
        (*quantised, "--inputs", "thin.npy"): "(4, 19)",
        (*quantised, "--inputs", "none.npy"): "No such file",
        (*quantised, "--board", "icebreaker"): "Engine npu does not fit icebreaker",
        (*quantised, "--seed", -1): "Seed -1 is below 0",
        (*quantised, "--data", "data.npz"): "--data needs a network of real numbers",
        (*quantised, "--epochs", 3): "--epochs needs a network of real numbers",
        (*quantised, "--steps", 3): "--steps needs a network of real numbers",
        (*quantised, "--schedule", "0.5"): "--schedule needs a network of real numbers",
        (*quantised, "--largest-input", 1): "--largest-input needs a network of real numbers",
        (*quantised, "--curve", "a.png"): "--curve needs a network of real numbers",
        ("real.npz", "-o", "a.tercet", "--layer", "a"): "--layer is for quantised networks",
        ("real.npz", "-o", "a.tercet", "--inputs", "x.npy"): "--inputs is for quantised networks",
        ("real.npz", "-o", "a.tercet", "--board", "ulx3s-85f"): "--board is for quantised networks",
        ("real.npz",): "compressed into a file; name it with -o",
        ("none.tflite",): "No such file or directory: 'none.tflite'",
    }
    for args, message in mistakes.items():
        assert message in fails("compress", *args), args
    assert not (folder / "a.tercet").exists()


def test_bench(tmp_path, monkeypatch, capsys):
    """Accuracy falls with the density, the corrected one later; clocks of every layer of a model."""
    for name, value in {"_SEEDS": range(2), "_HIDDEN": (24,), "_DENSITIES": (1.0, 0.4, 0.05)}.items():
        monkeypatch.setattr(compress_int8, name, value)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.tflite").write_bytes(branched())
    monkeypatch.setenv("TERCET_MODELS", str(tmp_path / "models"))
    assert bench.run_bench(["int8", "eie-against-npu"], tmp_path)
    found = json.loads((tmp_path / "compress.json").read_text())
    dense, middle, sparse = found["int8"]
    assert abs(dense["corrected"] - dense["int8"]) < 0.02
    assert middle["corrected"] > sparse["corrected"] + 0.2
    assert dense["eie_cycles"] > middle["eie_cycles"] > sparse["eie_cycles"]
    assert dense["npu_cycles"] == sparse["npu_cycles"]
    layers = graph_layers(load(tmp_path / "models" / "net.tflite").simplified())
    assert [row["layer"] for row in found["eie-against-npu"]] == [layer.name for layer in layers]
    assert "64-24-10 on digits, 2 seeds" in capsys.readouterr().out
