"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""

from dataclasses import replace
from typing import Any

import numpy as np
from tercet.golden.networks.operators import Window

from .context import Node
from .reader import enum_name

__all__ = ["conv2d", "depthwise", "fully_connected", "padded"]

# Maximum rows and columns of a window larger than its feature map.
_MOST_OUTSIDE = 256


def padded(node: Node, options: Any, size: tuple[int, int], window: Window) -> Window:
    """Return the window with the padding of the node's mode, for a feature map of (rows, columns) `size`."""
    import tflite

    if min(*window.stride, *window.dilation, *window.kernel) < 1:
        raise node.refuse(
            f"kernel {window.kernel}, stride {window.stride} or dilation {window.dilation} is below 1",
            "export the model again",
        )
    if any(span > max(length, _MOST_OUTSIDE) for span, length in zip(window.extent, size, strict=True)):
        raise node.refuse(f"its window spans {window.extent} of a feature map of {size}", "export the model again")
    mode = enum_name(tflite.Padding, options.Padding())
    if mode == "SAME":
        return replace(window, padding=Window.same(size, window.kernel, window.stride, window.dilation))
    if mode != "VALID":
        raise node.refuse(f"the padding {mode} is not supported", "use SAME or VALID")
    if any(span > length for span, length in zip(window.extent, size, strict=True)):
        raise node.refuse(f"its window spans {window.extent} of a feature map of {size}", "use SAME padding")
    return window


def _window(node: Node, options: Any, kernel: tuple[int, int], size: tuple[int, int]) -> Window:
    stride = (int(options.StrideH()), int(options.StrideW()))
    dilation = (int(options.DilationHFactor()), int(options.DilationWFactor()))
    return padded(node, options, size, Window(kernel=kernel, stride=stride, dilation=dilation))


def _picture(node: Node) -> tuple[str, tuple[int, ...]]:
    """Return the name and shape of the (1, H, W, C) input."""
    x = node.activations(0)
    shape = node.builder.shape(x)
    if len(shape) != 4:
        raise node.refuse(f"the input has {len(shape)} dimensions", "use (1, height, width, channels)")
    return x, shape


def _options(node: Node, kind: str) -> Any:
    options = node.option(kind)
    if options is None:
        raise node.refuse("it has no options", "export the model again")
    return options


def conv2d(node: Node) -> None:
    """CONV_2D; the file's weights are (out, kernel rows, kernel columns, in / groups)."""
    options = _options(node, "Conv2DOptions")
    codes, scales = node.weights(1, 0)
    x, shape = _picture(node)
    if codes.ndim != 4 or not codes.size or shape[3] % codes.shape[3] or len(codes) % (shape[3] // codes.shape[3]):
        raise node.refuse(f"weights of shape {codes.shape} do not fit the input", "use (out, h, w, in / groups)")
    window = _window(node, options, codes.shape[1:3], (shape[1], shape[2]))
    node.builder.conv2d(
        node.name,
        x,
        node.output,
        codes,
        scales,
        node.bias(2, len(codes)),
        window,
        node.activation(options),
        shape[3] // codes.shape[3],
    )


def depthwise(node: Node) -> None:
    """DEPTHWISE_CONV_2D; the file's weights are (1, kernel rows, kernel columns, in * multiplier)."""
    options = _options(node, "DepthwiseConv2DOptions")
    codes, scales = node.weights(1, 3)
    x, shape = _picture(node)
    if codes.ndim != 4 or not codes.size or len(codes) != 1 or codes.shape[3] % shape[3]:
        raise node.refuse(f"weights of shape {codes.shape} do not fit the input", "use (1, h, w, in * multiplier)")
    window = _window(node, options, codes.shape[1:3], (shape[1], shape[2]))
    bias = node.bias(2, codes.shape[3])
    node.builder.depthwise(node.name, x, node.output, codes[0], scales, bias, window, node.activation(options))


def fully_connected(node: Node) -> None:
    """FULLY_CONNECTED; the file's weights are (out, in)."""
    import tflite

    options = node.option("FullyConnectedOptions")
    codes, scales = node.weights(1, 0)
    x = node.activations(0)
    shape, y = node.builder.shape(x), node.output
    if codes.ndim != 2 or not codes.size:
        raise node.refuse(f"weights have shape {codes.shape}", "use (out, in)")
    if options is not None:
        form = enum_name(tflite.FullyConnectedOptionsWeightsFormat, options.WeightsFormat())
        if form != "DEFAULT":
            raise node.refuse(f"the weights format {form} is not supported", "use DEFAULT")
    keep = bool(options is not None and options.KeepNumDims())
    if (shape[-1] if keep else int(np.prod(shape))) != codes.shape[1]:
        raise node.refuse(
            f"an input of shape {shape} does not fit weights of {codes.shape}", "flatten it to (1, in) first"
        )
    bias = node.bias(2, len(codes))
    node.builder.fully_connected(
        node.name, x, y, codes.T.copy(), scales, bias, node.activation(options), keep_dims=keep
    )
