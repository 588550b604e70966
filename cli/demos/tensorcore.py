"""Demo of the tensor core: mixed-precision training on handwritten digits, with one step on the RTL."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tercet.cli.engines import ENGINES
from tercet.cli.figures import figure, png
from tercet.cli.output import check_folder, console, progress, table, write_files
from tercet.engines.export import export
from tercet.golden.networks.mixed_precision import (
    LossScale,
    ProductFunction,
    Trainer,
    operands,
    single_precision,
    tensor_core,
)
from tercet.golden.networks.mlp import Mlp, gradients
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import cycles
from tercet.golden.tensorcore.errors import QUANTILES, error_statistics
from tercet.sim import tensorcore
from tercet.sim.engine import EngineRun

from .digits import Digits, load_digits

__all__ = ["TEXT", "run_demo"]

TEXT = """Handwritten digits, learned in mixed precision with a tensor core's arithmetic.

Trains a small network with FP16 products and sums in FP32 or FP16, with and without loss scaling, and in FP32 for
comparison. Then runs the products of one training step, forward and backward, on the simulated RTL. Writes the
Verilog, its manifest and plots to the output folder: learning curves, and errors by the number of fraction bits that
alignment keeps."""

_SHAPE = (64, 32, 10)
_BATCH = 64
_EPOCHS = 15
_PATIENCE = 20
"""Updates until the loss scale doubles: few enough that it reaches its bounds."""
_FRACTIONS = range(13, 26)
_KEPT_BY = {13: "hopper, FP8", 23: "volta", 24: "ampere", 25: "hopper"}
_LENGTHS = (4, 16, 64, 256)
_QUARTILES = (QUANTILES.index(0.25), QUANTILES.index(0.75))


@dataclass
class _Course:
    """Course of a training: loss, test accuracy and gradient error per epoch."""

    name: str
    trainer: Trainer
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Step:
    """Comparison of a training step's products on the RTL with the golden model."""

    products: int
    elements: int
    equal: int
    same_weights: bool
    cycles: int
    model: int
    busy: int


def run_demo(output: Path, simulator: str | None, *, epochs: int = _EPOCHS, count: int = 500) -> bool:
    """Run the demo, print its tables and write its files; returns whether RTL, golden and cycle model agree exactly.

    Parameters
    ----------
    output : Path
        Output folder.
    simulator : str or None
        As for :func:`tercet.sim.bench.run`.
    epochs : int
        Epochs of training.
    count : int
        Dot products per point of the error plot.
    """
    check_folder(output)
    config = TensorCoreConfig.volta()
    courses = _courses(config)
    with progress("digits", total=len(courses) + 3) as advance:
        digits = load_digits()
        for course in courses:
            _train(course, digits, epochs)
            advance(f"trained with {course.name}: test accuracy {course.accuracies[-1]:.2%}")
        # One more step, continuing the training with loss scaling.
        step = _step_on_rtl(config, courses[1].trainer, digits, simulator)
        advance("ran the products of a training step on the RTL")
        errors = _errors_picture(count)
        advance(f"measured errors with {_FRACTIONS[0]} to {_FRACTIONS[-1]} fraction bits")
        files = export(ENGINES["tensorcore"], config)
        advance("generated the Verilog")
    _print(config, courses, step)
    pictures = {"tensorcore_training.png": _training_picture(courses), "tensorcore_errors.png": errors}
    renamed = {("tensorcore.json" if name == "manifest.json" else name): text for name, text in files.items()}
    for path in write_files(output, {**renamed, **pictures}):
        console().print(str(path), soft_wrap=True)
    return step.equal == step.elements and step.same_weights and step.cycles == step.model


def _courses(config: TensorCoreConfig) -> list[_Course]:
    """Trainings to compare, all from the same initial weights."""
    variants: list[tuple[str, ProductFunction, LossScale]] = [
        ("FP32", single_precision, LossScale(1.0, None)),
        ("FP16, FP32 sums (volta)", tensor_core(config), LossScale(patience=_PATIENCE)),
        ("the same, loss not scaled", tensor_core(config), LossScale(1.0, None)),
        ("FP16, FP16 sums", tensor_core(TensorCoreConfig.volta(out_format="fp16")), LossScale(patience=_PATIENCE)),
    ]
    start = Mlp.random(_SHAPE)
    return [_Course(name, Trainer(start, product, scale)) for name, product, scale in variants]


def _train(course: _Course, digits: Digits, epochs: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        order = rng.permutation(len(digits.train_x))
        whole = len(order) // _BATCH * _BATCH
        batches = order[:whole].reshape(-1, _BATCH)
        losses = [course.trainer.step(digits.train_x[batch], digits.train_y[batch]) for batch in batches]
        course.losses.append(float(np.mean(losses)))
        course.accuracies.append(course.trainer.accuracy(digits.test_x, digits.test_y))
        course.errors.append(_gradient_error(course.trainer, digits.test_x, digits.test_y))


def _gradient_error(trainer: Trainer, x: np.ndarray, labels: np.ndarray) -> float:
    """Relative L2 error of the gradient of all weights, against float64 at the same weights.

    The median over batches: where a sum is so near 0 that a ReLU switches the other way, the error is a hundred times
    larger. Batches with a non-finite gradient are excluded, as they would not cause an update.
    """
    blocks = np.array_split(np.arange(len(x)), max(1, len(x) // _BATCH))
    errors = np.array([_batch_error(trainer, x[block], labels[block]) for block in blocks])
    return float(np.median(errors[np.isfinite(errors)]))


def _batch_error(trainer: Trainer, x: np.ndarray, labels: np.ndarray) -> float:
    _, exact, _ = gradients(Mlp(list(trainer.weights), list(trainer.biases)), x, labels)
    _, actual = trainer.gradients(x, labels)
    with np.errstate(invalid="ignore"):
        wrong = sum(float(((a - b) ** 2).sum()) for a, b in zip(actual, exact, strict=False))
    return float(np.sqrt(wrong / sum(float((b**2).sum()) for b in exact)))


def _step_on_rtl(config: TensorCoreConfig, trainer: Trainer, digits: Digits, simulator: str | None) -> _Step:
    """Take a step twice: on the golden model, and on the RTL, where each product uses the RTL's earlier results."""
    runs: list[EngineRun] = []
    golden: list[np.ndarray] = []
    shapes: list[tuple[int, int, int]] = []

    def by_golden(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        golden.append(trainer.product(a, b, c))
        return golden[-1]

    def by_rtl(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        items = operands(a, b, c, config)
        runs.append(tensorcore.mma(config, *items, simulator=simulator))
        shapes.append((len(a), b.shape[1], items[0].shape[1]))
        return runs[-1].out

    steps: list[Trainer] = []
    products: tuple[Callable[..., np.ndarray], ...] = (by_golden, by_rtl)
    for product in products:
        steps.append(copy.deepcopy(trainer))
        steps[-1].product, steps[-1].scale = product, LossScale()  # far from overflow: the weights do change
        steps[-1].step(digits.train_x[:_BATCH], digits.train_y[:_BATCH])
    states = [b"".join(p.tobytes() for p in (*step.weights, *step.biases)) for step in steps]
    return _Step(
        products=len(runs),
        elements=sum(want.size for want in golden),
        equal=sum(
            int((run.out.view(np.uint32) == want.view(np.uint32)).sum()) for run, want in zip(runs, golden, strict=True)
        ),
        same_weights=states[0] == states[1],
        cycles=sum(run.cycles for run in runs),
        model=sum(cycles(config, *shape) for shape in shapes),
        busy=sum(run.counters["busy"] for run in runs),
    )


def _print(config: TensorCoreConfig, courses: list[_Course], step: _Step) -> None:
    shape = "-".join(map(str, _SHAPE))
    result = table(
        f"{shape} on handwritten digits, {len(courses[0].losses)} epochs, batches of {_BATCH}",
        "products and sums",
        "loss",
        "test accuracy",
        "gradient error, median",
        "loss scale",
        "updates skipped",
    )
    for course in courses:
        scale = course.trainer.scale
        result.add_row(
            course.name,
            f"{course.losses[-1]:.4f}",
            f"{course.accuracies[-1]:.2%}",
            f"{np.median(course.errors):.1e}",
            f"2^{np.log2(scale.value):.0f}",
            str(scale.skipped),
        )
    console().print(result)
    result = table(f"One training step on the RTL, {config.m}x{config.n} tiles, fold {config.fold}", "item", "value")
    result.add_row("products, forward and backward", str(step.products))
    result.add_row("elements equal to the golden model's", f"{step.equal} of {step.elements}")
    result.add_row("weights after the step", "equal, every bit" if step.same_weights else "NOT EQUAL")
    result.add_row("cycles", str(step.cycles))
    result.add_row("cycle model", f"{step.model}, {'exact' if step.model == step.cycles else 'NOT EQUAL'}")
    result.add_row("clocks that start a product", f"{step.busy / step.cycles:.1%}")
    console().print(result)


def _training_picture(courses: list[_Course]) -> bytes:
    """Plot loss, accuracy and gradient error per epoch."""
    picture, (left, middle, right) = figure(3, 14, 4.2)
    styles = ("-", "--", ":", "-.")
    for course, style in zip(courses, styles, strict=True):
        epochs = range(1, len(course.losses) + 1)
        left.plot(epochs, course.losses, style, label=course.name)
        middle.plot(epochs, [100 * share for share in course.accuracies], style)
        right.plot(epochs, course.errors, style)
    left.set(title="Loss on the training digits", ylabel="mean cross entropy", yscale="log")
    middle.set(title="Test digits", ylabel="right, %")
    right.set(title="Gradient of the weights, against float64", ylabel="relative error", yscale="log")
    for axes in (left, middle, right):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    left.legend()
    return png(picture)


def _errors_picture(count: int) -> bytes:
    """Plot errors against the exact sum by fraction bits kept, for several numbers of products."""
    picture, (left, right) = figure(2, 11, 4.5)
    for k in _LENGTHS:
        pairs = [
            tuple(
                error_statistics(TensorCoreConfig.volta(fraction_bits=bits), [k], count=count, operands=kind)[0]
                for kind in ("positive", "normal")
            )
            for bits in _FRACTIONS
        ]
        left.plot(_FRACTIONS, [-positive.bias for positive, _ in pairs], marker="o", label=f"{k} products")
        farther = [max(abs(normal.quantiles[n]) for n in _QUARTILES) for _, normal in pairs]
        right.plot(_FRACTIONS, farther, marker="o")
    left.set(title="Positive operands: mean error, toward zero", yscale="log")
    # symlog, as a quartile can be 0. From 24 bits on the sum is truncated, always toward zero, rather than products of
    # both signs: errors then accumulate again.
    right.set(title="Operands of both signs: the farther quartile of errors", yscale="symlog")
    for axes in (left, right):
        axes.set(xlabel="fraction bits kept in alignment, 4 products a step", ylabel="units in the last place of FP32")
        axes.set(xlim=(_FRACTIONS[0] - 0.8, _FRACTIONS[-1] + 0.4))
        for bits, name in _KEPT_BY.items():
            axes.axvline(bits, color="grey", linewidth=1, linestyle=":")
            axes.text(bits, 1.0, f" {name}", rotation=90, va="top", ha="right", color="grey",
                      transform=axes.get_xaxis_transform())  # fmt: skip
        axes.grid(alpha=0.3)
    left.legend(loc="lower left")
    return png(picture)
