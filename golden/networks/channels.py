"""Removal of constant and unread channels; output codes do not change.

A channel is removable if no reader needs it: either its weights are zero, or the channel is constant and its products
fold into the reader's bias. If the reader pads, the constant must equal the zero point, which padding reads as, or the
weights that meet padding must be zero. Operators that work channel by channel pass the question on: see `links`.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .graph import Graph, Tensor
from .intervals import inside_picture, intervals, sums
from .links import links
from .operators import (
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    MatrixOperator,
    Operator,
    Pad,
    Reshape,
    Slice,
)
from .operators.elementwise import Binary

__all__ = ["without_channels", "without_idle_weights"]


def without_channels(graph: Graph) -> Graph:
    """Return the graph without its removable channels."""
    return _Removal(graph).graph()


def without_idle_weights(graph: Graph) -> Graph:
    """Zero the weights of output channels that are constant for every input, so they read no input channels."""
    found, operators = intervals(graph), []
    for operator in graph.operators:
        if isinstance(operator, MatrixOperator) and {operator.output, operator.inputs[0]} <= found.keys():
            low, high = found[operator.output]
            idle = (low == high) & operator.columns.any(axis=0)
            if idle.any():
                least, _ = sums(operator, found[operator.inputs[0]], graph.known[operator.inputs[0]].shape)
                # Only Conv2D has its output channels on the first axis of the weights.
                axis = 0 if isinstance(operator, Conv2D) else -1
                weights = operator.weights.copy()
                np.moveaxis(weights, axis, 0)[idle] = 0
                operator = replace(operator, weights=weights, bias=np.where(idle, least, operator.bias))
        operators.append(operator)
    same = all(a is b for a, b in zip(operators, graph.operators, strict=True))
    return graph if same else graph.replaced(operators, graph.known)


class _Removal:
    """Largest consistent set of removable channels of each tensor."""

    def __init__(self, graph: Graph):
        self.source, self.known = graph, graph.known
        self.intervals = intervals(graph)
        self.readers: dict[str, list[Operator]] = {name: [] for name in graph.known}
        for operator in graph.operators:
            for name in operator.inputs:
                self.readers[name].append(operator)
        self.writers = {operator.output: operator for operator in graph.operators}
        self.links = {operator.output: links(operator, graph.known) for operator in graph.operators}
        self.kept_outputs = {edge.tensor for edge in graph.outputs}
        self.gone = self._choose()

    def _choose(self) -> dict[str, np.ndarray]:
        forbidden: set[tuple[str, int]] = set()
        while True:
            gone = self._largest(forbidden)
            whole = [name for name, mask in gone.items() if len(mask) and mask.all()]
            if not whole:
                return gone
            # A tensor needs at least one channel: keep the first.
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
        """Channels that the writer can omit."""
        operator, found = self.writers[name], np.ones(len(gone[name]), bool)
        if isinstance(operator, (Conv2D, FullyConnected)):
            return found if getattr(operator, "groups", 1) == 1 else ~found
        linked = self.links[name]
        if linked is None:
            return ~found
        for x, (reads, writes) in zip(operator.inputs, linked, strict=True):
            found[writes[~gone[x][reads]]] = False
        return found

    def _read_without(self, operator: Operator, name: str, gone: Mapping[str, np.ndarray]) -> np.ndarray:
        """Channels of a tensor that a reader does not need."""
        found = np.ones(len(gone[name]), bool)
        if isinstance(operator, Conv2D) and operator.groups == 1:
            return self._folds_into(operator, name)
        if isinstance(operator, FullyConnected):
            read = operator.weights.reshape(-1, len(found), operator.channels).any(axis=(0, 2))
            return ~read | self._constant(name)
        linked = self.links[operator.output]
        if linked is None:
            return ~found
        for x, (reads, writes) in zip(operator.inputs, linked, strict=True):
            if x == name:
                found[reads[~gone[operator.output][writes]]] = False
        return found

    def _folds_into(self, operator: Conv2D, name: str) -> np.ndarray:
        """Channels a convolution does not need: unread, or constant and consistent with its padding."""
        read = operator.weights.any(axis=0).reshape(-1, operator.weights.shape[3])
        inside = inside_picture(operator.window, self.known[name].shape)
        beyond = ~inside.all(axis=0) if inside is not None else np.ones(len(read), bool)
        low, _ = self.intervals[name]
        everywhere = (low == operator.input_zero_point) | ~read[beyond].any(axis=0)
        return ~read.any(axis=0) | self._constant(name) & everywhere

    def _constant(self, name: str) -> np.ndarray:
        low, high = self.intervals[name]
        return low == high

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
        if isinstance(operator, Pad) and any(operator.widths[-1]):
            before, behind = operator.widths[-1]
            ends = int(stay[:before].sum()), int(stay[len(stay) - behind :].sum())
            return replace(operator, widths=(*operator.widths[:-1], ends))
        if isinstance(operator, Slice) and self.gone[operator.inputs[0]].any():
            read = ~self.gone[operator.inputs[0]]
            start = int(read[: slice(*operator.slices[-1]).indices(len(read))[0]].sum())
            slices = (*operator.slices[:-1], (start, start + int(stay.sum()), 1))
            return replace(operator, slices=slices, shape=known[operator.output].shape[1:])
        return operator

    def _smaller_matrix(self, operator: MatrixOperator, stay: np.ndarray) -> MatrixOperator:
        name = operator.inputs[0]
        read = ~self.gone[name]
        weights, bias = operator.weights.astype(np.int64), operator.bias.astype(np.int64)
        if isinstance(operator, DepthwiseConv2D):
            weights, bias = weights[:, :, stay], bias[stay]
        elif isinstance(operator, FullyConnected):
            if len(read):
                pixels = weights.reshape(-1, len(read), weights.shape[1])
                bias = bias + self._folded(name, read, pixels.sum(axis=0), operator.input_zero_point)
                weights = pixels[:, read].reshape(-1, weights.shape[1])
            weights, bias = weights[:, stay], bias[stay]
        else:
            totals = weights.sum(axis=(1, 2)).T
            bias = bias + self._folded(name, read, totals, operator.input_zero_point)
            weights, bias = weights[:, :, :, read] if not read.all() else weights, bias
            weights, bias = weights[stay], bias[stay]
        return replace(operator, weights=weights.astype(np.int8), bias=bias, requant=_some(operator, stay))

    def _folded(self, name: str, read: np.ndarray, weights: np.ndarray, zero_point: int) -> np.ndarray:
        """Contribution of removed constant channels to each sum; weights are (channels, outputs)."""
        if read.all():
            return np.zeros(weights.shape[1], np.int64)
        low, high = self.intervals[name]
        codes = np.where(low == high, low - zero_point, 0)
        return (codes[:, None] * weights)[~read].sum(axis=0)


def _some(operator: MatrixOperator, stay: np.ndarray):
    """Requantisation of the remaining channels."""
    requant = operator.requant
    if requant is None or stay.all():
        return requant
    multiplier, shift = requant.per_channel(len(stay))
    return replace(requant, multiplier=multiplier[stay], shift=shift[stay])
