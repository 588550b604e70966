"""Generated Verilog passes Verilator's lint with the waivers exported beside it."""

import subprocess

import pytest
from tercet.engines import ENGINES, export
from tercet.golden.eie.config import EieConfig
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.sim.simulators import SimulatorNotFound, find

CASES = {
    "systolic-ws": SystolicConfig(rows=4, cols=4, acc_depth=16),
    "systolic-os": SystolicConfig(rows=4, cols=4, acc_depth=16, dataflow="os"),
    "systolic-dual": SystolicConfig(rows=3, cols=4, acc_depth=16, mac="ecp5-dual", lut_rows=1),
    # A detection tree with a partial branch; entries that do not divide a word.
    "eie-5": EieConfig(n_pe=5, act_depth=32),
    "tensorcore-volta": TensorCoreConfig(fold=4),
    # Products that reach FP32's lowest exponents; a short pipeline; integers.
    "tensorcore-bf16": TensorCoreConfig.ampere(a_format="bf16", fold=16, pipeline=5),
    "tensorcore-fp16": TensorCoreConfig(l=2, out_format="fp16", fold=8),
    "tensorcore-int8": TensorCoreConfig(a_format="int8", overflow="saturate"),
    "eie-odd": EieConfig(n_pe=1, code_bits=3, index_bits=4, pointer_depth=300, fifo_depth=3),
}

CASES |= {f"{name}-default": spec.model.config_class() for name, spec in ENGINES.items()}


@pytest.mark.parametrize("engine", CASES)
def test_lint(engine, tmp_path):
    try:
        verilator = find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    top = engine.partition("-")[0]
    for name, text in export(ENGINES[top], CASES[engine]).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    models = sorted(map(str, tmp_path.glob("sim/*.v")))
    for flags in (["-Wall"], []):
        command = ["verilator", "--lint-only", *flags, "--top-module", top, f"{top}.vlt", f"{top}.v", *models]
        done = subprocess.run(
            command, cwd=tmp_path, env=verilator.environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
