"""What the streams of the engine and its parts carry."""

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
"""Requantisation of a whole command, beside its channels' scales: ``rounding`` is a `rounding_code`."""

OUTPUT_SETTINGS = {"requant": 1, **REQUANT_SETTINGS}
"""Output of a command: ``requant`` results leave as int8."""


def command_layout(config: SystolicConfig) -> data.StructLayout:
    """A whole tiled product: `COMMAND_FIELDS`."""
    return struct_layout(COMMAND_FIELDS)


def block_layout(config: SystolicConfig) -> data.StructLayout:
    """A block of results: what the drain must know of it.

    ``rows`` its rows less one, ``starts`` and ``ends`` whether it is the first and the last of its command, ``frees``
    whether it is the last to use its tile's parameters.
    """
    return data.StructLayout({"rows": range(config.block_rows), "starts": 1, "ends": 1, "frees": 1, **OUTPUT_SETTINGS})


def pass_layout(config: SystolicConfig) -> data.StructLayout:
    """A run of the array without a change of weights (weight stationary) or of outputs (output stationary).

    ``steps`` its clocks less one, ``first`` and ``last`` its place along K, ``tile`` whether it begins a column tile,
    ``params`` whether that tile has parameters, ``block`` what it contributes to.
    """
    steps = config.block_rows if config.dataflow == "ws" else 2 ** COMMAND_FIELDS["k_steps"]
    return data.StructLayout(
        {"steps": range(steps), "first": 1, "last": 1, "tile": 1, "params": 1, "block": block_layout(config)}
    )


def mark_layout() -> data.StructLayout:
    """What accompanies a row of sums to the accumulators.

    ``begin`` it is row 0 of its block, ``first`` nothing is there yet to add it to, ``end`` the block is complete with
    it, ``tile`` it is the first of a column tile, ``params`` that tile has biases.
    """
    return data.StructLayout(dict.fromkeys(("valid", "begin", "first", "end", "tile", "params"), 1))


def param_layout(config: SystolicConfig) -> data.StructLayout:
    """Parameters of one output channel: a bias, and how to requantise if the engine can."""
    return struct_layout(param_fields(config))


def output_layout(width: int, lanes: int) -> data.StructLayout:
    """Results side by side; ``last`` marks the final beat of a command."""
    return data.StructLayout({"data": data.ArrayLayout(signed(width), lanes), "last": 1})
