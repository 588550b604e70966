"""Low-rank factors of a perceptron's layers, with fine-tuning."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.networks.mlp import Mlp

from .low_rank import check_choice, factors_or_reason, relative_error
from .pipeline import Data
from .retrain import Dense, Factored, train

__all__ = ["LowRankMlp", "low_rank_mlp"]


@dataclass(frozen=True)
class LowRankMlp:
    """A perceptron with factored layers.

    Attributes
    ----------
    mlp : Mlp
        The network; a factored layer became two, the first of them linear and without bias.
    ranks : tuple of int or None
        Rank of each layer of the original network; None where it was left as it was.
    errors : tuple of float
        Relative error of each layer's factors in the Frobenius norm, before fine-tuning; 0 where it was left.
    accuracy : dict
        Fraction of correct answers, ``float``, ``factored`` and ``retrained``; empty without data.
    """

    mlp: Mlp
    ranks: tuple[int | None, ...]
    errors: tuple[float, ...]
    accuracy: dict[str, float]


def low_rank_mlp(
    mlp: Mlp,
    *,
    rank: int | None = None,
    error: float | None = None,
    layers: Sequence[int] | None = None,
    data: Data | None = None,
    epochs: int = 30,
    rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> LowRankMlp:
    """Factor the layers of a perceptron, and train the factors.

    Parameters
    ----------
    mlp : Mlp
        Trained network.
    rank, error : int or float
        Rank of all layers, or bound on the relative error of each, as in `factor`; give one of them.
    layers : sequence of int or None
        Numbers of the layers to factor. Default: all in which this saves products.
    data : Data or None
        Data to train the factors, and the other layers, for `epochs`, and to measure accuracy.
    epochs, rate, seed
        As in `train`.
    progress : callable
        Called after each epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range, a layer does not exist or saves no products, or the network has
        linear layers already.
    """
    check_choice(rank, error)
    if mlp.linear:
        raise ValueError(f"Layer {mlp.linear[0]} is linear; factor networks with a ReLU after each layer")
    unknown = [n for n in layers or () if not 0 <= n < len(mlp.weights)]
    if unknown:
        raise ValueError(f"There is no layer {unknown[0]}; use 0 to {len(mlp.weights) - 1}")
    parts, reasons = _parts(mlp, rank, error, layers)
    if not any(isinstance(part, Factored) for part in parts):
        raise ValueError(f"No layer can be factored: {'; '.join(reasons)}")
    errors = [
        relative_error(w, part.left, part.right) if isinstance(part, Factored) else 0.0
        for w, part in zip(mlp.weights, parts, strict=True)
    ]
    accuracy, biases = {}, mlp.biases
    if data is not None:
        accuracy["float"] = mlp.accuracy(data.test_x, data.test_y)
        accuracy["factored"] = Mlp([part.value for part in parts], biases).accuracy(data.test_x, data.test_y)
        options = {"epochs": epochs, "rate": rate, "seed": seed, "progress": progress}
        biases = train(parts, biases, data.train_x, data.train_y, **options).biases
    found = _split(parts, biases)
    if data is not None:
        accuracy["retrained"] = found.accuracy(data.test_x, data.test_y)
    ranks = tuple(part.left.shape[1] if isinstance(part, Factored) else None for part in parts)
    return LowRankMlp(found, ranks, tuple(errors), accuracy)


def _parts(
    mlp: Mlp, rank: int | None, error: float | None, layers: Sequence[int] | None
) -> tuple[list[Dense], list[str]]:
    """Trainable weights of each layer, factored where chosen, and the reasons of those that are not."""
    parts, reasons = [], []
    for n, w in enumerate(mlp.weights):
        pair = None
        if layers is None or n in layers:
            pair, reason = factors_or_reason(w, rank=rank, error=error)
            if pair is None and layers is not None:
                raise ValueError(f"Layer {n} cannot be factored: {reason}")
            reasons += [] if pair is not None else [f"layer {n}: {reason}"]
        parts.append(Dense(w) if pair is None else Factored(*pair))
    return parts, reasons


def _split(parts: Sequence[Dense], biases: Sequence[np.ndarray]) -> Mlp:
    """Network in which each factor is a layer."""
    weights, all_biases, linear = [], [], []
    for part, bias in zip(parts, biases, strict=True):
        if isinstance(part, Factored):
            linear.append(len(weights))
            weights.append(part.left)
            all_biases.append(np.zeros(part.left.shape[1]))
        weights.append(part.right if isinstance(part, Factored) else part.value)
        all_biases.append(bias)
    return Mlp(weights, all_biases, tuple(linear))
