"""Exact simplification of a graph: bit-identical outputs for every input, with less computation.

Passes repeat until none changes the graph:

- remove dead operators and no-op moves; merge RESHAPE of a RESHAPE;
- merge PAD with the zero point into the padding of the following convolution;
- replace ADD, SUB, MUL, MAXIMUM or MINIMUM with a scalar or per-channel constant by a table, and merge consecutive
  tables; an operand whose channels are all constant counts as a constant;
- merge a table that only clamps into the clamp of the preceding operator; remove a table that changes no code;
- zero the weights of channels that are constant whatever their input;
- remove constant and unread channels: see `channels`.
"""

from collections.abc import Callable
from dataclasses import replace

from .channels import without_channels, without_idle_weights
from .graph import Graph
from .operators import Concatenation, Conv2D, DepthwiseConv2D, Operator, Pad, Reshape, Slice, Transpose
from .rewriting import substituted, without, writer
from .tables import merged_clamps, merged_tables, with_constant_operands, with_tables

__all__ = ["simplified"]


def simplified(graph: Graph) -> Graph:
    """Return a graph with bit-identical outputs and fewer operators, channels and weights."""
    while True:
        before = graph
        for step in _STEPS:
            graph = _repeated(step, graph)
        if graph is before:
            return graph


def _repeated(step: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """Apply a step until it changes nothing."""
    while True:
        before, graph = graph, step(graph)
        if graph is before:
            return graph


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


def _without_moves(graph: Graph) -> Graph:
    for operator in graph.operators:
        if isinstance(operator, Reshape):
            before = writer(graph, operator.inputs[0])
            if isinstance(before, Reshape):
                return substituted(graph, operator, replace(operator, inputs=before.inputs))
        if _moves_nothing(operator, graph):
            return without(graph, operator, operator.inputs[0])
    return graph


def _moves_nothing(operator: Operator, graph: Graph) -> bool:
    if graph.known[operator.inputs[0]].shape != graph.known[operator.output].shape:
        return False
    if isinstance(operator, Slice):
        return all(step == 1 for _, _, step in operator.slices)
    if isinstance(operator, Transpose):
        return operator.order == tuple(range(len(operator.order)))
    return isinstance(operator, (Concatenation, Pad, Reshape))


def _merged_pads(graph: Graph) -> Graph:
    for operator in graph.operators:
        if not isinstance(operator, (Conv2D, DepthwiseConv2D)):
            continue
        pad = writer(graph, operator.inputs[0])
        if not isinstance(pad, Pad) or pad.fill != operator.input_zero_point or any(pad.widths[-1]):
            continue
        outside = [a + b for a, b in zip(operator.window.padding, (*pad.widths[1], *pad.widths[2]), strict=True)]
        window = replace(operator.window, padding=(outside[0], outside[1], outside[2], outside[3]))
        return substituted(graph, operator, replace(operator, inputs=pad.inputs, window=window))
    return graph


_STEPS = (
    _without_dead,
    _without_moves,
    _merged_pads,
    with_constant_operands,
    with_tables,
    merged_tables,
    merged_clamps,
    without_idle_weights,
    without_channels,
)
