"""Convolution and pooling windows: kernel_shape, strides, dilations, pads, auto_pad, ceil_mode."""

from collections.abc import Sequence

from tercet.golden.networks.operators import Window

from .context import Node
from .reader import MAX_ELEMENTS

__all__ = ["window_of"]

_LARGEST = 1 << 16  # maximum stride, dilation or padding


def _pair(node: Node, name: str, default: tuple[int, ...], least: int, signal: bool) -> tuple[int, ...]:
    """Return an attribute with one or two numbers per dimension; a signal gets an extra leading dimension."""
    given = node.attribute(name, ())
    if not given:
        return default
    count = len(default) // 2 if signal else len(default)
    if len(given) != count or not all(isinstance(n, int) and least <= n <= _LARGEST for n in given):
        raise node.refuse(f"{name} is {given}", f"use {count} numbers in [{least}, {_LARGEST}]")
    if not signal:
        return given
    return (default[0], given[0]) if count == 1 else (0, given[0], 0, given[1])


def window_of(
    node: Node, picture: Sequence[int], kernel: Sequence[int], *, signal: bool, ceil: bool = False
) -> tuple[Window, tuple[int, int]]:
    """Return the window of a node and its output size.

    Parameters
    ----------
    picture : (int, int, int)
        Channels, rows, columns.
    kernel : (int, int)
        Rows and columns of the window.
    signal : bool
        Whether the file has one spatial dimension, the columns.
    ceil : bool
        Whether a window may start inside the feature map and end outside.
    """
    channels, *size = picture
    if not all(1 <= n <= _LARGEST for n in kernel):
        raise node.refuse(f"its kernel is {tuple(kernel)}", f"use lengths in [1, {_LARGEST}]")
    given = _pair(node, "kernel_shape", (1, 1), 1, signal)
    if "kernel_shape" in node.file.attributes and given != tuple(kernel):
        raise node.refuse(f"kernel_shape is {given} but the weights have {tuple(kernel)}", "export the model again")
    strides = _pair(node, "strides", (1, 1), 1, signal)
    dilations = _pair(node, "dilations", (1, 1), 1, signal)
    pads = _pair(node, "pads", (0, 0, 0, 0), 0, signal)
    auto = node.attribute("auto_pad", "NOTSET")
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise node.refuse(f"auto_pad is {auto!r}", "use NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    padding, found, padded = [], [], channels
    for n in range(2):
        extent = (kernel[n] - 1) * dilations[n] + 1
        before, behind = (pads[n], pads[n + 2]) if auto == "NOTSET" else (0, 0)
        if auto.startswith("SAME"):
            total = max((-(-size[n] // strides[n]) - 1) * strides[n] + extent - size[n], 0)
            behind = total // 2 if auto == "SAME_LOWER" else total - total // 2
            before = total - behind
        room = size[n] + before + behind - extent
        count = (-(-room // strides[n]) if ceil else room // strides[n]) + 1
        # The last window must start inside the feature map or in the padding before it.
        if ceil and (count - 1) * strides[n] >= size[n] + before:
            count -= 1
        if room < 0 or count < 1:
            raise node.refuse(f"its window spans {extent} of {size[n] + before + behind}", "use a smaller kernel")
        if ceil:
            behind = max((count - 1) * strides[n] + extent - size[n] - before, 0)
        padding += [before, behind]
        found.append(count)
        padded *= size[n] + before + behind
    if padded > MAX_ELEMENTS:
        raise node.refuse(f"its padded input has {padded} elements", f"use at most {MAX_ELEMENTS}")
    window = Window(
        kernel=(kernel[0], kernel[1]),
        stride=(strides[0], strides[1]),
        dilation=(dilations[0], dilations[1]),
        padding=(padding[0], padding[1], padding[2], padding[3]),
    )
    return window, (found[0], found[1])
