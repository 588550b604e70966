"""``tercet compile``."""

import json
from pathlib import Path
from typing import Any

import click
from tercet.boards.catalog import BOARDS, board
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.compiler.report import Totals, json_report, rows, totals
from tercet.golden.networks.graph import Graph
from tercet.golden.npu import NpuConfig

from .npu_program import buffer_picture, layer_table, memory_table, short_name
from .options import Megahertz, config_from, config_options
from .output import check_file, console, table, write_files

__all__ = ["compile_model"]

_EPILOG = """\b
Examples:
  tercet compile model.tflite
  tercet compile model.onnx --report model.json
  tercet compile digits_int8.npz --no-fold
  tercet compile model.tflite -o model.tercetn --listing --picture buffer.png
  tercet compile model.tflite --board ulx3s-85f
  tercet compile model.tflite --rows 8 --cols 8 --requant-lanes 2 --buffer-bytes 32768

MODEL is a quantised .tflite, a .onnx written by onnxruntime.quantization, or the .npz of an INT8 network. Folding keeps
every output code: it removes constant or unread channels and operators without readers or effect, merges PADs into
convolutions and ReLUs into the preceding operators, and turns operators with a constant into tables. The last column
shows whether the npu, an engine for whole networks, or the host would run the operator; tercet run puts convolutions
and fully connected layers on a systolic engine.

The network is then compiled to a program for the npu of a board, or of the flags. Its cycles are exact: those of the
hardware, from the start of a run to the last byte written. Utilisation counts the products per cycle and processing
element; live is the bytes of tensors in the buffer. An operator is bound by reads of the buffer, by the requantiser, by
loading weights, or by latency. A network that the default npu cannot run is only listed; with -o, --listing, --picture,
--host-fallback, --clip-weights or a flag of the configuration, that is an error.
"""

_CLOCK_HZ = 100e6
_ONNX = (
    "codes: TFLite Micro's arithmetic; onnxruntime requantises in floating point and is at most one code away in each "
    "layer on its own (0.4 % of codes over random networks, docs/models.md)"
)


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
            short_name(row.name),
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
@click.option("--no-fold", is_flag=True, help="Show the network as stored in the file, without folding.")
@click.option("--report", type=click.Path(path_type=Path), help="Write the tables as JSON.")
@click.option("--board", "board_name", type=click.Choice(list(BOARDS)), help="Compile for a board's preset and clock.")
@click.option("--clock", type=Megahertz(min=1e-3), help="Clock for times, MHz. [default: the board's, or 100]")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the npu program.")
@click.option("--listing", is_flag=True, help="Show the program's instructions.")
@click.option("--picture", type=click.Path(path_type=Path), help="Plot the use of the unified buffer, .png.")
@click.option("--host-fallback", is_flag=True, help="Leave operators that the npu lacks to the host.")
@click.option("--clip-weights", is_flag=True, help="Clip weights of -128 to -127 and count them.")
@config_options(NpuConfig, ())
def compile_model(
    model: Path,
    no_fold: bool,
    report: Path | None,
    board_name: str | None,
    clock: float | None,
    output: Path | None,
    listing: bool,
    picture: Path | None,
    host_fallback: bool,
    clip_weights: bool,
    preset: str | None,
    config_file: Path | None,
    **flags: Any,
) -> None:
    """Read a model file, fold it exactly, list its operators, and compile it for the npu."""
    for path in (report, output, picture):
        if path is not None:
            check_file(path)
    on_board = board(board_name).preset("npu") if board_name else None
    config = config_from(NpuConfig, preset, config_file, flags, dict(on_board.params) if on_board else {})
    clock_hz = 1e6 * clock if clock else on_board.clock_hz if on_board else _CLOCK_HZ
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
    found = json_report(model.name, graph, before)
    options = {"host_fallback": host_fallback, "clip_weights": clip_weights}
    wanted = any((board_name, output, listing, picture, preset, config_file, *options.values(), *_given(flags)))
    try:
        program = compile_graph(before, config, fold=not no_fold, **options)
    except ValueError as error:
        if wanted:
            raise
        out.print(f"no program for the default npu: {error}", soft_wrap=True)
    else:
        found = _joined(found, program.report(clock_hz))
        out.print(memory_table(program))
        out.print(layer_table(program, clock_hz))
        if listing:
            out.print(program.listing(), soft_wrap=True, end="")
        if output is not None:
            write_files(output.parent, {output.name: program.dumps()})
        if picture is not None:
            write_files(picture.parent, {picture.name: buffer_picture(program)})
    if report is not None:
        write_files(report.parent, {report.name: json.dumps(found, indent=1) + "\n"})


def _joined(graph: dict[str, Any], program: dict[str, Any]) -> dict[str, Any]:
    """Join the reports of a graph and of its program, which have the same layers."""
    layers = [{**one, **other} for one, other in zip(graph["layers"], program["layers"], strict=True)]
    return {**graph, **program, "model": graph["model"], "layers": layers}


def _given(flags: dict[str, Any]) -> list[Any]:
    return [value for value in flags.values() if value is not None]
