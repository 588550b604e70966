"""Removes channels that are constant or that nobody reads, with the same output codes.

A channel may go when every reader can do without it: because its weights are zero, or because the channel is constant
and its products can be added to the reader's bias. Where the reader pads, the constant must be the zero point, which is
what the padding reads as. Operators that work channel by channel pass the question on.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .graph import Graph, Tensor
from .intervals import intervals
from .operators import (
    AveragePool2D,
    Concatenation,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    MatrixOperator,
    MaxPool2D,
    Mean,
    Operator,
    Pad,
    Reshape,
)
from .operators.elementwise import Binary

__all__ = ["without_channels"]


def without_channels(graph: Graph) -> Graph:
    """The graph without the channels that can go."""
    return _Removal(graph).graph()


def _channel_wise(operator: Operator, known: Mapping[str, Tensor]) -> bool:
    """Whether channel k of the output depends on channel k of each input alone."""
    rank = len(known[operator.output].shape)
    if isinstance(operator, DepthwiseConv2D):
        return operator.multiplier == 1
    if isinstance(operator, Mean):
        return len(known[operator.inputs[0]].shape) - 1 not in operator.axes
    if isinstance(operator, Pad):
        return operator.widths[-1] == (0, 0)
    if isinstance(operator, Binary):
        channels = known[operator.output].shape[-1]
        return all(known[name].shape[-1] == channels for name in operator.inputs) and rank > 1
    if isinstance(operator, Concatenation):
        return operator.axis != rank - 1
    return isinstance(operator, (Lookup, AveragePool2D, MaxPool2D))


class _Removal:
    """Which channels of which tensors go, found as the largest consistent choice."""

    def __init__(self, graph: Graph):
        self.source, self.known = graph, graph.known
        self.intervals = intervals(graph)
        self.readers: dict[str, list[Operator]] = {name: [] for name in graph.known}
        for operator in graph.operators:
            for name in operator.inputs:
                self.readers[name].append(operator)
        self.writers = {operator.output: operator for operator in graph.operators}
        self.kept_outputs = {edge.tensor for edge in graph.outputs}
        self.gone = self._choose()

    def _choose(self) -> dict[str, np.ndarray]:
        forbidden: set[tuple[str, int]] = set()
        while True:
            gone = self._largest(forbidden)
            whole = [name for name, mask in gone.items() if len(mask) and mask.all()]
            if not whole:
                return gone
            # A tensor without channels is none: its first one stays.
            forbidden |= {(name, 0) for name in whole}

    def _largest(self, forbidden: set[tuple[str, int]]) -> dict[str, np.ndarray]:
        gone = {}
        for name, tensor in self.known.items():
            gone[name] = np.full(tensor.shape[-1] if len(tensor.shape) > 1 else 0, self._may_go(name))
        for name, channel in forbidden:
            gone[name][channel] = False
        changed = True
        while changed:
            changed = False
            for name, mask in gone.items():
                if not mask.any():
                    continue
                allowed = mask & self._written_without(name, gone)
                for operator in self.readers[name]:
                    allowed &= self._read_without(operator, name, gone)
                if not np.array_equal(allowed, mask):
                    gone[name], changed = allowed, True
        return gone

    def _may_go(self, name: str) -> bool:
        return name in self.writers and name in self.intervals and name not in self.kept_outputs

    def _written_without(self, name: str, gone: Mapping[str, np.ndarray]) -> np.ndarray:
        """Channels that the writer can leave out."""
        operator, none = self.writers[name], np.zeros(len(gone[name]), bool)
        if isinstance(operator, (Conv2D, FullyConnected)):
            return ~none if getattr(operator, "groups", 1) == 1 else none
        if _channel_wise(operator, self.known):
            return np.asarray(np.all([gone[x] for x in operator.inputs], axis=0))
        if isinstance(operator, Concatenation):
            return np.concatenate([gone[x] for x in operator.inputs])
        if isinstance(operator, Reshape) and self._flattens(operator):
            mask = gone[operator.inputs[0]]
            return np.tile(mask, len(none) // len(mask))
        return none

    def _read_without(self, operator: Operator, name: str, gone: Mapping[str, np.ndarray]) -> np.ndarray:
        """Channels of a tensor that a reader can do without."""
        none = np.zeros(len(gone[name]), bool)
        if _channel_wise(operator, self.known):
            return gone[operator.output]
        if isinstance(operator, Conv2D) and operator.groups == 1:
            unused = ~operator.weights.any(axis=(0, 1, 2))
            return unused | self._constant(name, operator.input_zero_point if any(operator.window.padding) else None)
        if isinstance(operator, FullyConnected) and len(none) == len(operator.weights):
            return ~operator.weights.any(axis=1) | self._constant(name, None)
        if isinstance(operator, Concatenation):
            found, start = ~none, 0
            for x in operator.inputs:
                stop = start + len(gone[x])
                if x == name:
                    found &= gone[operator.output][start:stop]
                start = stop
            return found
        if isinstance(operator, Reshape) and self._flattens(operator):
            mask = gone[operator.output].reshape(-1, len(none))
            # All pixels of a channel, or none.
            return mask.all(axis=0)
        return none

    def _flattens(self, operator: Reshape) -> bool:
        """Whether pixels of channels become one row, whose elements are then the channels."""
        shape = self.known[operator.inputs[0]].shape
        return len(operator.shape) == 1 and len(shape) > 1

    def _constant(self, name: str, code: int | None) -> np.ndarray:
        low, high = self.intervals[name]
        same = low == high
        return same if code is None else same & (low == code)

    def graph(self) -> Graph:
        if not any(mask.any() for mask in self.gone.values()):
            return self.source
        known = dict(self.known)
        for name, mask in self.gone.items():
            if mask.any():
                known[name] = replace(known[name], shape=(*known[name].shape[:-1], int((~mask).sum())))
        return self.source.replaced([self._smaller(operator, known) for operator in self.source.operators], known)

    def _smaller(self, operator: Operator, known: Mapping[str, Tensor]) -> Operator:
        stay = ~self.gone[operator.output] if operator.output in self.gone else np.ones(0, bool)
        if isinstance(operator, MatrixOperator):
            return self._smaller_matrix(operator, stay)
        if isinstance(operator, Lookup) and operator.table.ndim == 2:
            return replace(operator, table=operator.table[stay])
        if isinstance(operator, Binary) and operator.constant is not None:
            constant = operator.constant
            if constant.ndim and constant.shape[-1] == len(stay) and len(stay) > 1:
                return replace(operator, constant=constant[..., stay])
        if isinstance(operator, Reshape):
            return replace(operator, shape=known[operator.output].shape[1:])
        return operator

    def _smaller_matrix(self, operator: MatrixOperator, stay: np.ndarray) -> MatrixOperator:
        name = operator.inputs[0]
        read = ~self.gone[name]
        weights, bias = operator.weights.astype(np.int64), operator.bias.astype(np.int64)
        if isinstance(operator, DepthwiseConv2D):
            weights, bias = weights[:, :, stay], bias[stay]
        elif isinstance(operator, FullyConnected):
            if len(read) == len(weights):
                bias = bias + self._folded(name, read, weights, operator.input_zero_point)
                weights = weights[read]
            weights, bias = weights[:, stay], bias[stay]
        else:
            totals = weights.sum(axis=(1, 2)).T
            bias = bias + self._folded(name, read, totals, operator.input_zero_point)
            weights, bias = weights[:, :, :, read] if not read.all() else weights, bias
            weights, bias = weights[stay], bias[stay]
        return replace(operator, weights=weights.astype(np.int8), bias=bias, requant=_some(operator, stay))

    def _folded(self, name: str, read: np.ndarray, weights: np.ndarray, zero_point: int) -> np.ndarray:
        """What constant channels that go add to each sum; weights (channels, outputs)."""
        if read.all():
            return np.zeros(weights.shape[1], np.int64)
        low, high = self.intervals[name]
        codes = np.where(low == high, low - zero_point, 0)
        return (codes[:, None] * weights)[~read].sum(axis=0)


def _some(operator: MatrixOperator, stay: np.ndarray):
    """Requantisation of the channels that stay."""
    requant = operator.requant
    if requant is None or stay.all():
        return requant
    multiplier, shift = requant.per_channel(len(stay))
    return replace(requant, multiplier=multiplier[stay], shift=shift[stay])
