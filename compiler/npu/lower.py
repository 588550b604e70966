"""Lower graph operators on buffer views to NPU instructions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.networks.operators import (
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    MatrixOperator,
    Maximum,
    MaxPool2D,
    Mean,
    Mul,
    Operator,
    Pad,
    ReduceMax,
    Window,
)
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Instruction, Opcode
from tercet.golden.npu.weights import depthwise_words, plane_words
from tercet.golden.numerics.requantization import Requant, rounding_code

from .images import Images
from .views import View

__all__ = ["LOWERINGS", "Lowering", "copy"]

Fields = dict[str, int]


@dataclass(eq=False)
class Lowering:
    """Context for lowering one operator.

    Attributes
    ----------
    operator : Operator
        Operator to lower.
    config : NpuConfig
        Target configuration.
    images : Images
        Memory images that collect weights, parameters and tables.
    inputs : list of View
        Operands in the operator's order, including the constant of a binary operator.
    output : View
        Destination of the result.
    rank : int
        Number of dimensions of the first operand, including the batch.
    """

    operator: Any
    config: NpuConfig
    images: Images
    inputs: list[View]
    output: View
    rank: int = 4

    def source(self, view: View | None = None) -> Fields:
        """Return the instruction fields of the first operand."""
        view = view or self.inputs[0]
        return {
            "source": view.address,
            "source_row": view.row,
            "source_pixel": view.pixel,
            "height": view.rows,
            "width": view.cols,
            "depth": view.channels,
        }

    def target(self, view: View | None = None) -> Fields:
        """Return the instruction fields of the result."""
        view = view or self.output
        return {
            "target": view.address,
            "target_row": view.row,
            "target_pixel": view.pixel,
            "out_rows": view.rows,
            "out_cols": view.cols,
            "channels": view.channels,
        }

    def requant(self, bias: np.ndarray, requant: Requant) -> Fields:
        """Store the requantisation parameters and return the instruction fields that select them."""
        return {
            "parameters": self.images.parameters(bias, requant),
            "parameter_channel": int(len(bias) > 1),
            "zero_point": requant.zero_point,
            "low": requant.qmin,
            "high": requant.qmax,
            "rounding": rounding_code(requant.rounding),
        }


def _window(window: Window, fill: int) -> Fields:
    return {
        "kernel_rows": window.kernel[0],
        "kernel_cols": window.kernel[1],
        "stride_rows": window.stride[0],
        "stride_cols": window.stride[1],
        "dilation_rows": window.dilation[0],
        "dilation_cols": window.dilation[1],
        "top": window.padding[0],
        "left": window.padding[2],
        "fill": fill,
    }


def _strips(low: Lowering, fields: Fields, output: View) -> list[Instruction]:
    """Split a convolution into column strips that fit the accumulators, each processed in blocks of whole rows."""
    found, most = [], low.config.acc_depth
    for start in range(0, output.cols, most):
        part = output.part(
            slice(0, output.rows), slice(start, min(start + most, output.cols)), slice(0, output.channels)
        )
        block = min(max(1, most // part.cols), part.rows)
        left = fields["left"] - start * fields["stride_cols"]
        found.append(Instruction(Opcode.CONVOLVE, **{**fields, **low.target(part), "left": left, "block": block}))
    return found


def _convolve(
    low: Lowering, source: View, output: View, weights: np.ndarray, window: Window, channels: slice
) -> list[Instruction]:
    """Lower a range of output channels of a matrix operator; weights (out, kernel rows, kernel columns, depth)."""
    operator: MatrixOperator = low.operator
    assert operator.requant is not None
    fields = {**low.source(source), **_window(window, operator.input_zero_point)}
    fields |= low.requant(operator.folded[channels], _channels(operator.requant, channels, operator.channels))
    prototype = Instruction(Opcode.CONVOLVE, **fields)
    fields["weights"] = low.images.weights(plane_words(weights, prototype, low.config))
    return _strips(low, fields, output)


def _channels(requant: Requant, part: slice, count: int) -> Requant:
    multiplier, shift = requant.per_channel(count)
    return Requant(multiplier[part], shift[part], requant.zero_point, requant.qmin, requant.qmax, requant.rounding)


def conv2d(low: Lowering) -> list[Instruction]:
    """Lower CONV_2D: one convolution per group."""
    operator: Conv2D = low.operator
    depth, each = operator.weights.shape[3], operator.channels // operator.groups
    (x,), y, found = low.inputs, low.output, []
    for group in range(operator.groups):
        part = slice(group * each, (group + 1) * each)
        source = x.part(slice(0, x.rows), slice(0, x.cols), slice(group * depth, (group + 1) * depth))
        output = y.part(slice(0, y.rows), slice(0, y.cols), part)
        found += _convolve(low, source, output, operator.weights[part], operator.window, part)
    return found


def fully_connected(low: Lowering) -> list[Instruction]:
    """Lower FULLY_CONNECTED as a 1 x 1 convolution; without keep_dims, over the whole sample as one pixel."""
    operator: FullyConnected = low.operator
    width = len(operator.weights)
    (x,) = low.inputs
    if x.channels != width:
        x = x.reshaped(1, 1, width)
    output = low.output
    weights = np.ascontiguousarray(operator.weights.T)[:, None, None, :]
    return _convolve(low, x, output, weights, Window(kernel=(1, 1)), slice(0, operator.channels))


def depthwise(low: Lowering) -> list[Instruction]:
    """Lower DEPTHWISE_CONV_2D to the depthwise unit, or to a dense convolution if the multiplier exceeds 1."""
    operator: DepthwiseConv2D = low.operator
    (x,) = low.inputs
    if operator.multiplier > 1:
        rows, cols, channels = operator.weights.shape
        dense = np.zeros((channels, rows, cols, x.channels), np.int8)
        index = np.arange(channels)
        dense[index, :, :, index // operator.multiplier] = operator.weights.transpose(2, 0, 1)
        return _convolve(low, x, low.output, dense, operator.window, slice(0, channels))
    assert operator.requant is not None
    fields = {
        **low.source(),
        **low.target(),
        **_window(operator.window, operator.input_zero_point),
        **low.requant(operator.folded, operator.requant),
        "weights": low.images.weights(depthwise_words(operator.weights, low.config)),
    }
    return [Instruction(Opcode.DEPTHWISE, **fields)]


def _ones(low: Lowering, kernel: tuple[int, int], channels: int) -> int:
    return low.images.weights(depthwise_words(np.ones((*kernel, channels), np.int8), low.config))


def mean(low: Lowering) -> list[Instruction]:
    """Lower MEAN as a depthwise convolution with unit weights over the axes."""
    operator: Mean = low.operator
    (x,) = low.inputs
    kernel = _reduced(operator.axes, x, low.rank)
    bias = np.array([-kernel[0] * kernel[1] * operator.input_zero_point])
    fields = {
        **low.source(),
        **low.target(_unreduced(low.output, kernel, x)),
        **low.requant(bias, operator.requant),
        "kernel_rows": kernel[0],
        "kernel_cols": kernel[1],
        "weights": _ones(low, kernel, x.channels),
    }
    return [Instruction(Opcode.DEPTHWISE, **fields)]


def reduce_max(low: Lowering) -> list[Instruction]:
    """Lower REDUCE_MAX as the maximum over one window."""
    operator: ReduceMax = low.operator
    (x,) = low.inputs
    kernel = _reduced(operator.axes, x, low.rank)
    fields = {**low.source(), **low.target(_unreduced(low.output, kernel, x))}
    return [Instruction(Opcode.MAXIMUM, **fields, kernel_rows=kernel[0], kernel_cols=kernel[1], fill=-128)]


def _reduced(axes: tuple[int, ...], x: View, rank: int) -> tuple[int, int]:
    """Window that covers the axes: all rows, all columns, or both."""
    rows, cols = rank - 3, rank - 2
    return (x.rows if rows in axes and rows > 0 else 1), (x.cols if cols in axes and cols > 0 else 1)


def _unreduced(output: View, kernel: tuple[int, int], x: View) -> View:
    """View of the output that keeps the reduced axes with length 1."""
    return output.reshaped(x.rows // kernel[0], x.cols // kernel[1], x.channels)


def average_pool(low: Lowering) -> list[Instruction]:
    """Lower AVERAGE_POOL_2D: one unit-weight depthwise convolution per region of windows with equal divisors."""
    operator: AveragePool2D = low.operator
    (x,), y, found = low.inputs, low.output, []
    window = operator.window
    sizes = zip(window.kernel, window.stride, window.padding[::2], (x.rows, x.cols), (y.rows, y.cols), strict=True)
    top, left = (_regions(*each) for each in sizes)
    for first_row, rows, begin_row, kernel_rows in top:
        for first_col, cols, begin_col, kernel_cols in left:
            kernel = (kernel_rows, kernel_cols)
            part = y.part(slice(first_row, first_row + rows), slice(first_col, first_col + cols), slice(0, y.channels))
            count = kernel_rows * kernel_cols
            fields = {
                **low.source(),
                **low.target(part),
                **_window(Window(kernel=kernel, stride=window.stride), 0),
                **low.requant(np.array([0]), _average(count, operator)),
                "weights": _ones(low, kernel, x.channels),
                "top": -begin_row,
                "left": -begin_col,
            }
            found.append(Instruction(Opcode.DEPTHWISE, **fields))
    return found


def _average(count: int, operator: AveragePool2D) -> Requant:
    """Division by a count, rounded half away from zero.

    ``m = ceil(2**t / n)``, with the largest t for which m is a Q31 fraction.
    """
    t = 31 + count.bit_length() - 1
    while -(-(2**t) // count) >= 2**31:
        t -= 1
    return Requant(-(-(2**t) // count), 31 - t, 0, operator.qmin, operator.qmax, "away")


def _regions(kernel: int, stride: int, before: int, size: int, outputs: int) -> list[tuple[int, int, int, int]]:
    """Group the outputs along one axis by the number of in-bounds elements in their windows.

    Each group is (first output, number of outputs, first in-bounds element of its first window, in-bounds elements per
    window); its other windows follow at the stride.
    """
    found: list[tuple[int, int, int, int]] = []
    for n in range(outputs):
        start = n * stride - before
        begin, end = max(start, 0), min(start + kernel, size)
        last = found[-1] if found else None
        if last and last[3] == end - begin and begin == last[2] + last[1] * stride:
            found[-1] = (last[0], last[1] + 1, last[2], last[3])
        else:
            found.append((n, 1, begin, end - begin))
    return found


def max_pool(low: Lowering) -> list[Instruction]:
    """Lower MAX_POOL_2D: the maximum of each window."""
    operator: MaxPool2D = low.operator
    fields = {**low.source(), **low.target(), **_window(operator.window, -128)}
    return [Instruction(Opcode.MAXIMUM, **fields, low=operator.qmin, high=operator.qmax)]


def pad(low: Lowering) -> list[Instruction]:
    """Lower PAD as a copy whose windows start outside the input; added channels need a fill of the output first."""
    operator: Pad = low.operator
    (x,), y = low.inputs, low.output
    widths = [(0, 0)] * (4 - low.rank) + list(operator.widths[1:])
    (top, _), (left, _), (before, after) = widths[-3:]
    found = []
    inner = y
    if before or after:
        nothing = {**low.source(), **low.target(), "top": y.rows + 1, "fill": operator.fill, "height": 1}
        found.append(Instruction(Opcode.MAXIMUM, **nothing))
        inner = y.part(slice(0, y.rows), slice(0, y.cols), slice(before, before + x.channels))
    fields = {**low.source(), **low.target(inner), "top": top, "left": left, "fill": operator.fill}
    return [*found, Instruction(Opcode.MAXIMUM, **fields)]


def copy(low: Lowering) -> list[Instruction]:
    """Copy codes from one view to another."""
    return [Instruction(Opcode.MAXIMUM, **low.source(), **low.target(), fill=0)]


def lookup(low: Lowering) -> list[Instruction]:
    """Lower LOOKUP: one table, or one per channel."""
    operator: Lookup = low.operator
    tables = np.atleast_2d(operator.table).astype(np.int64)
    fields = {"table": low.images.tables(tables), "table_channel": int(len(tables) > 1)}
    return [Instruction(Opcode.LOOKUP, **low.source(), **low.target(), **fields)]


def add(low: Lowering) -> list[Instruction]:
    """Lower ADD and SUB: two tables and the requantiser."""
    operator: Add = low.operator
    order = _order(low)
    first, second = (low.images.tables(operator.table(n)[None]) for n in order)
    requant = low.requant(np.array([0]), operator.requant)
    return [Instruction(Opcode.ADD, **_pair(low, order), **requant, table=first, other_table=second)]


def multiply(low: Lowering) -> list[Instruction]:
    """Lower MUL: two zero points and the requantiser."""
    operator: Mul = low.operator
    order = _order(low)
    first, second = (operator.zero_points[n] for n in order)
    requant = low.requant(np.array([0]), operator.requant)
    return [Instruction(Opcode.MULTIPLY, **_pair(low, order), **requant, zero=first, other_zero=second)]


def larger(low: Lowering) -> list[Instruction]:
    """Lower MAXIMUM: the larger of two codes."""
    return [Instruction(Opcode.LARGER, **_pair(low, _order(low)))]


def _order(low: Lowering) -> tuple[int, int]:
    """Operand order that puts an operand with a repeated channel second; these operators all commute."""
    return (1, 0) if low.inputs[0].channels < low.output.channels else (0, 1)


def _pair(low: Lowering, order: tuple[int, int]) -> Fields:
    """Instruction fields of both operands and the result; an axis of length 1 repeats."""
    first, second = (low.inputs[n] for n in order)
    y = low.output
    return {
        **low.source(first),
        **low.target(),
        "source_row": first.row if first.rows == y.rows else 0,
        "source_pixel": first.pixel if first.cols == y.cols else 0,
        "other": second.address,
        "other_row": second.row if second.rows == y.rows else 0,
        "other_pixel": second.pixel if second.cols == y.cols else 0,
        "other_channel": int(second.channels == y.channels),
    }


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
