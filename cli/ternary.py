"""``tercet ternary``."""

from pathlib import Path

import click
from tercet.golden.compress.ternary_mlp import ternary_mlp

from .mlp_files import check_float, read_data, read_mlp
from .output import check_file, console, progress, table, write_files

__all__ = ["ternary"]

_EPILOG = """\b
Examples:
  tercet ternary model.npz -o ternary.npz --data data.npz
  tercet ternary model.npz -o ternary.npz --data data.npz --epochs 120 --rate 0.02
  tercet run ternary.npz --device sim:ulx3s-85f,bytes --mac ternary-ecp5 --inputs x.npy
  tercet build systolic --board ulx3s-85f --mac ternary-ecp5

MODEL is an .npz of real numbers (W0, b0, W1 and so on), and data.npz has x, y and optionally test_x and test_y, all as
for tercet compress. Each layer's weights become -1, 0 and 1 times one scale and are trained so (Zhu et al. 2017, with
one scale for both signs); activations become int8, in ranges that the training samples set.

OUT is the .npz of an INT8 network. Any systolic engine and any NPU runs it; one with --mac ternary, or ternary-ecp5 on
an ECP5, has no multiplier in its array and takes weights of two bits.
"""


@click.command(epilog=_EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="INT8 network to write, .npz.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled samples, .npz.")
@click.option("--epochs", default=60, show_default=True, help="Epochs of training.")
@click.option("--rate", default=0.05, show_default=True, help="Initial learning rate.")
@click.option("--seed", default=0, show_default=True, help="Seed of the sample order and of the test split.")
def ternary(model: Path, output: Path, data: Path, epochs: int, rate: float, seed: int) -> None:
    """Train a network with weights of -1, 0 and 1, for an array without multipliers."""
    check_float(output, seed)
    check_file(output)
    mlp = read_mlp(model)
    samples = read_data(data, mlp, seed)
    with progress("training", total=max(epochs, 0)) as advance:
        done = ternary_mlp(mlp, samples, epochs=epochs, rate=rate, seed=seed, progress=advance)
    write_files(output.parent, {output.name: done.network.dumps()})
    weights = sum(layer.weights.size for layer in done.network.layers)
    shape = "-".join(str(n) for n in (mlp.weights[0].shape[0], *(w.shape[1] for w in mlp.weights)))
    stages = {
        "float": "real numbers",
        "rounded": "weights of -1, 0 and 1, not trained",
        "trained": "the same, trained",
        "int8": "the same, int8 activations",
    }
    result = table(f"{shape}, accuracy on {len(samples.test_x)} test samples", "network", "accuracy")
    for name, text in stages.items():
        result.add_row(text, f"{done.accuracy[name]:.2%}")
    console().print(result)
    kept = f"{weights:,} weights, {done.zeros:.1%} of them 0"
    click.echo(f"{kept}; {-(-weights // 4):,} bytes with 2 bits each, {weights:,} with 8")
    click.echo(f"{output}  {output.stat().st_size} bytes")
