"""RESHAPE, TRANSPOSE, PAD, CONCATENATION, slices and splits."""

import math
from collections.abc import Sequence

from tercet.golden.networks.operators import Concatenation, Pad, Reshape, Slice, Transpose

from .context import Node

__all__ = [
    "concatenation",
    "pad",
    "reshape",
    "slice_",
    "split",
    "split_v",
    "strided_slice",
    "transpose",
]


def _moved(node: Node, x: str, y: str) -> None:
    """Reject an output quantised differently from the input: these operators compute nothing."""
    if node.builder.params(x) != node.builder.params(y):
        raise node.refuse("its input and output differ in scale or zero point", "quantise them alike")


def _check_count(node: Node, count: int, y: str) -> None:
    """Reject an output with a different number of elements."""
    shape = node.builder.shape(y)
    if math.prod(shape) != count:
        raise node.refuse(f"its output has shape {shape}, but there are {count} elements", "export the model again")


def reshape(node: Node) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS; the file stores the output shape."""
    x, y = node.activations(0), node.output
    _moved(node, x, y)
    _check_count(node, math.prod(node.builder.shape(x)), y)
    node.builder.append(Reshape(name=node.name, inputs=(x,), output=y, shape=node.builder.shape(y)[1:]))


def transpose(node: Node) -> None:
    """TRANSPOSE."""
    x, y = node.activations(0), node.output
    _moved(node, x, y)
    order = tuple(int(axis) for axis in node.constant(1, ("INT32",), "axes").reshape(-1))
    if sorted(order) != list(range(len(node.builder.shape(x)))) or order[0]:
        raise node.refuse(f"it moves axes to {order}", "keep the batch first")
    node.builder.append(Transpose(name=node.name, inputs=(x,), output=y, order=order))


def pad(node: Node) -> None:
    """PAD, which fills with the zero point, and PADV2, which fills with a constant."""
    x, y = node.activations(0), node.output
    _moved(node, x, y)
    widths = node.constant(1, ("INT32", "INT64"), "widths")
    rank = len(node.builder.shape(x))
    if widths.shape != (rank, 2) or (widths < 0).any() or widths.max(initial=0) > 1 << 16:
        raise node.refuse(f"widths {widths.tolist()} do not fit {rank} dimensions", "export the model again")
    if widths[0].any():
        raise node.refuse("it pads the batch", "pad other axes")
    fill = node.builder.params(y).zero_point
    if node.op == "PADV2":
        value = node.constant(2, ("INT8",), "fill")
        if node.params(node.input(2)) != node.builder.params(y):
            raise node.refuse("its fill and its output differ in scale or zero point", "quantise them alike")
        fill = int(value.reshape(-1)[0])
    pairs = tuple((int(before), int(after)) for before, after in widths)
    node.builder.append(Pad(name=node.name, inputs=(x,), output=y, widths=pairs, fill=fill))


def concatenation(node: Node) -> None:
    """CONCATENATION of activations of equal scale and zero point."""
    options = node.option("ConcatenationOptions")
    names = [node.activations(n) for n in range(len(node.file.inputs))]
    y = node.output
    rank = len(node.builder.shape(y))
    axis = int(options.Axis()) if options is not None else 0
    if not names or not -rank <= axis < rank:
        raise node.refuse(f"axis {axis} is not one of {rank}", "export the model again")
    if axis % rank == 0:
        raise node.refuse("it joins batches", "use another axis")
    if options is not None and options.FusedActivationFunction():
        raise node.refuse("a fused activation is not supported here", "use a separate operator")
    for x in names:
        _moved(node, x, y)
    node.builder.append(Concatenation(name=node.name, inputs=tuple(names), output=y, axis=axis % rank))


def _slice(node: Node, x: str, y: str, parts: Sequence[tuple[int, int | None, int]]) -> None:
    _moved(node, x, y)
    ranges = [range(n)[slice(*part)] for n, part in zip(node.builder.shape(x)[1:], parts, strict=True)]
    _check_count(node, math.prod(map(len, ranges)), y)
    shape = node.builder.shape(y)[1:]
    node.builder.append(Slice(name=y, inputs=(x,), output=y, slices=tuple(parts), shape=shape))


def strided_slice(node: Node) -> None:
    """STRIDED_SLICE, with its masks."""
    options = node.option("StridedSliceOptions")
    x, y = node.activations(0), node.output
    shape = node.builder.shape(x)
    bounds = [node.constant(n, ("INT32",), "bounds").reshape(-1).tolist() for n in (1, 2, 3)]
    if {len(each) for each in bounds} != {len(shape)} or 0 in bounds[2]:
        raise node.refuse(f"bounds {bounds} do not fit {len(shape)} dimensions", "give bounds for each axis")
    masks = (
        {}
        if options is None
        else {
            "begin": options.BeginMask(),
            "end": options.EndMask(),
            "shrink": options.ShrinkAxisMask(),
            "other": options.EllipsisMask() | options.NewAxisMask() | options.Offset(),
        }
    )
    if masks.get("other"):
        raise node.refuse("ellipsis, new axes and offsets are not supported", "give bounds for each axis")
    parts: list[tuple[int, int | None, int]] = []
    for axis, (length, start, stop, step) in enumerate(zip(shape, *bounds, strict=True)):
        begin = None if masks.get("begin", 0) >> axis & 1 else start
        end = None if masks.get("end", 0) >> axis & 1 else stop
        if masks.get("shrink", 0) >> axis & 1:
            begin, end, step = start, (start + 1) or None, 1
        first, last, step = slice(begin, end, step).indices(length)
        if len(range(first, last, step)) < 1:
            raise node.refuse(f"it leaves nothing of axis {axis}", "export the model again")
        parts.append((first, None if last < 0 else last, step))
    if len(range(*slice(*parts[0]).indices(shape[0]))) != shape[0] or masks.get("shrink", 0) & 1:
        raise node.refuse("it cuts the batch", "slice other axes")
    _slice(node, x, y, parts[1:])


def slice_(node: Node) -> None:
    """SLICE: begin and size of each axis; a size of -1 is the rest."""
    x, y = node.activations(0), node.output
    shape = node.builder.shape(x)
    begin, size = (node.constant(n, ("INT32", "INT64"), "bounds").reshape(-1).tolist() for n in (1, 2))
    if len(begin) != len(shape) or len(size) != len(shape):
        raise node.refuse(f"bounds {begin}, {size} do not fit {len(shape)} dimensions", "give bounds for each axis")
    parts = [(b, length if s < 0 else b + s, 1) for b, s, length in zip(begin, size, shape, strict=True)]
    if any(not 0 <= first < last <= length for (first, last, _), length in zip(parts, shape, strict=True)):
        raise node.refuse(f"bounds {begin}, {size} leave the shape {shape}", "export the model again")
    _slice(node, x, y, parts[1:])


def _split(node: Node, x: str, axis: int, sizes: Sequence[int]) -> None:
    """One slice for each output."""
    shape = node.builder.shape(x)
    if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
        raise node.refuse(f"it splits axis {axis}", "split an axis behind the batch")
    axis %= len(shape)
    if len(sizes) != len(node.file.outputs) or sum(sizes) != shape[axis] or min(sizes) < 1:
        raise node.refuse(f"parts of {list(sizes)} do not fit axis {axis} of {shape}", "export the model again")
    start = 0
    for size, tensor in zip(sizes, node.file.outputs, strict=True):
        parts: list[tuple[int, int | None, int]] = [(0, length, 1) for length in shape[1:]]
        parts[axis - 1] = (start, start + size, 1)
        _slice(node, x, node.declare(tensor), parts)
        start += size


def split(node: Node) -> None:
    """SPLIT into equal parts."""
    x = node.activations(1)
    axis = int(node.constant(0, ("INT32",), "axis").reshape(-1)[0])
    shape, parts = node.builder.shape(x), max(len(node.file.outputs), 1)
    _split(node, x, axis, [shape[axis % len(shape)] // parts] * parts)


def split_v(node: Node) -> None:
    """SPLIT_V into given parts, one of which may be -1, the rest."""
    x = node.activations(0)
    sizes = [int(n) for n in node.constant(1, ("INT32", "INT64"), "sizes").reshape(-1)]
    axis = int(node.constant(2, ("INT32",), "axis").reshape(-1)[0])
    shape = node.builder.shape(x)
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = shape[axis % len(shape)] - sum(sizes) - 1
    _split(node, x, axis, sizes)
