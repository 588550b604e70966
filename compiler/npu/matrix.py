"""Lower convolutions and fully connected layers to CONVOLVE and DEPTHWISE."""

from dataclasses import replace
from functools import partial

import numpy as np
from tercet.golden.networks.operators import Conv2D, DepthwiseConv2D, FullyConnected, MatrixOperator, Window
from tercet.golden.npu.instructions import FIELDS, Instruction, Opcode
from tercet.golden.npu.weights import depthwise_words, plane_words
from tercet.golden.numerics.requantization import Requant

from .images import Images
from .lowering import Fields, Lowering, Passes
from .packing import pack, packed_bytes
from .views import Storage, View

__all__ = ["conv2d", "depthwise", "depthwise_passes", "fully_connected", "scratch_bytes", "unit_weights"]

_LIMITS = {field.name: field.bounds[1] for field in FIELDS}


def _runs(source: View, window: Window) -> Passes:
    """Return the runs of a kernel row: one where its pixels are contiguous in the buffer, else one per pixel."""
    cols, dilation = window.kernel[1], window.dilation[1]
    length = cols * source.channels
    if dilation == 1 and (cols == 1 or source.pixel == source.channels) and length <= _LIMITS["run"]:
        return Passes(1, 0, length)
    return Passes(cols, dilation, source.channels)


def _convolve(
    low: Lowering, source: View, output: View, weights: np.ndarray, window: Window, channels: slice
) -> list[Instruction]:
    """Lower a range of output channels of a matrix operator; weights (out, kernel rows, kernel columns, depth)."""
    operator: MatrixOperator = low.operator
    assert operator.requant is not None
    passes = _runs(source, window)
    words = plane_words(weights.reshape(len(weights), window.kernel[0], passes.count, passes.run), low.config)
    fields = low.requant(operator.folded[channels], _channels(operator.requant, channels, operator.channels))
    fields |= {"fill": operator.input_zero_point, "weights": low.images.weights(words)}
    return low.windows(Opcode.CONVOLVE, source, output, window, fields, passes)


def _channels(requant: Requant, part: slice, count: int) -> Requant:
    multiplier, shift = requant.per_channel(count)
    return Requant(multiplier[part], shift[part], requant.zero_point, requant.qmin, requant.qmax, requant.rounding)


def conv2d(low: Lowering) -> list[Instruction]:
    """Lower CONV_2D: one convolution per group, or, with a scratch storage, a convolution of packed windows."""
    operator: Conv2D = low.operator
    if low.scratch is not None:
        return _packed(low, low.scratch)
    depth, each = operator.weights.shape[3], operator.channels // operator.groups
    (x,), y, found = low.inputs, low.output, []
    for group in range(operator.groups):
        part = slice(group * each, (group + 1) * each)
        source = x.part(slice(0, x.rows), slice(0, x.cols), slice(group * depth, (group + 1) * depth))
        output = y.part(slice(0, y.rows), slice(0, y.cols), part)
        found += _convolve(low, source, output, operator.weights[part], operator.window, part)
    return found


def _packed(low: Lowering, scratch: Storage) -> list[Instruction]:
    """Lower CONV_2D to a copy of its windows and a 1 x 1 convolution of these."""
    operator: Conv2D = low.operator
    copies, windows = pack(low, scratch, operator.window, operator.input_zero_point)
    weights = operator.weights.reshape(operator.channels, 1, 1, -1)
    whole = slice(0, operator.channels)
    return [*copies, *_convolve(low, windows, low.output, weights, Window(kernel=(1, 1)), whole)]


def scratch_bytes(low: Lowering) -> int:
    """Return the size of the temporary storage with which an operator takes fewer clocks; 0 if it needs none."""
    operator = low.operator
    size = packed_bytes(low, operator.window) if isinstance(operator, Conv2D) and operator.groups == 1 else 0
    if not size:
        return 0
    without, packed = (replace(low, images=Images(low.config), scratch=s) for s in (None, Storage(size, 0, 0, 0)))
    return size if low.clocks(conv2d(packed)) < low.clocks(conv2d(without)) else 0


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


def depthwise_passes(low: Lowering, window: Window) -> list[Passes]:
    """Return the ways to cut a kernel row of DEPTHWISE into passes.

    A pass of several kernel columns reads the pixels between the windows of a row once, at a pitch of one pixel. A pass
    of one column reads one pixel per result.
    """
    kernel, stride = window.kernel[1], window.stride[1]
    several = range(min(low.config.depthwise_taps, kernel), 1, -1)
    if window.dilation[1] > 1 or stride > _LIMITS["stride_cols"]:
        several = ()
    return [*(Passes(-(-kernel // taps), taps, taps=taps) for taps in several), Passes(kernel, window.dilation[1])]


def depthwise(low: Lowering) -> list[Instruction]:
    """Lower DEPTHWISE_CONV_2D to the depthwise unit, or to a dense convolution if the multiplier exceeds 1."""
    operator: DepthwiseConv2D = low.operator
    (x,), window = low.inputs, operator.window
    if operator.multiplier > 1:
        rows, cols, channels = operator.weights.shape
        dense = np.zeros((channels, rows, cols, x.channels), np.int8)
        index = np.arange(channels)
        dense[index, :, :, index // operator.multiplier] = operator.weights.transpose(2, 0, 1)
        return _convolve(low, x, low.output, dense, window, slice(0, channels))
    return low.fastest([partial(_depthwise, passes) for passes in depthwise_passes(low, window)])


def _depthwise(passes: Passes, low: Lowering) -> list[Instruction]:
    operator: DepthwiseConv2D = low.operator
    assert operator.requant is not None
    fields = low.requant(operator.folded, operator.requant)
    fields |= {
        "fill": operator.input_zero_point,
        "weights": low.images.weights(depthwise_words(operator.weights, passes.taps, low.config)),
    }
    return low.windows(Opcode.DEPTHWISE, low.inputs[0], low.output, operator.window, fields, passes)


def unit_weights(low: Lowering, columns: int, passes: Passes) -> Fields:
    """Store one kernel row of unit weights for DEPTHWISE; return the fields that use it everywhere."""
    ones = np.ones((1, columns, low.config.cols), np.int8)
    index = low.images.weights(depthwise_words(ones, passes.taps, low.config))
    return {"weights": index, "same_rows": 1, "same_tiles": 1}
