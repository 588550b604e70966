"""``tercet low-rank``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from tercet.boards.catalog import BOARDS, board
from tercet.compiler.int8_network import int8_network_of_graph
from tercet.golden.compress.low_rank import check_choice
from tercet.golden.networks.graph import Graph
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.program import Program

from .arrays import read_archive
from .low_rank_networks import Machine, Wanted, factor_float, factor_int8
from .low_rank_report import layer_rows, layers_table, outputs_table, totals
from .output import check_file, console, table, write_files

__all__ = ["low_rank"]

_EPILOG = """\b
Examples:
  tercet low-rank model.tflite -o small.tercetn --error 0.2 --inputs x.npy
  tercet low-rank model.onnx -o small.tercetn --rank 16 --layer conv2 --layer dense
  tercet low-rank model.npz -o small.npz --rank 16 --data data.npz
  tercet sim npu --model small.npz

A fully connected layer becomes two with nothing between them, a convolution one to R channels and a 1x1 convolution of
these. The factors are the best of their rank (singular value decomposition). A layer is left as it is where they would
not save products.

MODEL is quantised, a .tflite, an .onnx or the .npz of an INT8 network; its weights are factored as they are, in units
of the output's codes. Most of --inputs, 128 at most, set the ranges between the factors; a fifth of them measures what
has changed. Without --inputs, random codes do both, which says little of real ones. Or MODEL is an .npz of real numbers
(W0, b0, W1 and so on, as for tercet compress): with --data its factors are trained, it is quantised on the training
samples, and its accuracy measured on the others; with --inputs it is only factored and quantised.

OUT is a .tercetn, a program for the npu of the board, or the .npz of an INT8 network if all layers are fully connected.
Cycles are those of the board's npu, exactly. Fewer products are not always fewer cycles, as each of the two layers
has its own start and end. --only-faster leaves layers that would take longer as they are.
"""

_EPOCHS = 30


@click.command("low-rank", epilog=_EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Network to write, .tercetn or .npz."
)
@click.option("--rank", type=int, help="Rank of the factors of each layer.")
@click.option("--error", type=float, help="Largest relative error of each layer's weights, instead of the rank.")
@click.option("--layer", "layers", multiple=True, help="Only this layer, by name or the end of it; may be repeated.")
@click.option("--only-faster", is_flag=True, help="Leave layers that would not take fewer cycles.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Samples without labels, as for tercet run.")
@click.option("--data", type=click.Path(path_type=Path), help="Samples to train with, .npz, as for tercet compress.")
@click.option("--epochs", type=int, help=f"Epochs of training after the factorisation. [default: {_EPOCHS}]")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of training, test split, random inputs.")
@click.option(
    "--board",
    "board_name",
    type=click.Choice(list(BOARDS)),
    default="ulx3s-85f",
    show_default=True,
    help="Board of the npu.",
)
@click.option("--host-fallback", is_flag=True, help="Leave operators that the npu lacks to the host.")
@click.option("--clip-weights", is_flag=True, help="Clip weights of -128 to -127 for the npu.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures, .json.")
def low_rank(
    model: Path,
    output: Path,
    rank: int | None,
    error: float | None,
    layers: tuple[str, ...],
    only_faster: bool,
    inputs: Path | None,
    data: Path | None,
    epochs: int | None,
    seed: int,
    board_name: str,
    host_fallback: bool,
    clip_weights: bool,
    json_file: Path | None,
) -> None:
    """Factor layers into two of low rank, and compare products, bytes, cycles and outputs."""
    if seed < 0:
        raise ValueError(f"Seed {seed} is below 0; use at least 0")
    check_choice(rank, error)
    if output.suffix not in (".npz", ".tercetn"):
        raise ValueError(f"{str(output)!r} is neither .npz, an INT8 network, nor .tercetn, a program for the npu")
    for path in (output, json_file):
        if path is not None:
            check_file(path)
    preset = board(board_name).preset("npu")
    options = {"host_fallback": host_fallback, "clip_weights": clip_weights}
    machine = Machine(NpuConfig(**dict(preset.params)), options)
    wanted = Wanted(rank, error, layers, only_faster)
    if model.suffix == ".npz" and "input_scale" not in read_archive(model):
        given = _EPOCHS if epochs is None else epochs
        found, extra = factor_float(model, wanted, inputs, data, given, seed, machine)
    else:
        for flag, value in {"data": data, "epochs": epochs}.items():
            if value is not None:
                raise ValueError(f"--{flag} trains networks of real numbers, not a quantised one; use --inputs alone")
        found, extra = factor_int8(model, wanted, inputs, seed, machine)
    old, new = machine.compiled(found.before), machine.compiled(found.after)
    content = _content(output, found.after, new)
    rows = layer_rows(found, [each if isinstance(each, Program) else None for each in (old, new)])
    write_files(output.parent, {output.name: content})
    _show(model, board_name, rows, extra, (old, new))
    if json_file is not None:
        figures = {"model": model.name, **wanted.bound, "board": board_name, "clock_hz": preset.clock_hz}
        figures |= {"total": totals(rows), "layers": rows, **extra}
        write_files(json_file.parent, {json_file.name: json.dumps(figures, indent=1) + "\n"})
    click.echo(f"{output}  {output.stat().st_size} bytes")


def _content(output: Path, graph: Graph, program: Program | str) -> bytes:
    if output.suffix == ".npz":
        return int8_network_of_graph(graph).dumps()
    if isinstance(program, str):
        raise ValueError(program)
    return program.dumps()


def _show(
    model: Path,
    board_name: str,
    rows: list[dict[str, Any]],
    extra: dict[str, Any],
    programs: Sequence[Program | str],
) -> None:
    out = console()
    out.print(layers_table(f"{model.name} on the npu of {board_name}, before > after", rows))
    for when, program in zip(("before", "after"), programs, strict=True):
        if isinstance(program, str):
            out.print(f"no program {when}: {program}", soft_wrap=True)
    kind = "random inputs" if extra["random"] else "inputs"
    out.print(outputs_table(f"outputs after against before, {extra['samples']} {kind}", extra["outputs"]))
    if "accuracy" in extra:
        result = table(f"accuracy on {extra['samples']} test samples", "stage", "accuracy")
        for stage, right in extra["accuracy"].items():
            result.add_row(stage, f"{right:.2%}")
        out.print(result)
