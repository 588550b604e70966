"""``tercet sim tensorcore``."""

import functools
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import cycles
from tercet.golden.tensorcore.model import mma
from tercet.golden.tensorcore.stimuli import random_operands
from tercet.sim import tensorcore
from tercet.sim.engine import EngineRun

from ..arrays import read_roles
from ..engines import ENGINES, examples
from ..options import config_from, config_options
from .common import NPZ_NOTE, RunOptions, read_sizes, run_options, simulate

__all__ = ["command"]

_NOTES = f"""A is (M, K), B (K, N) and C (M, N), or a batch of each; K is a multiple of l. Arrays are float16, float32
(TF32 and FP32), int8 or int32, or bit patterns as unsigned integers: NumPy's files do not keep the types of ml_dtypes,
so save bfloat16 with .view(np.uint16) and FP8 with .view(np.uint8). C defaults to zero. {NPZ_NOTE}
"""


@click.command("tensorcore", epilog=examples("sim", "tensorcore", notes=_NOTES))
@config_options(TensorCoreConfig, ENGINES["tensorcore"].model.presets)
@click.option("--a", "a_file", type=click.Path(path_type=Path), help="A (M, K) or (batch, M, K), .npy or .npz.")
@click.option("--b", "b_file", type=click.Path(path_type=Path), help="B (K, N) or (batch, K, N), .npy or .npz.")
@click.option("--c", "c_file", type=click.Path(path_type=Path), help="C (M, N) or (batch, M, N), .npy or .npz.")
@click.option("--shape", help="MxKxN[xBATCH] of random operands. [default: 32x32x32]")
@run_options
def command(
    preset: str | None,
    config_file: Path | None,
    a_file: Path | None,
    b_file: Path | None,
    c_file: Path | None,
    shape: str | None,
    **flags: Any,
) -> None:
    """Multiply and accumulate matrices on the tensor-core engine's RTL."""
    options = RunOptions.taken_from(flags)
    config = config_from(TensorCoreConfig, preset, config_file, flags)
    arrays = read_roles({"a": a_file, "b": b_file, "c": c_file})
    if arrays and ("a" not in arrays or "b" not in arrays):
        raise ValueError("--a and --b are both required; give both, or --shape for random operands")
    if arrays and shape is not None:
        raise ValueError("--shape applies only to random operands; leave it out when arrays are given")
    if arrays:
        a, b = arrays["a"], arrays["b"]
        c = arrays.get("c", _zeros(a, b, config))
    else:
        m, k, n, *batch = read_sizes(shape or "32x32x32", "MxKxN[xBATCH]", "16x64x16")
        a, b, c = random_operands(np.random.default_rng(options.seed), config, m, k, n, *batch)
    want = mma(a, b, c, config)
    *lead, m, k = np.shape(a)
    n, batch = np.shape(b)[-1], int(np.prod(lead))
    blocks = batch * -(-m // config.m) * -(-n // config.columns) * (k // config.l)

    def rows(run: EngineRun) -> dict[str, str]:
        utilisation = {"utilisation": f"{blocks * config.fold / run.cycles:.1%}"}
        return utilisation | {f"  {name}": f"{count}  {count / run.cycles:.1%}" for name, count in run.counters.items()}

    simulate(
        options,
        functools.partial(tensorcore.mma, config, a, b, c),
        want,
        f"tensorcore {config.m}x{config.columns}, l {config.l}, fold {config.fold}, {config.a_format} x "
        f"{config.b_format} + {config.out_format}, {np.shape(a)} @ {np.shape(b)}",
        cycles(config, m, n, k, batch),
        rows,
    )


def _zeros(a: np.ndarray, b: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    shape = (*a.shape[:-1], b.shape[-1]) if a.ndim >= 2 and b.ndim >= 2 else ()
    return np.zeros(shape, {"fp32": np.float32, "fp16": np.float16, "int32": np.int32}[config.out_format])
