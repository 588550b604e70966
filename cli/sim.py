"""``tercet sim``."""

from importlib import import_module
from importlib.util import find_spec

import click

from .engines import EngineGroup, EngineSpec, examples
from .sims.plain import plain_command

__all__ = ["sim"]


def _command(spec: EngineSpec) -> click.Command:
    """Command of an engine: from the module of its name in `sims`, or else the plain one."""
    module = f"{__package__}.sims.{spec.name}"
    return import_module(module).command if find_spec(module) else plain_command(spec)


@click.group(cls=EngineGroup, make=_command, epilog=examples("sim"))
def sim() -> None:
    """Run an engine's RTL on arrays and compare it with the golden model."""
