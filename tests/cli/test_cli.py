"""The command line: its output, and one-line errors for every mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from tercet.cli import __version__
from tercet.cli.engines import ENGINES
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul

from .command import fails, tercet

SMALL = ["--rows", "2", "--cols", "2", "--acc-depth", "4"]


@pytest.mark.parametrize(
    "path",
    [
        [],
        ["list"],
        ["doctor"],
        *([command] for command in ("generate", "sim", "synth", "compress", "demo", "bench")),
        *([command, engine] for command in ("generate", "sim", "synth") for engine in ENGINES),
        ["demo", "systolic"],
        ["verify-gpu"],
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
    """Every flag in the examples of an engine's help exists."""
    for command in ("generate", "sim", "synth"):
        page = tercet(command, engine, "--help").stdout
        options, _, shown = page.partition("Examples:")
        for flag in re.findall(r" (--?[a-z][a-z-]*)", shown.split("\n\n")[0]):
            assert re.search(rf"(^|[ ,]){flag}[ ,\n]", options), flag


def test_help_tells_defaults():
    assert "[default: 16]" in tercet("sim", "systolic", "--help").stdout
    assert re.search(r"\[default:\s+any\]", tercet("sim", "eie", "--help").stdout)
    assert re.search(r"\[default:\s+the\s+device's\]", tercet("synth", "eie", "--help").stdout)


def test_version():
    assert tercet("--version").stdout == f"tercet, version {__version__}\n"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", __version__)


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
    # With a byte-order mark, as some editors write it.
    (folder / "c.toml").write_text('rows = 2\ncols = 3\ndataflow = "os"\nacc_depth = 5\n', encoding="utf-8-sig")
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


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["foo"], "No such command 'foo'"),
        (["generate", "eyeriss"], "No such command 'eyeriss'"),
        (["generate", "systolic", "--row", "3"], "No such option '--row'"),
        (["generate", "systolic", "--rows", "0"], "rows 0 is outside [1, 256]"),
        (["generate", "systolic", "--rows", "x"], "'x' is not a valid integer"),
        (["generate", "systolic", "--mac", "asic"], "'asic' is not one of 'infer', 'ecp5', 'ecp5-dual', 'ice40'"),
        (["generate", "systolic", "--preset", "v2"], "'v2' is not 'tpu_v1'"),
        (["generate", "systolic", "--config", "no.toml"], "No such file or directory: 'no.toml'"),
        (["generate", "systolic", "--config", "bad.toml"], "'bad.toml' is not valid TOML"),
        (["generate", "systolic", "--config", "field.toml"], "'field.toml' has unknown name 'lanes'"),
        (["generate", "systolic", *SMALL, "-o", "file/x"], "Not a directory"),
        (["sim", "systolic", "--shape", "3x4"], "Shape '3x4' is not MxKxN"),
        (["sim", "systolic", "--shape", "0x4x1"], "Shape '0x4x1' is not MxKxN"),
        (["sim", "systolic", "--acts", "good.npy"], "give both, or --shape"),
        (["sim", "systolic", "--acts", "bad.npy", "--weights", "good.npy"], "'bad.npy' is not a NumPy file"),
        (["sim", "systolic", "--acts", "none.npy", "--weights", "good.npy"], "No such file or directory: 'none.npy'"),
        (["sim", "systolic", "--acts", "other.npz", "--weights", "good.npy"], "and lacks acts; use acts"),
        (["sim", "systolic", "--acts", "in.npz", "--weights", "in.npz"], "has 'bias', which no flag takes; add --bias"),
        (["sim", "eie", "--codes", "in.npz", "--codebook", "in.npz"], "has 'acts', which no flag takes; add --acts in"),
        (["sim", "tensorcore", "--a", "abc.npz", "--b", "abc.npz"], "has 'c', which no flag takes; add --c abc.npz"),
        # An array may be in the .npz as well as in the file given for its flag.
        (["sim", "tensorcore", "--a", "abc.npz", "--b", "abc.npz", "--c", "bf16.npy"], "'bf16.npy' cannot be used"),
        (["sim", "tensorcore", "--a", "bf16.npy", "--b", "good.npy"], "with .view(np.uint16) before saving"),
        (["sim", "systolic", "--acts", "float.npy", "--weights", "good.npy"], "Activations have dtype float64"),
        (["sim", "systolic", "--acts", "good.npy", "--weights", "good.npy"], "do not match"),
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
    np.save(folder / "bf16.npy", np.zeros((2, 2), ml_dtypes.bfloat16))
    np.savez(folder / "other.npz", x=np.zeros(3))
    np.savez(folder / "abc.npz", a=np.zeros((4, 4)), b=np.zeros((4, 4)), c=np.zeros((4, 4)))
    roles = ("acts", "weights", "bias", "codes", "codebook")
    np.savez(folder / "in.npz", allow_pickle=False, **dict.fromkeys(roles, np.zeros(3)))
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
