"""Generated Verilog passes Verilator's own lint with a short list of waivers."""

import subprocess

import pytest
from tercet.golden.eie import EieConfig
from tercet.golden.systolic import SystolicConfig
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.rtl.eie import generate as eie
from tercet.rtl.systolic import generate as systolic
from tercet.rtl.tensorcore import generate as tensorcore
from tercet.sim.simulators import SimulatorNotFound, find

WAIVERS = {
    "DECLFILENAME": "all modules of an engine are in one file",
    "CASEINCOMPLETE": "every variable has its value before the case",
    "PROCASSINIT": "registers have their reset value as initial value: FPGAs load it",
    "UNUSEDSIGNAL": "names of the source are kept where the netlist does not need them",
    "WIDTHEXPAND": "operands are extended by Verilog's rules, as meant",
    "WIDTHTRUNC": "a counter's compared constant, as meant",
}


ENGINES = {
    "systolic-ws": (systolic, SystolicConfig(rows=4, cols=4, acc_depth=16)),
    "systolic-os": (systolic, SystolicConfig(rows=4, cols=4, acc_depth=16, dataflow="os")),
    # A tree with a branch that is not full; entries that do not divide a word.
    "eie-5": (eie, EieConfig(n_pe=5, act_depth=32)),
    "tensorcore-volta": (tensorcore, TensorCoreConfig(fold=4)),
    # Products that reach FP32's lowest exponents; a short pipeline; integers.
    "tensorcore-bf16": (tensorcore, TensorCoreConfig.ampere(a_format="bf16", fold=16, pipeline=5)),
    "tensorcore-fp16": (tensorcore, TensorCoreConfig(l=2, out_format="fp16", fold=8)),
    "tensorcore-int8": (tensorcore, TensorCoreConfig(a_format="int8", overflow="saturate")),
    "eie-odd": (eie, EieConfig(n_pe=1, code_bits=3, index_bits=4, pointer_depth=300, fifo_depth=3)),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_lint(engine, tmp_path):
    try:
        verilator = find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    rtl, config = ENGINES[engine]
    top = engine.partition("-")[0]
    (tmp_path / "engine.v").write_text(rtl.engine_verilog(config))
    waivers = [f"-Wno-{name}" for name in WAIVERS]
    command = ["verilator", "--lint-only", "-Wall", *waivers, "--top-module", top, "engine.v"]
    done = subprocess.run(
        command, cwd=tmp_path, env=verilator.environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
