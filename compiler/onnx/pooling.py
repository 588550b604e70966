"""Maximum and average pooling, and reductions over axes."""

import math

import numpy as np
from tercet.golden.networks.operators import AveragePool2D, DepthwiseConv2D, MaxPool2D, Mean, ReduceMax, Window
from tercet.golden.networks.operators.base import Shape
from tercet.golden.numerics.quantization import QuantParams

from .context import Node
from .layout import View
from .movement import moving, params_of, with_view
from .quantisation import dequantised
from .values import Codes, Floats, Pending, Real
from .windows import window_of

__all__ = ["CONVERSIONS"]


def _window(node: Node, view: View) -> tuple[Window, Shape, bool]:
    """Return the window of a pooling node, its output shape, and whether the file has a one-dimensional signal."""
    kernel: tuple[int, ...] = node.attribute("kernel_shape", ())
    signal = len(kernel) == 1
    if len(kernel) not in (1, 2) or not all(isinstance(n, int) for n in kernel):
        raise node.refuse(f"kernel_shape is {kernel}", "use one or two dimensions")
    pair = (1, *kernel) if signal else kernel
    ceil = bool(node.attribute("ceil_mode", 0))
    window, size = window_of(node, view.shape[1:], pair, signal=signal, ceil=ceil)
    sides = zip(window.padding, np.repeat(window.extent, 2), strict=True)
    if any(pad >= extent for pad, extent in sides):
        raise node.refuse(f"its padding {window.padding} is as large as the window", "use a smaller padding")
    return window, (view.shape[0], view.shape[1], *size), signal


def _as_signal(view: View, signal: bool) -> View:
    return view.reshaped((*view.shape[:2], view.shape[3])) if signal else view


def max_pool(node: Node) -> None:
    """MaxPool of codes, or of real numbers that increase with the code."""
    if any(node.file.outputs[1:]):
        raise node.refuse("its indices are used", "remove its second output")
    value = moving(node)
    if isinstance(value, Floats) or (isinstance(value, Real) and not (np.diff(value.values) >= 0).all()):
        raise node.unquantised(value, node.file.inputs[0])
    view = node.graph.picture(value.view)
    window, shape, signal = _window(node, view)
    output = node.fresh(node.file.outputs[0], shape, params_of(node, view), (0, 2, 3, 1))
    node.graph.append(MaxPool2D(name=node.name, inputs=(view.tensor,), output=output.tensor, window=window))
    node.set(with_view(value, _as_signal(output, signal)))


def _average(node: Node, x: Real) -> Pending:
    """Average over windows, by one of three methods; each is within one code of the real average."""
    view = node.graph.picture(x.view)
    window, shape, signal = _window(node, view)
    counted = bool(node.attribute("count_include_pad", 0))
    if counted and node.attribute("ceil_mode", 0):
        raise node.refuse("it has both ceil_mode and count_include_pad", "use one of them")
    excluded = any(window.padding) and not counted
    around = counted and any(window.padding)

    def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
        common = {"name": node.name, "inputs": (view.tensor,), "window": window}
        if params == x.params and not around:
            output = node.fresh(name, shape, params, (0, 2, 3, 1))
            node.graph.append(AveragePool2D(output=output.tensor, qmin=qmin, qmax=qmax, **common))
        elif excluded:
            # A window's divisor depends on its position: average the codes, then rescale. Two roundings are within one
            # code of the real average only if the second does not magnify the error of the first.
            if float(x.params.scale) >= 2 * float(params.scale):
                reason = f"its output has a scale of {params.scale}, less than half of the input's, and padding"
                raise node.refuse(reason, "use quant_format=QuantFormat.QDQ, which keeps the scale")
            between = node.fresh(f"{name}:average", shape, x.params, (0, 2, 3, 1))
            node.graph.append(AveragePool2D(output=between.tensor, **common))
            output = node.quantised(Real(between, x.params), params, name)
        else:
            # Every window has the same number of elements: use a convolution with unit weights, which rounds once. The
            # padding reads as the real number 0.
            output = node.fresh(name, shape, params, (0, 2, 3, 1))
            scale = float(x.params.scale) / (float(params.scale) * math.prod(window.kernel))
            node.graph.append(
                DepthwiseConv2D(
                    output=output.tensor,
                    weights=np.ones((*window.kernel, shape[1]), np.int8),
                    bias=np.zeros(shape[1], np.int32),
                    requant=node.graph.requant_to(scale, params, qmin, qmax),
                    input_zero_point=x.params.zero_point,
                    **common,
                )
            )
        return _as_signal(output, signal)

    return Pending(node.file.label, node.op, (*shape[:2], shape[3]) if signal else shape, emit)


def _mean(node: Node, x: Real, axes: tuple[int, ...], keep: bool, total: bool = False) -> Pending:
    """Mean, or sum if `total`, over axes of the file."""
    view = node.graph.settled(x.view)
    kept, shape = _reduced(node, view, axes, keep)
    count = 1 if total else math.prod(view.shape[n] for n in axes)

    def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
        output = node.fresh(name, kept, params, view.order)
        scale = float(x.params.scale) / (float(params.scale) * count)
        node.graph.append(
            Mean(
                name=node.name,
                inputs=(view.tensor,),
                output=output.tensor,
                axes=tuple(sorted(view.axis(n) for n in axes)),
                input_zero_point=x.params.zero_point,
                requant=node.graph.requant_to(scale, params, qmin, qmax),
                keep_dims=True,
            )
        )
        return output.reshaped(shape)

    return Pending(node.file.label, node.op, shape, emit)


def _reduced(node: Node, view: View, axes: tuple[int, ...], keep: bool) -> tuple[Shape, Shape]:
    """Return the shape with reduced axes of length 1, and the shape in the file."""
    if not axes or 0 in axes or len({*axes}) != len(axes):
        raise node.refuse(f"it reduces the axes {axes}", "reduce axes after the batch, each once")
    kept = tuple(1 if n in axes else length for n, length in enumerate(view.shape))
    return kept, kept if keep else tuple(length for n, length in enumerate(kept) if n not in axes)


def _axes(node: Node, rank: int) -> tuple[int, ...]:
    """Return the axes of a reduction; by default, all but the batch."""
    given = node.integers("axes", 1)
    if not given:
        if node.attribute("noop_with_empty_axes", 0):
            raise node.refuse("it reduces nothing", "remove it")
        return tuple(range(1, rank))
    return tuple(node.axis(n, rank) for n in given)


def average_pool(node: Node) -> None:
    """AveragePool."""
    node.set(_average(node, node.real()))


def global_average_pool(node: Node) -> None:
    """GlobalAveragePool."""
    x = node.real()
    node.set(_mean(node, x, tuple(range(2, len(x.shape))), keep=True))


def reduce_mean(node: Node) -> None:
    """ReduceMean, ReduceSum."""
    x = node.real()
    keep = bool(node.attribute("keepdims", 1))
    node.set(_mean(node, x, _axes(node, len(x.shape)), keep, total=node.op == "ReduceSum"))


def reduce_max(node: Node) -> None:
    """ReduceMax and GlobalMaxPool, of codes or of real numbers."""
    value = moving(node)
    if not isinstance(value, Codes) and not (isinstance(value, Real) and value.table is None):
        raise node.unquantised(value, node.file.inputs[0])
    view = node.graph.settled(value.view)
    pool = node.op == "GlobalMaxPool"
    axes = tuple(range(2, len(view.shape))) if pool else _axes(node, len(view.shape))
    kept, shape = _reduced(node, view, axes, pool or bool(node.attribute("keepdims", 1)))
    output = node.fresh(node.file.outputs[0], kept, params_of(node, view), view.order)
    found = tuple(sorted(view.axis(n) for n in axes))
    node.graph.append(
        ReduceMax(name=node.name, inputs=(view.tensor,), output=output.tensor, axes=found, keep_dims=True)
    )
    node.set(with_view(value, output.reshaped(shape)))


def _on_codes(node: Node) -> Real:
    """Return the activations of an operator on codes, given by inputs 0 to 2: codes, scale, zero point."""
    if node.attribute("channels_last", 0):
        raise node.refuse("channels_last is set", "clear it")
    return node.dequantised(dequantised(node, 0, 1, 2), node.file.inputs[0])


def qlinear_average_pool(node: Node) -> None:
    """onnxruntime's QLinearAveragePool."""
    node.set_quantised(_average(node, _on_codes(node)), *node.output_params(3))


def qlinear_global_average_pool(node: Node) -> None:
    """onnxruntime's QLinearGlobalAveragePool."""
    x = _on_codes(node)
    found = _mean(node, x, tuple(range(2, len(x.shape))), keep=True)
    node.set_quantised(found, *node.output_params(3))


def qlinear_reduce_mean(node: Node) -> None:
    """onnxruntime's QLinearReduceMean."""
    x = node.dequantised(dequantised(node, 0, 1, 2), node.file.inputs[0])
    axes = tuple(node.axis(n, len(x.shape)) for n in node.attribute("axes", ())) or tuple(range(1, len(x.shape)))
    found = _mean(node, x, axes, bool(node.attribute("keepdims", 1)))
    node.set_quantised(found, *node.output_params(3))


CONVERSIONS = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": reduce_max,
    "MaxPool": max_pool,
    "ReduceMax": reduce_max,
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_mean,
    "com.microsoft.QLinearAveragePool": qlinear_average_pool,
    "com.microsoft.QLinearGlobalAveragePool": qlinear_global_average_pool,
    "com.microsoft.QLinearReduceMean": qlinear_reduce_mean,
}
