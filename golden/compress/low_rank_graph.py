"""Low-rank factors of the layers of an int8 graph, from its codes alone.

A layer's real weights are known up to the scales of its input and output, which the requantisation of each channel
contains: ``codes * multiplier`` is the change of the output, in its codes, per code of the input. The factors of that
matrix weigh every output channel by its own step. The tensor between them is int8 as well. Each of its channels has an
offset and a scale of its own, so that the range that the samples reach fills the codes; the next weights and bias undo
both, which is exact as nothing but a product lies between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tercet.golden.checks import INT32
from tercet.golden.networks.graph import Graph, Tensor
from tercet.golden.networks.operators import Conv2D, FullyConnected, MatrixOperator, Operator, Window
from tercet.golden.numerics.quantization import quantize, weight_params
from tercet.golden.numerics.requantization import Requant

from .low_rank import check_choice, factors_or_reason, relative_error

__all__ = ["FactoredLayer", "LowRankGraph", "low_rank_graph", "refusal"]

# Sums per code of the tensor between the factors, at least: its multipliers shift right only.
_LEAST_STEP = 2.0
# Largest bias of a channel of the second factor; beyond it, tiny weights lose bits.
_BIAS_ROOM = INT32[1] / 4


@dataclass(frozen=True)
class FactoredLayer:
    """A layer that was factored.

    Attributes
    ----------
    index : int
        Number of the operator in the graph before.
    name, op : str
        Its name and kind.
    shape : (int, int)
        Output channels and products per sum.
    rank : int
        Channels between the factors.
    error : float
        Relative error of the product of the factors in the Frobenius norm, before they are quantised.
    first : str
        Name of the operator and tensor of the first factor; the second keeps the layer's.
    """

    index: int
    name: str
    op: str
    shape: tuple[int, int]
    rank: int
    error: float
    first: str


@dataclass(frozen=True)
class LowRankGraph:
    """A graph with factored layers, and what was done to them, in execution order."""

    graph: Graph
    layers: tuple[FactoredLayer, ...]


def low_rank_graph(
    graph: Graph,
    x: Any,
    *,
    rank: int | None = None,
    error: float | None = None,
    layers: Sequence[str] | None = None,
) -> LowRankGraph:
    """Factor fully connected layers and convolutions.

    Parameters
    ----------
    graph : Graph
        Network; simplify it before, as fewer channels are fewer products.
    x : array, or list of arrays
        Samples as for `Graph.run`; they set the range of each channel between the factors.
    rank, error : int or float
        Rank of all layers, or bound on the relative error of each, as in `factor`, for weights in units of the output's
        code; give one of them.
    layers : sequence of str or None
        Names of operators. Default: all in which this saves products.

    Raises
    ------
    TypeError, ValueError
        If rank or error is out of range, a layer does not exist, cannot be factored or saves no products, or `x` does
        not match the inputs.
    """
    check_choice(rank, error)
    names = [operator.name for operator in graph.operators]
    unknown = [name for name in layers or () if name not in names]
    if unknown:
        raise ValueError(f"There is no layer {unknown[0]!r}; use {', '.join(map(repr, names))}")
    tensors = graph.tensors(x)
    pairs: dict[str, tuple[Operator, Operator]] = {}
    found, reasons, known = [], [], dict(graph.known)
    for index, operator in enumerate(graph.operators):
        if layers is not None and operator.name not in layers:
            continue
        pair, reason = _factored(operator, rank, error)
        if pair is None:
            if layers is not None:
                raise ValueError(f"Layer {operator.name!r} ({operator.op}) cannot be factored: {reason}")
            reasons += [f"{operator.name!r}: {reason}"] if isinstance(operator, MatrixOperator) else []
            continue
        left, right = pair
        name = _between(operator.name, left.shape[1], known)
        first, second = _quantised(operator, left, right, name, tensors[operator.inputs[0]])
        pairs[operator.output] = first, second
        known[name] = Tensor(first.output_shape(graph.known[operator.inputs[0]].shape), None)
        found.append(_summary(index, operator, left, right, name))
    if not found:
        more = f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""
        raise ValueError(f"No layer can be factored: {reasons[0] if reasons else 'none has weights'}{more}")
    parts = [part for operator in graph.operators for part in pairs.get(operator.output, (operator,))]
    return LowRankGraph(graph.replaced(parts, known), tuple(found))


def refusal(operator: Operator) -> str:
    """Return the reason that an operator has no factors, or "" if it may have."""
    if not isinstance(operator, (Conv2D, FullyConnected)):
        if isinstance(operator, MatrixOperator):
            return "each channel has a window of its own, with nothing to share"
        return "it has no weights"
    if isinstance(operator, Conv2D) and operator.groups > 1:
        return f"its weights are in {operator.groups} groups"
    return "it outputs INT32 sums, whose scale is unknown" if operator.requant is None else ""


def _factored(
    operator: Operator, rank: int | None, error: float | None
) -> tuple[tuple[np.ndarray, np.ndarray] | None, str]:
    """Return the factors (out, rank) and (rank, products per sum), or None and the reason."""
    reason = refusal(operator)
    if reason:
        return None, reason
    assert isinstance(operator, MatrixOperator)
    return factors_or_reason(_real_weights(operator), rank=rank, error=error)


def _real_weights(operator: MatrixOperator) -> np.ndarray:
    """Output codes per input code, (out, products per sum)."""
    assert operator.requant is not None
    return operator.columns.T * operator.requant.scales(operator.channels)[:, None]


def _summary(index: int, operator: Operator, left: np.ndarray, right: np.ndarray, first: str) -> FactoredLayer:
    assert isinstance(operator, MatrixOperator)
    error = relative_error(_real_weights(operator), left, right)
    shape = operator.channels, len(operator.columns)
    return FactoredLayer(index, operator.name, operator.op, shape, left.shape[1], error, first)


def _between(name: str, rank: int, known: Mapping[str, Tensor]) -> str:
    """Name of the first factor; converters join the names of fused nodes with semicolons."""
    head, separator, tail = name.partition(";")
    found = f"{head}.rank{rank}"
    while f"{found}{separator}{tail}" in known:
        found += "_"
    return f"{found}{separator}{tail}"


def _quantised(
    operator: Operator, left: np.ndarray, right: np.ndarray, name: str, x: np.ndarray
) -> tuple[MatrixOperator, MatrixOperator]:
    """Quantise the factors of a layer; `x` are samples of its input, batch first."""
    assert isinstance(operator, (Conv2D, FullyConnected))
    assert operator.requant is not None
    params = weight_params(right.T, axis=-1)
    codes = quantize(right.T, params)  # (products per sum, rank)
    first = _first(operator, codes, name)
    sums = first.run(x).reshape(-1, codes.shape[1]).astype(np.int64)
    low, high = sums.min(axis=0), sums.max(axis=0)
    middle = (low + high) // 2
    step = np.maximum((high - low) / 254, _LEAST_STEP)
    between = Requant.from_scale(1 / step, 0, rounding=operator.requant.rounding)
    first = replace(first, bias=-middle, requant=between)
    by_sum = left * params.scale  # output codes per unit of each sum
    offset = operator.bias * operator.requant.scales(operator.channels) + by_sum @ middle
    return first, _second(operator, by_sum * step, offset, name)


def _first(operator: Conv2D | FullyConnected, codes: np.ndarray, name: str) -> Conv2D | FullyConnected:
    """First factor, with INT32 sums as output."""
    rank = codes.shape[1]
    shared: dict[str, Any] = {"name": name, "output": name, "bias": np.zeros(rank, np.int32), "requant": None}
    if isinstance(operator, Conv2D):
        return replace(operator, weights=codes.T.reshape(rank, *operator.weights.shape[1:]), **shared)
    return replace(operator, weights=codes, **shared)


def _second(
    operator: Conv2D | FullyConnected, weights: np.ndarray, offset: np.ndarray, name: str
) -> Conv2D | FullyConnected:
    """Second factor: weights (out, rank) in output codes per code of the tensor between, offset in output codes."""
    assert operator.requant is not None
    step = np.maximum(np.abs(weights).max(axis=1) / 127, np.abs(offset) / _BIAS_ROOM)
    step = np.where(step > 0, step, 1.0)
    codes = np.rint(weights / step[:, None]).astype(np.int8)
    old = operator.requant
    requant = Requant.from_scale(step, old.zero_point, old.qmin, old.qmax, old.rounding)
    shared: dict[str, Any] = {
        "inputs": (name,),
        "bias": np.rint(offset / step).astype(np.int64),
        "requant": requant,
        "input_zero_point": 0,
    }
    if isinstance(operator, Conv2D):
        weights_1x1 = codes.reshape(len(codes), 1, 1, -1)
        return replace(operator, weights=weights_1x1, window=Window(kernel=(1, 1)), **shared)
    return replace(operator, weights=codes.T, **shared)
