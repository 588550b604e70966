"""AVERAGE_POOL_2D, MAX_POOL_2D, MEAN and REDUCE_MAX."""

from tercet.golden.networks.operators import AveragePool2D, MaxPool2D, Mean, ReduceMax, Window

from ..builder import activation_range
from .context import Node
from .matrix import padded

__all__ = ["average", "maximum", "mean", "reduce_max"]


def _same_params(node: Node, x: str, y: str) -> None:
    if node.builder.params(x) != node.builder.params(y):
        raise node.refuse("its input and output differ in scale or zero point", "quantise them alike")


def _pool(node: Node, kind: type[AveragePool2D] | type[MaxPool2D]) -> None:
    options = node.option("Pool2DOptions")
    if options is None:
        raise node.refuse("it has no options", "export the model again")
    x, y = node.activations(0), node.output
    shape = node.builder.shape(x)
    if len(shape) != 4:
        raise node.refuse(f"the input has {len(shape)} dimensions", "use (1, height, width, channels)")
    _same_params(node, x, y)
    kernel = (int(options.FilterHeight()), int(options.FilterWidth()))
    stride = (int(options.StrideH()), int(options.StrideW()))
    window = padded(node, options, shape[1:3], Window(kernel=kernel, stride=stride))
    low, high = activation_range(node.activation(options), node.builder.params(y))
    node.builder.append(kind(name=node.name, inputs=(x,), output=y, window=window, qmin=low, qmax=high))


def average(node: Node) -> None:
    """AVERAGE_POOL_2D."""
    _pool(node, AveragePool2D)


def maximum(node: Node) -> None:
    """MAX_POOL_2D."""
    _pool(node, MaxPool2D)


def _axes(node: Node, rank: int) -> tuple[int, ...]:
    """Return the axes of a reduction, non-negative and ascending."""
    given = node.constant(1, ("INT32", "INT64"), "axes").reshape(-1)
    if any(not -rank <= int(axis) < rank for axis in given):
        raise node.refuse(f"axes {given.tolist()} are out of range for {rank} dimensions", "export the model again")
    axes = tuple(sorted({int(axis) % rank for axis in given}))
    if 0 in axes:
        raise node.refuse("it reduces over the batch", "reduce over other axes")
    if not axes:
        raise node.refuse("it reduces over no axis", "remove it")
    return axes


def mean(node: Node) -> None:
    """MEAN."""
    options = node.option("ReducerOptions")
    x, y = node.activations(0), node.output
    shape = node.builder.shape(x)
    keep = bool(options is not None and options.KeepDims())
    source, target = node.builder.params(x), node.builder.params(y)
    operator = Mean.of(node.name, x, y, _axes(node, len(shape)), shape, source, target, keep_dims=keep)
    node.builder.append(operator)


def reduce_max(node: Node) -> None:
    """REDUCE_MAX."""
    options = node.option("ReducerOptions")
    x, y = node.activations(0), node.output
    _same_params(node, x, y)
    axes = _axes(node, len(node.builder.shape(x)))
    keep = bool(options is not None and options.KeepDims())
    node.builder.append(ReduceMax(name=node.name, inputs=(x,), output=y, axes=axes, keep_dims=keep))
