"""Elementwise functions: tables of real numbers until a QuantizeLinear turns them into tables of codes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .context import Node
from .quantisation import dequantised
from .values import Constant, Pending, Real, Value

__all__ = ["CONVERSIONS", "applied", "per_channel"]

Function = Callable[[np.ndarray], np.ndarray]


def applied(node: Node, value: Value, function: Function, name: str = "") -> Real:
    """Apply a function to a value that is itself a function of codes."""
    if not isinstance(value, Real):
        raise node.unquantised(value, node.file.inputs[0])
    with np.errstate(all="ignore"):
        table = function(value.values.astype(np.float64)).astype(np.float32)
    return replace(value, table=table, functions=(*value.functions, name or node.op))


def per_channel(node: Node, value: Value, axis: int, function: Callable[..., np.ndarray], *vectors: np.ndarray) -> Real:
    """Apply a function with per-channel parameters along an axis of the file."""
    if not isinstance(value, Real):
        raise node.unquantised(value, node.file.inputs[0])
    view = value.view
    if value.table is None or value.table.ndim == 1:
        view = node.graph.settled(view)
        if node.graph.shape(view.tensor)[-1] != view.shape[axis] or view.order[-1] != axis:
            view = node.graph.ordered(view, (*(n for n in view.order if n != axis), axis))
    if view.order[-1] != axis or not view.is_plain:
        raise node.refuse(
            f"its parameters vary along axis {axis}, those of an operator before it along another",
            "quantise each operator",
        )
    return applied(node, replace(value, view=view), lambda x: function(x, *(v[:, None] for v in vectors)))


def _clamp(node: Node, low: float, high: float) -> None:
    value = node.value(0)
    if low > high:
        raise node.refuse(f"its bounds are {low} and {high}", "use a minimum below the maximum")
    if isinstance(value, Pending):
        node.set(value.clamped(low, high))
    else:
        node.set(applied(node, value, lambda x: np.clip(x, low, high)))


def relu(node: Node) -> None:
    """Relu: a clamp."""
    _clamp(node, 0.0, np.inf)


def clip(node: Node) -> None:
    """Clip: a clamp; older opsets give its bounds as attributes."""
    low = node.number(1, "min", node.attribute("min", -np.inf))
    _clamp(node, low, node.number(2, "max", node.attribute("max", np.inf)))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(x, 0)


def _hard_sigmoid(x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return np.clip(alpha * x + beta, 0, 1)


_PLAIN: dict[str, Function] = {
    "Abs": np.abs,
    "Exp": np.exp,
    "HardSwish": lambda x: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "Mish": lambda x: x * np.tanh(_softplus(x)),
    "Neg": np.negative,
    "Sigmoid": _sigmoid,
    "Softplus": _softplus,
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}


def plain(node: Node) -> None:
    """Convert a function without parameters."""
    node.set(applied(node, node.value(0), _PLAIN[node.op]))


def _leaky(alpha: float) -> Function:
    return lambda x: np.where(x < 0, alpha * x, x)


def leaky_relu(node: Node) -> None:
    """LeakyRelu."""
    node.set(applied(node, node.value(0), _leaky(node.attribute("alpha", 0.01))))


def elu(node: Node) -> None:
    """Elu."""
    alpha = node.attribute("alpha", 1.0)
    node.set(applied(node, node.value(0), lambda x: np.where(x < 0, alpha * np.expm1(x), x)))


def hard_sigmoid(node: Node) -> None:
    """HardSigmoid."""
    alpha, beta = node.attribute("alpha", 0.2), node.attribute("beta", 0.5)
    node.set(applied(node, node.value(0), lambda x: _hard_sigmoid(x, alpha, beta)))


def batch_normalization(node: Node) -> None:
    """BatchNormalization: folded into a preceding convolution, or else a per-channel function."""
    if node.attribute("training_mode", 0) or len([name for name in node.file.outputs if name]) > 1:
        raise node.refuse("it is in training mode", "export the model for inference")
    names = ("scale", "bias", "mean", "variance")
    vectors = [node.constant(n + 1, name).array.astype(np.float64) for n, name in enumerate(names)]
    value = node.value(0)
    channels = value.shape[1] if len(value.shape) > 1 else 0
    if any(v.shape != (channels,) or not np.isfinite(v).all() for v in vectors):
        raise node.refuse(f"its parameters are not {channels} finite numbers each", "export the model again")
    scale, bias, mean, variance = vectors
    variance = variance + node.attribute("epsilon", 1e-5)
    if (variance <= 0).any():
        raise node.refuse("a variance is not above 0", "export the model again")
    factor = scale / np.sqrt(variance)
    offset = bias - mean * factor
    if isinstance(value, Pending):
        if value.affine is None or value.channels != 1:
            raise node.unquantised(value, node.file.inputs[0])
        node.set(value.affine(factor, offset))
        return
    node.set(per_channel(node, value, 1, lambda x, f, o: x * f + o, factor, offset))


def prelu(node: Node) -> None:
    """PRelu with a constant slope, one or one per channel."""
    slope = node.constant(1, "slope").array.astype(np.float64)
    value = node.value(0)
    if slope.size == 1:
        node.set(applied(node, value, _leaky(float(slope.reshape(())))))
        return
    rank = len(value.shape)
    padded = (*[1] * (rank - slope.ndim), *slope.shape)
    if len(padded) != rank or padded != tuple(n if axis == 1 else 1 for axis, n in enumerate(value.shape)):
        raise node.refuse(f"its slope has shape {slope.shape}", "use one slope, or one per channel")
    node.set(per_channel(node, value, 1, lambda x, s: np.where(x < 0, s * x, x), slope.ravel()))


def on_codes(node: Node) -> None:
    """Convert onnxruntime's QLinearSigmoid and QLinearLeakyRelu."""
    x = dequantised(node, 0, 1, 2)
    function = _leaky(node.attribute("alpha", 0.01)) if node.op.endswith("LeakyRelu") else _sigmoid
    if isinstance(x, Constant):
        raise node.unquantised(x, node.file.inputs[0])
    name = node.op.removeprefix("com.microsoft.QLinear")
    node.set_quantised(applied(node, x, function, name), *node.output_params(3))


CONVERSIONS = {
    **dict.fromkeys(_PLAIN, plain),
    "BatchNormalization": batch_normalization,
    "Clip": clip,
    "Elu": elu,
    "HardSigmoid": hard_sigmoid,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Relu": relu,
    "com.microsoft.QLinearLeakyRelu": on_codes,
    "com.microsoft.QLinearSigmoid": on_codes,
}
