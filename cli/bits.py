"""``tercet bits``."""

from collections.abc import Sequence
from pathlib import Path

import click
from tercet.golden.compress.bits import TENSORS, BitsPoint, bits_against_accuracy, check_loss, fewest_bits
from tercet.golden.numerics.quantization import CODE_BITS

from .mlp_files import read_data, read_mlp
from .output import console, progress, table

__all__ = ["bits"]

_EPILOG = """\b
Examples:
  tercet bits model.npz --data data.npz
  tercet bits model.npz --data data.npz --bits 4,3,2 --loss 0.01 --percentile 99

MODEL is an .npz of real numbers (W0, b0, W1 and so on), and data.npz has x, y and optionally test_x and test_y, all as
for tercet compress. Each layer's weights, and the activations that it reads, are rounded to the nearest code of so many
bits, one tensor at a time; then those of all layers together. Nothing is retrained. The training samples set the ranges
of the activations, up to --percentile; weights have a scale per output, in the last layer one altogether.

The last table has for each tensor the fewest bits that by themselves cost at most --loss, and the accuracy with all of
these together, which the choice on the same test samples flatters. The engines compute with 8 bits, EIE with codes of 1
to 8 for shared weights (tercet compress --code-bits): the table shows which layers have bits to spare.
"""


def _widths(text: str) -> list[int]:
    try:
        widths = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"Bits {text!r} are not numbers with commas; use 8,4,2 for instance") from None
    low, high = CODE_BITS
    if not all(low <= each <= high for each in widths) or len(set(widths)) < len(widths):
        raise ValueError(f"Bits {text!r} are not different numbers of {low} to {high}; use 8,4,2 for instance")
    return sorted(widths, reverse=True)


@click.command(epilog=_EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled samples, .npz.")
@click.option("--bits", "text", default="8,7,6,5,4,3,2", show_default=True, help="Widths to measure, with commas.")
@click.option("--loss", default=0.005, show_default=True, help="Accuracy that a tensor may cost by itself.")
@click.option("--percentile", default=99.95, show_default=True, help="Range of activations, above 50 to 100.")
@click.option("--seed", default=0, show_default=True, help="Seed of the test split.")
def bits(model: Path, data: Path, text: str, loss: float, percentile: float, seed: int) -> None:
    """Measure a network's accuracy with fewer bits for weights and activations, layer by layer."""
    if seed < 0:
        raise ValueError(f"Seed {seed} is below 0; use at least 0")
    check_loss(loss)
    widths = _widths(text)
    mlp = read_mlp(model)
    samples = read_data(data, mlp, seed)
    with progress("tensors", total=2 * len(mlp.weights) + 3) as advance:
        points = bits_against_accuracy(mlp, samples, widths, percentile=percentile, progress=advance)
    chosen, right = fewest_bits(mlp, samples, points, loss, percentile=percentile)
    float_right = mlp.accuracy(samples.test_x, samples.test_y)
    out = console()
    out.print(_table(f"accuracy by bits; real numbers {float_right:.2%}", points, widths))
    result = table(f"fewest bits that cost at most {loss:g} each", "layer", *TENSORS)
    for n, row in enumerate(zip(chosen.weights, chosen.activations, strict=True)):
        result.add_row(str(n), *map(str, row))
    out.print(result)
    weights = [w.size for w in mlp.weights]
    size = sum(count * (width or 0) for count, width in zip(weights, chosen.weights, strict=True))
    click.echo(f"all of these together: {right:.2%}, {size / sum(weights):.2f} bits per weight")


def _table(title: str, points: Sequence[BitsPoint], widths: Sequence[int]) -> object:
    result = table(title, "layer", "tensor", *(f"{width} bits" for width in widths))
    for n in range(0, len(points), len(widths)):
        row = points[n : n + len(widths)]
        layer = "all" if row[0].layer is None else str(row[0].layer)
        result.add_row(layer, row[0].tensor, *(f"{point.accuracy:.2%}" for point in row))
    return result
