"""Lower pooling, reductions over rows and columns, and padding to DEPTHWISE and MAXIMUM."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from tercet.golden.networks.operators import AveragePool2D, MaxPool2D, Mean, Pad, ReduceMax, Window
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import FIELDS, Instruction, Opcode
from tercet.golden.numerics.requantization import Requant

from .lowering import Fields, Lowering, Passes
from .matrix import depthwise_passes, unit_weights
from .views import View

__all__ = ["average_pool", "max_pool", "mean", "pad", "reduce_max"]

_LIMITS = {field.name: field.bounds[1] for field in FIELDS}


def _sums(low: Lowering, source: View, output: View, window: Window, bias: int, requant: Requant) -> list[Instruction]:
    """Lower the requantised sums of windows inside the operand, as a depthwise convolution with unit weights."""

    def lowered(source: View, output: View, window: Window, passes: Passes, low: Lowering) -> list[Instruction]:
        fields = low.requant(np.array([bias]), requant) | unit_weights(low, window.kernel[1], passes)
        return low.windows(Opcode.DEPTHWISE, source, output, window, fields, passes)

    layouts = [*_whole(source, output, window, low.config, low.config.window_taps)]
    layouts += [(source, output, window, passes) for passes in depthwise_passes(low, window)]
    return low.fastest([partial(lowered, *layout) for layout in layouts])


def _maxima(low: Lowering, source: View, output: View, window: Window, fields: Fields) -> list[Instruction]:
    """Lower the maximum codes of windows."""

    def lowered(source: View, output: View, window: Window, passes: Passes | None, low: Lowering) -> list[Instruction]:
        return low.windows(Opcode.MAXIMUM, source, output, window, fields, passes)

    inside = source.rows >= window.kernel[0] and source.cols >= window.kernel[1] and not any(window.padding)
    layouts = _whole(source, output, window, low.config, 1) if inside and window.dilation == (1, 1) else ()
    return low.fastest([partial(lowered, *layout) for layout in [*layouts, (source, output, window, None)]])


def _whole(
    source: View, output: View, window: Window, config: NpuConfig, most: int
) -> Iterator[tuple[View, View, Window, Passes]]:
    """Layouts of a single window as a column of kernel rows: source, result, window and passes.

    A kernel row is a pass of up to `most` pixels, all with the same weights. Channel tiles can stand side by side as
    pixels of `cols` channels, so that a pass reads all of them.
    """
    rows, cols = window.kernel
    pixels, pitch = rows * cols, source.row if cols == 1 else source.pixel
    if output.rows * output.cols > 1 or (min(rows, cols) > 1 and source.row != cols * pitch):
        return
    for taps in range(1, most + 1):
        kernel = (pixels // taps, taps)
        if pixels % taps == 0 and kernel[0] <= _LIMITS["kernel_rows"] and taps * pitch <= _LIMITS["kernel_row"]:
            column = View(source.storage, source.offset, taps * pitch, pitch, *kernel, source.channels)
            yield column, output, Window(kernel=kernel), Passes(1, taps, taps=taps)
            tiles, rest = divmod(source.channels, config.cols)
            if taps == 1 and tiles > 1 and not rest:
                abreast = replace(column, pixel=config.cols, cols=tiles, channels=config.cols)
                yield abreast, output.reshaped(1, tiles, config.cols), Window(kernel=kernel), Passes(1, 1)


def mean(low: Lowering) -> list[Instruction]:
    """Lower MEAN to sums over one window."""
    operator: Mean = low.operator
    (x,) = low.inputs
    kernel = _reduced(operator.axes, x, low.rank)
    bias = -kernel[0] * kernel[1] * operator.input_zero_point
    return _sums(low, x, _unreduced(low.output, kernel, x), Window(kernel=kernel), bias, operator.requant)


def reduce_max(low: Lowering) -> list[Instruction]:
    """Lower REDUCE_MAX to the maximum over one window."""
    operator: ReduceMax = low.operator
    (x,) = low.inputs
    kernel = _reduced(operator.axes, x, low.rank)
    return _maxima(low, x, _unreduced(low.output, kernel, x), Window(kernel=kernel), low.identity())


def _reduced(axes: tuple[int, ...], x: View, rank: int) -> tuple[int, int]:
    """Window that covers the axes: all rows, all columns, or both."""
    rows, cols = rank - 3, rank - 2
    return (x.rows if rows in axes and rows > 0 else 1), (x.cols if cols in axes and cols > 0 else 1)


def _unreduced(output: View, kernel: tuple[int, int], x: View) -> View:
    """View of the output that keeps the reduced axes with length 1."""
    return output.reshaped(x.rows // kernel[0], x.cols // kernel[1], x.channels)


def average_pool(low: Lowering) -> list[Instruction]:
    """Lower AVERAGE_POOL_2D to sums, one instruction per region of windows with equal divisors."""
    operator: AveragePool2D = low.operator
    (x,), y, found = low.inputs, low.output, []
    window = operator.window
    sizes = zip(window.kernel, window.stride, window.padding[::2], (x.rows, x.cols), (y.rows, y.cols), strict=True)
    top, left = (_regions(*each) for each in sizes)
    for first_row, rows, begin_row, kernel_rows in top:
        for first_col, cols, begin_col, kernel_cols in left:
            source = x.part(slice(begin_row, x.rows), slice(begin_col, x.cols), slice(0, x.channels))
            part = y.part(slice(first_row, first_row + rows), slice(first_col, first_col + cols), slice(0, y.channels))
            region = Window(kernel=(kernel_rows, kernel_cols), stride=window.stride)
            found += _sums(low, source, part, region, 0, _average(kernel_rows * kernel_cols, operator))
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
    fields = low.identity(operator.qmin, operator.qmax) | {"fill": -128}
    return _maxima(low, low.inputs[0], low.output, operator.window, fields)


def pad(low: Lowering) -> list[Instruction]:
    """Lower PAD as a copy whose windows start outside the input; added channels need a fill of the output first."""
    operator: Pad = low.operator
    (x,), y = low.inputs, low.output
    widths = [(0, 0)] * (4 - low.rank) + list(operator.widths[1:])
    (top, _), (left, _), (before, after) = widths[-3:]
    fields = low.identity() | {"fill": operator.fill}
    found = []
    if before or after:
        nothing = View.dense(x.storage, 0, 0, 0)
        found += low.windows(Opcode.MAXIMUM, nothing, y, Window(kernel=(1, 1)), fields)
        y = y.part(slice(0, y.rows), slice(0, y.cols), slice(before, before + x.channels))
    window = Window(kernel=(1, 1), padding=(top, 0, left, 0))
    return [*found, *low.windows(Opcode.MAXIMUM, x, y, window, fields)]
