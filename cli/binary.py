"""``tercet binary``."""

from pathlib import Path

import click
from tercet.golden.compress.binary_mlp import binary_mlp

from .mlp_files import check_float, read_data
from .options import whole_numbers
from .output import check_file, console, progress, table, write_files

__all__ = ["binary"]

_EPILOG = """\b
Examples:
  tercet binary data.npz -o signs.npz --hidden 256
  tercet binary data.npz -o signs.npz --hidden 128,64 --levels 7 --epochs 120
  tercet run signs.npz --device sim:ulx3s-85f,bytes --mac binary --inputs x.npy
  tercet build systolic --board ulx3s-85f --mac binary

data.npz has x, y and optionally test_x and test_y, as for tercet compress. Each input becomes --levels signs: whether
it is above thresholds that divide its range in the samples evenly. Weights and the outputs of hidden layers are -1 and
1 (Courbariaux et al. 2016), so a product is whether two bits are equal, and a sum is their number. The last layer's
sums are the outputs.

OUT is an .npz for tercet run, on a systolic engine with --mac binary. Networks with int8 or ternary weights are more
accurate at the same number of weights.
"""


@click.command(epilog=_EPILOG)
@click.argument("data", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Network to write, .npz.")
@click.option("--hidden", required=True, help="Neurons of the hidden layers, with commas.")
@click.option("--levels", default=3, show_default=True, help="Signs that each input becomes, 1 to 64.")
@click.option("--epochs", default=60, show_default=True, help="Epochs of training.")
@click.option("--rate", default=0.1, show_default=True, help="Initial learning rate.")
@click.option("--seed", default=0, show_default=True, help="Seed of the start, the sample order and the test split.")
def binary(data: Path, output: Path, hidden: str, levels: int, epochs: int, rate: float, seed: int) -> None:
    """Train a network of signs, for an array that counts equal bits."""
    check_float(output, seed)
    check_file(output)
    sizes = whole_numbers("Hidden layers", hidden, "neurons")
    samples = read_data(data, None, seed)
    outputs = 1 + int(max(samples.train_y.max(), samples.test_y.max()))
    options = {"levels": levels, "epochs": epochs, "rate": rate, "seed": seed}
    with progress("training", total=max(epochs, 0)) as advance:
        done = binary_mlp(samples, sizes, outputs, progress=advance, **options)
    write_files(output.parent, {output.name: done.network.dumps()})
    layers = done.network.layers
    shape = "-".join(map(str, (layers[0].weights.shape[0], *(layer.weights.shape[1] for layer in layers))))
    result = table(f"{shape} signs", "item", "value")
    weights = sum(layer.weights.size for layer in layers)
    result.add_row("inputs, with signs of each", f"{len(done.network.thresholds)} x {levels}")
    result.add_row("weights, of one bit", f"{weights:,}")
    result.add_row("  bytes", f"{-(-weights // 8):,}")
    result.add_row(f"accuracy on {len(samples.test_x)} test samples", f"{done.accuracy:.2%}")
    console().print(result)
    click.echo(f"{output}  {output.stat().st_size} bytes")
