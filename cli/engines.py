"""Engines on the command line: groups with a command for each, and their examples."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click
from tercet.engines import ENGINES, EngineSpec

__all__ = ["ENGINES", "EngineGroup", "EngineSpec", "ModuleGroup", "examples"]


class EngineGroup(click.Group):
    """A group with one command for each registered engine, made when it is asked for.

    Parameters
    ----------
    make : callable
        Makes the command of an engine.
    """

    def __init__(self, *args: Any, make: Callable[[EngineSpec], click.Command], **options: Any):
        super().__init__(*args, **options)
        self._make = make

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the engines."""
        return list(ENGINES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of an engine, None if there is no such engine."""
        return self._make(ENGINES[cmd_name]) if cmd_name in ENGINES else None


class ModuleGroup(click.Group):
    """A group with one command for each engine that has a module of its name in a package, made when it is asked for.

    Parameters
    ----------
    package : str
        The package.
    make : callable
        Makes a command from a name and the module.
    others : tuple of str
        Modules beside those of engines.
    """

    def __init__(
        self,
        *args: Any,
        package: str,
        make: Callable[[str, Any], click.Command],
        others: tuple[str, ...] = (),
        **options: Any,
    ):
        super().__init__(*args, **options)
        self._package, self._make, self._others = package, make, others

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Engines with a module, then the others."""
        return [*(name for name in ENGINES if find_spec(f"{self._package}.{name}")), *self._others]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a module, None if there is no such module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return self._make(cmd_name, import_module(f"{self._package}.{cmd_name}"))


def examples(command: str, name: str | None = None, *, notes: str = "") -> str:
    """The end of a help page: examples of an engine for a command, or the first of each engine; then `notes`."""
    chosen = [name] if name else ENGINES
    found = {engine: ENGINES[engine].model.examples.get(command, ()) for engine in chosen}
    shown = [(engine, line) for engine, lines in found.items() for line in (lines if name else lines[:1])]
    lines = [f"  tercet {command} {engine} {line}\n" for engine, line in shown]
    return "\b\nExamples:\n" + "".join(lines) + (f"\n{notes}" if notes else "")
