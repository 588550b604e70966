"""Accuracy of a perceptron against the share of weights that pruning keeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tercet.golden.checks import integer
from tercet.golden.networks.mlp import Mlp

from .model import sizes, to_mlp
from .pipeline import Data, share_layers
from .schedule import density_schedule, layer_schedule, prune_at_once, prune_iteratively

__all__ = ["CurvePoint", "curve_epochs", "pruning_curve"]


@dataclass(frozen=True)
class CurvePoint:
    """Figures of one density.

    Attributes
    ----------
    density : float
        Fraction of weights to keep in each layer.
    weights : int
        Weights kept.
    size : int
        Bytes of the network with shared weights, Huffman-coded.
    untrained, once, iterative, shared : float
        Fraction of correct answers: pruned at once, without retraining; with retraining; pruned in steps, with as many
        epochs of retraining altogether; the latter network with shared weights, retrained as well.
    """

    density: float
    weights: int
    size: int
    untrained: float
    once: float
    iterative: float
    shared: float


def curve_epochs(epochs: int, densities: Sequence[float]) -> int:
    """Number of epochs that `pruning_curve` takes: those of both prunings and of the shared values at each density."""
    return (2 * epochs + epochs // 3) * len(densities)


def pruning_curve(
    mlp: Mlp,
    data: Data,
    densities: Sequence[float],
    *,
    steps: int = 5,
    code_bits: int = 4,
    index_bits: int = 4,
    epochs: int = 30,
    rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> list[CurvePoint]:
    """Measure the accuracy at each density, each time from the given network.

    Parameters
    ----------
    mlp : Mlp
        Trained network.
    data : Data
        Samples to retrain with, and to test on.
    densities : sequence of float
        Densities above 0, each for all layers.
    steps : int
        Steps of the cubic schedule to each density.
    code_bits, index_bits, epochs, rate, seed, progress
        As in `compress`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range.
    """
    epochs, schedules = integer("Epochs", epochs, (0, 10**6)), []
    for density in densities:
        schedules.append([density] if density == 1 else density_schedule(density, steps))
        layer_schedule(mlp, schedules[-1])
    test = data.test_x, data.test_y
    options = {"rate": rate, "seed": seed, "progress": progress}
    points = []
    for schedule in schedules:
        density = schedule[-1]
        untrained = prune_at_once(mlp, [density] * len(mlp.weights))
        runs = [
            prune_iteratively(mlp, each, data.train_x, data.train_y, epochs=epochs, **options)[-1]
            for each in ([density], schedule)
        ]
        layers = share_layers(runs[1], code_bits, index_bits, data, epochs=epochs // 3, **options)
        networks = (untrained.mlp, *(run.mlp for run in runs), to_mlp(layers))
        kept = sum(int(mask.sum()) for mask in runs[1].masks)
        points.append(CurvePoint(density, kept, sizes(layers)["huffman"], *(each.accuracy(*test) for each in networks)))
    return points
