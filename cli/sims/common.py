"""Shared parts of ``tercet sim``: options of a run, and the comparison with the golden model."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.sim import simulators

from ..arrays import write_array
from ..output import check_file, console, table, working

__all__ = ["NPZ_NOTE", "RunOptions", "read_sizes", "run_options", "simulate"]

NPZ_NOTE = "The arrays of an .npz are named after these flags, without others, and each array's flag must be given."
"""Note on array files, for the end of help pages."""


@dataclass(frozen=True)
class RunOptions:
    """Values of the options in `run_options`."""

    simulator: str | None
    stall: float
    seed: int
    waves: Path | None
    output: Path | None

    def __post_init__(self):
        if self.seed < 0:
            raise ValueError(f"Seed {self.seed} is below 0; use at least 0")

    @classmethod
    def taken_from(cls, flags: dict[str, Any]) -> "RunOptions":
        """Remove the options of a run from a command's flags and return them."""
        return cls(**{field.name: flags.pop(field.name) for field in dataclasses.fields(cls)})


def run_options(command: Callable) -> Callable:
    """Decorate a command with the options of a run."""
    path = click.Path(path_type=Path)
    for option in (
        click.option("-o", "--output", type=path, help="Write the RTL's result, .npy."),
        click.option("--waves", type=path, help="Record the waveforms of all signals, .fst or .vcd."),
        click.option("--seed", type=int, default=0, help="Seed of random operands and stalls."),
        click.option("--stall", type=float, default=0.0, help="Probability that a stream stalls in a clock, below 1."),
        click.option(
            "--simulator", type=click.Choice(simulators.NAMES), help="Simulator. [default: the first that works]"
        ),
    ):
        command = option(command)
    return command


def read_sizes(text: str, form: str, example: str) -> tuple[int, ...]:
    """Parse sizes such as 64x32x16, one per letter of `form`, such as MxKxN; those in brackets are optional.

    Raises
    ------
    ValueError
        If the text does not match the form, or a size is 0.
    """
    most = form.count("x") + 1
    least = form.partition("[")[0].count("x") + 1
    parts = text.split("x")
    if not least <= len(parts) <= most or not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError(f"Shape {text!r} is not {form} with sizes of at least 1; use for instance {example}")
    return tuple(int(part) for part in parts)


def simulate(
    options: RunOptions,
    run: Callable[..., Any],
    want: np.ndarray,
    title: str,
    model: int,
    rows: Callable[[Any], Mapping[str, str]],
) -> None:
    """Run the RTL, write its result if requested, compare it and print a table; exit with status 1 on a difference.

    Parameters
    ----------
    options : RunOptions
        Options of the run.
    run : callable
        Takes ``simulator``, ``stall``, ``seed`` and ``waves``; its result has ``out`` and ``cycles``.
    want : array
        Result of the golden model.
    title : str
        Title of the table.
    model : int
        Cycles predicted by the cycle model.
    rows : callable
        Maps the run's result to further rows of the table.
    """
    if options.output is not None:
        check_file(options.output)
    with working("running the RTL; a configuration's first run compiles it"):
        done = run(simulator=options.simulator, stall=options.stall, seed=options.seed, waves=options.waves)
    if options.output is not None:
        write_array(options.output, done.out)
    # Compared by bits: a NaN does not equal itself, and 0 equals -0.
    matches = done.out.tobytes() == want.tobytes()
    result = table(title, "item", "value")
    result.add_row("RTL equals golden model", "yes, every bit" if matches else "NO")
    result.add_row("cycles", str(done.cycles))
    result.add_row("cycles predicted", f"{model}" + ("" if options.stall == 0 else " (without stalls)"))
    for name, value in rows(done).items():
        result.add_row(name, value)
    console().print(result)
    if not matches:
        raise click.exceptions.Exit(1)
