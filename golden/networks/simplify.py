"""Exact simplification of a graph: the same outputs for every input, bit for bit, with less to compute.

Passes repeat until none of them finds anything:

- operators whose outputs nobody reads go;
- RESHAPE of a RESHAPE becomes one, and one that changes nothing goes;
- PAD with the zero point becomes the padding of the convolution behind it;
- ADD, SUB or MUL with a constant, one value or one per channel, becomes a table, and a table of a table one table;
- channels that are constant, or that nobody reads, go: see `channels`.
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from .channels import without_channels
from .graph import Graph
from .operators import Conv2D, DepthwiseConv2D, Lookup, Operator, Pad, Reshape
from .operators.base import INT8_MAX, INT8_MIN
from .operators.elementwise import Binary

__all__ = ["simplified"]

_CODES = np.arange(INT8_MIN, INT8_MAX + 1).astype(np.int8)
_MOST_PASSES = 100


def simplified(graph: Graph) -> Graph:
    """The same outputs, bit for bit, with fewer operators, channels and weights."""
    for _ in range(_MOST_PASSES):
        before = graph
        for step in (_without_dead, _merged_reshapes, _merged_pads, _tables, _merged_tables, without_channels):
            graph = step(graph)
        if graph is before:
            return graph
    return graph


def _reads(graph: Graph) -> Counter[str]:
    """How often each tensor is read, by operators and as an output."""
    reads = Counter(name for operator in graph.operators for name in operator.inputs)
    reads.update(edge.tensor for edge in graph.outputs)
    return reads


def _without_dead(graph: Graph) -> Graph:
    needed = {edge.tensor for edge in graph.outputs}
    kept: list[Operator] = []
    for operator in reversed(graph.operators):
        if operator.output in needed:
            needed.update(operator.inputs)
            kept.append(operator)
    if len(kept) == len(graph.operators):
        return graph
    needed.update(edge.tensor for edge in graph.inputs)
    known = {name: tensor for name, tensor in graph.known.items() if name in needed}
    return graph.replaced(kept[::-1], known)


def _rewired(graph: Graph, gone: Operator, name: str) -> Graph:
    """Without an operator; its readers read `name`. Its output must not leave the graph."""
    operators = []
    for operator in graph.operators:
        if operator is gone:
            continue
        inputs = tuple(name if x == gone.output else x for x in operator.inputs)
        operators.append(replace(operator, inputs=inputs) if inputs != operator.inputs else operator)
    return graph.replaced(operators, {k: v for k, v in graph.known.items() if k != gone.output})


def _with(graph: Graph, old: Operator, new: Operator) -> Graph:
    return graph.replaced([new if operator is old else operator for operator in graph.operators], graph.known)


def _writer(graph: Graph, name: str) -> Operator | None:
    return next((operator for operator in graph.operators if operator.output == name), None)


def _leaves(graph: Graph, name: str) -> bool:
    return any(edge.tensor == name for edge in graph.outputs)


def _merged_reshapes(graph: Graph) -> Graph:
    for operator in graph.operators:
        if not isinstance(operator, Reshape):
            continue
        (x,) = operator.inputs
        before = _writer(graph, x)
        if isinstance(before, Reshape):
            return _with(graph, operator, replace(operator, inputs=before.inputs))
        if graph.known[x].shape == graph.known[operator.output].shape and not _leaves(graph, operator.output):
            return _rewired(graph, operator, x)
    return graph


def _merged_pads(graph: Graph) -> Graph:
    for operator in graph.operators:
        if not isinstance(operator, (Conv2D, DepthwiseConv2D)):
            continue
        pad = _writer(graph, operator.inputs[0])
        if not isinstance(pad, Pad) or pad.fill != operator.input_zero_point or any(pad.widths[-1]):
            continue
        outside = [a + b for a, b in zip(operator.window.padding, (*pad.widths[1], *pad.widths[2]), strict=True)]
        window = replace(operator.window, padding=(outside[0], outside[1], outside[2], outside[3]))
        return _with(graph, operator, replace(operator, inputs=pad.inputs, window=window))
    return graph


def _tables(graph: Graph) -> Graph:
    """ADD, SUB, MUL, MAXIMUM, MINIMUM with a constant that is the same for all pixels."""
    for operator in graph.operators:
        if not isinstance(operator, Binary) or operator.constant is None:
            continue
        constant = operator.constant
        if constant.size != (constant.shape[-1] if constant.ndim else 1):
            continue
        if graph.known[operator.inputs[0]].shape != graph.known[operator.output].shape:
            continue
        flat = constant.reshape(-1, 1)
        codes = np.broadcast_to(_CODES, (len(flat), 256))
        pair = (flat, codes) if operator.constant_first else (codes, flat)
        table = operator.combine(*pair)
        new = Lookup(
            name=operator.name,
            inputs=operator.inputs,
            output=operator.output,
            table=table[0] if len(table) == 1 else table,
            op=operator.op,
        )
        return _with(graph, operator, new)
    return graph


def _merged_tables(graph: Graph) -> Graph:
    reads = _reads(graph)
    for operator in graph.operators:
        if not isinstance(operator, Lookup):
            continue
        (x,) = operator.inputs
        if operator.table.ndim == 1 and np.array_equal(operator.table, _CODES) and not _leaves(graph, operator.output):
            return _rewired(graph, operator, x)
        before = _writer(graph, x)
        if not isinstance(before, Lookup) or reads[x] > 1:
            continue
        index = before.table.astype(np.intp) + 128
        if operator.table.ndim == 1:
            table = operator.table[index]
        else:
            table = np.take_along_axis(operator.table, np.broadcast_to(index, operator.table.shape), axis=1)
        return _with(graph, operator, replace(operator, inputs=before.inputs, table=table))
    return graph
