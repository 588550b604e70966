"""Flags derived from a config's fields: no parameter is named, defaulted or checked twice."""

import dataclasses
import functools
import math
import tomllib
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
from tercet.golden.checks import check_names

__all__ = ["Megahertz", "config_from", "config_options", "engine_options", "given_fields", "whole_numbers"]


class Megahertz(click.FloatRange):
    """Range of frequencies in MHz; rejects NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert to a float within the range."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a frequency in MHz.", param, ctx)
        return number


class _Integer(click.ParamType):
    """Integer, or one of a few words that the config resolves."""

    def __init__(self, words: tuple[str, ...]):
        self.words = words
        self.name = "|".join(("integer", *words))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert to an integer; words pass unchanged."""
        if isinstance(value, int) or value in self.words:
            return value
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither an integer nor {' nor '.join(self.words)}.", param, ctx)


def config_options(
    config_class: type, presets: tuple[str, ...], defaults: Mapping[str, str] = MappingProxyType({})
) -> Callable:
    """Decorate a command with ``--preset``, ``--config`` and one flag per field of the config.

    `defaults` gives, by field, the text of a default that differs from the config's own.
    """
    options = [
        click.option("--preset", type=click.Choice(presets), help="Start from a preset.", hidden=not presets),
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path), help="Start from a TOML file of config fields."
        ),
    ]
    hints = typing.get_type_hints(config_class)
    options += [
        _option(field, hints[field.name], defaults.get(field.name, field.default))
        for field in dataclasses.fields(config_class)
    ]

    def decorate(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def engine_options(engines: Mapping[str, tuple[type, tuple[str, ...]]]) -> Callable:
    """Decorate a command with the `config_options` of several engines; fields of the same name share a flag.

    Parameters
    ----------
    engines : mapping
        Name of the engine to its config class and presets. The help text names the engines of a flag.
    """
    texts: dict[str, dict[str, str]] = {}
    choices: dict[str, list[str]] = {}
    for name, (config_class, _) in engines.items():
        hints = typing.get_type_hints(config_class)
        for field in dataclasses.fields(config_class):
            texts.setdefault(field.name, {})[name] = field.metadata["help"]
            if typing.get_origin(hints[field.name]) is typing.Literal:
                known = choices.setdefault(field.name, [])
                known += [word for word in typing.get_args(hints[field.name]) if word not in known]
    presets = [preset for _, names in engines.values() for preset in names]
    options = [
        click.option("--preset", type=click.Choice(presets), help="Start from a preset of the engine."),
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path), help="Start from a TOML file of config fields."
        ),
    ]
    for name, by_engine in texts.items():
        kind = click.Choice(choices[name]) if name in choices else int
        shown: dict[str, list[str]] = {}
        for engine, text in by_engine.items():
            shown.setdefault(text, []).append(engine)
        help_text = "; ".join(f"{', '.join(whose)}: {text}" for text, whose in shown.items())
        options.append(click.option(f"--{name.replace('_', '-')}", type=kind, help=f"{help_text}."))
    return lambda command: functools.reduce(lambda done, option: option(done), reversed(options), command)


def _option(field: dataclasses.Field, hint: Any, default: Any) -> Callable:
    name = f"--{field.name.replace('_', '-')}"
    text = field.metadata["help"]
    default = "" if default is None else f" [default: {default}]"
    if typing.get_origin(hint) is typing.Literal:
        return click.option(name, type=click.Choice(typing.get_args(hint)), help=f"{text}.{default}")
    words = field.metadata["words"]
    return click.option(name, type=_Integer(words) if words else int, help=f"{text}.{default}")


def config_from(
    config_class: Any,
    preset: str | None,
    config_file: Path | None,
    flags: Mapping[str, Any],
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Build a config from the preset or the config's defaults, then `defaults`, the file, and the given flags.

    Raises
    ------
    ValueError
        If the file is not valid TOML or names an unknown field, or a field is out of range.
    OSError
        If the file cannot be read.
    """
    fields = {**defaults, **given_fields(config_class, config_file, flags)}
    return config_class(**fields) if preset is None else getattr(config_class, preset)(**fields)


def given_fields(config_class: Any, config_file: Path | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Config fields set by the file, overridden by the given flags; raises as `config_from` does."""
    fields = {} if config_file is None else _read(config_class, config_file)
    return fields | {name: value for name, value in flags.items() if value is not None}


def _read(config_class: Any, path: Path) -> dict[str, Any]:
    try:
        # Some editors put a byte-order mark first.
        fields = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not valid TOML: {error}") from None
    check_names(fields, (), [field.name for field in dataclasses.fields(config_class)], what=repr(str(path)))
    return fields


def whole_numbers(what: str, text: str, unit: str) -> list[int]:
    """Parse numbers with commas, each at least 1; `what` and `unit` are for the messages.

    Raises
    ------
    ValueError
        If one is no whole number, or below 1.
    """
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{what} {text!r} are not numbers with commas; use 24,16 for instance") from None
    if min(found) < 1:
        raise ValueError(f"{what} {text!r} have one of {min(found)} {unit}; use at least 1")
    return found
