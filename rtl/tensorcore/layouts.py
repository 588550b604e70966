"""Payloads of the tensor-core engine's streams."""

from amaranth.lib import data
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.golden.tensorcore_cycles import TILE, block_parts

from .plan import Plan

__all__ = ["addend_layout", "column_layout", "command_layout", "row_layout"]


def row_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A part of a block of A: rows of l patterns."""
    by_rows, _ = block_parts(config)
    return data.ArrayLayout(data.ArrayLayout(Plan(config).a_width, config.l), config.m // by_rows)


def column_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A part of a block of B: columns of l patterns."""
    _, by_cols = block_parts(config)
    return data.ArrayLayout(data.ArrayLayout(Plan(config).b_width, config.l), config.n // by_cols)


def addend_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A part of a block of C or D: rows of patterns, as many as units compute at once."""
    by_rows, by_cols = block_parts(config)
    return data.ArrayLayout(data.ArrayLayout(Plan(config).c_width, config.n // by_cols), config.m // by_rows)


def command_layout() -> data.StructLayout:
    """A tile of products."""
    return data.StructLayout(
        {
            "rows": range(TILE[0]),  # blocks of its height less one
            "cols": range(TILE[1]),  # blocks of its width less one
            "steps": 16,  # blocks along K less one
        }
    )
