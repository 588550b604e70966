"""Random operators that move codes: padding, joining, shapes, slices."""

import numpy as np

from .random_values import RandomGraph, Value

__all__ = ["MOVEMENTS"]


def pad(g: RandomGraph) -> None:
    x = g.any(lambda v: v.size <= 200)
    widths = np.array([(0, 0), *g.rng.integers(0, 3, (len(x.shape) - 1, 2))])
    y = g.like(x, [n + sum(width) for n, width in zip(x.shape, widths.tolist(), strict=True)])
    inputs = [x.name, g.net.constant(widths)]
    if g.rng.integers(2):
        g.add("PAD", inputs, y)
    else:
        fill = g.net.constant(g.codes(()), x.scale, x.zero_point, np.int8)
        g.add("PADV2", [*inputs, fill], y)


def concatenation(g: RandomGraph) -> None:
    x = g.any(lambda v: v.size <= 200)
    axis = int(g.rng.integers(1, len(x.shape)))

    def joins(v: Value) -> bool:
        return len(v.shape) == len(x.shape) and all(
            a == b for n, (a, b) in enumerate(zip(v.shape, x.shape, strict=True)) if n != axis
        )

    parts = [x]
    for _ in range(int(g.rng.integers(1, 3))):
        part = g.any(joins) if joins(g.values[0]) else x
        if (part.scale, part.zero_point) != (x.scale, x.zero_point):
            part = g.add("QUANTIZE", [part.name], g.like(x, part.shape))
        parts.append(part)
    length = sum(part.shape[axis] for part in parts)
    y = g.like(x, (*x.shape[:axis], length, *x.shape[axis + 1 :]))
    g.add("CONCATENATION", [part.name for part in parts], y, Axis=axis - len(x.shape) * int(g.rng.integers(2)))


def reshape(g: RandomGraph) -> None:
    x = g.any()
    divisors = [n for n in range(1, x.size + 1) if x.size % n == 0]
    first = g.one(divisors)
    shape = g.one(((1, x.size), (1, first, x.size // first), (1, 1, first, x.size // first)))
    wanted = list(shape)
    if g.rng.integers(2):
        wanted[int(g.rng.integers(1, len(shape)))] = -1
    g.add("RESHAPE", [x.name, g.net.constant(wanted)], g.like(x, shape), NewShape=wanted)


def squeeze(g: RandomGraph) -> None:
    """An axis of length 1 comes, and goes again."""
    x = g.any(lambda v: len(v.shape) < 4)
    if len(x.shape) == 4:
        return
    axis = int(g.rng.integers(1, len(x.shape) + 1))
    longer = g.like(x, (*x.shape[:axis], 1, *x.shape[axis:]))
    g.add("EXPAND_DIMS", [x.name, g.net.constant(axis)], longer)
    g.add("SQUEEZE", [longer.name], g.like(x), SqueezeDims=[axis])


def transpose(g: RandomGraph) -> None:
    x = g.any()
    order = [0, *(1 + g.rng.permutation(len(x.shape) - 1)).tolist()]
    g.add("TRANSPOSE", [x.name, g.net.constant(order)], g.like(x, [x.shape[axis] for axis in order]))


def _bounds(g: RandomGraph, length: int) -> tuple[int, int, int]:
    """Start, stop and step that leave something."""
    step = int(g.one((1, 1, 2, 3, -1, -2)))
    low, high = sorted(g.integers(0, length - 1, 2))
    start, stop = (low, high + 1) if step > 0 else (high, low - 1)
    # -1 before the beginning cannot be told from the last element: use a number further below.
    stop = -length - 1 if stop < 0 else stop
    if g.rng.integers(2) and start > 0:
        start -= length
    return start, stop, step


def strided_slice(g: RandomGraph) -> None:
    x = g.any()
    bounds = np.array([(0, 1, 1), *(_bounds(g, n) for n in x.shape[1:])])
    begin, end, shrink = (int(n) for n in g.rng.integers(0, 1 << len(x.shape), 3))
    # One axis at most disappears, never the batch; its step must be positive.
    axis = int(g.rng.integers(1, len(x.shape)))
    shrink = shrink & 1 << axis if len(x.shape) > 2 and bounds[axis, 2] > 0 else 0
    begin &= ~shrink
    shape = []
    for n, (length, (start, stop, step)) in enumerate(zip(x.shape, bounds.tolist(), strict=True)):
        if not shrink >> n & 1:
            first, last = None if begin >> n & 1 else start, None if end >> n & 1 else stop
            shape.append(len(range(length)[first:last:step]))
    inputs = [x.name, *(g.net.constant(bounds[:, n]) for n in range(3))]
    g.add("STRIDED_SLICE", inputs, g.like(x, shape), BeginMask=begin, EndMask=end, ShrinkAxisMask=shrink)


def slice_(g: RandomGraph) -> None:
    x = g.any()
    pairs = [(0, 1), *(sorted(g.integers(0, n - 1, 2)) for n in x.shape[1:])]
    begin = [low for low, _ in pairs]
    size = [1, *(high - low + 1 for low, high in pairs[1:])]
    given = [-1 if b + s == n and g.rng.integers(2) else s for b, s, n in zip(begin, size, x.shape, strict=True)]
    g.add("SLICE", [x.name, g.net.constant(begin), g.net.constant(given)], g.like(x, size))


def split(g: RandomGraph) -> None:
    x = g.any()
    axis = int(np.argmax(x.shape[1:])) + 1
    length = x.shape[axis]
    given = g.net.constant(axis - len(x.shape) * int(g.rng.integers(2)))
    parts = g.one([n for n in range(1, min(length, 4) + 1) if length % n == 0])
    if g.rng.integers(2) and length > 1:
        first = int(g.rng.integers(1, length))
        sizes = [first, length - first]
        outputs = [g.like(x, (*x.shape[:axis], size, *x.shape[axis + 1 :])) for size in sizes]
        g.add("SPLIT_V", [x.name, g.net.constant(sizes), given], *outputs, NumSplits=2)
    else:
        outputs = [g.like(x, (*x.shape[:axis], length // parts, *x.shape[axis + 1 :])) for _ in range(parts)]
        g.add("SPLIT", [given, x.name], *outputs, NumSplits=parts)


MOVEMENTS = (pad, concatenation, reshape, squeeze, transpose, strided_slice, slice_, split)
