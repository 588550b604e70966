"""QuantizeLinear and DequantizeLinear: conversion between codes and real numbers."""

from dataclasses import replace

import numpy as np

from .context import Node
from .values import Codes, Constant, Quantised, Real

__all__ = ["CONVERSIONS", "dequantised", "quantised_constant"]

_UINT8, _INT8 = 2, 3  # element types in attribute output_dtype


def quantise(node: Node) -> None:
    """QuantizeLinear."""
    if node.attribute("block_size", 0):
        raise node.refuse("it has one scale per block", "quantise without blocks")
    value = node.value(0)
    if isinstance(value, Constant):
        node.set(Constant(_codes(node, value)))
        return
    if isinstance(value, Codes):
        raise node.refuse("it quantises codes", "export the model again")
    zero_point = node.constant(2, "zero point").array if node.given(2) else None
    params, unsigned = node.params(node.constant(1, "scale").array, zero_point, _default_dtype(node) == np.uint8)
    node.set_quantised(value, params, unsigned)


def _default_dtype(node: Node) -> type:
    """Return the type of codes if there is no zero point."""
    code = node.attribute("output_dtype", 0)
    if code not in (0, _UINT8, _INT8):
        raise node.refuse(f"codes have element type {code}", "use activation_type=QuantType.QInt8 or QUInt8")
    return np.int8 if code == _INT8 else np.uint8


def _codes(node: Node, value: Constant) -> np.ndarray:
    """Quantise a constant that the file stores as real numbers."""
    zero_point = node.constant(2, "zero point").array if node.given(2) else np.zeros((), _default_dtype(node))
    if zero_point.dtype not in (np.int8, np.uint8, np.int32):
        raise node.refuse(f"codes are {zero_point.dtype}", "use weight_type=QuantType.QInt8")
    like = Constant(np.zeros(value.shape, zero_point.dtype))
    shape = quantised_constant(node, like, node.constant(1, "scale"), Constant(zero_point), node.attribute("axis", 1))
    info = np.iinfo(zero_point.dtype)
    with np.errstate(all="ignore"):
        quotient = np.rint(value.array.astype(np.float32) / shape.along(shape.scale).astype(np.float32))
    return np.clip(quotient + shape.along(shape.zero_point), info.min, info.max).astype(zero_point.dtype)


def dequantise(node: Node) -> None:
    """DequantizeLinear."""
    if node.attribute("block_size", 0):
        raise node.refuse("it has one scale per block", "quantise without blocks")
    node.set(dequantised(node, 0, 1, 2, node.attribute("axis", 1)))


def dequantised(node: Node, codes: int, scale: int, zero_point: int, axis: int = 0) -> Constant | Real:
    """Dequantise codes; `codes`, `scale` and `zero_point` are input indices, `axis` is a constant's channel axis."""
    value = node.value(codes)
    if isinstance(value, Constant):
        offset = node.constant(zero_point, "zero point") if node.given(zero_point) else None
        return dequantised_constant(node, value, node.constant(scale, "scale"), offset, axis)
    if not isinstance(value, Codes):
        raise node.refuse("it dequantises real numbers", "export the model again")
    offset = node.constant(zero_point, "zero point").array if node.given(zero_point) else None
    params, unsigned = node.params(node.constant(scale, "scale").array, offset, value.unsigned)
    if unsigned != value.unsigned:
        raise node.refuse("its zero point has another type than its codes", "export the model again")
    return Real(replace(value.view, tensor=node.graph.claim(value.view.tensor, params)), params)


def dequantised_constant(
    node: Node, codes: Constant, scale: Constant, zero_point: Constant | None, axis: int
) -> Constant:
    """Dequantise constant codes; the result keeps them."""
    found = quantised_constant(node, codes, scale, zero_point, axis)
    return Constant(found.real.astype(np.float32), found)


def quantised_constant(
    node: Node, codes: Constant, scale: Constant, zero_point: Constant | None, axis: int
) -> Quantised:
    """Return constant codes with their scales: one, or one per index of an axis."""
    array, scales = codes.array, scale.array
    zeros = np.zeros((), array.dtype) if zero_point is None else zero_point.array
    if array.dtype not in (np.int8, np.uint8, np.int32):
        raise node.refuse(f"constant codes are {array.dtype}", "use weight_type=QuantType.QInt8")
    if scales.dtype.kind != "f" or not np.isfinite(scales).all() or (scales <= 0).any():
        raise node.refuse("a scale of a constant is not a finite number above 0", "export the model again")
    if zeros.dtype.kind not in "iu" or zeros.size not in (1, scales.size):
        raise node.refuse(f"a constant has {scales.size} scales and {zeros.size} zero points", "export the model again")
    if scales.size != 1:
        axis = node.axis(axis, max(array.ndim, 1))
        if array.ndim < 1 or scales.ndim != 1 or scales.size != array.shape[axis]:
            raise node.refuse(
                f"a constant of shape {array.shape} has scales of shape {scales.shape} along axis {axis}",
                "use one scale, or one per channel",
            )
    shape = () if scales.size == 1 else (scales.size,)
    zeros = np.broadcast_to(zeros.ravel(), scales.size).reshape(shape).astype(np.int64)
    return Quantised(array, scales.astype(np.float64).reshape(shape), zeros, axis)


CONVERSIONS = {
    "QuantizeLinear": quantise,
    "DequantizeLinear": dequantise,
    "com.microsoft.QuantizeLinear": quantise,
    "com.microsoft.DequantizeLinear": dequantise,
}
