"""Payload layouts of the engine's streams and parts."""

from amaranth import *
from amaranth.lib import data
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.operands import COMMAND_FIELDS, param_fields
from tercet.rtl.common.engine import struct_layout

__all__ = [
    "OUTPUT_SETTINGS",
    "REQUANT_SETTINGS",
    "block_layout",
    "command_layout",
    "mark_layout",
    "output_layout",
    "param_layout",
    "pass_layout",
]

REQUANT_SETTINGS = {
    name: signed(-COMMAND_FIELDS[name]) if COMMAND_FIELDS[name] < 0 else COMMAND_FIELDS[name]
    for name in ("rounding", "zero_point", "qmin", "qmax")
}
"""Requantisation settings of a whole command, apart from the per-channel scales; ``rounding`` is a `rounding_code`."""

OUTPUT_SETTINGS = {"requant": 1, **REQUANT_SETTINGS}
"""Output settings of a command; with ``requant`` its results leave as int8."""


def command_layout(config: SystolicConfig) -> data.StructLayout:
    """Command for a whole tiled product: the fields of `COMMAND_FIELDS`."""
    return struct_layout(COMMAND_FIELDS)


def block_layout(config: SystolicConfig) -> data.StructLayout:
    """Block of results, as described to the drain.

    ``rows`` is its number of rows less one. ``starts`` and ``ends`` mark the first and the last block of a command,
    ``frees`` the last one to use its tile's parameters.
    """
    return data.StructLayout({"rows": range(config.block_rows), "starts": 1, "ends": 1, "frees": 1, **OUTPUT_SETTINGS})


def pass_layout(config: SystolicConfig) -> data.StructLayout:
    """Run of the array without a change of weights (weight stationary) or of outputs (output stationary).

    ``steps`` is its number of clocks less one. ``first`` and ``last`` mark its position along K, ``tile`` the first
    pass of a column tile, ``params`` a tile with parameters. ``block`` is the block it contributes to.
    """
    steps = config.block_rows if config.dataflow == "ws" else 2 ** COMMAND_FIELDS["k_steps"]
    return data.StructLayout(
        {"steps": range(steps), "first": 1, "last": 1, "tile": 1, "params": 1, "block": block_layout(config)}
    )


def mark_layout() -> data.StructLayout:
    """Flags that accompany a row of sums to the accumulators.

    ``begin``: row 0 of its block. ``first``: first sum along K, not added to a stored one. ``end``: the row completes
    the block. ``tile``: first row of a column tile. ``params``: that tile has biases.
    """
    return data.StructLayout(dict.fromkeys(("valid", "begin", "first", "end", "tile", "params"), 1))


def param_layout(config: SystolicConfig) -> data.StructLayout:
    """Parameters of one output channel: a bias and, if the engine has a requantiser, a scale."""
    return struct_layout(param_fields(config))


def output_layout(width: int, lanes: int) -> data.StructLayout:
    """Results side by side; ``last`` marks the final beat of a command."""
    return data.StructLayout({"data": data.ArrayLayout(signed(width), lanes), "last": 1})
