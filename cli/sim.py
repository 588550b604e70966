"""``tercet sim``."""

import click

from .engines import examples
from .sims import eie, systolic, tensorcore

__all__ = ["sim"]


@click.group(epilog=examples("sim"))
def sim() -> None:
    """Run an engine's RTL on arrays and compare it with the golden model."""


for engine in (systolic, eie, tensorcore):
    sim.add_command(engine.command)
