"""Data-movement operators; most of them only change the view."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from tercet.golden.networks.operators import Pad, Slice
from tercet.golden.networks.operators.base import Shape
from tercet.golden.numerics.quantization import QuantParams

from .context import Node, cure
from .layout import View
from .values import Codes, Constant, Floats, Pending, Real, Value, codes_of

__all__ = ["CONVERSIONS", "moving", "params_of", "target_shape", "with_view"]

Moving = Codes | Real | Floats


def moving(node: Node, n: int = 0) -> Moving:
    """Return an input stored in a graph tensor."""
    value = node.value(n)
    if isinstance(value, (Pending, Constant)):
        raise node.unquantised(value, node.file.inputs[n])
    return value


def params_of(node: Node, view: View) -> QuantParams:
    """Return scale and zero point of a tensor of codes."""
    params = node.graph.known[view.tensor].params
    if params is None:
        raise node.refuse("its input has no scale", "quantise the input with QuantizeLinear")
    return params


def with_view(value: Moving, view: View) -> Value:
    """Return a value of the same kind with another view."""
    if (
        isinstance(value, Real)
        and value.table is not None
        and value.table.ndim > 1
        and view.tensor != value.view.tensor
    ):
        # The channels must remain the last graph axis.
        before = value.view
        if view.order != before.order or view.inside_shape[-1] != before.inside_shape[-1]:
            functions = " and ".join(value.functions)
            raise ValueError(f"the result of {functions} is moved before it is quantised; {cure(value.functions)}")
    return replace(value, view=view)


def target_shape(node: Node, shape: Shape) -> Shape:
    """Return the output shape of Reshape, Flatten, Squeeze or Unsqueeze."""
    rank = len(shape)
    if node.op == "Flatten":
        axis = node.attribute("axis", 1)
        axis = rank if axis == rank else node.axis(axis, rank)
        return math.prod(shape[:axis]), math.prod(shape[axis:])
    if node.op == "Reshape":
        return _reshape(node, shape)
    given = node.integers("axes", 1)
    if node.op == "Squeeze":
        axes = [n for n in range(1, rank) if shape[n] == 1] if given is None else [node.axis(n, rank) for n in given]
        if any(shape[n] != 1 for n in axes):
            raise node.refuse(f"it squeezes the axes {tuple(axes)}", "squeeze axes of length 1")
        return tuple(length for n, length in enumerate(shape) if n not in axes)
    if given is None or len(given) > 8:
        raise node.refuse("it has no axes, or more than 8", "export the model again")
    axes = {node.axis(n, rank + len(given)) for n in given}
    rest = iter(shape)
    return tuple(1 if n in axes else next(rest) for n in range(rank + len(axes)))


def _reshape(node: Node, shape: Shape) -> Shape:
    given = node.integers("shape", 1)
    if given is None or any(n < -1 for n in given) or given.count(-1) > 1 or len(given) > 16:
        raise node.refuse(f"its shape is {given}", "export the model again")
    zero = bool(node.attribute("allowzero", 0))
    if any(n == 0 and (zero or k >= len(shape)) for k, n in enumerate(given)):
        raise node.refuse(f"its shape is {given}", "use lengths of at least 1")
    found = [shape[k] if n == 0 else n for k, n in enumerate(given)]
    if -1 in found:
        rest = math.prod(n for n in found if n != -1)
        found[found.index(-1)] = math.prod(shape) // max(rest, 1)
    return tuple(found)


def reshape(node: Node) -> None:
    """Reshape, Flatten, Squeeze, Unsqueeze: change the shape in the file; no data moves."""
    value = node.value(0)
    shape = target_shape(node, value.shape)
    if not shape or shape[0] != value.shape[0] or math.prod(shape) != math.prod(value.shape):
        raise node.refuse(f"it gives shape {shape}, without the leading batch", "keep the batch as the first axis")
    if isinstance(value, Pending):
        node.set(_later(value, shape, lambda view: view.reshaped(shape)))
        return
    found = moving(node)
    node.set(with_view(found, found.view.reshaped(shape)))


def _later(value: Pending, shape: Shape, move: Callable[[View], View]) -> Pending:
    """Defer a movement until the pending value has a tensor."""

    def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
        return move(value.emit(name, params, qmin, qmax))

    return replace(value, shape=shape, emit=emit, affine=None)


def transpose(node: Node) -> None:
    """Transpose: change the axis order in the file; no data moves."""
    value = node.value(0)
    rank = len(value.shape)
    axes = node.attribute("perm", tuple(reversed(range(rank))))
    if sorted(axes) != list(range(rank)) or axes[0] != 0:
        raise node.refuse(f"perm is {axes}", "keep the batch as the first axis")
    if isinstance(value, Pending):
        shape = tuple(value.shape[n] for n in axes)
        node.set(_later(value, shape, lambda view: node.graph.settled(view).transposed(axes)))
        return
    found = moving(node)
    node.set(with_view(found, node.graph.settled(found.view).transposed(axes)))


def alias(node: Node) -> None:
    """Identity, Dropout, and Cast to the same type."""
    value = node.value(0)
    if node.op == "Cast" and (node.attribute("to", 0) != 1 or isinstance(value, Codes)):
        raise node.refuse("it changes the type of activations", "remove it")
    if node.op == "Dropout" and any(node.file.outputs[1:]):
        raise node.refuse("its mask is used", "remove its second output")
    node.set(value)


def pad(node: Node) -> None:
    """Pad with a constant."""
    mode = node.attribute("mode", "constant")
    if mode != "constant":
        raise node.refuse(f"its mode is {mode!r}", "use 'constant'")
    value = moving(node)
    if isinstance(value, Floats) or (isinstance(value, Real) and value.table is not None):
        raise node.unquantised(value, node.file.inputs[0])
    view = node.graph.settled(value.view)
    widths = _widths(node, len(view.shape))
    params = params_of(node, view)
    if isinstance(value, Codes):
        fill = int(node.number(2, "value", 0.0)) - 128 * value.unsigned
    else:
        fill = int(codes_of(np.array(node.number(2, "value", node.attribute("value", 0.0))), params))
    shape = tuple(before + length + behind for length, (before, behind) in zip(view.shape, widths, strict=True))
    output = node.fresh(node.file.outputs[0], shape, params, view.order)
    inside = tuple(widths[n] for n in view.order)
    node.graph.append(Pad(name=node.name, inputs=(view.tensor,), output=output.tensor, widths=inside, fill=fill))
    node.set(with_view(value, output))


def _widths(node: Node, rank: int) -> list[tuple[int, int]]:
    """Return the padding before and after each axis of the file."""
    pads = node.integers("pads", 1)
    axes = tuple(range(rank))
    if node.given(3):
        axes = tuple(node.axis(n, rank) for n in node.integers("axes", 3) or ())
    if pads is None or len(pads) != 2 * len(axes) or any(n < 0 for n in pads):
        raise node.refuse(f"its pads are {pads}", f"use {2 * len(axes)} numbers of at least 0")
    widths = [(0, 0)] * rank
    for k, n in enumerate(axes):
        widths[n] = pads[k], pads[k + len(axes)]
    if widths[0] != (0, 0):
        raise node.refuse(f"it pads the batch by {widths[0]}", "pad other axes")
    return widths


def cut(node: Node, value: Moving, ranges: dict[int, tuple[int, int | None, int]], drop: int | None, n: int) -> None:
    """Define output `n` as a slice of a value, given (start, stop, step) per axis of the file."""
    view = node.graph.settled(value.view)
    if 0 in ranges:
        start, stop, step = ranges.pop(0)
        if len(range(view.shape[0])[start:stop:step]) != view.shape[0] or step < 0:
            raise node.refuse("it cuts the batch", "cut other axes")
    shape = tuple(
        len(range(length)[slice(*ranges.get(axis, (0, length, 1)))]) for axis, length in enumerate(view.shape)
    )
    if 0 in shape:
        raise node.refuse(f"it gives shape {shape}", "keep at least one element")
    known = node.graph.known[view.tensor]
    output = View.plain(node.file.outputs[n], shape, view.order)
    output = replace(output, tensor=node.graph.declare(output.tensor, output.inside_shape, known.params, known.dtype))
    inside = tuple(ranges.get(axis, (0, view.shape[axis], 1)) for axis in view.order[1:])
    node.graph.append(
        Slice(
            name=node.name,
            inputs=(view.tensor,),
            output=output.tensor,
            slices=inside,
            shape=output.inside_shape[1:],
        )
    )
    if drop is not None:
        output = output.reshaped(tuple(length for axis, length in enumerate(shape) if axis != drop))
    node.set(with_view(value, output), n)


def slice_(node: Node) -> None:
    """Slice with constant bounds."""
    value = moving(node)
    rank = len(value.shape)
    starts, ends = node.integers("starts", 1), node.integers("ends", 2)
    if starts is None or ends is None:
        raise node.refuse("its bounds are missing", "export the model again")
    axes = node.integers("axes", 3) or tuple(range(len(starts)))
    steps = node.integers("steps", 4) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise node.refuse(f"its bounds are {starts}, {ends}, {steps}", "export the model again")
    ranges: dict[int, tuple[int, int | None, int]] = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = node.axis(axis, rank)
        first, stop, step = slice(start, end, step).indices(value.shape[n])
        ranges[n] = first, None if stop < 0 else stop, step
    cut(node, value, ranges, None, 0)


def split(node: Node) -> None:
    """Split: one Slice per output."""
    value = moving(node)
    axis = node.axis(node.attribute("axis", 0), len(value.shape))
    length, count = value.shape[axis], len(node.file.outputs)
    sizes = node.integers("split", 1)
    if sizes is None:
        each = -(-length // count)
        sizes = tuple(min(each, length - n * each) for n in range(count))
    if len(sizes) != count or sum(sizes) != length or min(sizes) < 1 or axis == 0:
        raise node.refuse(
            f"it splits {length} of axis {axis} into {sizes}", "use sizes with that sum, along an axis after the batch"
        )
    start = 0
    for n, size in enumerate(sizes):
        cut(node, value, {axis: (start, start + size, 1)}, None, n)
        start += size


def gather(node: Node) -> None:
    """Gather with one constant index, or with equidistant indices."""
    value = moving(node)
    axis = node.axis(node.attribute("axis", 0), len(value.shape))
    array = node.constant(1, "indices").array
    length = value.shape[axis]
    if array.dtype.kind != "i" or array.ndim > 1 or not array.size or axis == 0:
        raise node.refuse(f"its indices have shape {array.shape} along axis {axis}", "use one index, or a Slice")
    indices = [n + length * (n < 0) for n in array.ravel().tolist()]
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    stop = indices[-1] + (1 if step > 0 else -1)
    if step == 0 or list(range(indices[0], stop, step)) != indices or not all(0 <= n < length for n in indices):
        raise node.refuse(f"its indices are {indices[:8]} of {length}", "use equidistant indices")
    cut(node, value, {axis: (indices[0], None if stop < 0 else stop, step)}, None if array.ndim else axis, 0)


CONVERSIONS = {
    "Cast": alias,
    "Dropout": alias,
    "Flatten": reshape,
    "Gather": gather,
    "Identity": alias,
    "Pad": pad,
    "Reshape": reshape,
    "Slice": slice_,
    "Split": split,
    "Squeeze": reshape,
    "Transpose": transpose,
    "Unsqueeze": reshape,
}
