"""Lowering of graph operators on buffer views to NPU instructions, by class."""

from collections.abc import Callable

from tercet.golden.networks.operators import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    Maximum,
    MaxPool2D,
    Mean,
    Mul,
    Operator,
    Pad,
    ReduceMax,
)
from tercet.golden.npu.instructions import Instruction

from .elementwise import add, copy, larger, lookup, multiply
from .lowering import Lowering
from .matrix import conv2d, depthwise, fully_connected
from .pooling import average_pool, max_pool, mean, pad, reduce_max

__all__ = ["LOWERINGS", "Lowering", "copy"]

LOWERINGS: dict[type[Operator], Callable[[Lowering], list[Instruction]]] = {
    Conv2D: conv2d,
    DepthwiseConv2D: depthwise,
    FullyConnected: fully_connected,
    AveragePool2D: average_pool,
    MaxPool2D: max_pool,
    Mean: mean,
    ReduceMax: reduce_max,
    Pad: pad,
    Lookup: lookup,
    Add: add,
    Mul: multiply,
    Maximum: larger,
}
"""Lowering of each operator class, including its subclasses."""
