"""Payloads of the tensor-core engine's streams."""

from amaranth.lib import data
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.golden.tensorcore_cycles import TILE

from .plan import Plan

__all__ = ["addend_layout", "column_layout", "command_layout", "row_layout"]


def row_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A block of A: m rows of l patterns."""
    return data.ArrayLayout(data.ArrayLayout(Plan(config).a_width, config.l), config.m)


def column_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A block of B: n columns of l patterns."""
    return data.ArrayLayout(data.ArrayLayout(Plan(config).b_width, config.l), config.n)


def addend_layout(config: TensorCoreConfig) -> data.ArrayLayout:
    """A block of C or D: m rows of n patterns."""
    return data.ArrayLayout(data.ArrayLayout(Plan(config).c_width, config.n), config.m)


def command_layout() -> data.StructLayout:
    """A tile of products."""
    return data.StructLayout(
        {
            "rows": range(TILE[0]),  # blocks of its height less one
            "cols": range(TILE[1]),  # blocks of its width less one
            "steps": 16,  # blocks along K less one
        }
    )
