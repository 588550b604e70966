"""Per-operator report of a graph, its totals, and the savings from simplification."""

from dataclasses import dataclass
from typing import Any

from tercet.golden.networks.graph import Graph
from tercet.golden.networks.intervals import intervals
from tercet.golden.networks.operators import MatrixOperator

from .placement import Placement, place

__all__ = ["Row", "Totals", "json_report", "rows", "totals"]


@dataclass(frozen=True)
class Row:
    """Report row of one operator.

    Attributes
    ----------
    name, op : str
        Node name and kind of operator.
    shape : tuple of int
        Output shape, channels last.
    macs, weights : int
        Multiply-accumulate operations per sample, and number of weights.
    weight_range : (int, int) or None
        Minimum and maximum weight.
    codes : (int, int) or None
        Bounds on the output code over all inputs.
    placement : Placement
        NPU or host.
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
    """Totals over all operators; `channels` counts the output channels of convolutions and fully connected layers."""

    operators: int
    macs: int
    weights: int
    channels: int


def rows(graph: Graph) -> list[Row]:
    """Return one row per operator, in execution order."""
    ranges = intervals(graph)
    result = []
    for operator, layer in zip(graph.operators, graph.layers, strict=True):
        weights = operator.weights if isinstance(operator, MatrixOperator) else None
        codes = ranges.get(operator.output)
        result.append(
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
    return result


def totals(graph: Graph) -> Totals:
    """Return the totals over a graph."""
    layers = graph.layers
    channels = sum(operator.channels for operator in graph.operators if isinstance(operator, MatrixOperator))
    return Totals(len(layers), sum(layer.macs for layer in layers), sum(layer.weights for layer in layers), channels)


def json_report(model: str, graph: Graph, before: Graph) -> dict[str, Any]:
    """Return the report as a JSON-serialisable dict; `before` is the graph as read from the file."""
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
