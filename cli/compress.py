"""``tercet compress``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from tercet.boards.catalog import BOARDS
from tercet.compiler.load import SUFFIXES
from tercet.golden.compress.container import dumps
from tercet.golden.compress.fixed_network import FixedNetwork, FloatError
from tercet.golden.compress.pipeline import Compression, Data
from tercet.golden.compress.pipeline import compress as compress_mlp
from tercet.golden.compress.ranges import bound
from tercet.golden.compress.schedule import SPACINGS, check_epochs, density_schedule
from tercet.golden.networks.mlp import Mlp

from .arrays import read_archive
from .compress_graph import GraphOptions, compress_graph
from .fixed_rows import error_rows, fraction_rows, saturation_row, warn_of_saturation
from .mlp_files import read_data, read_mlp
from .output import check_file, console, progress, table, write_files
from .pruning_curve import CURVE_STEPS, draw_curve

__all__ = ["compress"]

_DENSITY = "0.1"
_EPOCHS = 30
_BOARD = "ulx3s-85f"

_EPILOG = f"""\b
Examples:
  tercet compress model.npz -o model.tercet --density 0.1
  tercet compress model.npz -o model.tercet --density 0.05,0.05,0.3 --code-bits 4 --index-bits 5
  tercet compress model.npz -o model.tercet --density 0.1 --data digits.npz --epochs 60
  tercet compress model.npz -o model.tercet --density 0.03 --steps 5 --data digits.npz
  tercet compress model.npz -o model.tercet --schedule 0.5,0.2,0.1 --data digits.npz --curve curve.png
  tercet compress model.tflite --density 0.2 --inputs x.npy
  tercet compress model.tflite -o model.tercet --density 0.2 --layer dense --inputs x.npy --board orangecrab-85f

model.npz has W0 (in, out), b0 (out,), W1, b1 and so on. digits.npz has x (samples, in) and y (samples,), the labels, to
retrain with, and test_x and test_y to measure accuracy on. Without these a fifth of x is held out for testing, which
flatters a network that was trained on it.

--steps and --schedule prune in steps and retrain after each; --epochs are those of all steps together. --curve measures
the accuracy from density 1 to 0.01: pruned without retraining, pruned at once and retrained, pruned in {CURVE_STEPS}
or --steps steps, and the last with shared weights. It takes as long as compressing 18 times.

The largest magnitudes of each layer's inputs and outputs over all samples are stored as well: they set the fraction
bits on an EIE engine. Without --data, --largest-input and the weights bound them; without either, they are measured on
the inputs of the run.

MODEL may also be quantised, a .tflite, an .onnx or the .npz of an INT8 network: its fully connected layers and 1x1
convolutions are pruned by the magnitude of their real weights, and nothing is trained. Most of --inputs, 128 at most,
set biases that make up for the mean change; a fifth of them measures what the outputs have become. Without --inputs
random codes measure it, which says little of real ones. Clocks and bytes of each layer stand beside those of the
board's NPU, with the densities up to which EIE takes fewer. OUT, which may be left out, holds the layers as one network
of real numbers, without the last one's activation, if each feeds the next.
"""


def _numbers(what: str, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{what} {text!r} is not a number, or several with commas; use 0.1 for instance") from None


def _quantised(model: Path) -> bool:
    """Whether a file has an int8 network; other files are left to the reader of real numbers."""
    return model.suffix in SUFFIXES or (model.suffix == ".npz" and "input_scale" in read_archive(model))


def _refuse(flags: Mapping[str, Any], why: str) -> None:
    for flag in (name for name, value in flags.items() if value is not None):
        raise ValueError(f"--{flag} {why}; leave it out")


def _schedule(
    mlp: Mlp, density: str | None, schedule: str | None, steps: int | None, spacing: str | None
) -> Sequence[float | Sequence[float]]:
    """Densities of each step of pruning, for all layers or for each."""
    if schedule is not None:
        others = {"--density": density, "--steps": steps, "--spacing": spacing}
        for flag in (name for name, value in others.items() if value is not None):
            raise ValueError(f"--schedule has the densities of all steps; leave out {flag}")
        return _numbers("Schedule", schedule)
    densities = _numbers("Density", density or _DENSITY)
    if steps is None:
        if spacing is not None:
            raise ValueError("--spacing is that of the densities of --steps; give both")
        return densities if len(densities) == 1 else [densities]
    # A layer may stay whole if others are pruned.
    whole = [each == 1 and len(densities) > 1 for each in densities]
    columns = [
        [1.0] * steps if full else density_schedule(each, steps, spacing=spacing or SPACINGS[0])
        for full, each in zip(whole, densities, strict=True)
    ]
    return columns[0] if len(columns) == 1 else [list(step) for step in zip(*columns, strict=True)]


def compression_table(result: Compression, title: str) -> Any:
    """Table of size in bytes and accuracy at each stage."""
    result_table = table(title, "stage", "bytes", "smaller by", "accuracy")
    for stage in ("float", "pruned", "shared", "huffman"):
        size = result.sizes[stage]
        right = result.accuracy.get(stage)
        ratio = f"{result.sizes['float'] / size:.1f}"
        result_table.add_row(stage, str(size), ratio, "" if right is None else f"{right:.2%}")
    return result_table


def _steps_table(result: Compression, data: Data) -> Any:
    """Table of the weights kept and the accuracy after each step of pruning."""
    steps = table("pruned in steps, retrained after each", "step", "density", "weights kept", "epochs", "accuracy")
    for n, step in enumerate(result.steps, 1):
        densities = dict.fromkeys(f"{density:.4g}" for density in step.densities)
        kept = sum(int(mask.sum()) for mask in step.masks)
        right = step.mlp.accuracy(data.test_x, data.test_y)
        steps.add_row(str(n), ", ".join(densities), f"{kept:,}", str(step.epochs), f"{right:.2%}")
    return steps


def _fixed_table(fixed: FixedNetwork, error: FloatError, saturated: tuple[int, ...]) -> Any:
    """Table of the network's accuracy and error on an EIE engine, from the golden model."""
    samples = len(fixed.acts)
    result = table(f"in the fixed point of an EIE engine, {samples} samples", "item", "value")
    reached = [fixed.network[0].act_range, *(layer.out_range for layer in fixed.network)]
    result.add_row("largest input; outputs of each layer", "; ".join(f"{value:.4g}" for value in reached))
    results = samples * sum(len(layer.codes) for layer in fixed.network)
    rows = {**fraction_rows(fixed), **error_rows(error), "saturated": saturation_row(sum(saturated), results)}
    for name, value in rows.items():
        result.add_row(name, value)
    return result


@click.command(epilog=_EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Compressed network to write.")
@click.option("--density", help=f"Share of weights to keep: one, or one per layer. [default: {_DENSITY}]")
@click.option("--schedule", help="Falling densities of pruning in steps, instead of --density, such as 0.5,0.2,0.1.")
@click.option("--steps", type=int, help="Prune to --density in as many steps.")
@click.option("--spacing", type=click.Choice(SPACINGS), help=f"Spacing of their densities. [default: {SPACINGS[0]}]")
@click.option("--code-bits", type=int, default=4, show_default=True, help="Bits of a shared weight's code, 1 to 8.")
@click.option("--index-bits", type=int, default=4, show_default=True, help="Bits of a zero-run length, 2 to 8.")
@click.option("--data", type=click.Path(path_type=Path), help="Samples to retrain with, .npz with x and y.")
@click.option(
    "--largest-input",
    type=float,
    help="Largest magnitude of an input; bounds the ranges of all layers without --data.",
)
@click.option("--epochs", type=int, help=f"Epochs of retraining, in all steps. [default: {_EPOCHS}]")
@click.option("--curve", type=click.Path(path_type=Path), help="Plot accuracy against density, .png.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of retraining, test split, random inputs.")
@click.option("--layer", "names", multiple=True, help="Of an int8 network, only this layer; may be repeated.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Samples for an int8 network, as for tercet run.")
@click.option("--board", type=click.Choice(list(BOARDS)), help=f"Engines for an int8 network. [default: {_BOARD}]")
def compress(
    model: Path,
    output: Path | None,
    density: str | None,
    schedule: str | None,
    steps: int | None,
    spacing: str | None,
    code_bits: int,
    index_bits: int,
    data: Path | None,
    largest_input: float | None,
    epochs: int | None,
    curve: Path | None,
    seed: int,
    names: tuple[str, ...],
    inputs: Path | None,
    board: str | None,
) -> None:
    """Prune a network, share its weights, and Huffman-code the rest."""
    if seed < 0:
        raise ValueError(f"Seed {seed} is below 0; use at least 0")
    training = {"schedule": schedule, "steps": steps, "spacing": spacing, "data": data, "largest-input": largest_input}
    training |= {"epochs": epochs, "curve": curve}
    if _quantised(model):
        _refuse(training, "needs a network of real numbers, and this one is quantised")
        shares = _numbers("Density", density or _DENSITY)
        options = GraphOptions(names, shares, code_bits, index_bits, inputs, board or _BOARD, seed)
        compress_graph(model, output, options)
        return
    _refuse({"layer": names or None, "inputs": inputs, "board": board}, "is for quantised networks, not for this one")
    if output is None:
        raise ValueError("A network of real numbers is compressed into a file; name it with -o")
    if data is not None and largest_input is not None:
        raise ValueError("--data measures what --largest-input only bounds; leave one of them out")
    for flag, given in {"--steps": steps, "--schedule": schedule, "--curve": curve}.items():
        if given is not None and data is None:
            raise ValueError(f"{flag} retrains the network, which needs samples; give --data")
    epochs = _EPOCHS if epochs is None else epochs
    mlp = read_mlp(model)
    samples = None if data is None else read_data(data, mlp, seed)
    wanted = _schedule(mlp, density, schedule, steps, spacing)
    if curve is not None and curve.suffix != ".png":
        raise ValueError(f"{str(curve)!r} is not a .png, the only format of plots")
    check_epochs(epochs, CURVE_STEPS if curve is not None and steps is None else 1)
    for path in (output, curve):
        if path is not None:
            check_file(path)
    with progress("retraining", total=0 if samples is None else max(epochs, 0) + max(epochs, 0) // 3) as advance:
        result = compress_mlp(
            mlp,
            schedule=wanted,
            code_bits=code_bits,
            index_bits=index_bits,
            data=samples,
            epochs=epochs,
            seed=seed,
            progress=advance,
        )
    layers = result.layers if largest_input is None else bound(result.layers, largest_input)
    write_files(output.parent, {output.name: dumps(layers)})
    shape = "-".join(str(n) for n in (mlp.weights[0].shape[0], *(w.shape[1] for w in mlp.weights)))
    console().print(compression_table(result, f"{shape}, {result.sizes['entries']} entries"))
    if samples is not None and len(result.steps) > 1:
        console().print(_steps_table(result, samples))
    if result.fixed is not None and result.error is not None:
        console().print(_fixed_table(result.fixed, result.error, result.saturated))
        warn_of_saturation(result.saturated, "the test samples have a much larger range than the training samples")
    click.echo(f"{output}  {output.stat().st_size} bytes")
    if curve is not None and samples is not None:
        options = {"steps": steps or CURVE_STEPS, "code_bits": code_bits, "epochs": epochs, "seed": seed}
        draw_curve(curve, mlp, samples, f"{model.name}, {shape}", index_bits=index_bits, **options)
