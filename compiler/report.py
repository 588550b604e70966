"""A graph as a table: what each operator computes, how much of it, and what simplification saves."""

from dataclasses import dataclass
from typing import Any

from tercet.golden.networks.graph import Graph
from tercet.golden.networks.intervals import intervals
from tercet.golden.networks.operators import MatrixOperator

from .placement import Placement, place

__all__ = ["Row", "Totals", "json_report", "rows", "totals"]


@dataclass(frozen=True)
class Row:
    """One operator.

    Attributes
    ----------
    name, op : str
        Name of the node, kind of operator.
    shape : tuple of int
        Of the output, channels last.
    macs, weights : int
        Multiply-accumulate operations for one sample, number of weights.
    weight_range : (int, int) or None
        Least and greatest weight.
    codes : (int, int) or None
        Least and greatest output code over all inputs.
    placement : Placement
        Where it runs.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    macs: int
    weights: int
    weight_range: tuple[int, int] | None
    codes: tuple[int, int] | None
    placement: Placement


@dataclass(frozen=True)
class Totals:
    """Sums over all operators; `channels` are those that convolutions and fully connected layers compute."""

    operators: int
    macs: int
    weights: int
    channels: int


def rows(graph: Graph) -> list[Row]:
    """A row for each operator, in execution order."""
    ranges = intervals(graph)
    found = []
    for operator, layer in zip(graph.operators, graph.layers, strict=True):
        weights = operator.weights if isinstance(operator, MatrixOperator) else None
        codes = ranges.get(operator.output)
        found.append(
            Row(
                layer.name,
                layer.op,
                layer.shape,
                layer.macs,
                layer.weights,
                None if weights is None else (int(weights.min()), int(weights.max())),
                None if codes is None else (int(codes[0].min()), int(codes[1].max())),
                place(operator),
            )
        )
    return found


def totals(graph: Graph) -> Totals:
    """Sums over a graph."""
    layers = graph.layers
    channels = sum(operator.channels for operator in graph.operators if isinstance(operator, MatrixOperator))
    return Totals(len(layers), sum(layer.macs for layer in layers), sum(layer.weights for layer in layers), channels)


def json_report(model: str, graph: Graph, before: Graph) -> dict[str, Any]:
    """The report as JSON has it; `before` is the graph as read from the file."""
    return {
        "model": model,
        **{name: value for name, value in vars(totals(graph)).items() if name != "operators"},
        "before": vars(totals(before)),
        "host": [row.name for row in rows(graph) if row.placement.where == "host"],
        "layers": [
            {
                "name": row.name,
                "op": row.op,
                "shape": list(row.shape),
                "macs": row.macs,
                "weights": row.weights,
                "weight_range": row.weight_range,
                "codes": row.codes,
                "where": row.placement.where,
                "how": row.placement.how,
            }
            for row in rows(graph)
        ],
    }
