"""Interval analysis: bounds on the codes of each channel over all inputs; a channel with one code is constant."""

from collections.abc import Mapping

import numpy as np

from .graph import Graph, Tensor
from .links import links
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
    ReduceMax,
    Reshape,
    Slice,
    Transpose,
    Window,
)
from .operators.base import INT8_MAX, INT8_MIN, Shape
from .operators.elementwise import Binary
from .operators.matrix import requantized

__all__ = ["Interval", "inside_picture", "intervals", "sums"]

Interval = tuple[np.ndarray, np.ndarray]
"""Minimum and maximum code per channel of the last axis, (channels,) int64 each."""

# Maximum number of window positions times kernel elements analysed separately.
_MOST_TAPS = 1 << 16


def intervals(graph: Graph) -> dict[str, Interval]:
    """Return the interval of every int8 tensor; other tensors are omitted."""
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
        return _matrix(operator, given[0], shapes[0])
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
    if isinstance(operator, (Concatenation, Pad, ReduceMax, Reshape, Slice, Transpose)):
        return _moved(operator, given, known)
    return _full(tensor)


def _moved(operator: Operator, given: list[Interval], known: Mapping[str, Tensor]) -> Interval:
    """Data movement: a channel takes the codes of its linked channels, and for PAD also the fill code."""
    tensor, linked = known[operator.output], links(operator, known)
    if linked is None:
        low, high = (np.full(tensor.shape[-1], end) for end in (_least(given), _most(given)))
    else:
        high, low = _full(tensor)
        for (reads, writes), (least, most) in zip(linked, given, strict=True):
            np.minimum.at(low, writes, least[reads])
            np.maximum.at(high, writes, most[reads])
    if isinstance(operator, Pad):
        beside = np.ones(len(low), bool)
        if linked is not None and not any(map(any, operator.widths[:-1])):
            beside[linked[0][1]] = False
        low[beside], high[beside] = np.minimum(low, operator.fill)[beside], np.maximum(high, operator.fill)[beside]
    return low, high


def _least(given: list[Interval]) -> int:
    return min(int(low.min()) for low, _ in given)


def _most(given: list[Interval]) -> int:
    return max(int(high.max()) for _, high in given)


def _matrix(operator: MatrixOperator, given: Interval, shape: Shape) -> Interval:
    """Requantise the bounds of the sums; scaling is monotone."""
    low, high = sums(operator, given, shape)
    if operator.requant is None:
        return low, high
    first, second = (requantized(end, operator.requant).astype(np.int64) for end in (low, high))
    return first, second


def sums(operator: MatrixOperator, given: Interval, shape: Shape) -> Interval:
    """Return the bounds on each channel's sum, including the folded bias, for an input of this interval and shape.

    With padding, each kind of window position is bounded separately: kernel elements outside the feature map read the
    zero point, the others a code of the interval.
    """
    low, high = (_columns_of(operator, end) for end in given)
    weights = operator.columns.astype(np.int64)
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    least, most = positive * low + negative * high, positive * high + negative * low
    if isinstance(operator, (Conv2D, DepthwiseConv2D)) and any(operator.window.padding):
        # (kernel elements, channels)
        taps = int(np.prod(operator.window.kernel))
        least, most, outside = (
            each.reshape(taps, -1, operator.channels).sum(axis=1)
            for each in (least, most, weights * operator.input_zero_point)
        )
        inside = inside_picture(operator.window, shape)
        if inside is None:
            least, most = np.minimum(least, outside).sum(axis=0), np.maximum(most, outside).sum(axis=0)
        else:
            rest = (~inside).astype(np.int64) @ outside
            inside = inside.astype(np.int64)
            least, most = (inside @ least + rest).min(axis=0), (inside @ most + rest).max(axis=0)
    else:
        least, most = least.sum(axis=0), most.sum(axis=0)
    return least + operator.folded, most + operator.folded


def inside_picture(window: Window, shape: Shape) -> np.ndarray | None:
    """Return the mask of kernel elements inside an (N, H, W, C) feature map, for each kind of window position.

    Returns
    -------
    (kinds, rows * columns) bool array or None
        None if the kernel is so large that there are too many kinds.
    """
    rows, cols = (_inside(window, axis, shape[1 + axis], n) for axis, n in enumerate(window.output_size(*shape[1:3])))
    if rows is None or cols is None or rows.size * cols.size > _MOST_TAPS:
        return None
    return (rows[:, None, :, None] & cols[None, :, None, :]).reshape(len(rows) * len(cols), -1)


def _inside(window: Window, axis: int, length: int, count: int) -> np.ndarray | None:
    """Mask along one axis for `count` positions on a feature map of this length: (kinds, kernel elements)."""
    stride, before, kernel = window.stride[axis], window.padding[2 * axis], window.kernel[axis]
    # All windows from the first to the last fully inside are of one kind.
    first, last = -(-before // stride), (length + before - window.extent[axis]) // stride
    at = np.r_[0 : min(first + 1, count), max(last, 0) : count]
    if len(at) * kernel > _MOST_TAPS:
        return None
    element = at[:, None] * stride - before + np.arange(kernel) * window.dilation[axis]
    return np.unique((element >= 0) & (element < length), axis=0)


def _columns_of(operator: MatrixOperator, end: np.ndarray) -> np.ndarray:
    """One bound of the input's interval, expanded to each weight of `operator.columns`."""
    if isinstance(operator, DepthwiseConv2D):
        return np.repeat(end, operator.multiplier)[None, :]
    if isinstance(operator, Conv2D):
        depth = operator.weights.shape[3]
        each = operator.channels // operator.groups
        groups = [
            np.tile(end[g * depth : (g + 1) * depth], len(operator.columns) // depth) for g in range(operator.groups)
        ]
        return np.repeat(np.stack(groups, axis=1), each, axis=1)
    if isinstance(operator, FullyConnected):
        # Flattened pixels: repeat the channels.
        end = np.tile(end, len(operator.weights) // len(end))
    return end[:, None]


def _binary(operator: Binary, given: list[Interval], tensor: Tensor) -> Interval:
    """Evaluate at the interval ends, where an operator monotone or bilinear in each operand has its extremes."""
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
