"""``tercet sim``."""

import re
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.golden.systolic import SystolicConfig, matmul
from tercet.sim import simulators, systolic

from .arrays import read_array
from .engines import ENGINES
from .options import config_from, config_options
from .output import check_folder, console, table, working

__all__ = ["sim"]


@click.group(epilog="\b\nExamples:\n  tercet sim systolic --rows 8 --cols 8 --shape 64x32x16\n")
def sim() -> None:
    """Run an engine's RTL on arrays and compare it with the golden model."""


def _shape(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)
    if match is None or "0" in match.groups():
        raise ValueError(f"Shape {text!r} is not MxKxN with sizes of at least 1; use for instance 64x32x16")
    m, k, n = map(int, match.groups())
    return m, k, n


def _random(rng: np.random.Generator, shape: tuple[int, int], width: int) -> np.ndarray:
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    return rng.integers(low, high, shape, endpoint=True).astype(np.int8 if width <= 8 else np.int16)


_EPILOG = """\b
Examples:
  tercet sim systolic --rows 8 --cols 8 --shape 64x32x16
  tercet sim systolic --acts a.npy --weights w.npy --bias b.npy
  tercet sim systolic --acts model.npz --weights model.npz --stall 0.3
  tercet sim systolic --shape 20x20x20 --stall 0.2 --waves out.fst
"""


@sim.command("systolic", epilog=_EPILOG)
@config_options(SystolicConfig, ENGINES["systolic"].presets)
@click.option("--acts", type=click.Path(path_type=Path), help="Activations (M, K), .npy or .npz.")
@click.option("--weights", type=click.Path(path_type=Path), help="Weights (K, N), .npy or .npz.")
@click.option("--bias", type=click.Path(path_type=Path), help="Bias (N,), .npy or .npz.")
@click.option("--shape", help="MxKxN of random operands. [default: 64x64x64]")
@click.option("--simulator", type=click.Choice(simulators.NAMES), help="Simulator. [default: the first that works]")
@click.option("--stall", type=float, default=0.0, help="Probability that a stream pauses in a clock, below 1.")
@click.option("--seed", type=int, default=0, help="Seed of random operands and pauses.")
@click.option("--waves", type=click.Path(path_type=Path), help="Record all signals, .fst or .vcd.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the result of the RTL, .npy.")
def systolic_command(
    preset: str | None,
    config_file: Path | None,
    acts: Path | None,
    weights: Path | None,
    bias: Path | None,
    shape: str | None,
    simulator: str | None,
    stall: float,
    seed: int,
    waves: Path | None,
    output: Path | None,
    **flags: Any,
) -> None:
    """Multiply matrices on the systolic engine's RTL."""
    config = config_from(SystolicConfig, preset, config_file, flags)
    files = {"acts": acts, "weights": weights, "bias": bias}
    arrays = {role: read_array(role, path) for role, path in files.items() if path is not None}
    if ("acts" in arrays) != ("weights" in arrays):
        raise ValueError("Only one of --acts and --weights is given; give both, or --shape for random ones")
    if "acts" in arrays and shape is not None:
        raise ValueError("--shape goes with random operands; leave it out when arrays are given")
    if seed < 0:
        raise ValueError(f"Seed {seed} is below 0; use at least 0")
    if "acts" not in arrays:
        m, k, n = _shape(shape or "64x64x64")
        rng = np.random.default_rng(seed)
        arrays["acts"] = _random(rng, (m, k), config.act_width)
        arrays["weights"] = _random(rng, (k, n), config.weight_width)
    bias_array = arrays.get("bias")
    want = matmul(arrays["acts"], arrays["weights"], bias_array, config)
    if output is not None:
        check_folder(output.parent)
    operands = (arrays["acts"], arrays["weights"], bias_array)
    with working("running the RTL; a configuration's first run compiles it"):
        run = systolic.matmul(config, *operands, simulator=simulator, stall=stall, seed=seed, waves=waves)
    if output is not None:
        with output.open("wb") as file:
            np.save(file, run.out)
    matches = bool((run.out == want).all())
    (m, k), n = arrays["acts"].shape, arrays["weights"].shape[1]
    result = table(f"systolic {config.rows}x{config.cols} {config.dataflow}, ({m}, {k}) @ ({k}, {n})", "what", "value")
    result.add_row("RTL equals golden model", "yes, every bit" if matches else "NO")
    result.add_row("cycles", str(run.cycles))
    model = config.cycles(m, k, n, params=bias_array is not None)
    result.add_row("cycles by the model", f"{model}" + ("" if stall == 0 else " (without stalls)"))
    result.add_row("utilisation", f"{m * k * n / (config.rows * config.cols) / run.cycles:.1%}")
    for name, value in run.counters.items():
        result.add_row(f"  {name}", f"{value}  {value / run.cycles:.1%}")
    console().print(result)
    if not matches:
        raise click.exceptions.Exit(1)
