"""``tercet list``."""

import click

from .engines import ENGINES
from .output import console, table

__all__ = ["list_engines"]


@click.command("list", epilog="\b\nExamples:\n  tercet list\n")
def list_engines() -> None:
    """List the engines, their units and presets."""
    result = table("Engines", "engine")
    for column in ("what it is", "units", "presets"):
        result.add_column(column)
    for name, engine in ENGINES.items():
        result.add_row(name, engine.text, ", ".join(engine.units), ", ".join(engine.presets))
    console().print(result)
