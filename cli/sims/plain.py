"""``tercet sim ENGINE`` for engines without a module of their own: one file flag per array of the model."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.engines import EngineSpec
from tercet.sim.engine import EngineRun, run_engine

from ..arrays import read_roles
from ..engines import examples
from ..options import config_from, config_options
from .common import NPZ_NOTE, RunOptions, read_sizes, run_options, simulate

__all__ = ["plain_command"]


def plain_command(spec: EngineSpec) -> click.Command:
    """Build the command of an engine from its model."""
    model = spec.model

    def command(preset: str | None, config_file: Path | None, shape: str | None, **flags: Any) -> None:
        options = RunOptions.taken_from(flags)
        files = {role: flags.pop(f"file_{role}") for role in model.roles}
        config = config_from(model.config_class, preset, config_file, flags)
        arrays = read_roles(files)
        missing = [role for role in model.roles if role not in arrays and role not in model.optional]
        if arrays and missing:
            raise ValueError(f"--{missing[0]} is missing; give all arrays, or --shape for random operands")
        if arrays and shape is not None:
            raise ValueError("--shape applies only to random operands; leave it out when arrays are given")
        if arrays:
            operands = model.operands(config, *(arrays.get(role) for role in model.roles))
        else:
            sizes = read_sizes(shape or model.example, model.form, model.example)
            operands = model.random(config, np.random.default_rng(options.seed), sizes)

        def run(**how: Any) -> EngineRun:
            return run_engine(spec, config, [operands], **how)[0]

        def rows(done: EngineRun) -> dict[str, str]:
            return {f"  {name}": f"{count}" for name, count in done.counters.items()}

        want, cycles = model.golden(config, operands), model.cycles(config, operands)
        simulate(options, run, want, f"{spec.name}, {model.size(config)}", cycles, rows)

    decorated = run_options(command)
    decorated = click.option("--shape", help=f"{model.form} of random operands. [default: {model.example}]")(decorated)
    path = click.Path(path_type=Path)
    for role, text in reversed(list(model.roles.items())):
        decorated = click.option(f"--{role}", f"file_{role}", type=path, help=f"{text}, .npy or .npz.")(decorated)
    decorated = config_options(model.config_class, model.presets)(decorated)
    epilog = examples("sim", spec.name, notes=NPZ_NOTE)
    return click.command(spec.name, help=f"Run the RTL: {model.summary}.", epilog=epilog)(decorated)
