"""Steps that passes of simplification are made of: who reads and writes a tensor, an operator in place of another."""

from collections import Counter
from dataclasses import replace

from .graph import Graph
from .operators import Operator

__all__ = ["leaves", "reads", "substituted", "without", "writer"]


def reads(graph: Graph) -> Counter[str]:
    """How often each tensor is read, by operators and as an output."""
    found = Counter(name for operator in graph.operators for name in operator.inputs)
    found.update(edge.tensor for edge in graph.outputs)
    return found


def writer(graph: Graph, name: str) -> Operator | None:
    """Operator that writes a tensor; None for an input of the graph."""
    return next((operator for operator in graph.operators if operator.output == name), None)


def leaves(graph: Graph, name: str) -> bool:
    """Whether a tensor is an output of the graph."""
    return any(edge.tensor == name for edge in graph.outputs)


def substituted(graph: Graph, old: Operator, new: Operator) -> Graph:
    """The graph with an operator in place of another."""
    return graph.replaced([new if operator is old else operator for operator in graph.operators], graph.known)


def without(graph: Graph, gone: Operator, name: str) -> Graph:
    """The graph without an operator; what read its output reads `name`, which has the same codes in the same shape."""
    operators = []
    for operator in graph.operators:
        if operator is gone:
            continue
        inputs = tuple(name if x == gone.output else x for x in operator.inputs)
        operators.append(replace(operator, inputs=inputs) if inputs != operator.inputs else operator)
    outputs = tuple(replace(edge, tensor=name) if edge.tensor == gone.output else edge for edge in graph.outputs)
    known = {key: tensor for key, tensor in graph.known.items() if key != gone.output}
    return replace(graph, operators=tuple(operators), outputs=outputs, known=known)
