"""ADD, SUB, MUL, MAXIMUM, MINIMUM, and functions of one code."""

from tercet.golden.networks.operators import Maximum, Minimum, lookup

from ..builder import activation_range, binary_operands
from .context import Node

__all__ = [
    "add",
    "by_float",
    "clamp",
    "extremum",
    "hard_swish",
    "leaky_relu",
    "logistic",
    "mul",
    "relu",
    "sub",
    "tanh",
]


def _pair(node: Node):
    """Return both operands, at most one of them constant."""
    first, second = node.operand(0), node.operand(1)
    if first.codes is not None and second.codes is not None:
        raise node.refuse("both operands are constant", "fold constants before conversion")
    return first, second


def add(node: Node) -> None:
    """ADD."""
    node.builder.add(node.name, *_pair(node), node.output, node.activation(node.option("AddOptions")))


def sub(node: Node) -> None:
    """SUB."""
    activation = node.activation(node.option("SubOptions"))
    node.builder.add(node.name, *_pair(node), node.output, activation, subtract=True)


def mul(node: Node) -> None:
    """MUL."""
    node.builder.multiply(node.name, *_pair(node), node.output, node.activation(node.option("MulOptions")))


def extremum(node: Node) -> None:
    """MAXIMUM and MINIMUM; they compare codes, so all three scales must be equal."""
    first, second = _pair(node)
    y = node.output
    if not first.params == second.params == node.builder.params(y):
        raise node.refuse("its operands and its output differ in scale or zero point", "quantise them alike")
    kind = Maximum if node.op == "MAXIMUM" else Minimum
    node.builder.append(kind(name=node.name, **binary_operands(first, second), output=y))


def _function(node: Node):
    """Return input, output, and the quantisation parameters of both."""
    x, y = node.activations(0), node.output
    return x, y, node.builder.params(x), node.builder.params(y)


def _fixed(node: Node, y: str, scale: float, zero_point: int) -> None:
    """Reject an output whose scale differs from the one built into the kernel."""
    params = node.builder.params(y)
    if (params.scale, params.zero_point) != (scale, zero_point):
        raise node.refuse(
            f"its output has scale {params.scale} and zero point {params.zero_point}, not {scale} and {zero_point}",
            "convert it with TensorFlow's converter",
        )


def relu(node: Node) -> None:
    """RELU."""
    x, y, source, target = _function(node)
    node.builder.lookup(node.name, node.op, x, y, lookup.relu_table(source, target))


def clamp(node: Node) -> None:
    """RELU6 and RELU_N1_TO_1: a clamp of the input code."""
    x, y, source, target = _function(node)
    if source != target:
        raise node.refuse("its input and output differ in scale or zero point", "quantise them alike")
    node.builder.lookup(node.name, node.op, x, y, lookup.clamp_table(*activation_range(node.op, source)))


def leaky_relu(node: Node) -> None:
    """LEAKY_RELU."""
    x, y, source, target = _function(node)
    options = node.option("LeakyReluOptions")
    alpha = float(options.Alpha()) if options is not None else 0.0
    node.builder.lookup(node.name, node.op, x, y, lookup.leaky_relu_table(source, target, alpha))


def logistic(node: Node) -> None:
    """LOGISTIC."""
    x, y, source, _ = _function(node)
    _fixed(node, y, 1 / 256, -128)
    node.builder.lookup(node.name, node.op, x, y, lookup.logistic_table(source))


def tanh(node: Node) -> None:
    """TANH."""
    x, y, source, _ = _function(node)
    _fixed(node, y, 1 / 128, 0)
    node.builder.lookup(node.name, node.op, x, y, lookup.tanh_table(source))


def hard_swish(node: Node) -> None:
    """HARD_SWISH."""
    x, y, source, target = _function(node)
    node.builder.lookup(node.name, node.op, x, y, lookup.hard_swish_table(source, target))


def by_float(node: Node) -> None:
    """ELU and other functions whose kernel fills a table in floating point."""
    x, y, source, target = _function(node)
    node.builder.lookup(node.name, node.op, x, y, lookup.by_float(source, target, lookup.FUNCTIONS[node.op]))
