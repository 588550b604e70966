"""``tercet compile``."""

import json
from pathlib import Path

import click
from tercet.compiler import load
from tercet.compiler.report import Totals, json_report, rows, totals
from tercet.golden.networks.graph import Graph

from .output import check_file, console, table, write_files

__all__ = ["compile_model"]

_EPILOG = """\b
Examples:
  tercet compile model.tflite
  tercet compile model.onnx --report model.json
  tercet compile digits_int8.npz --no-fold

MODEL is a quantised .tflite, a .onnx as onnxruntime.quantization writes it, or the .npz of an INT8 network. Folding
keeps every output code: it removes channels that are constant or unread, operators without readers, RESHAPEs that
change nothing, moves PADs into convolutions, and turns operators with a constant into tables. The last column says what
a machine for whole networks (npu) would compute, and what is left to the host; tercet run puts convolutions and fully
connected layers on a systolic engine.
"""


_ONNX = (
    "codes: TFLite Micro's arithmetic; onnxruntime requantises in floating point and is at most one code away in each "
    "layer alone (0.4 % of codes over random networks, docs/models.md)"
)


def _short(name: str, most: int = 24) -> str:
    """End of a node's name; a converter's name for fused nodes joins all of them."""
    first = name.partition(";")[0]
    return first if len(first) <= most else f"...{first[3 - most :]}"


def _range(ends: tuple[int, int] | None) -> str:
    return "" if ends is None else f"{ends[0]}..{ends[1]}"


def _operators(model: Path, graph: Graph):
    result = table(f"{model.name}: operators of one inference", "operator")
    result.add_column("kind", no_wrap=True)
    for column in ("output", "products", "weights", "weight range", "codes"):
        result.add_column(column, justify="right", overflow="fold")
    result.add_column("npu or host")
    for row in rows(graph):
        result.add_row(
            _short(row.name),
            row.op,
            " x ".join(map(str, row.shape[1:])),
            f"{row.macs:,}" if row.macs else "",
            f"{row.weights:,}" if row.weights else "",
            _range(row.weight_range),
            _range(row.codes),
            row.placement.where,
        )
    return result


def _saved(before: Totals, after: Totals):
    result = table("Exact folding", "", "as in the file", "folded", "left")
    for name, text in {
        "operators": "operators",
        "macs": "products",
        "weights": "weights",
        "channels": "channels computed",
    }.items():
        old, new = getattr(before, name), getattr(after, name)
        result.add_row(text, f"{old:,}", f"{new:,}", f"{new / old:.1%}" if old else "")
    return result


@click.command("compile", epilog=_EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--no-fold", is_flag=True, help="Show the network as the file has it.")
@click.option("--report", type=click.Path(path_type=Path), help="Write the table as JSON.")
def compile_model(model: Path, no_fold: bool, report: Path | None) -> None:
    """Read a model file, fold it exactly, and show its operators."""
    if report is not None:
        check_file(report)
    before = load(model)
    graph = before if no_fold else before.simplified()
    out = console()
    out.print(_operators(model, graph))
    if not no_fold:
        out.print(_saved(totals(before), totals(graph)))
    host = [row for row in rows(graph) if row.placement.where == "host"]
    if model.suffix == ".onnx":
        out.print(_ONNX, soft_wrap=True)
    for row in host:
        out.print(f"host: {row.name} ({row.op}): {row.placement.how}", soft_wrap=True)
    if report is not None:
        text = json.dumps(json_report(model.name, graph, before), indent=1)
        write_files(report.parent, {report.name: text + "\n"})
