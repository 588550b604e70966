"""``tercet compress``."""

from pathlib import Path
from typing import Any

import click
from tercet.golden.compress.container import dumps
from tercet.golden.compress.fixed_network import FixedNetwork, FloatError
from tercet.golden.compress.pipeline import Compression
from tercet.golden.compress.pipeline import compress as compress_mlp
from tercet.golden.compress.ranges import bound

from .fixed_rows import error_rows, fraction_rows, saturation_row, warn_of_saturation
from .mlp_files import read_data, read_mlp
from .output import check_file, console, progress, table, write_files

__all__ = ["compress"]

_EPILOG = """\b
Examples:
  tercet compress model.npz -o model.tercet --density 0.1
  tercet compress model.npz -o model.tercet --density 0.05,0.05,0.3 --code-bits 4 --index-bits 5
  tercet compress model.npz -o model.tercet --density 0.1 --data digits.npz --epochs 60

model.npz has W0 (in, out), b0 (out,), W1, b1 and so on. digits.npz has x (samples, in) and y (samples,), the labels, to
retrain with, and test_x and test_y to measure accuracy on. Without these a fifth of x is held out for testing, which
flatters a network that was trained on it.

The largest magnitudes of each layer's inputs and outputs over all samples are stored as well: they set the fraction
bits on an EIE engine. Without --data, --largest-input and the weights bound them; without either, they are measured on
the inputs of the run.
"""


def _densities(text: str) -> float | list[float]:
    try:
        densities = [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"Density {text!r} is not a number; use 0.1 for instance, or 0.05,0.1 per layer") from None
    return densities if len(densities) > 1 else densities[0]


def compression_table(result: Compression, title: str) -> Any:
    """Table of size in bytes and accuracy at each stage."""
    result_table = table(title, "stage", "bytes", "smaller by", "accuracy")
    for stage in ("float", "pruned", "shared", "huffman"):
        size = result.sizes[stage]
        right = result.accuracy.get(stage)
        ratio = f"{result.sizes['float'] / size:.1f}"
        result_table.add_row(stage, str(size), ratio, "" if right is None else f"{right:.2%}")
    return result_table


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
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Compressed network to write.")
@click.option("--density", default="0.1", show_default=True, help="Share of weights to keep: one, or one per layer.")
@click.option("--code-bits", type=int, default=4, show_default=True, help="Bits of a shared weight's code, 1 to 8.")
@click.option("--index-bits", type=int, default=4, show_default=True, help="Bits of a zero-run length, 2 to 8.")
@click.option("--data", type=click.Path(path_type=Path), help="Samples to retrain with, .npz with x and y.")
@click.option(
    "--largest-input",
    type=float,
    help="Largest magnitude of an input; bounds the ranges of all layers without --data.",
)
@click.option("--epochs", type=int, default=30, show_default=True, help="Epochs of retraining after pruning.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of retraining and of the test split.")
def compress(
    model: Path,
    output: Path,
    density: str,
    code_bits: int,
    index_bits: int,
    data: Path | None,
    largest_input: float | None,
    epochs: int,
    seed: int,
) -> None:
    """Prune a network, share its weights, and Huffman-code the rest."""
    if seed < 0:
        raise ValueError(f"Seed {seed} is below 0; use at least 0")
    if data is not None and largest_input is not None:
        raise ValueError("--data measures what --largest-input only bounds; leave one of them out")
    mlp = read_mlp(model)
    samples = None if data is None else read_data(data, mlp, seed)
    check_file(output)
    with progress("retraining", total=0 if samples is None else max(epochs, 0) + max(epochs, 0) // 3) as advance:
        result = compress_mlp(
            mlp,
            density=_densities(density),
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
    if result.fixed is not None and result.error is not None:
        console().print(_fixed_table(result.fixed, result.error, result.saturated))
        warn_of_saturation(result.saturated, "the test samples have a much larger range than the training samples")
    click.echo(f"{output}  {output.stat().st_size} bytes")
