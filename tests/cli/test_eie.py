"""EIE engine on the command line."""

import dataclasses
import json
import re

import numpy as np
import pytest
from tercet.golden.compress.container import load, save
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.model import CompressedLayer, to_mlp
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode
from tercet.golden.eie.product import spmv
from tercet.golden.eie.sizing import DEPTHS
from tercet.sim import simulators

from .command import cycles_agree, fails, tercet

TINY = ["--n-pe", "3", "--act-depth", "8", "--pointer-depth", "32", "--matrix-depth", "32"]


def shown(stdout, name):
    """Value of a named table row."""
    return next(line.split("│")[2].strip() for line in stdout.splitlines() if line.startswith(f"│ {name} "))


def test_generate_eie(folder):
    for name in ("a", "b"):
        assert tercet("generate", "eie", *TINY, "--family", "ecp5", "-o", name).exit_code == 0
    for name in ("eie.v", "manifest.json"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    manifest = json.loads((folder / "a/manifest.json").read_text())
    assert (manifest["engine"], manifest["top"]) == ("eie", "eie")
    assert manifest["parameters"]["n_pe"] == 3
    assert manifest["golden"] == "tercet.golden.eie.spmv"
    assert list(manifest["frames"]["kinds"]) == ["matrix", "pointers", "constants", "program", "run"]
    assert list(manifest["frames"]["kinds"]["program"]["fields"])[-1] == "results"
    (registers,) = [port["registers"] for port in manifest["ports"] if "registers" in port]
    assert {"saturated_low", "saturated_high"} <= set(registers)
    assert "sim/MULT18X18D.v" in manifest["simulation_models"]
    assert tercet("generate", "eie", "--preset", "paper", *TINY, "-o", "c").exit_code == 0
    assert json.loads((folder / "c/manifest.json").read_text())["parameters"]["n_pe"] == 3


def test_sim_eie_random(folder):
    result = tercet("sim", "eie", *TINY, "--shape", "20x30x2", "--relu", "--permute", "balance")
    assert result.exit_code == 0, result.stderr
    assert "eie, 3 PEs, 30-20, " in result.stdout
    assert "2 vectors" in result.stdout
    assert "yes, every bit" in result.stdout
    measured, model = cycles_agree(result.stdout)
    assert measured == model
    assert "efficiency" in result.stdout
    result = tercet("sim", "eie", *TINY, "--shape", "20x30x2", "--relu", "--permute", "spread")
    assert result.exit_code == 0, result.stderr
    assert "yes, every bit" in result.stdout
    assert cycles_agree(result.stdout) not in ([measured] * 2, [])
    result = tercet("sim", "eie", *TINY, "--shape", "20x30", "--stall", "0.3", "--density", "1", "--act-density", "0")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"busy +│ +0 +0.0% of all", result.stdout)
    assert "(without stalls)" in result.stdout


def test_sim_eie_given(folder):
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((20, 30)) < 0.3, rng.integers(1, 16, (20, 30)), 0).astype(np.uint8)
    codebook, bias = np.arange(0, -16 * 256, -256).astype(np.int16), rng.integers(-(10**6), 10**6, 20)
    acts = rng.integers(-99, 99, (2, 30)).astype(np.int16)
    np.savez(folder / "bare.npz", codes=codes, codebook=codebook)
    np.savez(folder / "layer.npz", codes=codes, codebook=codebook, bias=bias)
    np.save(folder / "acts.npy", acts)
    for name, arrays, with_bias in (("layer.npz", ["--bias", "layer.npz"], bias), ("bare.npz", [], None)):
        given = ["--codes", name, "--codebook", name, "--relu", "--shift", "9"]
        result = tercet("sim", "eie", *TINY, *given, *arrays, "--acts", "acts.npy", "-o", "new/out.npy")
        assert result.exit_code == 0, result.stderr
        config = EieConfig(n_pe=3, act_depth=8, pointer_depth=32, matrix_depth=32)
        want = spmv(encode(codes, codebook, config, bias=with_bias, relu=True, shift=9), acts)
        np.testing.assert_array_equal(np.load(folder / "new/out.npy"), want)
    assert "1 vector " in tercet("sim", "eie", *TINY, *given, "--simulator", simulators.find().name).stdout


def test_sim_eie_model(folder):
    rng = np.random.default_rng(0)
    shapes = [(30, 20), (20, 5)]
    weights = [rng.normal(size=shape) for shape in shapes]
    np.savez(folder / "model.npz", W0=weights[0], W1=weights[1], b1=np.ones(5))
    assert tercet("compress", "model.npz", "-o", "model.tercet", "--density", "0.4").exit_code == 0
    x = rng.uniform(-1, 1, (4, 30))
    np.save(folder / "real.npy", x)
    np.save(folder / "fixed.npy", np.rint(x * 256).astype(np.int16))
    options = ["--n-pe", "3", "--fifo-depth", "4", "--permute", "balance"]
    config = sized_layers(load(folder / "model.tercet"), {"n_pe": 3}, permute="balance")[0].config
    # Pointers: 30 + 21 columns and 2 ends. Activations: 30 inputs on 3 PEs. Constants: 2 codebooks of 16, 7 + 2 biases.
    assert (config.pointer_depth, config.act_depth, config.constant_depth, config.program_depth) == (53, 10, 41, 3)
    for name in ("real", "fixed"):
        given = ["--model", "model.tercet", "--acts", f"{name}.npy", "-o", f"{name}_out.npy", "--act-frac", "8"]
        result = tercet("sim", "eie", *options, *given)
        assert result.exit_code == 0, result.stderr
        assert "eie, 3 PEs, 30-20-5, " in result.stdout
        for depth in DEPTHS:
            assert re.search(rf"│ {depth} +│ +{getattr(config, depth)}, chosen │", result.stdout)
        measured, model = cycles_agree(result.stdout)
        assert measured == model
    real, fixed = (np.load(folder / f"{name}_out.npy") for name in ("real", "fixed"))
    np.testing.assert_array_equal(real, fixed)
    want = to_mlp(load(folder / "model.tercet")).activations(x)[-1]
    np.testing.assert_allclose(real / 256, want, atol=0.1)
    result = tercet("sim", "eie", *options, "--model", "model.tercet")
    assert result.exit_code == 0
    assert (shown(result.stdout, "fraction bits from")) == "ranges of these inputs, as the network has none"
    # Fraction bits from ranges are more, and reduce the error accordingly.
    np.save(folder / "labels.npy", want.argmax(axis=1))
    given = ["--model", "model.tercet", "--acts", "real.npy", "-o", "out.npy", "--labels", "labels.npy"]
    result = tercet("sim", "eie", *options, *given)
    assert result.exit_code == 0, result.stderr
    bits = [int(n) for n in shown(result.stdout, "  inputs; outputs of each layer").split("; ")]
    assert bits[0] == 14
    difference = np.abs(np.load(folder / "out.npy") / 2.0 ** bits[-1] - want)
    assert difference.max() < np.abs(real / 256 - want).max() / 2
    assert shown(result.stdout, "largest error against the float network") == f"{difference.max():.3g} of " + (
        f"{np.abs(want).max():.3g}"
    )
    assert shown(result.stdout, "accuracy; float network").endswith("; 100.00%")
    assert "warning" not in result.stderr


@pytest.mark.parametrize("ranges", ["data", "largest input", "none"])
def test_hidden_results_that_did_not_fit(folder, ranges):
    """Hidden sums reach 200 before results of 100; with 8 fraction bits they saturate at 128."""
    np.savez(folder / "model.npz", W0=np.ones((2, 2)), W1=np.eye(2) / 2)
    samples = np.array([[100.0, 100.0], [1.0, 2.0], [50.0, 3.0], [7.0, 7.0], [20.0, 0.0]])
    np.savez(folder / "data.npz", x=samples, y=np.zeros(5, int), test_x=samples, test_y=np.zeros(5, int))
    np.save(folder / "acts.npy", np.array([100.0, 100.0]))
    options = {"data": ["--data", "data.npz", "--epochs", "0"], "largest input": ["--largest-input", "100"], "none": []}
    result = tercet("compress", "model.npz", "-o", "m.tercet", "--density", "1", *options[ranges])
    assert result.exit_code == 0, result.stderr
    if ranges == "data":
        assert shown(result.stdout, "largest input; outputs of each layer") == "100; 200; 100"
        assert shown(result.stdout, "largest error against the float network") == "0 of 100"
        assert shown(result.stdout, "saturated") == "0  0.0% of 20 results"
    given = ["--n-pe", "3", "--model", "m.tercet", "--acts", "acts.npy", "-o", "out.npy"]
    result = tercet("sim", "eie", *given)
    assert result.exit_code == 0, result.stderr
    assert shown(result.stdout, "  inputs; outputs of each layer") == "7; 6; 7"
    assert shown(result.stdout, "  saturated") == "0  0.0% of 4 results"
    assert result.stderr == ""
    np.testing.assert_array_equal(np.load(folder / "out.npy") / 2**7, [100.0, 100.0])
    if ranges == "none":
        result = tercet("sim", "eie", *given, "--act-frac", "8")
        assert result.exit_code == 0, result.stderr
        assert shown(result.stdout, "  saturated") == "2  50.0% of 4 results"
        assert shown(result.stdout, "largest error against the float network") == "36 of 100"
        assert "tercet: warning: results do not fit 16 bits and were saturated, 2 of layer 0; compress" in result.stderr
        np.testing.assert_array_equal(np.load(folder / "out.npy") / 2**8, [64.0, 64.0])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["generate", "eie", "--n-pe", "0"], "n_pe 0 is outside [1, 256]"),
        (["generate", "eie", "--code-bits", "8", "--constant-depth", "9"], "constant_depth 9 does not hold"),
        (["generate", "eie", "--preset", "tpu_v1"], "'tpu_v1' is not 'paper'"),
        (["sim", "eie", "--shape", "3"], "Shape '3' is not OUTxIN[xBATCH]"),
        (["sim", "eie", "--shape", "3x4x5x6"], "Shape '3x4x5x6' is not OUTxIN[xBATCH]"),
        (["sim", "eie", "--shape", "3x0"], "Shape '3x0' is not OUTxIN[xBATCH]"),
        (["sim", "eie", "--n-pe", "0"], "n_pe 0 is outside [1, 256]"),
        (["sim", "eie", "--density", "2"], "Density 2.0 is outside [0, 1]"),
        (["sim", "eie", "--act-density", "-1"], "Activation density -1.0 is outside [0, 1]"),
        (["sim", "eie", "--shift", "99"], "shift 99 is outside [0, 35]"),
        (["sim", "eie", "--seed", "-1"], "Seed -1 is below 0"),
        (["sim", "eie", "--codes", "l.npz"], "Only one of --codes and --codebook is given"),
        (["sim", "eie", "--acts", "acts.npy"], "--acts applies only to a layer from --codes and --codebook"),
        (
            ["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz"), "--shape", "3x3"],
            "--shape applies only to a random",
        ),
        (["sim", "eie", *("--codes", "real.npy", "--codebook", "l.npz")], "Codes have dtype float64; use uint8"),
        (["sim", "eie", *("--codes", "l.npz", "--codebook", "real.npy")], "Codebook has dtype float64; use int16"),
        (
            ["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz", "--bias", "l.npz")],
            "'l.npz' lacks bias; use codes, codebook, bias",
        ),
        (
            ["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz", "--acts", "real.npy")],
            "Activations have dtype float64; use int16",
        ),
        (
            ["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz", "--acts", "acts.npy", "--act-density", "1")],
            "--act-density applies only to random activations",
        ),
        (["sim", "eie", "--model", "l.npz"], "'l.npz': this is not a compressed network"),
        (["sim", "eie", "--model", "none.tercet"], "No such file or directory: 'none.tercet'"),
        (["sim", "eie", "--model", "m.tercet", "--relu"], "--relu applies to a single layer; a --model has its own"),
        (
            ["sim", "eie", "--model", "m.tercet", "--codes", "l.npz"],
            "--codes applies to a single layer; a --model has its own",
        ),
        (["sim", "eie", "--model", "m.tercet", "--density", "0.5"], "--density applies only to a random layer"),
        (
            ["sim", "eie", "--model", "m.tercet", "--weight-frac", "12"],
            "centroids reach [0, 9], beyond 16 bits with weight_frac 12; use weight_frac=11 or less",
        ),
        (
            ["sim", "eie", "--model", "m.tercet", "--weight-frac", "11", "--acts", "real.npy"],
            "Activations reach [500, 500], beyond 16 bits with act_frac 8; use act_frac=6 or less",
        ),
        (
            ["sim", "eie", "--model", "r.tercet", "--acts", "real.npy"],
            "Inputs reach 500 but the network's ranges are for inputs up to 1, with room up to 1.99994; compress",
        ),
        (
            ["sim", "eie", "--model", "m.tercet", "--acts", "l.npz"],
            "'l.npz' has unknown names 'codes', 'codebook' and lacks acts; use acts",
        ),
        (
            ["sim", "eie", "--model", "m.tercet", "--acts", "real.npy", "--labels", "real.npy"],
            "Labels has dtype float64, not an integer type; the network has 1 outputs",
        ),
        (
            ["sim", "eie", "--model", "m.tercet", "--acts", "real.npy", "--labels", "acts.npy"],
            "Labels have shape (2,) but there are 1 vectors; use (1,)",
        ),
        (
            ["sim", "eie", "--model", "m.tercet", "--labels", "acts.npy"],
            "--labels requires --model and --acts; give --acts",
        ),
        (["sim", "eie", "--labels", "acts.npy"], "--labels requires --model and --acts; give --model"),
        (
            ["sim", "eie", "--model", "m.tercet", "--acts", "l.npz", "--act-density", "1"],
            "applies only to random activations",
        ),
        (["synth", "eie", "--unit", "alu", "--device", "up5k"], "'alu' is not one of 'engine', 'pe'"),
        (
            ["synth", "eie", "--unit", "product", "--family", "ecp5", "--device", "up5k"],
            "eie product instantiates MULT18X18D, which up5k does not have; use another device, or blocks of ice40",
        ),
    ],
)
def test_mistakes_with_eie_are_one_line(folder, args, message):
    np.savez(folder / "l.npz", codes=np.ones((3, 2), np.uint8), codebook=np.zeros(16, np.int16))
    np.save(folder / "acts.npy", np.zeros(2, np.int16))
    np.save(folder / "real.npy", np.full(2, 500.0))
    layer = CompressedLayer(np.ones((1, 2), np.uint8), np.array([0.0, 9.0]), np.zeros(1))
    save(folder / "m.tercet", [layer])
    save(folder / "r.tercet", [dataclasses.replace(layer, act_range=1.0)])
    assert message in fails(*args)
