"""Output of `tercet generate`, read by other tools through nothing but its files and manifest."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tercet.rtl.emit import yosys_command
from tercet.sim.build import WARNINGS_OFF
from tercet.sim.simulators import SimulatorNotFound, find

from .command import tercet

ENGINES = {
    "systolic": ["systolic", "--rows", "2", "--cols", "2", "--acc-depth", "8"],
    "systolic-ecp5": ["systolic", "--rows", "2", "--cols", "2", "--mac", "ecp5", "--acc-depth", "300"],
    "eie": ["eie", "--n-pe", "3", "--matrix-depth", "16", "--pointer-depth", "32", "--act-depth", "8"],
    "eie-ice40": ["eie", "--n-pe", "1", "--family", "ice40"],
    "tensorcore": ["tensorcore", "--fold", "16"],
    "tensorcore-ecp5": ["tensorcore", "--preset", "ampere", "--fold", "16", "--family", "ecp5"],
}


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """``generated(engine, *flags)``: the folder of an engine's files, made once."""
    made = {}

    def folder(engine, *flags):
        if (engine, flags) not in made:
            made[engine, flags] = path = tmp_path_factory.mktemp("generated")
            result = tercet("generate", *ENGINES[engine], *flags, "-o", str(path))
            assert result.exit_code == 0, result.stderr
        return made[engine, flags]

    return folder


def files(folder):
    """The manifest, and the files that a simulator needs."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest, [*manifest["files"], *manifest["simulation_models"]]


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done


@pytest.mark.parametrize("engine", ENGINES)
def test_icarus_in_its_default_language(generated, engine, tmp_path):
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not on PATH")
    folder = generated(engine)
    manifest, sources = files(folder)
    assert manifest["language"] == "Verilog-2005"
    assert manifest["files"] == [f"{manifest['top']}.v"]
    run(["iverilog", "-s", manifest["top"], "-o", str(tmp_path / "out.vvp"), *sources], folder)
    run(["iverilog", "-g2005", "-tnull", "-s", manifest["top"], *sources], folder)


@pytest.mark.parametrize("engine", ENGINES)
def test_yosys_reads_verilog(generated, engine):
    folder = generated(engine)
    manifest, _ = files(folder)
    # FPGA blocks come from yosys' own libraries.
    library = {"ecp5": "+/ecp5/cells_bb.v +/ecp5/cells_sim.v", "ice40": "+/ice40/cells_sim.v"}
    blocks = library.get(engine.partition("-")[2])
    script = f"read_verilog {manifest['files'][0]}; hierarchy -check -top {manifest['top']}; proc; check -assert"
    script = f"read_verilog -lib {blocks}; {script}" if blocks else script
    run([*yosys_command(), "-q", "-p", script], folder)


@pytest.mark.parametrize("flags", [(), ("--language", "sv")], ids=["verilog", "sv"])
@pytest.mark.parametrize("engine", ENGINES)
def test_verilator(generated, engine, flags):
    try:
        verilator = find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    folder = generated(engine, *flags)
    manifest, sources = files(folder)
    command = ["verilator", "--lint-only", *WARNINGS_OFF, "--top-module", manifest["top"], *sources]
    done = subprocess.run(command, cwd=folder, env=verilator.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_systemverilog(generated):
    folder = generated("eie", "--language", "sv")
    manifest, _ = files(folder)
    assert (manifest["language"], manifest["files"]) == ("SystemVerilog-2017", ["eie.sv"])
    text = (folder / "eie.sv").read_text()
    assert "always_ff @(posedge clk)" in text
    assert "always_comb begin" in text
    assert not re.search(r"\balways @|\bfunction\b", text)
    script = "read_verilog -sv eie.sv; hierarchy -check -top eie; proc; check -assert"
    run([*yosys_command(), "-q", "-p", script], folder)


BOTH = """module both(
  input clk, input rst, input [15:0] acts0, input [31:0] acts1, output ready0, output ready1
);
  npu0 first (.clk(clk), .rst(rst), .s_axis_acts_tdata(acts0), .s_axis_acts_tready(ready0));
  npu1 second (.clk(clk), .rst(rst), .s_axis_acts_tdata(acts1), .s_axis_acts_tready(ready1));
endmodule
"""


def test_two_engines_in_one_design(tmp_path, monkeypatch):
    """Two engines share no module name."""
    monkeypatch.chdir(tmp_path)
    for name, size in (("npu0", "2"), ("npu1", "4")):
        sizes = ["--rows", size, "--cols", size, "--acc-depth", size]
        assert tercet("generate", "systolic", *sizes, "--name", name, "-o", name).exit_code == 0
        assert json.loads(Path(name, "manifest.json").read_text())["top"] == name
    texts = [Path(name, f"{name}.v").read_text() for name in ("npu0", "npu1")]
    modules = [set(re.findall(r"^module (\w+)", text, re.M)) for text in texts]
    assert not modules[0] & modules[1]
    for name, found in zip(("npu0", "npu1"), modules, strict=True):
        assert all(module == name or module.startswith(f"{name}_") for module in found)
    Path("both.v").write_text(BOTH)
    script = "hierarchy -check -top both; proc; check; write_json both.json"
    run([*yosys_command(), "-q", "-p", f"read_verilog both.v npu0/npu0.v npu1/npu1.v; {script}"], tmp_path)
    design = json.loads(Path("both.json").read_text())["modules"]
    width = {name: len(design[name]["ports"]["s_axis_acts_tdata"]["bits"]) for name in ("npu0", "npu1")}
    assert width == {"npu0": 16, "npu1": 32}
    if shutil.which("iverilog"):
        run(["iverilog", "-tnull", "-s", "both", "both.v", "npu0/npu0.v", "npu1/npu1.v"], tmp_path)


def test_the_default_folder_has_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tercet("generate", *ENGINES["systolic"], "--name", "npu0").exit_code == 0
    assert Path("build/npu0/npu0.v").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0npu", "Module name '0npu' is not a Verilog identifier; use letters, digits and _"),
        ("a/b", "Module name 'a/b' is not a Verilog identifier"),
        ("logic", "Module name 'logic' is a reserved word of Verilog or SystemVerilog"),
        ("MULT18X18D", "Module name 'MULT18X18D' is an FPGA primitive"),
    ],
)
def test_names_that_no_module_can_have(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tercet("generate", *ENGINES["systolic"], "--name", name)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())
