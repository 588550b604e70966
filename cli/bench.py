"""``tercet bench``."""

from pathlib import Path

import click

__all__ = ["bench"]

_PARTS = ("products", "requantiser", "cycles", "generate", "synth")


@click.group(epilog="\b\nExamples:\n  tercet bench systolic\n")
def bench() -> None:
    """Measure an engine at length: tables and plots."""


@bench.command(
    "systolic",
    epilog="\b\nExamples:\n  tercet bench systolic\n  tercet bench systolic --part cycles --part generate\n",
)
@click.option("--part", "parts", type=click.Choice(_PARTS), multiple=True, help="Only this; may be repeated.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("build/bench"), show_default=True)
def systolic(parts: tuple[str, ...], output: Path) -> None:
    """Measure the systolic engine: a million products and ten million requantised sums against the golden model, cycles
    and utilisation, generation, and place and route. About half an hour on two cores, most of it place and route.
    """
    from .benches.systolic import run_bench

    if not run_bench(parts or _PARTS, output):
        raise click.exceptions.Exit(1)
