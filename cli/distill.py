"""``tercet distill``."""

from pathlib import Path
from typing import Any

import click
import numpy as np
from tercet.golden.compress.distill import distill as train_student
from tercet.golden.compress.distill import epochs_alone, train_alone
from tercet.golden.networks.mlp import Mlp

from .arrays import SAMPLES, read_array
from .mlp_files import check_float, read_data, read_mlp, write_mlp
from .options import whole_numbers
from .output import check_file, console, progress, table

__all__ = ["distill"]

_EPILOG = """\b
Examples:
  tercet distill model.npz -o small.npz --hidden 16 --data data.npz
  tercet distill model.npz -o small.npz --hidden 24,16 --data data.npz --temperature 2 --alpha 0.9
  tercet distill model.npz -o small.npz --hidden 16 --data few.npz --unlabelled x.npy

MODEL is the teacher, an .npz of real numbers (W0, b0, W1 and so on), and data.npz has x, y and optionally test_x and
test_y, all as for tercet compress. The student has MODEL's inputs and outputs and the hidden layers of --hidden. It
learns from the labels and, with a weight of --alpha, from the teacher's outputs at --temperature (Hinton, Vinyals and
Dean 2014). The table compares it with the same student that learns from the labels alone, from the same start and in
as many steps. One run says little: differences of a few answers are no more than another seed brings.

OUT is an .npz like MODEL, for tercet compress or tercet low-rank.
"""


def _unlabelled(path: Path, mlp: Mlp) -> np.ndarray:
    x, inputs = read_array("x", path, SAMPLES), mlp.weights[0].shape[0]
    if x.ndim != 2 or x.shape[1] != inputs or not len(x):
        raise ValueError(f"{str(path)!r} has shape {x.shape}; use (samples, {inputs})")
    return x


@click.command(epilog=_EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Student to write, .npz.")
@click.option("--hidden", required=True, help="Neurons of the student's hidden layers, with commas.")
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Labelled samples, .npz.")
@click.option("--unlabelled", type=click.Path(path_type=Path), help="Further inputs without labels, .npy.")
@click.option("--temperature", default=4.0, show_default=True, help="Softens the teacher's and student's outputs.")
@click.option("--alpha", default=0.7, show_default=True, help="Weight of the teacher in the loss, 0 to 1.")
@click.option("--epochs", default=60, show_default=True, help="Epochs of training.")
@click.option("--rate", default=0.1, show_default=True, help="Initial learning rate.")
@click.option("--seed", default=0, show_default=True, help="Seed of the student's start, sample order, test split.")
def distill(
    model: Path,
    output: Path,
    hidden: str,
    data: Path,
    unlabelled: Path | None,
    temperature: float,
    alpha: float,
    epochs: int,
    rate: float,
    seed: int,
) -> None:
    """Train a small network on the outputs of a large one, and compare it with training on the labels alone."""
    check_float(output, seed)
    check_file(output)
    teacher = read_mlp(model)
    samples = read_data(data, teacher, seed)
    sizes = (
        teacher.weights[0].shape[0],
        *whole_numbers("Hidden layers", hidden, "neurons"),
        teacher.weights[-1].shape[1],
    )
    start = Mlp.random(sizes, seed)
    more = None if unlabelled is None else _unlabelled(unlabelled, teacher)
    count = 0 if more is None else len(more)
    wanted: dict[str, Any] = {"temperature": temperature, "alpha": alpha, "unlabelled": more}
    options: dict[str, Any] = {"epochs": epochs, "rate": rate, "seed": seed}
    labelled = (samples.train_x, samples.train_y)
    total = max(epochs, 0) + epochs_alone(len(samples.train_x), count, max(epochs, 0))
    with progress("training", total=total) as advance:
        student = train_student(teacher, start, *labelled, **wanted, **options, progress=advance)
        alone = train_alone(start, *labelled, unlabelled=count, **options, progress=advance)
    write_mlp(output, student)
    networks = {"teacher": teacher, "student, labels alone": alone, "student, distilled": student}
    result = table(f"distilled to {'-'.join(map(str, sizes))}", "network", "weights", "accuracy")
    for name, network in networks.items():
        weights = sum(w.size for w in network.weights)
        result.add_row(name, f"{weights:,}", f"{network.accuracy(samples.test_x, samples.test_y):.2%}")
    console().print(result)
    click.echo(f"{output}  {output.stat().st_size} bytes")
