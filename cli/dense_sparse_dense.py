"""``tercet dense-sparse-dense``."""

from pathlib import Path
from typing import Any

import click
from tercet.golden.compress.dense_sparse_dense import dense_sparse_dense as train_phases

from .mlp_files import check_float, read_data, read_mlp, write_mlp
from .output import check_file, console, progress, table

__all__ = ["dense_sparse_dense"]

_EPILOG = """\b
Examples:
  tercet dense-sparse-dense model.npz -o better.npz --data data.npz
  tercet dense-sparse-dense model.npz -o better.npz --data data.npz --density 0.7 --epochs 60

MODEL is an .npz of real numbers (W0, b0, W1 and so on), and data.npz has x, y and optionally test_x and test_y, all as
for tercet compress. The network is pruned to --density, trained, and trained again with all its weights, at a tenth of
the rate (Han et al., ICLR 2017). The result has as many weights as before: the pruning is to train better, not to
compress. The table compares it with the same training without the pruning.
"""


@click.command("dense-sparse-dense", epilog=_EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Network to write, .npz.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled samples, .npz.")
@click.option("--density", default=0.5, show_default=True, help="Share of each layer's weights that the pruning keeps.")
@click.option("--epochs", default=30, show_default=True, help="Epochs of each of the two phases.")
@click.option("--rate", default=0.05, show_default=True, help="Initial learning rate of the sparse phase.")
@click.option("--seed", default=0, show_default=True, help="Seed of the sample order and of the test split.")
def dense_sparse_dense(
    model: Path, output: Path, data: Path, density: float, epochs: int, rate: float, seed: int
) -> None:
    """Train a network pruned, then whole again, and compare this with training it whole."""
    check_float(output, seed)
    check_file(output)
    mlp = read_mlp(model)
    samples = read_data(data, mlp, seed)
    labelled = (samples.train_x, samples.train_y)
    with progress("training", total=4 * max(epochs, 0)) as advance:
        options: dict[str, Any] = {"epochs": epochs, "rate": rate, "seed": seed, "progress": advance}
        done = train_phases(mlp, *labelled, density=density, **options)
        whole = train_phases(mlp, *labelled, density=1.0, **options)
    write_mlp(output, done.mlp)
    networks = {
        "as given": mlp,
        "trained whole": whole.mlp,
        f"sparse phase, density {density:g}": done.sparse,
        "dense-sparse-dense": done.mlp,
    }
    result = table("dense-sparse-dense training", "network", "weights other than 0", "accuracy")
    for name, network in networks.items():
        weights = sum(int((w != 0).sum()) for w in network.weights)
        result.add_row(name, f"{weights:,}", f"{network.accuracy(samples.test_x, samples.test_y):.2%}")
    console().print(result)
    click.echo(f"{output}  {output.stat().st_size} bytes")
