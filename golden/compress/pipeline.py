"""End-to-end deep compression: prune, retrain, share weights, retrain the shared values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.eie.config import EieConfig
from tercet.golden.networks.mlp import Mlp

from .fixed_network import FixedNetwork, FloatError, fixed_network
from .model import CompressedLayer, sizes, to_mlp
from .ranges import measure
from .retrain import Shared, train
from .schedule import Densities, PruningStep, layer_schedule, prune_at_once, prune_iteratively
from .share import share_weights

__all__ = ["Compression", "Data", "compress", "share_layers"]

_DENSITY = 0.1


@dataclass(frozen=True)
class Data:
    """Training samples, and test samples for accuracy: inputs (samples, in), labels (samples,)."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@dataclass(frozen=True)
class Compression:
    """A compressed network, with its sizes, accuracy and fixed-point error.

    Attributes
    ----------
    layers : list of CompressedLayer
        The network.
    sizes : dict
        Sizes in bytes, see `tercet.golden.compress.model.sizes`.
    accuracy : dict
        Fraction of correct answers at each stage, ``float``, ``pruned``, ``shared``; empty without data.
    fixed : FixedNetwork or None
        The network and the test samples in fixed point, for an EIE engine with accumulators of the default width; None
        without data.
    error : FloatError or None
        Error of the fixed-point results against `layers` in real numbers.
    saturated : tuple of int
        Saturated results per layer.
    steps : tuple of PruningStep
        The network after each step of pruning and retraining; empty without data.
    """

    layers: list[CompressedLayer]
    sizes: dict[str, int]
    accuracy: dict[str, float]
    fixed: FixedNetwork | None = None
    error: FloatError | None = None
    saturated: tuple[int, ...] = ()
    steps: tuple[PruningStep, ...] = ()


def compress(
    mlp: Mlp,
    *,
    density: Densities | None = None,
    schedule: Sequence[Densities] | None = None,
    code_bits: int = 4,
    index_bits: int = 4,
    data: Data | None = None,
    epochs: int = 30,
    rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Compression:
    """Compress a network.

    Parameters
    ----------
    mlp : Mlp
        Trained network.
    density : float or sequence of float
        Fraction of weights to keep, for all layers or for each. Default: 0.1.
    schedule : sequence of float, or of sequences of float
        Densities of several steps, instead of `density`, with retraining after each; see `prune_iteratively`.
    code_bits, index_bits : int
        Widths of an entry's code and distance in storage, 1 to 8 and 2 to 8 bits.
    data : Data or None
        Data to retrain with, for `epochs` after pruning and a third of that after sharing, and to measure accuracy; the
        layers' ranges are taken over all samples.
    rate, seed
        As in `train`; shared values use a hundredth of the rate, as each sums the gradients of many weights.
    progress : callable
        Called after each epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range.

    Notes
    -----
    Source: Han et al., "Deep Compression", ICLR 2016.
    """
    if schedule is None:
        schedule = [_DENSITY if density is None else density]
    elif density is not None:
        raise ValueError(f"Density is {density} and there is a schedule, which ends in one; give one of them")
    wanted = layer_schedule(mlp, schedule)
    options: dict[str, Any] = {"rate": rate, "seed": seed, "progress": progress}
    if data is None:
        if len(wanted) > 1:
            raise ValueError("A schedule retrains after each step, which needs data; give one density without")
        steps, accuracy = [prune_at_once(mlp, wanted[0])], {}
    else:
        accuracy = {"float": mlp.accuracy(data.test_x, data.test_y)}
        steps = prune_iteratively(mlp, wanted, data.train_x, data.train_y, epochs=epochs, **options)
        accuracy["pruned"] = steps[-1].mlp.accuracy(data.test_x, data.test_y)
    layers = share_layers(steps[-1], code_bits, index_bits, data, epochs=epochs // 3, **options)
    if data is None:
        return Compression(layers, sizes(layers), accuracy)
    layers = measure(layers, np.concatenate([data.train_x, data.test_x]))
    accuracy["shared"] = to_mlp(layers).accuracy(data.test_x, data.test_y)
    fixed = fixed_network(layers, data.test_x, _large(layers))
    result = fixed.run()
    error = fixed.error(result.out, data.test_y)
    return Compression(layers, sizes(layers), accuracy, fixed, error, result.saturated, tuple(steps))


def share_layers(
    pruned: PruningStep,
    code_bits: int,
    index_bits: int,
    data: Data | None,
    *,
    epochs: int,
    rate: float,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> list[CompressedLayer]:
    """Let the weights of a pruned network share values, and retrain these with data; arguments as in `compress`."""
    pairs = zip(pruned.mlp.weights, pruned.masks, strict=True)
    shared, biases = [Shared(*share_weights(w, mask, code_bits)) for w, mask in pairs], pruned.mlp.biases
    if data is not None:
        options = {"epochs": epochs, "rate": rate / 100, "seed": seed, "progress": progress}
        biases = train(shared, biases, data.train_x, data.train_y, **options).biases
    return [CompressedLayer(w.codes.T, w.centroids, b, index_bits) for w, b in zip(shared, biases, strict=True)]


def _large(layers: list[CompressedLayer]) -> EieConfig:
    """Engine with room for any network; memory sizes do not affect the results."""
    bits = max(2, *(layer.code_bits for layer in layers))
    return EieConfig(n_pe=16, code_bits=bits, matrix_depth=2**20, pointer_depth=2**20, act_depth=2**16)
