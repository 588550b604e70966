"""Generated Verilog passes Verilator's own lint with a short list of waivers."""

import subprocess

import pytest
from tercet.golden.systolic import SystolicConfig
from tercet.rtl.systolic.generate import engine_verilog
from tercet.sim.simulators import SimulatorNotFound, find

WAIVERS = {
    "DECLFILENAME": "all modules of an engine are in one file",
    "CASEINCOMPLETE": "every variable has its value before the case",
    "PROCASSINIT": "registers have their reset value as initial value: FPGAs load it",
    "UNUSEDSIGNAL": "names of the source are kept where the netlist does not need them",
    "WIDTHEXPAND": "operands are extended by Verilog's rules, as meant",
    "WIDTHTRUNC": "a counter's compared constant, as meant",
}


@pytest.mark.parametrize("dataflow", ["ws", "os"])
def test_lint(dataflow, tmp_path):
    try:
        verilator = find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    (tmp_path / "systolic.v").write_text(
        engine_verilog(SystolicConfig(rows=4, cols=4, acc_depth=16, dataflow=dataflow))
    )
    waivers = [f"-Wno-{name}" for name in WAIVERS]
    command = ["verilator", "--lint-only", "-Wall", *waivers, "--top-module", "systolic", "systolic.v"]
    done = subprocess.run(
        command, cwd=tmp_path, env=verilator.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
