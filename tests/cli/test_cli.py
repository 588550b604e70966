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
from tercet.golden.compress.container import load
from tercet.golden.systolic import SystolicConfig, matmul

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


def test_help_everywhere():
    for path in ([], ["list"], ["doctor"], ["generate"], ["generate", "systolic"], ["sim"], ["sim", "systolic"]):
        result = tercet(*path, "--help")
        assert result.exit_code == 0
        assert "Examples:" in result.stdout
    for path in (
        ["compress"],
        ["synth"],
        ["synth", "systolic"],
        ["demo"],
        ["demo", "systolic"],
        ["bench"],
        ["bench", "systolic"],
    ):
        assert "Examples:" in tercet(*path, "--help").stdout
    assert "[default: 16]" in tercet("sim", "systolic", "--help").stdout


def test_list_and_doctor():
    assert "systolic" in tercet("list").stdout
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
    assert manifest["simulation_models"] == ["sim/MULT18X18D.v", "sim/DP16KD.v"]
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
