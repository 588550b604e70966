"""The command line as a user meets it: what it writes, and one line for every mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tercet.cli import main
from tercet.cli.engines import ENGINES
from tercet.golden.compress.container import load, save
from tercet.golden.compress.model import CompressedLayer, to_mlp
from tercet.golden.eie import EieConfig, encode, spmv
from tercet.golden.systolic import SystolicConfig, matmul
from tercet.golden.tensorcore import TensorCoreConfig, mma

SMALL = ["--rows", "2", "--cols", "2", "--acc-depth", "4"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tercet(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def fails(*args):
    """Standard error of a command that a user got wrong."""
    result = tercet(*args)
    assert result.exit_code == 2
    assert result.stderr.startswith("tercet: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize(
    "path",
    [
        [],
        ["list"],
        ["doctor"],
        *([command] for command in ("generate", "sim", "synth", "compress", "demo", "bench")),
        *([command, engine] for command in ("generate", "sim", "synth") for engine in ENGINES),
        ["demo", "systolic"],
        ["bench", "systolic"],
    ],
    ids=" ".join,
)
def test_help_everywhere(path):
    result = tercet(*path, "--help")
    assert result.exit_code == 0
    assert "Examples:\n  " in result.stdout
    for line in re.findall(r"^  (tercet .*)", result.stdout, re.M):
        assert line.startswith(" ".join(["tercet", *path]))


@pytest.mark.parametrize("engine", ENGINES)
def test_examples_are_commands(engine):
    """Every flag that an engine's help shows is one that the command has."""
    for command in ("generate", "sim", "synth"):
        page = tercet(command, engine, "--help").stdout
        options, _, shown = page.partition("Examples:")
        for flag in re.findall(r" (--?[a-z][a-z-]*)", shown.split("\n\n")[0]):
            assert re.search(rf"(^|[ ,]){flag}[ ,\n]", options), flag


def test_help_tells_defaults():
    assert "[default: 16]" in tercet("sim", "systolic", "--help").stdout
    assert re.search(r"\[default:\s+any\]", tercet("sim", "eie", "--help").stdout)
    assert re.search(r"\[default:\s+that\s+of\s+the\s+device\]", tercet("synth", "eie", "--help").stdout)


def test_list_and_doctor():
    assert re.search(r"│ systolic +│.*│ tpu_v1 +│", tercet("list").stdout)
    assert re.search(r"│ eie +│.*│ paper +│", tercet("list").stdout)
    assert re.search(r"│ tensorcore +│.*│ volta", tercet("list").stdout)
    result = tercet("doctor")
    assert result.exit_code == 0
    assert "yosys" in result.stdout
    assert "simulations run on" in result.stdout
    assert re.search(r"ulx3s-85f +│ LFE5U-85F BG381 +│ ecp5-85k +│ \S*nextpnr-ecp5", result.stdout)


def test_generate_writes_the_same_files_every_time(folder):
    first = [tercet("generate", "systolic", *SMALL, "-o", name) for name in ("a", "b")][0]
    assert first.exit_code == 0
    for name in ("systolic.v", "manifest.json"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    manifest = json.loads((folder / "a/manifest.json").read_text())
    assert manifest["parameters"]["rows"] == 2
    assert manifest["golden"] == "tercet.golden.systolic.matmul"
    assert str(folder) not in (folder / "a/manifest.json").read_text()


def test_generate_brings_models_for_simulation(folder):
    assert tercet("generate", "systolic", *SMALL, "--mac", "ecp5", "-o", "a").exit_code == 0
    manifest = json.loads((folder / "a/manifest.json").read_text())
    assert manifest["files"] == ["systolic.v"]
    assert sorted(manifest["simulation_models"]) == ["sim/DP16KD.v", "sim/MULT18X18D.v"]
    for name in manifest["simulation_models"]:
        assert f"module {Path(name).stem} " in (folder / "a" / name).read_text()


def test_config_file_preset_and_flags(folder):
    (folder / "c.toml").write_text('rows = 2\ncols = 3\ndataflow = "os"\nacc_depth = 5\n')
    assert tercet("generate", "systolic", "--config", "c.toml", "--cols", "4", "-o", "x").exit_code == 0
    parameters = json.loads((folder / "x/manifest.json").read_text())["parameters"]
    assert (parameters["rows"], parameters["cols"], parameters["dataflow"]) == (2, 4, "os")
    small = ["--rows", "2", "--cols", "2"]
    assert tercet("generate", "systolic", "--preset", "tpu_v1", *small, "-o", "y").exit_code == 0
    assert json.loads((folder / "y/manifest.json").read_text())["parameters"]["acc_depth"] == 2048


def test_sim_random_and_given(folder):
    result = tercet("sim", "systolic", *SMALL, "--shape", "3x4x5")
    assert result.exit_code == 0
    assert "yes, every bit" in result.stdout
    rng = np.random.default_rng(0)
    acts, weights = rng.integers(-9, 9, (3, 4)).astype(np.int8), rng.integers(-9, 9, (4, 5)).astype(np.int8)
    np.savez(folder / "in.npz", acts=acts, weights=weights, bias=np.arange(5))
    given = ["--acts", "in.npz", "--weights", "in.npz", "--bias", "in.npz", "-o", "out.npy"]
    result = tercet("sim", "systolic", *SMALL, *given, "--stall", "0.2", "--waves", "w.vcd")
    assert result.exit_code == 0, result.stderr
    config = SystolicConfig(rows=2, cols=2, acc_depth=4)
    np.testing.assert_array_equal(np.load(folder / "out.npy"), matmul(acts, weights, np.arange(5), config))
    assert (folder / "w.vcd").stat().st_size > 1000


TINY = ["--n-pe", "3", "--act-depth", "8", "--pointer-depth", "32", "--matrix-depth", "32"]


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
    assert "sim/MULT18X18D.v" in manifest["simulation_models"]
    assert tercet("generate", "eie", "--preset", "paper", *TINY, "-o", "c").exit_code == 0
    assert json.loads((folder / "c/manifest.json").read_text())["parameters"]["n_pe"] == 3


def cycles_agree(stdout):
    return re.findall(r"cycles(?: by the model)? +│ +(\d+) │", stdout)


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
    np.savez(folder / "layer.npz", codes=codes, codebook=codebook, bias=bias)
    np.save(folder / "acts.npy", acts)
    given = [*("--codes", "layer.npz", "--codebook", "layer.npz"), "--relu", "--shift", "9"]
    for arrays, with_bias in (((), None), (("--bias", "layer.npz"), bias)):
        result = tercet("sim", "eie", *TINY, *given, *arrays, "--acts", "acts.npy", "-o", "new/out.npy")
        assert result.exit_code == 0, result.stderr
        config = EieConfig(n_pe=3, act_depth=8, pointer_depth=32, matrix_depth=32)
        want = spmv(encode(codes, codebook, config, bias=with_bias, relu=True, shift=9), acts)
        np.testing.assert_array_equal(np.load(folder / "new/out.npy"), want)
    assert "1 vector " in tercet("sim", "eie", *TINY, *given, "--simulator", "icarus").stdout


def test_sim_eie_model(folder):
    rng = np.random.default_rng(0)
    shapes = [(30, 20), (20, 5)]
    weights = [rng.normal(size=shape) for shape in shapes]
    np.savez(folder / "model.npz", W0=weights[0], W1=weights[1], b1=np.ones(5))
    assert tercet("compress", "model.npz", "-o", "model.tercet", "--density", "0.4").exit_code == 0
    x = rng.uniform(-1, 1, (4, 30))
    np.save(folder / "real.npy", x)
    np.save(folder / "fixed.npy", np.rint(x * 256).astype(np.int16))
    options = ["--pointer-depth", "80", "--permute", "balance"]
    for name in ("real", "fixed"):
        given = ["--model", "model.tercet", "--acts", f"{name}.npy", "-o", f"{name}_out.npy"]
        result = tercet("sim", "eie", *TINY, *options, *given)
        assert result.exit_code == 0, result.stderr
        assert "eie, 3 PEs, 30-20-5, " in result.stdout
        measured, model = cycles_agree(result.stdout)
        assert measured == model
    real, fixed = (np.load(folder / f"{name}_out.npy") for name in ("real", "fixed"))
    np.testing.assert_array_equal(real, fixed)
    want = to_mlp(load(folder / "model.tercet")).activations(x)[-1]
    np.testing.assert_allclose(real / 256, want, atol=0.1)
    assert tercet("sim", "eie", *TINY, *options, "--model", "model.tercet").exit_code == 0


def test_generate_tensorcore(folder):
    given = ["--fold", "16", "--family", "ecp5", "--preset", "ampere", "--a-format", "bf16"]
    for name in ("a", "b"):
        assert tercet("generate", "tensorcore", *given, "-o", name).exit_code == 0
    for name in ("tensorcore.v", "manifest.json"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()
    manifest = json.loads((folder / "a/manifest.json").read_text())
    assert (manifest["engine"], manifest["top"]) == ("tensorcore", "tensorcore")
    assert (manifest["parameters"]["l"], manifest["parameters"]["b_format"]) == (8, "bf16")
    assert manifest["golden"] == "tercet.golden.tensorcore.mma"
    assert "sim/MULT18X18D.v" in manifest["simulation_models"]


def test_sim_tensorcore(folder):
    small = ["--m", "2", "--n", "2", "--pipeline", "7"]
    result = tercet("sim", "tensorcore", *small, "--shape", "5x8x3x2", "--fold", "2")
    assert result.exit_code == 0, result.stderr
    assert "yes, every bit" in result.stdout
    measured, model = cycles_agree(result.stdout)
    assert measured == model
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 8)).astype(np.float16), rng.standard_normal((8, 3)).astype(np.float16)
    c = rng.standard_normal((5, 3)).astype(np.float32)
    a[0, 0] = np.nan  # a result that equals nothing, itself included
    np.savez("all.npz", a=a, b=b, c=c)
    arrays = ("--a", "all.npz", "--b", "all.npz")
    for more, addend in (((), np.zeros_like(c)), (("--c", "all.npz"), c)):
        result = tercet("sim", "tensorcore", *small, *arrays, *more, "--stall", "0.2", "-o", "out.npy")
        assert result.exit_code == 0, result.stderr
        want = mma(a, b, addend, TensorCoreConfig(m=2, n=2))
        assert np.load("out.npy").tobytes() == want.tobytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "tensorcore", "--fold", "3"], "fold 3 is not a power of two"),
        (["generate", "tensorcore", "--preset", "exact"], "fraction_bits 0 keeps all, which only the golden"),
        (["generate", "tensorcore", "--pipeline", "15"], "Pipeline of 15 clocks; with l 4 use 4 to 14"),
        (["generate", "tensorcore", "--preset", "volta", "--a-format", "bf16"], "Preset volta has no a_format 'bf16'"),
        (["sim", "tensorcore", "--a-format", "e4m3", "--b-format", "fp16"], "do not go together"),
        (["sim", "tensorcore", "--fraction-bits", "49"], "fraction_bits 49 is outside [0, 48]"),
        (["sim", "tensorcore", "--shape", "4x6x4"], "K is 6, not a multiple of l 4"),
        (["sim", "tensorcore", "--shape", "4x4"], "Shape '4x4' is not MxKxN[xBATCH]"),
        (["sim", "tensorcore", "--a", "a.npy"], "Not both of --a and --b are given"),
        (["sim", "tensorcore", "--a", "a.npy", "--b", "a.npy", "--shape", "4x4x4"], "--shape goes with random"),
        (["sim", "tensorcore", "--a", "a.npy", "--b", "a.npy"], "A have dtype float64, but the format is fp16"),
        (["sim", "tensorcore", "--out-format", "fp16", *("--a", "h.npy", "--b", "h.npy", "--c", "s.npy")],
         "C have dtype float32, but the format is fp16"),
        (["synth", "tensorcore", "--unit", "pack", "--a-format", "int8", "--device", "up5k"], "int8 has none"),
    ],
)  # fmt: skip
def test_tensorcore_refuses(folder, arguments, message):
    np.save("a.npy", np.ones((4, 4)))
    np.save("h.npy", np.ones((4, 4), np.float16))
    np.save("s.npy", np.ones((4, 4), np.float32))
    result = tercet(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["generate", "eie", "--n-pe", "0"], "n_pe 0 is outside [1, 256]"),
        (["generate", "eie", "--code-bits", "8", "--constant-depth", "9"], "constant_depth 9 does not hold"),
        (["generate", "eie", "--preset", "tpu_v1"], "'tpu_v1' is not 'paper'"),
        (["sim", "eie", "--shape", "3"], "Shape '3' is not OUTxIN[xBATCH]"),
        (["sim", "eie", "--shape", "3x4x5x6"], "Shape '3x4x5x6' is not OUTxIN[xBATCH]"),
        (["sim", "eie", "--shape", "3x0"], "Shape '3x0' is not OUTxIN[xBATCH]"),
        (["sim", "eie", "--shape", "3x2000"], "2000 inputs need 2001 pointers in each PE but pointer_depth is 1024"),
        (["sim", "eie", "--density", "2"], "Density 2.0 is outside [0, 1]"),
        (["sim", "eie", "--act-density", "-1"], "Activation density -1.0 is outside [0, 1]"),
        (["sim", "eie", "--shift", "99"], "shift 99 is outside [0, 35]"),
        (["sim", "eie", "--seed", "-1"], "Seed -1 is below 0"),
        (["sim", "eie", "--codes", "l.npz"], "Only one of --codes and --codebook is given"),
        (["sim", "eie", "--acts", "acts.npy"], "--acts goes with --codes and --codebook, not with a random layer"),
        (["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz"), "--shape", "3x3"], "--shape goes with a random"),
        (["sim", "eie", *("--codes", "real.npy", "--codebook", "l.npz")], "Codes have dtype float64; use uint8"),
        (["sim", "eie", *("--codes", "l.npz", "--codebook", "real.npy")], "Codebook has dtype float64; use int16"),
        (
            ["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz", "--bias", "l.npz")],
            "'l.npz' has no array 'bias'; it has codes, codebook",
        ),
        (
            ["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz", "--acts", "real.npy")],
            "Activations have dtype float64; use int16",
        ),
        (
            ["sim", "eie", *("--codes", "l.npz", "--codebook", "l.npz", "--acts", "acts.npy", "--act-density", "1")],
            "--act-density goes with random activations",
        ),
        (["sim", "eie", "--model", "l.npz"], "'l.npz': this is no compressed network"),
        (["sim", "eie", "--model", "none.tercet"], "No such file or directory: 'none.tercet'"),
        (["sim", "eie", "--model", "m.tercet", "--relu"], "--relu goes with one layer, not with --model"),
        (["sim", "eie", "--model", "m.tercet", "--codes", "l.npz"], "--codes goes with one layer, not with --model"),
        (["sim", "eie", "--model", "m.tercet", "--density", "0.5"], "--density goes with a random layer"),
        (["sim", "eie", "--model", "m.tercet"], "centroids reach [0, 9], beyond 16 bits with weight_frac 12; use"),
        (
            ["sim", "eie", "--model", "m.tercet", "--weight-frac", "11", "--acts", "real.npy"],
            "Activations reach [500, 500], beyond 16 bits with act_frac 8; use act_frac=6 or less",
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
    save(folder / "m.tercet", [CompressedLayer(np.ones((1, 2), np.uint8), np.array([0.0, 9.0]), np.zeros(1))])
    assert message in fails(*args)


@pytest.mark.parametrize(
    ("args", "family", "infers"),
    [
        (["eie", "--device", "ecp5-85k"], "ecp5", False),
        (["eie", "--device", "up5k"], "ice40", False),
        (["eie", "--device", "up5k", "--family", "any"], "any", True),
        (["eie", "--device", "up5k", "--config", "any.toml"], "any", True),
        (["eie", "--device", "ecp5-25k", "--preset", "paper"], "ecp5", False),
        (["systolic", "--device", "ecp5-25k"], "infer", True),
        (["systolic", "--device", "ecp5-25k", "--mac", "ecp5"], "ecp5", False),
    ],
)
def test_synth_uses_the_blocks_of_the_device(folder, monkeypatch, args, family, infers):
    found = {}

    def synthesize(text, top, **options):
        found.update(options)
        raise ValueError("enough")

    monkeypatch.setattr("tercet.cli.synth.synthesize", synthesize)
    (folder / "any.toml").write_text('family = "any"\n')
    assert "enough" in fails("synth", *args, "--unit", "pe")
    assert found["params"].get("family", found["params"].get("mac")) == family
    assert found["infer_dsp"] == infers


def test_compress(folder):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(6, 20)), rng.normal(size=(20, 3))]
    np.savez(folder / "model.npz", W0=weights[0], b0=np.zeros(20), W1=weights[1])
    x = rng.normal(size=(100, 6))
    labels = (np.maximum(x @ weights[0], 0) @ weights[1]).argmax(axis=1)
    np.savez(folder / "data.npz", x=x, y=labels)
    np.savez(folder / "split.npz", x=x[:50], y=labels[:50], test_x=x[50:], test_y=labels[50:])
    result = tercet("compress", "model.npz", "-o", "new/a.tercet", "--density", "0.2")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"float +│ +812 │ +1.0 │ +│", result.stdout)
    layers = load(folder / "new/a.tercet")
    assert [(one.codes > 0).sum() for one in layers] == [24, 12]
    for name in ("data.npz", "split.npz"):
        options = ["--density", "0.3,0.6", "--code-bits", "3", "--data", name, "--epochs", "3"]
        result = tercet("compress", "model.npz", "-o", "b.tercet", *options)
        assert result.exit_code == 0, result.stderr
        assert re.search(r"float +│ +812 │ +1.0 │ +100.00% │", result.stdout)
    assert load(folder / "b.tercet")[1].code_bits == 3
    mistakes = {
        ("data.npz",): "'data.npz' has x, y; use W0, b0, W1, b1 and so on, without gaps",
        ("none.npz",): "No such file or directory: 'none.npz'",
        ("new/a.tercet",): "is no NumPy file: it is neither .npy nor .npz",
        ("model.npz", "--density", "a"): "Density 'a' is no number",
        ("model.npz", "--density", "1.5"): "Density 1.5 is outside [0, 1]",
        ("model.npz", "--density", "0.1,0.1,0.1"): "There are 3 densities for 2 layers",
        ("model.npz", "--code-bits", "0"): "Code bits 0 is outside [1, 8]",
        ("model.npz", "--index-bits", "9"): "Index bits 9 is outside [2, 8]",
        ("model.npz", "--data", "model.npz"): "'model.npz' has W0, W1, b0; use x, y, test_x and test_y",
        ("model.npz", "--data", "data.npz", "--epochs", "-1"): "Epochs -1 is outside",
    }
    for args, message in mistakes.items():
        assert message in fails("compress", *args, "-o", "c.tercet")
    assert not (folder / "c.tercet").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["foo"], "No such command 'foo'"),
        (["generate", "eyeriss"], "No such command 'eyeriss'"),
        (["generate", "systolic", "--row", "3"], "No such option '--row'"),
        (["generate", "systolic", "--rows", "0"], "rows 0 is outside [1, 256]"),
        (["generate", "systolic", "--rows", "x"], "'x' is not a valid integer"),
        (["generate", "systolic", "--mac", "asic"], "'asic' is not one of 'infer', 'ecp5', 'ice40'"),
        (["generate", "systolic", "--preset", "v2"], "'v2' is not 'tpu_v1'"),
        (["generate", "systolic", "--config", "no.toml"], "No such file or directory: 'no.toml'"),
        (["generate", "systolic", "--config", "bad.toml"], "'bad.toml' is no TOML"),
        (["generate", "systolic", "--config", "field.toml"], "'field.toml' sets 'lanes', which is no field"),
        (["generate", "systolic", *SMALL, "-o", "file/x"], "Not a directory"),
        (["sim", "systolic", "--shape", "3x4"], "Shape '3x4' is not MxKxN"),
        (["sim", "systolic", "--shape", "0x4x1"], "Shape '0x4x1' is not MxKxN"),
        (["sim", "systolic", "--acts", "good.npy"], "give both, or --shape"),
        (["sim", "systolic", "--acts", "bad.npy", "--weights", "good.npy"], "'bad.npy' is no NumPy file"),
        (["sim", "systolic", "--acts", "none.npy", "--weights", "good.npy"], "No such file or directory: 'none.npy'"),
        (["sim", "systolic", "--acts", "other.npz", "--weights", "good.npy"], "'other.npz' has no array 'acts'"),
        (["sim", "systolic", "--acts", "float.npy", "--weights", "good.npy"], "Activations have dtype float64"),
        (["sim", "systolic", "--acts", "good.npy", "--weights", "good.npy"], "do not fit"),
        (["sim", "systolic", *SMALL, "--shape", "1x1x1", "--stall", "1"], "Stall probability 1.0 must be"),
        (["sim", "systolic", *SMALL, "--shape", "1x1x1", "--seed", "-1"], "Seed -1 is below 0"),
        (["sim", "systolic", *SMALL, "--shape", "1x1x1", "--waves", "w.txt"], "must end in .fst or .vcd"),
        (["sim", "systolic", *SMALL, "--shape", "1x1x1", "-o", "file/out.npy"], "File exists: 'file'"),
        (["demo", "systolic", "-o", "file/x"], "Not a directory: 'file/x'"),
        (["synth", "systolic", "--device", "ecp5-25k", "--json", "file/x.json"], "File exists: 'file'"),
        (["synth", "systolic"], "Missing option '--device'"),
        (["synth", "systolic", "--device", "up5k", "--speed", "6"], "up5k has no speed grade '6'"),
    ],
)
def test_mistakes_are_one_line(folder, args, message):
    (folder / "file").write_text("")
    (folder / "bad.toml").write_text("rows = = 3")
    (folder / "field.toml").write_text("lanes = 3")
    (folder / "bad.npy").write_bytes(b"\x93NUMPY\x01\x00garbage")
    np.save(folder / "good.npy", np.zeros((2, 3), np.int8))
    np.save(folder / "float.npy", np.zeros((2, 2)))
    np.savez(folder / "other.npz", x=np.zeros(3))
    assert message in fails(*args)
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) in ([], ["build"])


def test_missing_tool_is_one_line(folder, monkeypatch):
    monkeypatch.setenv("TERCET_SIMULATOR", "modelsim")
    assert "modelsim" in fails("sim", "systolic", *SMALL, "--shape", "1x1x1")


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "tercet.cli", "list", "extra"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "tercet: error: Got unexpected extra argument (extra)\n"
