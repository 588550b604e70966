"""Engine on a board, as the command line describes it: preset, config file, flags, and network."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from tercet.boards.catalog import BOARDS, board, soc_config
from tercet.boards.host.networks import BoardNetwork, Compressed
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.sizing import network_soc

from .eie_sizing import eie_fields, follows_ranges, told_as_flags
from .engines import ENGINES
from .options import config_from

__all__ = ["board_soc", "depth_option", "preset_fields"]


def preset_fields(name: str) -> set[str]:
    """Fields of an engine's config that differ between the boards' presets."""
    return {field for each in BOARDS for field in getattr(board(each).presets.get(name), "params", ())}


def board_soc(
    board_name: str,
    name: str,
    preset: str | None,
    config_file: Path | None,
    flags: Mapping[str, Any],
    *,
    network: BoardNetwork | None = None,
    inputs: Any = None,
    **options: Any,
) -> SocConfig:
    """Configure an engine on a board: the board's preset or a named one, then file and flags; sized for a network.

    Parameters
    ----------
    board_name, name : str
        Names of board and engine.
    preset, config_file, flags
        As for `config_options`.
    network : BoardNetwork or None
        Network to run; memory depths that are not given are chosen for it.
    inputs : array or None
        As for `network_soc`.
    **options
        ``clock_hz``, ``baud`` and ``depths``, as for `soc_config`.

    Raises
    ------
    ValueError
        If a name is unknown, a value is out of range, or the network does not fit.
    OSError
        If the file cannot be read.
    """
    model = ENGINES[name].model
    params = dict(board(board_name).preset(name).params)
    if preset is not None:
        # Sizes come from the named preset, the FPGA blocks from the board.
        params = {field: value for field, value in params.items() if field == model.family_field}
    if isinstance(network, Compressed):
        with told_as_flags():
            fields = eie_fields(preset, config_file, flags)
            network = dataclasses.replace(network, ranges=follows_ranges(fields))
            return network_soc(board_name, network, params=params, fields=fields, inputs=inputs, **options)
    config = config_from(model.config_class, preset, config_file, flags, params)
    return soc_config(board_name, name, config=config, **options)


def _depths(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, int]:
    depths = {}
    for value in values:
        name, _, words = value.partition("=")
        if not words.isdecimal():
            raise click.BadParameter(f"{value!r} is not STREAM=WORDS")
        depths[name] = int(words)
    return depths


def depth_option(command: Callable) -> Callable:
    """Decorate a command with ``--depth``, passed to it as ``depths``."""
    return click.option(
        "--depth", "depths", multiple=True, callback=_depths, metavar="STREAM=WORDS", help="Depth of a stream's buffer."
    )(command)
