"""Operators of a graph as instructions, views in and views out."""

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
    """One operator on its way to instructions.

    Attributes
    ----------
    operator : Operator
        What to compute.
    config : NpuConfig
        The machine.
    images : Images
        Where weights, parameters and tables go.
    inputs : list of View
        Its operands; of a binary operator with a constant also that, in the operator's order.
    output : View
        Where the result goes.
    rank : int
        Dimensions of the first operand, the batch included.
    """

    operator: Any
    config: NpuConfig
    images: Images
    inputs: list[View]
    output: View
    rank: int = 4

    def source(self, view: View | None = None) -> Fields:
        """Fields of the first operand."""
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
        """Fields of the result."""
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
        """Fields of the requantisation, its parameters in memory."""
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
    """A convolution in strips of pixels that fit the accumulators, and blocks of whole rows of them."""
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
    """Some output channels of a matrix operator, weights (out, kernel rows, kernel columns, depth)."""
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
    """One convolution for each group."""
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
    """A convolution of 1 x 1 pixels; without keep_dims, of the whole sample as one pixel."""
    operator: FullyConnected = low.operator
    width = len(operator.weights)
    (x,) = low.inputs
    if x.channels != width:
        x = x.reshaped(1, 1, width)
    output = low.output
    weights = np.ascontiguousarray(operator.weights.T)[:, None, None, :]
    return _convolve(low, x, output, weights, Window(kernel=(1, 1)), slice(0, operator.channels))


def depthwise(low: Lowering) -> list[Instruction]:
    """The depthwise unit's; with several outputs of a channel, a convolution whose other weights are zero."""
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
    """A depthwise convolution with ones over the axes."""
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
    """The maximum over one window."""
    operator: ReduceMax = low.operator
    (x,) = low.inputs
    kernel = _reduced(operator.axes, x, low.rank)
    fields = {**low.source(), **low.target(_unreduced(low.output, kernel, x))}
    return [Instruction(Opcode.MAXIMUM, **fields, kernel_rows=kernel[0], kernel_cols=kernel[1], fill=-128)]


def _reduced(axes: tuple[int, ...], x: View, rank: int) -> tuple[int, int]:
    """Window that covers the axes: all rows, all pixels, or both."""
    rows, cols = rank - 3, rank - 2
    return (x.rows if rows in axes and rows > 0 else 1), (x.cols if cols in axes and cols > 0 else 1)


def _unreduced(output: View, kernel: tuple[int, int], x: View) -> View:
    """The output with its reduced axes as lengths of 1."""
    return output.reshaped(x.rows // kernel[0], x.cols // kernel[1], x.channels)


def average_pool(low: Lowering) -> list[Instruction]:
    """A depthwise convolution with ones for each region whose windows have the same number of elements inside."""
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
    """Division by a count, half away from zero: ``m = ceil(2**t / n)``, t the largest for which m is a Q31 fraction."""
    t = 31 + count.bit_length() - 1
    while -(-(2**t) // count) >= 2**31:
        t -= 1
    return Requant(-(-(2**t) // count), 31 - t, 0, operator.qmin, operator.qmax, "away")


def _regions(kernel: int, stride: int, before: int, size: int, outputs: int) -> list[tuple[int, int, int, int]]:
    """Outputs along one axis, by the part of their windows inside: first one, count, first element, elements.

    The first element is that of the region's first window; the others follow by the stride.
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
    """The maximum of each window."""
    operator: MaxPool2D = low.operator
    fields = {**low.source(), **low.target(), **_window(operator.window, -128)}
    return [Instruction(Opcode.MAXIMUM, **fields, low=operator.qmin, high=operator.qmax)]


def pad(low: Lowering) -> list[Instruction]:
    """A copy whose windows begin outside; behind channels that are added, first their fill code everywhere."""
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
    """The same codes elsewhere."""
    return [Instruction(Opcode.MAXIMUM, **low.source(), **low.target(), fill=0)]


def lookup(low: Lowering) -> list[Instruction]:
    """A table, or one for each channel."""
    operator: Lookup = low.operator
    tables = np.atleast_2d(operator.table).astype(np.int64)
    fields = {"table": low.images.tables(tables), "table_channel": int(len(tables) > 1)}
    return [Instruction(Opcode.LOOKUP, **low.source(), **low.target(), **fields)]


def add(low: Lowering) -> list[Instruction]:
    """Two tables and the requantiser."""
    operator: Add = low.operator
    order = _order(low)
    first, second = (low.images.tables(operator.table(n)[None]) for n in order)
    requant = low.requant(np.array([0]), operator.requant)
    return [Instruction(Opcode.ADD, **_pair(low, order), **requant, table=first, other_table=second)]


def multiply(low: Lowering) -> list[Instruction]:
    """Two zero points and the requantiser."""
    operator: Mul = low.operator
    order = _order(low)
    first, second = (operator.zero_points[n] for n in order)
    requant = low.requant(np.array([0]), operator.requant)
    return [Instruction(Opcode.MULTIPLY, **_pair(low, order), **requant, zero=first, other_zero=second)]


def larger(low: Lowering) -> list[Instruction]:
    """The larger of two codes."""
    return [Instruction(Opcode.LARGER, **_pair(low, _order(low)))]


def _order(low: Lowering) -> tuple[int, int]:
    """Operands so that the second one repeats its channel, if one does: all these operators commute."""
    return (1, 0) if low.inputs[0].channels < low.output.channels else (0, 1)


def _pair(low: Lowering, order: tuple[int, int]) -> Fields:
    """Fields of both operands and the result; an axis of length 1 repeats."""
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
"""Operators with instructions of their own; subclasses too."""
