"""Sizes EIE engines for a network: depths that are given stay, the others are chosen."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from tercet.boards.sizing import NetworkTooLarge
from tercet.golden.compress.container import load
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.ranges import without_ranges
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.sizing import DEPTHS, DepthsExceeded

from .options import given_fields

__all__ = [
    "chosen_fields",
    "eie_fields",
    "field_flags",
    "follows_ranges",
    "model_config",
    "model_option",
    "model_options",
    "permute_option",
    "refuse_permute",
    "sized_model",
    "told_as_flags",
]

_ENTRY = ("code_bits", "index_bits")


def eie_fields(preset: str | None, config_file: Path | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an EIE engine given explicitly, by preset, config file or flags."""
    named = {}
    if preset is not None:
        whole = dataclasses.asdict(getattr(EieConfig, preset)())
        named = {name: value for name, value in whole.items() if value != getattr(EieConfig(), name)}
    return named | given_fields(EieConfig, config_file, flags)


def follows_ranges(fields: Mapping[str, Any]) -> bool:
    """Whether fraction bits follow from the network's ranges: true unless the engine's are given."""
    return not {"act_frac", "weight_frac"} & fields.keys()


def chosen_fields(layers: Sequence[EieLayer], fields: Mapping[str, Any]) -> dict[str, int]:
    """Fields that were chosen for a network, not given: depths, and entry widths that are not the default."""
    chosen = {name: getattr(layers[0].config, name) for name in (*_ENTRY, *DEPTHS) if name not in fields}
    return {name: value for name, value in chosen.items() if name in DEPTHS or value != getattr(EieConfig(), name)}


def field_flags(fields: Mapping[str, Any]) -> str:
    """Config fields spelled as command-line flags."""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in fields.items())


@contextlib.contextmanager
def told_as_flags() -> Iterator[None]:
    """Context in which an error about depths that are too small names the flags that fix it."""
    try:
        yield
    except NetworkTooLarge as error:
        flags = [field_flags(error.fields)] if error.fields else []
        flags += [f"--depth {name}={words}" for name, words in error.buffers.items()]
        wanted = [" ".join(flags), error.otherwise or "leave them unset to have them chosen"]
        raise ValueError(f"{error.shortage}; use {', or '.join(filter(None, wanted))}") from None
    except DepthsExceeded as error:
        if not error.possible:
            raise
        flags = field_flags(error.needs)
        raise ValueError(f"{error.shortage}; use {flags}, or leave them unset to have them chosen") from None


def permute_option(command: Callable) -> Callable:
    """Decorate a command with ``--permute``."""
    return click.option(
        "--permute",
        type=click.Choice(["balance", "spread"]),
        help="Deal rows to equalise the PEs' work over the whole layer, or within every stretch of columns.",
    )(command)


def model_option(command: Callable) -> Callable:
    """Decorate a command with ``--model``, a network for which depths are chosen."""
    return click.option(
        "--model",
        type=click.Path(path_type=Path),
        help="Compressed network, from tercet compress. Depths and entry widths that are not given are chosen for it.",
    )(command)


def sized_model(path: Path, fields: Mapping[str, Any], permute: Any) -> list[EieLayer]:
    """Load a compressed network and encode it for an engine with these fields, choosing the other depths.

    Raises
    ------
    ValueError
        If the file is not a compressed network, or the network does not fit the given fields.
    OSError
        If the file cannot be read.
    """
    layers = load(path)
    with told_as_flags():
        return sized_layers(layers if follows_ranges(fields) else without_ranges(layers), fields, permute=permute)


def model_options(engine: str) -> Callable:
    """Decorate a command with ``--model`` and ``--permute`` if its engine can be sized for a network."""
    return (lambda command: model_option(permute_option(command))) if engine == "eie" else lambda command: command


def refuse_permute(permute: str | None) -> None:
    """Reject ``--permute`` without a network."""
    if permute is not None:
        raise ValueError(f"--permute {permute} deals the rows of a --model; add --model, or leave it out")


def model_config(
    path: Path, permute: str | None, preset: str | None, config_file: Path | None, flags: Mapping[str, Any]
) -> tuple[EieConfig, dict[str, int]]:
    """Config for a compressed network, and the fields chosen for it; raises as `sized_model` does."""
    fields = eie_fields(preset, config_file, flags)
    layers = sized_model(path, fields, permute)
    return layers[0].config, chosen_fields(layers, fields)
