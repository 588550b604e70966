"""Command groups with one command per engine, and their examples."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click
from tercet.engines import ENGINES, EngineSpec

__all__ = ["ENGINES", "EngineGroup", "EngineSpec", "ModuleGroup", "examples"]


class EngineGroup(click.Group):
    """Group with one command per registered engine, made on demand.

    Parameters
    ----------
    make : callable
        Makes an engine's command from its spec.
    """

    def __init__(self, *args: Any, make: Callable[[EngineSpec], click.Command], **options: Any):
        super().__init__(*args, **options)
        self._make = make

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the engines."""
        return list(ENGINES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Command of an engine, or None if there is no such engine."""
        return self._make(ENGINES[cmd_name]) if cmd_name in ENGINES else None


class ModuleGroup(click.Group):
    """Group with one command per engine that has a module of its name in a package, made on demand.

    Parameters
    ----------
    package : str
        Package to search, as a dotted name.
    make : callable
        Makes a command from its name and its module.
    others : tuple of str
        Further modules, not of engines.
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
        """Command of a module, or None if there is no such module."""
        if cmd_name not in self.list_commands(ctx):
            return None
        return self._make(cmd_name, import_module(f"{self._package}.{cmd_name}"))


def examples(command: str, name: str | None = None, *, notes: str = "") -> str:
    """Epilog of a help page: the command's examples for one engine, or the first of each engine; then `notes`."""
    chosen = [name] if name else ENGINES
    available = {engine: ENGINES[engine].model.examples.get(command, ()) for engine in chosen}
    shown = [(engine, line) for engine, lines in available.items() for line in (lines if name else lines[:1])]
    lines = [f"  tercet {command} {engine} {line}\n" for engine, line in shown]
    return "\b\nExamples:\n" + "".join(lines) + (f"\n{notes}" if notes else "")
