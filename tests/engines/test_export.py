"""Export of an engine: file contents, and FuseSoC builds of the exported core."""

import json
import os
import subprocess
import sys

import pytest
from tercet.engines import ENGINES, export
from tercet.engines.export import WAIVERS
from tercet.golden.eie.config import EieConfig
from tercet.golden.systolic.config import SystolicConfig
from tercet.sim.simulators import SimulatorNotFound, find

SMALL = SystolicConfig(rows=2, cols=2, acc_depth=4, mac="ecp5", requant_lanes=1)


def test_files():
    files = export(ENGINES["systolic"], SMALL, name="npu0", language="sv")
    manifest = json.loads(files["manifest.json"])
    assert "sim/MULT18X18D.v" in manifest["simulation_models"]
    assert set(files) == {"npu0.sv", *manifest["simulation_models"], "manifest.json", "npu0.core", "npu0.vlt"}
    assert [manifest[name] for name in ("files", "core", "waivers")] == [["npu0.sv"], "npu0.core", "npu0.vlt"]
    assert files == export(ENGINES["systolic"], SMALL, name="npu0", language="sv")
    assert files["npu0.core"].startswith("CAPI=2:\n")
    assert all(f'lint_off -rule {rule} -file "*npu0.sv"' in files["npu0.vlt"] for rule in WAIVERS)


def test_refuses():
    with pytest.raises(ValueError, match="Language 'vhdl' is unknown; use one of verilog, sv"):
        export(ENGINES["systolic"], SMALL, language="vhdl")
    with pytest.raises(ValueError, match="Module name 'DP16KD' is an FPGA primitive"):
        export(ENGINES["systolic"], SMALL, name="DP16KD")


@pytest.mark.parametrize(("target", "simulator"), [("lint", "verilator"), ("sim", "icarus")])
def test_fusesoc(target, simulator, tmp_path):
    """FuseSoC finds the core by its root and copies its files; Verilator or Icarus accepts them."""
    pytest.importorskip("fusesoc")
    try:
        found = find(simulator)
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    config = EieConfig(n_pe=2, matrix_depth=16, pointer_depth=16, act_depth=8, family="ice40")
    for name, text in export(ENGINES["eie"], config).items():
        path = tmp_path / "cores" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", "cores", "run", "--target", target]
    # Build only: lint ends there, and a simulation without a testbench would not end.
    command += ["--setup", "--build", "::eie:0.1.0"]
    environment = {**os.environ, **found.environment(), "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "%Warning" not in done.stdout + done.stderr
