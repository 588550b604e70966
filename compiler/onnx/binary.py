"""Binary operators Add, Sub, Mul, Div, Pow, Max, Min, and their quantised forms.

With a scalar or per-channel constant they become functions of one code. With any other constant, or with two tensors,
they become operators of the graph.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from tercet.golden.networks.operators import Add, Maximum, Minimum, Mul, Sub
from tercet.golden.networks.operators.base import Shape
from tercet.golden.networks.operators.elementwise import add_parameters
from tercet.golden.numerics.quantization import QuantParams

from .context import Node, cure
from .elementwise import applied, per_channel
from .layout import View
from .quantisation import dequantised
from .values import Constant, Pending, Real, Value

__all__ = ["CONVERSIONS"]

_FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Div": np.divide,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Pow": np.power,
    "Sub": np.subtract,
}
_OPERATORS = {"Add": Add, "Sub": Sub, "Mul": Mul, "Max": Maximum, "Min": Minimum}


def binary(node: Node) -> None:
    """Convert a binary operator on real numbers."""
    if len(node.file.inputs) != 2:
        raise node.refuse(f"it has {len(node.file.inputs)} operands", "use two")
    node.set(_combined(node, node.op, node.value(0), node.value(1)))


def on_codes(node: Node) -> None:
    """Convert onnxruntime's QLinearAdd and QLinearMul."""
    first, second = dequantised(node, 0, 1, 2), dequantised(node, 3, 4, 5)
    found = _combined(node, node.op.removeprefix("com.microsoft.QLinear"), first, second)
    node.set_quantised(found, *node.output_params(6))


def _combined(node: Node, op: str, first: Value, second: Value) -> Value:
    if isinstance(first, Constant) or isinstance(second, Constant):
        return _with_constant(node, op, first, second)
    for n, value in enumerate((first, second)):
        if not isinstance(value, Real):
            raise node.unquantised(value, node.file.inputs[n])
    assert isinstance(first, Real)
    assert isinstance(second, Real)  # for type checkers
    if first.view == second.view and first.params == second.params:
        # Both are functions of the same code, for example x * sigmoid(x).
        functions = (*first.functions, *second.functions, op)
        both = applied(node, first, lambda x: _FUNCTIONS[op](x, second.values))
        return replace(both, functions=functions)
    for n, value in enumerate((first, second)):
        if value.table is not None:
            raise node.unquantised(value, node.file.inputs[n])
    if op in ("Max", "Min") and first.params != second.params:
        raise node.refuse("its operands have different scales", "quantise both with the same scale")
    if op not in _OPERATORS:
        raise node.refuse("both operands are computed by the network", "use a constant second operand")
    return _operator(node, op, first, second)


def _with_constant(node: Node, op: str, first: Value, second: Value) -> Value:
    """Combine a value with a constant operand."""
    swapped = isinstance(first, Constant)
    value, constant = (second, first) if swapped else (first, second)
    assert isinstance(constant, Constant)  # for type checkers
    if isinstance(value, Constant):
        raise node.unquantised(value, node.file.inputs[0])
    array = constant.array.astype(np.float64)
    rank = len(value.shape)
    varying = [n + rank - array.ndim for n, length in enumerate(array.shape) if length > 1]
    same = array.ndim <= rank and np.broadcast_shapes(value.shape, array.shape) == value.shape
    if isinstance(value, Pending) and same and op not in ("Max", "Min", "Pow"):
        return _folded(node, op, value, array.ravel(), varying, swapped)
    if not isinstance(value, Real):
        raise node.unquantised(value, node.file.inputs[swapped])
    function = _FUNCTIONS[op]
    combine = (lambda x, c: function(c, x)) if swapped else function
    if same and not varying:
        return applied(node, value, lambda x: combine(x, float(array.reshape(()))), op)
    if same and varying == [1] and value.shape[1] == array.size:
        return per_channel(node, value, 1, combine, array.ravel())
    if value.table is not None or op not in ("Add", "Sub", "Mul"):
        raise node.unquantised(value, node.file.inputs[swapped])
    return _operator(node, op, constant if swapped else value, value if swapped else constant)


def _folded(node: Node, op: str, value: Pending, array: np.ndarray, varying: list[int], swapped: bool) -> Pending:
    """Fold a per-channel constant into the weights and biases of the preceding operator."""
    if value.affine is None or (varying and varying != [value.channels]) or (op == "Div" and swapped):
        raise node.unquantised(value, node.file.inputs[swapped])
    array = np.broadcast_to(array, value.shape[value.channels])
    one, zero = np.ones(array.shape), np.zeros(array.shape)
    if op == "Mul":
        return value.affine(array, zero)
    if op == "Div":
        return value.affine(1 / array, zero)
    if op == "Sub":
        return value.affine(-one, array) if swapped else value.affine(one, -array)
    return value.affine(one, array)


def _operand(node: Node, value: Real | Constant, like: View) -> tuple[QuantParams, np.ndarray | None]:
    """Return scale and zero point of an operand, and the codes of a constant in the graph's layout."""
    if isinstance(value, Real):
        return value.params, None
    found = value.quantised
    if found is None:
        raise node.refuse(f"its constant of shape {value.shape} is float32, not quantised", cure((node.op,)))
    if found.scale.ndim or found.dtype not in ("int8", "uint8"):
        raise node.refuse(f"its constant is {found.dtype} with {found.scale.size} scales", "use int8 with one scale")
    offset = 128 if found.dtype == "uint8" else 0
    rank = len(like.shape)
    if len(value.shape) > rank or (len(value.shape) == rank and value.shape[0] != 1):
        raise node.refuse(f"its constant has shape {value.shape}", "remove its batch dimension")
    codes = found.codes.astype(np.int64).reshape(*[1] * (rank - len(value.shape)), *value.shape) - offset
    params = QuantParams(float(found.scale), int(found.zero_point) - offset)
    return params, codes.transpose(like.order)[0].astype(np.int8)


def _aligned(node: Node, first: View, second: View) -> tuple[View, View]:
    """Return two views that broadcast in the graph's layout as they do in the file."""
    if (first.factors, first.order, first.shape) == (second.factors, second.order, second.shape):
        return first, second
    if len(first.shape) != len(second.shape):
        raise node.refuse("its operands have different ranks", "give both a leading batch")
    first, second = node.graph.settled(first), node.graph.settled(second)
    order = max((first, second), key=lambda view: np.prod(view.shape, dtype=float)).order
    return node.graph.ordered(first, order), node.graph.ordered(second, order)


def _operator(node: Node, op: str, first: Value, second: Value) -> Pending:
    """Build the pending graph operator; at most one operand is constant."""
    swapped = isinstance(first, Constant)
    if isinstance(first, Real) and isinstance(second, Real):
        views = _aligned(node, first.view, second.view)
        shape = _broadcast(node, first.shape, second.shape)
    else:
        value = second if swapped else first
        assert isinstance(value, Real)  # for type checkers
        views = (node.graph.settled(value.view),)
        shape = _broadcast(node, first.shape, second.shape)
    assert isinstance(first, (Real, Constant))
    assert isinstance(second, (Real, Constant))  # for type checkers
    operands = [_operand(node, value, views[0]) for value in (first, second)]
    constant = operands[0][1] if swapped else operands[1][1]

    def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
        like = views[0]
        plain = View.plain(name, shape, like.order) if like.is_plain else replace(like, tensor=name)
        output = replace(plain, tensor=node.graph.declare(name, plain.inside_shape, params))
        common: dict[str, Any] = {
            "name": node.name,
            "inputs": tuple(view.tensor for view in views),
            "output": output.tensor,
            "constant": constant,
            "constant_first": swapped,
        }
        node.graph.append(_OPERATORS[op](**common, **_parameters(node, op, operands, params, qmin, qmax)))
        return output

    if op in ("Max", "Min"):
        # Max and Min compare codes, so the result has the operands' scale.
        return Pending(
            node.file.label,
            node.op,
            shape,
            lambda name, params, qmin, qmax: _extremum(node, emit, operands[0][0], name, params, qmin, qmax),
        )
    return Pending(node.file.label, node.op, shape, emit)


def _extremum(node: Node, emit, source: QuantParams, name: str, params: QuantParams, qmin: int, qmax: int) -> View:
    if params == source and (qmin, qmax) == (-128, 127):
        return emit(name, params, qmin, qmax)
    view = emit(f"{name}:codes", source, -128, 127)
    pending = Real(view, source, np.clip(Real(view, source).values, *_bounds(params, qmin, qmax)), (node.op, "Clip"))
    return node.quantised(pending, params, name)


def _bounds(params: QuantParams, qmin: int, qmax: int) -> tuple[float, float]:
    """Real values of the two clamp codes."""
    scale = float(params.scale)
    return (qmin - params.zero_point) * scale, (qmax - params.zero_point) * scale


def _broadcast(node: Node, first: Shape, second: Shape) -> Shape:
    try:
        return tuple(int(n) for n in np.broadcast_shapes(first, second))
    except ValueError:
        raise node.refuse(f"shapes {first} and {second} do not broadcast", "use compatible shapes") from None


def _parameters(node: Node, op: str, operands: list, params: QuantParams, qmin: int, qmax: int) -> dict[str, Any]:
    """Return the integer parameters of an operator."""
    first, second = (operand[0] for operand in operands)
    if op in ("Max", "Min"):
        return {}
    zero_points = first.zero_point, second.zero_point
    if op == "Mul":
        scale = float(first.scale) * float(second.scale) / float(params.scale)
        return {"zero_points": zero_points, "requant": node.graph.requant_to(scale, params, qmin, qmax)}
    scales = float(first.scale), float(second.scale)
    addends, requant = add_parameters(scales, float(params.scale), params.zero_point, qmin, qmax)
    rounding = node.graph.rounding
    return {
        "zero_points": zero_points,
        "addends": addends,
        "requant": replace(requant, rounding=rounding),
        "rounding": rounding,
    }


CONVERSIONS = {
    **dict.fromkeys(_FUNCTIONS, binary),
    "com.microsoft.QLinearAdd": on_codes,
    "com.microsoft.QLinearMul": on_codes,
}
