"""Building blocks of the simplification passes: readers and writers of a tensor, replacing and removing operators."""

from collections import Counter
from dataclasses import replace

from .graph import Graph
from .operators import Operator

__all__ = ["leaves", "reads", "substituted", "without", "writer"]


def reads(graph: Graph) -> Counter[str]:
    """Count the reads of each tensor, by operators and as a graph output."""
    found = Counter(name for operator in graph.operators for name in operator.inputs)
    found.update(edge.tensor for edge in graph.outputs)
    return found


def writer(graph: Graph, name: str) -> Operator | None:
    """Return the operator that writes a tensor; None for a graph input."""
    return next((operator for operator in graph.operators if operator.output == name), None)


def leaves(graph: Graph, name: str) -> bool:
    """Whether a tensor is a graph output."""
    return any(edge.tensor == name for edge in graph.outputs)


def substituted(graph: Graph, old: Operator, new: Operator) -> Graph:
    """Return the graph with one operator replaced by another."""
    return graph.replaced([new if operator is old else operator for operator in graph.operators], graph.known)


def without(graph: Graph, gone: Operator, name: str) -> Graph:
    """Return the graph without an operator; its readers read `name`, which has the same codes and shape."""
    operators = []
    for operator in graph.operators:
        if operator is gone:
            continue
        inputs = tuple(name if x == gone.output else x for x in operator.inputs)
        operators.append(replace(operator, inputs=inputs) if inputs != operator.inputs else operator)
    outputs = tuple(replace(edge, tensor=name) if edge.tensor == gone.output else edge for edge in graph.outputs)
    known = {key: tensor for key, tensor in graph.known.items() if key != gone.output}
    return replace(graph, operators=tuple(operators), outputs=outputs, known=known)
