"""Tensor-core engine on the command line."""

import json

import numpy as np
import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import mma

from .command import cycles_agree, fails, tercet


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
    small = ["--m", "2", "--n", "2", "--fold", "2", "--pipeline", "7"]
    result = tercet("sim", "tensorcore", *small, "--shape", "5x8x3x2")
    assert result.exit_code == 0, result.stderr
    assert "yes, every bit" in result.stdout
    measured, model = cycles_agree(result.stdout)
    assert measured == model
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 8)).astype(np.float16), rng.standard_normal((8, 3)).astype(np.float16)
    c = rng.standard_normal((5, 3)).astype(np.float32)
    a[0, 0] = np.nan  # a NaN result does not equal itself
    np.savez("ab.npz", a=a, b=b)
    np.savez("all.npz", a=a, b=b, c=c)
    for name, more, addend in (("ab.npz", [], np.zeros_like(c)), ("all.npz", ["--c", "all.npz"], c)):
        result = tercet("sim", "tensorcore", *small, "--a", name, "--b", name, *more, "--stall", "0.2", "-o", "out.npy")
        assert result.exit_code == 0, result.stderr
        want = mma(a, b, addend, TensorCoreConfig(m=2, n=2))
        assert np.load("out.npy").tobytes() == want.tobytes()


@pytest.mark.parametrize(
    ("arguments", "floor"),
    [
        ([], -19),
        (["--preset", "hopper"], -21),
        (["--preset", "hopper", "--min-exponent", "none"], None),
        (["--preset", "hopper", "--min-exponent", "-24"], -24),
        (["--preset", "hopper", "--min-exponent", "volta"], -19),
        (["--config", "none.toml"], None),
        (["--config", "none.toml", "--min-exponent", "-20"], -20),
        (["--config", "some.toml", "--preset", "ampere"], -25),
    ],
)
def test_the_floor_can_be_given(folder, arguments, floor):
    (folder / "none.toml").write_text('min_exponent = "none"\n')
    (folder / "some.toml").write_text("min_exponent = -25\n")
    given = ["--out-format", "fp16", "--fold", "16", "--m", "4", *arguments]
    result = tercet("generate", "tensorcore", *given, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert json.loads((folder / "out/manifest.json").read_text())["parameters"]["min_exponent"] == floor


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "tensorcore", "--fold", "3"], "fold 3 is not a power of two"),
        (["generate", "tensorcore", "--preset", "exact"], "fraction_bits 0 (keep all) is for the golden model only"),
        (["generate", "tensorcore", "--pipeline", "15"], "pipeline 15 is out of range for l 4; use 4 to 14"),
        (["generate", "tensorcore", "--preset", "volta", "--a-format", "bf16"], "Preset volta has no a_format 'bf16'"),
        (["sim", "tensorcore", "--a-format", "e4m3", "--b-format", "fp16"], "cannot be combined"),
        (["sim", "tensorcore", "--min-exponent", "low"], "'low' is neither an integer nor none nor volta"),
        (["sim", "tensorcore", "--min-exponent", "-253"], "min_exponent -253 is outside [-252, 0]"),
        (["sim", "tensorcore", "--min-exponent", "-9", "--a-format", "int8"], "min_exponent -9 does not apply to int8"),
        (["generate", "tensorcore", "--preset", "blackwell", "--a-format", "e4m3"], "fp8 'mma_sync' is for the"),
        (["sim", "tensorcore", "--preset", "ada", "--a-format", "e5m2", "--fp8", "mma_sync"], "Preset ada has no fp8"),
        (["sim", "tensorcore", "--preset", "hopper", "--a-format", "e5m2", "--fp8", "mma_sync"], "fp8 'mma_sync' is"),
        (["sim", "tensorcore", "--fraction-bits", "49"], "fraction_bits 49 is outside [0, 48]"),
        (["sim", "tensorcore", "--shape", "4x6x4"], "K is 6, not a positive multiple of l 4"),
        (["sim", "tensorcore", "--shape", "4x4"], "Shape '4x4' is not MxKxN[xBATCH]"),
        (["sim", "tensorcore", "--a", "a.npy"], "--a and --b are both required"),
        (["sim", "tensorcore", "--a", "a.npy", "--b", "a.npy", "--shape", "4x4x4"], "--shape applies only to random"),
        (["sim", "tensorcore", "--a", "a.npy", "--b", "a.npy"], "A have dtype float64, but the format is fp16"),
        (["sim", "tensorcore", "--out-format", "fp16", *("--a", "h.npy", "--b", "h.npy", "--c", "s.npy")],
         "C have dtype float32, but the format is fp16"),
        (["synth", "tensorcore", "--unit", "pack", "--a-format", "int8", "--device", "up5k"], "not for int8"),
    ],
)  # fmt: skip
def test_tensorcore_refuses(folder, arguments, message):
    np.save("a.npy", np.ones((4, 4)))
    np.save("h.npy", np.ones((4, 4), np.float16))
    np.save("s.npy", np.ones((4, 4), np.float32))
    assert message in fails(*arguments)
