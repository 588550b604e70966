"""Constant folding, mostly of shape computations and weight reordering."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .context import Node
from .movement import target_shape
from .values import Constant, Quantised

__all__ = ["fold"]

_LARGEST = 1 << 20  # maximum elements of a computed array

_CASTS = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}


def fold(node: Node) -> bool:
    """Compute a node if all of its inputs are constants or shapes; return whether it was computed."""
    if node.op == "Shape":
        shape = node.value(0).shape
        part = slice(node.attribute("start", 0), node.attribute("end", len(shape)))
        node.set(Constant(np.array(shape[part], np.int64)))
        return True
    if node.op == "Constant":
        node.set(Constant(_constant(node)))
        return True
    present = [n for n in range(len(node.file.inputs)) if node.given(n)]
    if not present or not all(isinstance(node.value(n), Constant) for n in present):
        return False
    if node.op in _MOVES:
        node.set(_moved(node, node.constant(0, "input")))
        return True
    if node.op not in _FOLDS:
        return False
    with np.errstate(all="ignore"):
        array = np.asarray(_FOLDS[node.op](node, *(node.constant(n, "input").array for n in present)))
    if array.dtype.kind not in "biuf":
        raise node.refuse(f"it computes {array.dtype}", "export the model again")
    node.set(Constant(array))
    return True


def _constant(node: Node) -> np.ndarray:
    for name, dtype in (("value_int", np.int64), ("value_ints", np.int64), ("value_float", np.float32)):
        if name in node.file.attributes:
            return np.array(node.file.attributes[name], dtype)
    if "value_floats" in node.file.attributes:
        return np.array(node.file.attributes["value_floats"], np.float32)
    value = node.file.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise node.refuse("it has no dense value", "use a dense numeric tensor")
    return value


def _moved(node: Node, value: Constant) -> Constant:
    """Move a constant together with the codes that it was dequantised from."""
    if node.op == "Transpose":
        axes = node.attribute("perm", tuple(reversed(range(value.array.ndim))))
        if sorted(axes) != list(range(value.array.ndim)):
            raise node.refuse(f"perm is {axes}", "export the model again")
        codes = value.quantised
        if codes is not None:
            axis = axes.index(codes.axis) if codes.scale.ndim else 0
            codes = replace(codes, codes=codes.codes.transpose(axes), axis=axis)
        return Constant(value.array.transpose(axes), codes)
    if node.op in ("Identity", "Dropout"):
        return value
    shape = target_shape(node, value.shape) if value.shape or node.op != "Flatten" else (1, 1)
    codes: Quantised | None = None
    if value.quantised is not None and not value.quantised.scale.ndim:
        codes = replace(value.quantised, codes=value.quantised.codes.reshape(shape))
    return Constant(value.array.reshape(shape), codes)


def _cast(node: Node, x: np.ndarray) -> np.ndarray:
    code = node.attribute("to", 0)
    if code not in _CASTS:
        raise node.refuse(f"it casts to element type {code}", "use int64 or float32")
    return x.astype(_CASTS[code])


def _gather(node: Node, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    axis = node.axis(node.attribute("axis", 0), x.ndim)
    if x.size * indices.size > _LARGEST or indices.dtype.kind != "i":
        raise node.refuse("it gathers too many elements", f"use at most {_LARGEST}")
    return np.take(x, indices, axis)


def _concat(node: Node, *arrays: np.ndarray) -> np.ndarray:
    if sum(array.size for array in arrays) > _LARGEST:
        raise node.refuse("it joins too many elements", f"use at most {_LARGEST}")
    return np.concatenate(arrays, node.axis(node.attribute("axis", 0), arrays[0].ndim))


def _filled(node: Node, shape: np.ndarray) -> np.ndarray:
    value = node.file.attributes.get("value", np.zeros(1, np.float32))
    lengths = [int(n) for n in shape.ravel()]
    if not isinstance(value, np.ndarray) or value.size != 1 or min(lengths, default=1) < 0 or len(lengths) > 8:
        raise node.refuse(f"it fills shape {tuple(lengths[:8])}", "export the model again")
    if np.prod([float(n) for n in lengths]) > _LARGEST:
        raise node.refuse(f"it fills shape {tuple(lengths)}", f"use at most {_LARGEST} elements")
    return np.full(lengths, value.reshape(()))


def _slice(node: Node, x: np.ndarray, *_: np.ndarray) -> np.ndarray:
    starts, ends = node.integers("starts", 1) or (), node.integers("ends", 2) or ()
    axes, steps = node.integers("axes", 3) or tuple(range(len(starts))), node.integers("steps", 4) or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index: list[Any] = [slice(None)] * x.ndim
        index[node.axis(axis, x.ndim)] = slice(start, None if step < 0 and end < -x.size else end, step)
        x = x[tuple(index)]
    return x


def _divide(_: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        return a / b
    if not b.all():
        raise ValueError("it divides by 0")
    # Truncates towards zero.
    return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)


def _arithmetic(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def compute(node: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if np.prod([float(n) for n in np.broadcast_shapes(a.shape, b.shape)]) > max(_LARGEST, a.size, b.size):
            raise node.refuse("it computes too many elements", f"use at most {_LARGEST}")
        return function(a, b)

    return compute


_MOVES = {"Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}

_FOLDS: dict[str, Callable[..., np.ndarray]] = {
    "Add": _arithmetic(np.add),
    "Cast": _cast,
    "Ceil": lambda _, x: np.ceil(x),
    "Concat": _concat,
    "ConstantOfShape": _filled,
    "Div": _divide,
    "Floor": lambda _, x: np.floor(x),
    "Gather": _gather,
    "Max": _arithmetic(np.maximum),
    "Min": _arithmetic(np.minimum),
    "Mul": _arithmetic(np.multiply),
    "Neg": lambda _, x: np.negative(x),
    "Slice": _slice,
    "Sqrt": lambda _, x: np.sqrt(x),
    "Sub": _arithmetic(np.subtract),
}
