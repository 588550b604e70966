"""``tercet demo``."""

from pathlib import Path

import click
from tercet.sim import simulators

__all__ = ["demo"]


@click.group(epilog="\b\nExamples:\n  tercet demo systolic\n")
def demo() -> None:
    """Run an engine's main job on real input."""


@demo.command("systolic", epilog="\b\nExamples:\n  tercet demo systolic -o build/demo\n")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("build/demo"), show_default=True)
@click.option("--simulator", type=click.Choice(simulators.NAMES), help="Simulator. [default: the first that works]")
def systolic(output: Path, simulator: str | None) -> None:
    """Handwritten digits through a 16x16 systolic array, bit for bit.

    Trains a small network on scikit-learn's digits, quantises it to INT8, and runs the test images on the golden model
    and on the simulated RTL. Leaves the Verilog, its manifest and a picture in the output folder.
    """
    try:
        from .demos.systolic import run_demo

        same = run_demo(output, simulator)
    except ModuleNotFoundError as error:
        if error.name not in ("sklearn", "matplotlib"):
            raise
        raise click.ClickException(f"{error.name} is not installed; run: pip install 'tercet[demo]'") from None
    if not same:
        raise click.exceptions.Exit(1)
