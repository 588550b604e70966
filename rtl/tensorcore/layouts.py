"""Payloads of the tensor-core engine's streams."""

from amaranth.lib import data
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.operands import COMMAND_FIELDS, part_shapes, pattern_widths
from tercet.rtl.common.engine import struct_layout

__all__ = ["addend_layout", "column_layout", "command_layout", "row_layout"]


def row_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A part of a block of A: rows of l patterns."""
    return _part(config, "a")


def column_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A part of a block of B: columns of l patterns."""
    return _part(config, "b")


def addend_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A part of a block of C or D: rows of patterns, one for each unit."""
    return _part(config, "c")


def command_layout() -> data.StructLayout:
    """Command for one tile: `COMMAND_FIELDS`."""
    return struct_layout(COMMAND_FIELDS)


def _part(config: TensorCoreConfig, name: str) -> data.ArrayLayout:
    vectors, elements = part_shapes(config)[name]
    return data.ArrayLayout(data.ArrayLayout(pattern_widths(config)[name], elements), vectors)
