"""Concatenation, and the final Softmax of a network."""

import math
from dataclasses import replace

import numpy as np
from tercet.golden.networks.operators import Concatenation, Softmax
from tercet.golden.networks.operators.base import Shape
from tercet.golden.numerics.quantization import QuantParams

from .context import Node
from .layout import View
from .movement import params_of
from .quantisation import dequantised
from .values import Codes, Constant, Floats, Pending, Real, Value, codes_of

__all__ = ["CONVERSIONS", "SOFTMAX_PARAMS"]

SOFTMAX_PARAMS = QuantParams(1 / 256, -128)
"""Output quantisation of `Softmax`."""


def _joined(node: Node, values: list[Value], shapes: list[Shape], axis: int) -> Pending:
    """Concatenate values, each quantised like the output."""
    axis = node.axis(axis, len(shapes[0]))
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    if axis == 0 or len({len(shape) for shape in shapes}) > 1 or len(rest) > 1:
        raise node.refuse(f"it joins {shapes} along axis {axis}", "join equal shapes along an axis after the batch")
    shape = (*shapes[0][:axis], sum(each[axis] for each in shapes), *shapes[0][axis + 1 :])

    def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
        parts = [node.graph.settled(node.quantised(value, params, f"{name}:{n}")) for n, value in enumerate(values)]
        orders = [part.order for part in parts]
        order = max(orders, key=lambda each: (orders.count(each), each))
        parts = [node.graph.ordered(part, order) for part in parts]
        joined = node.fresh(name if (qmin, qmax) == (-128, 127) else f"{name}:joined", shape, params, order)
        node.graph.append(
            Concatenation(
                name=node.name,
                inputs=tuple(part.tensor for part in parts),
                output=joined.tensor,
                axis=joined.axis(axis),
            )
        )
        if (qmin, qmax) == (-128, 127):
            return joined
        table = np.clip(np.arange(-128, 128), qmin, qmax).astype(np.int8)
        return replace(joined, tensor=node.graph.table(name, joined.tensor, params, table, "CLIP"))

    return Pending(node.file.label, node.op, shape, emit)


def concat(node: Node) -> None:
    """Concat of codes of equal scale, or of real numbers."""
    values = [node.value(n) for n in range(len(node.file.inputs))]
    found = [node.value(0)]
    for n, value in enumerate(values):
        if isinstance(value, (Constant, Floats)):
            raise node.unquantised(value, node.file.inputs[n])
    if any(isinstance(value, Codes) for value in values):
        found = []
        for value in values:
            if not isinstance(value, Codes):
                raise node.refuse("it joins codes and real numbers", "export the model again")
            found.append(Real(value.view, params_of(node, value.view)))
    else:
        found = values
    pending = _joined(node, found, [value.shape for value in found], node.attribute("axis", 1))
    first = found[0]
    same = all(isinstance(v, Real) and v.table is None and v.params == getattr(first, "params", None) for v in found)
    if not same or not isinstance(first, Real):
        if isinstance(values[0], Codes):
            raise node.refuse("it joins codes of different scales", "use QLinearConcat")
        node.set(pending)
        return
    view = pending.emit(node.file.outputs[0], first.params, -128, 127)
    unsigned = isinstance(values[0], Codes) and values[0].unsigned
    node.set(Codes(view, unsigned) if isinstance(values[0], Codes) else Real(view, first.params))


def qlinear_concat(node: Node) -> None:
    """onnxruntime's QLinearConcat: output scale and zero point, then three inputs per operand."""
    count = len(node.file.inputs)
    if count < 5 or (count - 2) % 3:
        raise node.refuse(f"it has {count} inputs", "export the model again")
    values: list[Value] = []
    for n in range(2, count, 3):
        values.append(node.dequantised(dequantised(node, n, n + 1, n + 2), node.file.inputs[n]))
    found = _joined(node, values, [value.shape for value in values], node.attribute("axis", 1))
    node.set_quantised(found, *node.output_params(0))


def _softmax(node: Node, x: Real, axis: int, version: int) -> Pending:
    """Softmax over `axis`; up to opset 12, over all axes from `axis` on."""
    shape = x.shape
    axis = node.axis(axis, len(shape))
    flat = x.view.reshaped((math.prod(shape[:axis]), math.prod(shape[axis:]))) if version < 13 else x.view
    if axis == 0:
        raise node.refuse("it runs over the batch", "use another axis")
    last = 1 if version < 13 else axis

    def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
        view = node.graph.settled(flat)
        view = node.graph.ordered(view, (*(n for n in view.order if n != last), last))
        same = params == SOFTMAX_PARAMS and (qmin, qmax) == (-128, 127)
        output = node.fresh(name if same else f"{name}:softmax", view.shape, SOFTMAX_PARAMS, view.order)
        scale = float(x.params.scale)
        node.graph.append(Softmax(name=node.name, inputs=(view.tensor,), output=output.tensor, scale=scale))
        if not same:
            table = np.clip(codes_of(Real(output, SOFTMAX_PARAMS).values, params), qmin, qmax)
            output = replace(output, tensor=node.graph.table(name, output.tensor, params, table, "QUANTIZE"))
        return output.reshaped(shape)

    return Pending(node.file.label, node.op, shape, emit)


def softmax(node: Node) -> None:
    """Softmax."""
    node.set(_softmax(node, node.real(), node.attribute("axis", 1 if node.version < 13 else -1), node.version))


def qlinear_softmax(node: Node) -> None:
    """onnxruntime's QLinearSoftmax."""
    x = node.dequantised(dequantised(node, 0, 1, 2), node.file.inputs[0])
    version = node.attribute("opset", 13)
    found = _softmax(node, x, node.attribute("axis", 1 if version < 13 else -1), version)
    node.set_quantised(found, *node.output_params(3))


CONVERSIONS = {
    "Concat": concat,
    "Softmax": softmax,
    "com.microsoft.QLinearConcat": qlinear_concat,
    "com.microsoft.QLinearSoftmax": qlinear_softmax,
}
