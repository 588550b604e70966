"""Payload layouts of the NPU's parts."""

from amaranth import *
from amaranth.lib import data
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import FIELDS, Opcode
from tercet.rtl.common.engine import struct_layout

__all__ = [
    "ADDRESS_BITS",
    "Unit",
    "beat_layout",
    "block_layout",
    "instruction_layout",
    "on_array",
    "on_depthwise_unit",
    "on_vector_unit",
    "pass_layout",
]

ADDRESS_BITS = 24
"""Width of a byte address in the unified buffer; addresses wrap."""

_BITS = {field.name: field.bits for field in FIELDS}


class Unit:
    """Units that make sums from the bytes of a read."""

    ARRAY, DEPTHWISE, VECTOR = range(3)


def instruction_layout() -> data.StructLayout:
    """Instruction: the fields of `tercet.golden.npu.instructions.FIELDS`."""
    return struct_layout({field.name: -field.bits if field.signed else field.bits for field in FIELDS})


def on_array(config: NpuConfig, opcode: Value) -> Value:
    """Whether an instruction runs on the systolic array."""
    if config.depthwise_taps:
        return opcode == Opcode.CONVOLVE
    return (opcode == Opcode.CONVOLVE) | (opcode == Opcode.DEPTHWISE)


def on_depthwise_unit(config: NpuConfig, opcode: Value) -> Value:
    """Whether an instruction runs on the depthwise unit."""
    return opcode == Opcode.DEPTHWISE if config.depthwise_taps else C(0)


def on_vector_unit(opcode: Value) -> Value:
    """Whether an instruction runs on the vector unit."""
    return opcode >= Opcode.MAXIMUM


def pass_layout(config: NpuConfig) -> data.StructLayout:
    """Pass: reads of a block of windows with one set of weights.

    ``address``: of the first byte; ``row`` and ``byte``: its position in the operand; ``row_pitch`` and
    ``pixel_pitch``: to the next window below, and to the next read. ``rows``: rows of the block. ``bounded``: bytes
    outside the operand read as the fill code. ``splat``: one code for all channels. ``weights``: first memory word,
    read ``loads`` times. ``diagonal``: the word is the diagonal of a plane; ``silent``: nothing is loaded.
    ``first``, ``last``: position in the block; ``layer``: first pass of an instruction. ``second``: reads the second
    operand. ``tile_end``, ``layer_end``: the block is the last of its channel tile, and of the instruction.
    """
    flags = ("bounded", "splat", "diagonal", "silent", "first", "last", "layer", "second", "tile_end", "layer_end")
    return data.StructLayout(
        {
            "address": ADDRESS_BITS,
            "row": signed(18),
            "byte": signed(22),
            "row_pitch": _BITS["source_row"],
            "pixel_pitch": _BITS["source_pixel"],
            "rows": _BITS["block"],
            "weights": _BITS["weights"],
            "loads": range(max(config.plane_words, config.tap_words, 1) + 1),
            **dict.fromkeys(flags, 1),
        }
    )


def beat_layout(config: NpuConfig) -> data.StructLayout:
    """Description of the codes of one clock: how many, and whether they end a pixel, row, tile or layer."""
    flags = ("pixel_end", "row_end", "tile_end", "layer_end")
    return data.StructLayout({"count": range(config.lanes + 1), **dict.fromkeys(flags, 1)})


def block_layout() -> data.StructLayout:
    """Block of results: its rows, and whether it is the last of its channel tile and of the instruction."""
    return data.StructLayout({"rows": _BITS["block"], "tile_end": 1, "layer_end": 1})
