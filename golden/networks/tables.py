"""Simplification passes for functions of one code: fold constants into tables, merge tables, merge clamps."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .graph import Graph
from .intervals import Interval, intervals
from .operators import Add, AveragePool2D, Lookup, MatrixOperator, MaxPool2D, Mean, Mul, Operator
from .operators.base import INT8_MAX, INT8_MIN
from .operators.elementwise import Binary
from .rewriting import reads, substituted, without, writer

__all__ = ["merged_clamps", "merged_tables", "with_constant_operands", "with_tables"]

_CODES = np.arange(INT8_MIN, INT8_MAX + 1).astype(np.int8)


def with_constant_operands(graph: Graph) -> Graph:
    """Turn operands of ADD, SUB, MUL, MAXIMUM, MINIMUM whose channels are all constant into constants."""
    found = intervals(graph)
    for operator in graph.operators:
        if not isinstance(operator, Binary) or operator.constant is not None:
            continue
        shape = graph.known[operator.output].shape
        for name, other in zip(operator.inputs, operator.inputs[::-1], strict=True):
            if name not in found or graph.known[other].shape != shape:
                continue
            low, high = found[name]
            if (low == high).all() and len(shape) > 1:
                first = name == operator.inputs[0]
                new = replace(operator, inputs=(other,), constant=low.astype(np.int8), constant_first=first)
                return substituted(graph, operator, new)
    return graph


def with_tables(graph: Graph) -> Graph:
    """Replace ADD, SUB, MUL, MAXIMUM, MINIMUM by tables if one operand is a constant equal for all pixels."""
    for operator in graph.operators:
        if not isinstance(operator, Binary) or operator.constant is None:
            continue
        if graph.known[operator.inputs[0]].shape != graph.known[operator.output].shape:
            continue
        constant = np.atleast_1d(operator.constant)
        pixels = constant.reshape(-1, constant.shape[-1])
        if (pixels != pixels[0]).any():
            continue
        flat = pixels[0][:, None]
        codes = np.broadcast_to(_CODES, (len(flat), 256))
        table = operator.combine(*((flat, codes) if operator.constant_first else (codes, flat)))
        if (table == table[0]).all():
            table = table[0]
        new = Lookup(name=operator.name, inputs=operator.inputs, output=operator.output, table=table, op=operator.op)
        return substituted(graph, operator, new)
    return graph


def merged_tables(graph: Graph) -> Graph:
    """Merge a table of a table into one."""
    count = reads(graph)
    for operator in graph.operators:
        if not isinstance(operator, Lookup):
            continue
        (x,) = operator.inputs
        before = writer(graph, x)
        if not isinstance(before, Lookup) or count[x] > 1:
            continue
        index = before.table.astype(np.intp) + 128
        if operator.table.ndim == 1:
            table = operator.table[index]
        else:
            table = np.take_along_axis(operator.table, np.broadcast_to(index, operator.table.shape), axis=1)
        return substituted(graph, operator, replace(operator, inputs=before.inputs, table=table))
    return graph


def merged_clamps(graph: Graph) -> Graph:
    """Merge tables that only clamp into the preceding operator's clamp; remove tables that change no code."""
    # Computed once: every remaining tensor keeps its codes.
    found = intervals(graph)
    while True:
        before, graph = graph, _merged_clamp(graph, found)
        if graph is before:
            return graph


def _merged_clamp(graph: Graph, found: Mapping[str, Interval]) -> Graph:
    count = reads(graph)
    for operator in graph.operators:
        if not isinstance(operator, Lookup) or operator.table.ndim != 1 or operator.inputs[0] not in found:
            continue
        (x,) = operator.inputs
        first, last = int(found[x][0].min()) + 128, int(found[x][1].max()) + 129
        codes, part = _CODES[first:last], operator.table[first:last]
        low, high = int(part.min()), int(part.max())
        if not np.array_equal(part, codes.clip(low, high)):
            continue
        if np.array_equal(part, codes):
            return without(graph, operator, x)
        before = writer(graph, x)
        new = _clamped(before, low, high) if before is not None and count[x] == 1 else None
        if before is not None and new is not None:
            new = replace(new, output=operator.output)
            operators = [new if each is before else each for each in graph.operators if each is not operator]
            return graph.replaced(operators, {name: tensor for name, tensor in graph.known.items() if name != x})
    return graph


def _clamped(operator: Operator, low: int, high: int) -> Operator | None:
    """Tighten an operator's clamp; None if the operator has no clamp."""
    if isinstance(operator, (AveragePool2D, MaxPool2D)):
        qmin, qmax = (min(max(end, low), high) for end in (operator.qmin, operator.qmax))
        return replace(operator, qmin=qmin, qmax=qmax)
    if isinstance(operator, (MatrixOperator, Add, Mul, Mean)) and operator.requant is not None:
        qmin, qmax = (min(max(end, low), high) for end in (operator.requant.qmin, operator.requant.qmax))
        return replace(operator, requant=replace(operator.requant, qmin=qmin, qmax=qmax))
    return None
