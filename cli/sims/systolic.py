"""``tercet sim systolic``."""

import functools
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.engine import MODEL
from tercet.golden.systolic.model import matmul
from tercet.sim import systolic
from tercet.sim.engine import EngineRun

from ..arrays import read_roles
from ..engines import ENGINES, examples
from ..options import config_from, config_options
from .common import NPZ_NOTE, RunOptions, read_sizes, run_options, simulate

__all__ = ["command"]

_NOTES = f"""Operands are int8, or int16 if wider than 8 bits; the bias has any integer type. {NPZ_NOTE}
"""


@click.command("systolic", epilog=examples("sim", "systolic", notes=_NOTES))
@config_options(SystolicConfig, ENGINES["systolic"].model.presets)
@click.option("--acts", type=click.Path(path_type=Path), help="Activations (M, K), .npy or .npz.")
@click.option("--weights", type=click.Path(path_type=Path), help="Weights (K, N), .npy or .npz.")
@click.option("--bias", type=click.Path(path_type=Path), help="Bias (N,), .npy or .npz.")
@click.option("--shape", help="MxKxN of random operands. [default: 64x64x64]")
@run_options
def command(
    preset: str | None,
    config_file: Path | None,
    acts: Path | None,
    weights: Path | None,
    bias: Path | None,
    shape: str | None,
    **flags: Any,
) -> None:
    """Multiply matrices on the systolic engine's RTL."""
    options = RunOptions.taken_from(flags)
    config = config_from(SystolicConfig, preset, config_file, flags)
    arrays = read_roles({"acts": acts, "weights": weights, "bias": bias})
    if ("acts" in arrays) != ("weights" in arrays):
        raise ValueError("Only one of --acts and --weights is given; give both, or --shape for random operands")
    if "acts" in arrays and shape is not None:
        raise ValueError("--shape applies only to random operands; leave it out when arrays are given")
    if "acts" not in arrays:
        sizes = read_sizes(shape or "64x64x64", "MxKxN", "64x32x16")
        drawn = MODEL.random(config, np.random.default_rng(options.seed), sizes)
        arrays |= {"acts": drawn.acts, "weights": drawn.weights}
    operands = (arrays["acts"], arrays["weights"], arrays.get("bias"))
    want = matmul(*operands, config)
    (m, k), n = arrays["acts"].shape, arrays["weights"].shape[1]

    def rows(run: EngineRun) -> dict[str, str]:
        utilisation = {"utilisation": f"{m * k * n / (config.rows * config.cols) / run.cycles:.1%}"}
        return utilisation | {f"  {name}": f"{count}  {count / run.cycles:.1%}" for name, count in run.counters.items()}

    simulate(
        options,
        functools.partial(systolic.matmul, config, *operands),
        want,
        f"systolic {config.rows}x{config.cols} {config.dataflow}, ({m}, {k}) @ ({k}, {n})",
        config.cycles(m, k, n, params="bias" in arrays),
        rows,
    )
