"""Channel dependencies of operators that process channels independently.

A channel is an index of the last axis. A link is a pair of channels: output channel ``writes[n]`` depends on input
channel ``reads[n]``. An output channel depends only on the input channels linked to it.
"""

from collections.abc import Mapping

import numpy as np

from .graph import Tensor
from .operators import (
    AveragePool2D,
    Concatenation,
    DepthwiseConv2D,
    Lookup,
    MaxPool2D,
    Mean,
    Operator,
    Pad,
    ReduceMax,
    Reshape,
    Slice,
    Transpose,
)
from .operators.elementwise import Binary

__all__ = ["Links", "links"]

Links = tuple[np.ndarray, np.ndarray]
"""Input channels and output channels of the links, (links,) each."""


def links(operator: Operator, known: Mapping[str, Tensor]) -> list[Links] | None:
    """Return the links of each input; None if the operator mixes channels or the last axis is the batch."""
    shapes = [known[name].shape for name in operator.inputs]
    out = known[operator.output].shape
    if min(len(shape) for shape in (*shapes, out)) < 2:
        return None
    channels, width, last = shapes[0][-1], out[-1], len(shapes[0]) - 1
    if isinstance(operator, DepthwiseConv2D):
        return [(np.arange(width) // operator.multiplier, np.arange(width))]
    if isinstance(operator, Binary):
        return [_straight(width)] * len(shapes) if all(shape[-1] == width for shape in shapes) else None
    if isinstance(operator, Concatenation):
        return _joined([shape[-1] for shape in shapes], along=operator.axis == last)
    if isinstance(operator, Pad):
        return [_straight(channels, writes=operator.widths[-1][0])]
    if isinstance(operator, Reshape):
        return _reshaped(channels, width)
    if isinstance(operator, Slice):
        first, stop, step = slice(*operator.slices[-1]).indices(channels)
        return [_straight(width, reads=first)] if step == 1 and stop - first == width else None
    if isinstance(operator, Transpose):
        return [_straight(width)] if operator.order[-1] == last else None
    if isinstance(operator, (Mean, ReduceMax)):
        return [_straight(width)] if last not in operator.axes else None
    return [_straight(width)] if isinstance(operator, (Lookup, AveragePool2D, MaxPool2D)) else None


def _straight(count: int, *, reads: int = 0, writes: int = 0) -> Links:
    """One-to-one links of `count` consecutive channels, starting at `reads` and `writes`."""
    return np.arange(reads, reads + count), np.arange(writes, writes + count)


def _joined(widths: list[int], *, along: bool) -> list[Links]:
    """Links of a concatenation, along the channels or along another axis."""
    starts = np.cumsum([0, *widths[:-1]]) if along else [0] * len(widths)
    return [_straight(width, writes=int(start)) for width, start in zip(widths, starts, strict=True)]


def _reshaped(channels: int, width: int) -> list[Links] | None:
    """Links of a reshape, if one width divides the other: element order is kept, so channels map periodically."""
    longest = np.arange(max(channels, width))
    if max(channels, width) % min(channels, width):
        return None
    return [(longest % channels, longest % width)]
