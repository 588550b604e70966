"""Which codes each channel of each tensor of a graph can take, over all inputs; a channel with one code is constant."""

from collections.abc import Mapping

import numpy as np

from .graph import Graph, Tensor
from .operators import (
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    MatrixOperator,
    MaxPool2D,
    Mean,
    Operator,
    Pad,
    Reshape,
)
from .operators.base import INT8_MAX, INT8_MIN
from .operators.elementwise import Binary
from .operators.matrix import requantized

__all__ = ["Interval", "intervals"]

Interval = tuple[np.ndarray, np.ndarray]
"""Least and greatest code of each channel, (channels,) int64 each: indices of the last axis."""


def intervals(graph: Graph) -> dict[str, Interval]:
    """Interval of every int8 tensor; those of others are missing."""
    found: dict[str, Interval] = {}
    for edge in graph.inputs:
        if graph.known[edge.tensor].dtype == "int8":
            found[edge.tensor] = _full(graph.known[edge.tensor])
    for operator in graph.operators:
        tensor = graph.known[operator.output]
        if tensor.dtype == "int8":
            found[operator.output] = _of(operator, graph.known, found)
    return found


def _full(tensor: Tensor) -> Interval:
    channels = tensor.shape[-1]
    return np.full(channels, INT8_MIN, np.int64), np.full(channels, INT8_MAX, np.int64)


def _of(operator: Operator, known: Mapping[str, Tensor], found: Mapping[str, Interval]) -> Interval:
    tensor = known[operator.output]
    if any(name not in found for name in operator.inputs):
        return _full(tensor)
    given = [found[name] for name in operator.inputs]
    shapes = [known[name].shape for name in operator.inputs]
    if isinstance(operator, MatrixOperator):
        return _matrix(operator, given[0])
    if isinstance(operator, Binary):
        return _binary(operator, given, tensor)
    if isinstance(operator, Lookup):
        return _lookup(operator, given[0])
    if isinstance(operator, (AveragePool2D, MaxPool2D)):
        low, high = (np.clip(end, operator.qmin, operator.qmax) for end in given[0])
        return low, high
    if isinstance(operator, Mean) and len(shapes[0]) - 1 not in operator.axes:
        count = int(np.prod([shapes[0][axis] for axis in operator.axes]))
        low, high = (
            requantized(count * (end - operator.input_zero_point), operator.requant).astype(np.int64)
            for end in given[0]
        )
        return low, high
    if isinstance(operator, Pad) and operator.widths[-1] == (0, 0):
        low, high = given[0]
        return np.minimum(low, operator.fill), np.maximum(high, operator.fill)
    if isinstance(operator, Concatenation) and operator.axis == len(tensor.shape) - 1:
        return tuple(np.concatenate(ends) for ends in zip(*given, strict=True))  # pyright: ignore[reportReturnType]
    if isinstance(operator, Reshape):
        return _reshape(given[0], shapes[0][-1], tensor)
    return _full(tensor)


def _matrix(operator: MatrixOperator, given: Interval) -> Interval:
    """Ends of the sums, requantised: scaling never decreases when a sum grows."""
    low, high = _products(operator, given)
    if operator.requant is None:
        return low, high
    first, second = (requantized(end, operator.requant).astype(np.int64) for end in (low, high))
    return first, second


def _products(operator: MatrixOperator, given: Interval) -> Interval:
    low, high = given
    if isinstance(operator, FullyConnected):
        width = len(operator.weights)
        low, high = (np.tile(end, width // len(end)) for end in given)
    elif isinstance(operator, (Conv2D, DepthwiseConv2D)) and any(operator.window.padding):
        # What lies outside the picture reads as the zero point.
        low, high = np.minimum(low, operator.input_zero_point), np.maximum(high, operator.input_zero_point)
    low, high = (_columns_of(operator, end) for end in (low, high))
    weights = operator.columns.astype(np.int64)
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    least = (positive * low + negative * high).sum(axis=0) + operator.folded
    most = (positive * high + negative * low).sum(axis=0) + operator.folded
    return least, most


def _columns_of(operator: MatrixOperator, end: np.ndarray) -> np.ndarray:
    """An end of the input's interval for each weight of `operator.columns`."""
    if isinstance(operator, DepthwiseConv2D):
        return np.repeat(end, operator.multiplier)[None, :]
    if isinstance(operator, Conv2D):
        depth = operator.weights.shape[3]
        each = operator.channels // operator.groups
        groups = [
            np.tile(end[g * depth : (g + 1) * depth], len(operator.columns) // depth) for g in range(operator.groups)
        ]
        return np.repeat(np.stack(groups, axis=1), each, axis=1)
    return end[:, None]


def _binary(operator: Binary, given: list[Interval], tensor: Tensor) -> Interval:
    """Operators that are monotone, or bilinear, in each operand take their extremes at the ends."""
    channels = tensor.shape[-1]
    ends = [[np.broadcast_to(end if len(end) > 1 else end[0], channels) for end in each] for each in given]
    if operator.constant is not None:
        codes = operator.constant.astype(np.int64)
        if codes.ndim and codes.shape[-1] > 1:
            flat = codes.reshape(-1, codes.shape[-1])
            constant = [flat.min(axis=0), flat.max(axis=0)]
        else:
            constant = [np.full(channels, codes.min()), np.full(channels, codes.max())]
        ends.insert(0 if operator.constant_first else 1, [np.broadcast_to(end, channels) for end in constant])
    found = [operator.combine(a[None], b[None])[0].astype(np.int64) for a in ends[0] for b in ends[1]]
    return np.min(found, axis=0), np.max(found, axis=0)


def _lookup(operator: Lookup, given: Interval) -> Interval:
    low, high = given
    ends = []
    for channel, (first, last) in enumerate(zip(low, high, strict=True)):
        table = operator.table if operator.table.ndim == 1 else operator.table[channel]
        part = table[int(first) + 128 : int(last) + 129]
        ends.append((int(part.min()), int(part.max())))
    found = np.array(ends, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _reshape(given: Interval, channels: int, tensor: Tensor) -> Interval:
    """Channels stay where the last axis becomes a multiple of itself; else all of them are thrown together."""
    width = tensor.shape[-1]
    if width % channels == 0:
        low, high = (np.tile(end, width // channels) for end in given)
        return low, high
    return np.full(width, given[0].min()), np.full(width, given[1].max())
