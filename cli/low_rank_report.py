"""Figures of a network before and after low-rank factorisation: products, bytes, cycles, outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.networks.graph import Graph
from tercet.golden.npu.program import Program

from .npu_program import short_name
from .output import table

__all__ = ["Factoring", "layer_rows", "layers_table", "output_rows", "outputs_table", "totals"]

_COUNTS = {"macs": "products", "weight_bytes": "weights, bytes", "cycles": "cycles"}


@dataclass(frozen=True)
class Factoring:
    """A graph before and after, with the rank and relative error of each operator; None where it was left."""

    before: Graph
    after: Graph
    ranks: Sequence[int | None]
    errors: Sequence[float | None]


def layer_rows(found: Factoring, programs: Sequence[Program | None]) -> list[dict[str, Any]]:
    """Return a dict per operator before, with counts of both graphs as (before, after).

    Parameters
    ----------
    found : Factoring
        The graphs.
    programs : (Program or None, Program or None)
        Their programs, compiled without folding; None where there is none, which leaves out its cycles.
    """
    old, new = _counts(found.before, programs[0]), _counts(found.after, programs[1])
    rows, start = [], 0
    for layer, count, rank, error in zip(found.before.layers, old, found.ranks, found.errors, strict=True):
        # A factored operator became two.
        stop = start + (1 if rank is None else 2)
        parts, start = new[start:stop], stop
        row: dict[str, Any] = {"name": layer.name, "op": layer.op, "rank": rank, "error": error}
        for name in _COUNTS:
            values = [part[name] for part in parts]
            row[name] = count[name], None if None in values else sum(values)
        rows.append(row)
    return rows


def _counts(graph: Graph, program: Program | None) -> list[dict[str, Any]]:
    cycles = [None] * len(graph.layers) if program is None else [layer.cycles for layer in program.layers]
    return [
        {"macs": layer.macs, "weight_bytes": layer.weights, "cycles": clocks}
        for layer, clocks in zip(graph.layers, cycles, strict=True)
    ]


def totals(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[Any, Any]]:
    """Sum the counts over all operators; None where one has none."""
    found = {}
    for name in _COUNTS:
        columns = zip(*(row[name] for row in rows), strict=True)
        found[name] = tuple(None if None in column else sum(column) for column in columns)
    return found


def layers_table(title: str, rows: Sequence[dict[str, Any]]) -> Any:
    """Table of the layers with weights, and of the totals over all operators."""
    result = table(title, "layer")
    result.add_column("kind", no_wrap=True)
    for column in ("rank", "error", *_COUNTS.values()):
        result.add_column(column, justify="right", overflow="fold")
    for row in rows:
        if row["macs"][0]:
            rank = "" if row["rank"] is None else str(row["rank"])
            error = "" if row["error"] is None else f"{row['error']:.3f}"
            counts = [_change(row[name]) for name in _COUNTS]
            result.add_row(short_name(row["name"], 20), row["op"], rank, error, *counts)
    result.add_section()
    whole = totals(rows)
    result.add_row("all operators", "", "", "", *(_change(whole[name]) for name in _COUNTS))
    shares = [f"{new / old:.1%}" if old and new is not None else "" for old, new in whole.values()]
    result.add_row("left", "", "", "", *shares)
    return result


def _change(pair: tuple[Any, Any]) -> str:
    old, new = ("-" if value is None else f"{value:,}" for value in pair)
    return old if old == new else f"{old} > {new}"


def output_rows(before: Graph, after: Graph, x: Any) -> list[dict[str, Any]]:
    """Compare the outputs of two graphs on samples; returns a dict per output.

    ``mean`` and ``largest`` are the absolute differences in real numbers, or in codes where the scale is unknown; they
    are None where the scales may differ. ``deviation`` is the standard deviation of the output before. ``agreement`` is
    the share of samples with the same largest output.
    """
    rows = []
    for edge, other, old, new in zip(before.outputs, after.outputs, before.run(x), after.run(x), strict=True):
        row: dict[str, Any] = {"name": edge.name, "mean": None, "largest": None, "deviation": None}
        if edge.scale is not None or edge.dtype == "float32":
            real = edge.real(old).astype(float)
            difference = np.abs(real - other.real(new))
            row |= {"mean": float(difference.mean()), "largest": float(difference.max())}
            row["deviation"] = float(real.std())
        best = [values.reshape(len(values), -1).argmax(axis=1) for values in (old, new)]
        row["agreement"] = float((best[0] == best[1]).mean())
        rows.append(row)
    return rows


def outputs_table(title: str, rows: Sequence[dict[str, Any]]) -> Any:
    """Table of `output_rows`."""
    numbers = {"mean": "mean difference", "largest": "largest", "deviation": "standard deviation"}
    shown = {name: text for name, text in numbers.items() if any(row[name] is not None for row in rows)}
    result = table(title, "output", *shown.values(), "same largest output")
    for row in rows:
        values = ["" if row[name] is None else f"{row[name]:.4g}" for name in shown]
        result.add_row(short_name(row["name"]), *values, f"{row['agreement']:.1%}")
    return result
