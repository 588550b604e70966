"""``tercet list``."""

import click

from .engines import ENGINES
from .output import console, table

__all__ = ["list_engines"]


@click.command("list", epilog="\b\nExamples:\n  tercet list\n")
def list_engines() -> None:
    """List the engines, their units and presets."""
    result = table("Engines", "engine")
    for column in ("description", "units", "presets"):
        result.add_column(column)
    for name, spec in ENGINES.items():
        result.add_row(name, spec.model.summary, ", ".join(spec.units), ", ".join(spec.model.presets))
    console().print(result)
