"""Training of a small CNN whose kernels keep a low rank, so that they can be factored without loss afterwards."""

import numpy as np
from tercet.golden.checks import integer
from tercet.golden.networks.cnn import Cnn

from .low_rank import check_choice, factors_or_reason
from .retrain import Dense, Factored

__all__ = ["low_rank_cnn"]

_BATCH = 32


def low_rank_cnn(
    network: Cnn,
    x: np.ndarray,
    labels: np.ndarray,
    *,
    rank: int | None = None,
    error: float | None = None,
    epochs: int = 15,
    rate: float = 0.02,
    seed: int = 0,
) -> Cnn:
    """Truncate the layers of a CNN to a low rank, and train it within that rank.

    The result has the layers of `network`; `factor_convolution` and `factor` of this rank are exact for its weights.

    Parameters
    ----------
    network : Cnn
        Trained network; it is not changed.
    x : (samples, H, W, C) float array
        Images.
    labels : (samples,) integer array
        Class index of each sample.
    rank, error : int or float
        Rank of all layers, or bound on the relative error of each, as in `factor`; give one of them. Layers in which
        factors would save no products are trained without a bound.
    epochs : int
        Passes over the samples, by gradient descent with a momentum of 0.9 and a rate that decays to zero.
    rate : float
        Initial learning rate, above 0.
    seed : int
        Seed of the sample order.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range.
    """
    check_choice(rank, error)
    epochs = integer("Epochs", epochs, (0, 10**6))
    if not rate > 0:
        raise ValueError(f"Rate {rate} is out of range; use a rate above 0")
    if len(x) != len(labels):
        raise ValueError(f"There are {len(x)} samples and {len(labels)} labels; use one label per sample")
    shapes = [each.shape for each in network.parameters]
    parts = [_part(each, rank, error) for each in network.parameters]
    rng, steps = np.random.default_rng(seed), -(-len(x) // _BATCH)
    for step in range(epochs * steps):
        if step % steps == 0:
            order = rng.permutation(len(x))
        chosen = order[step % steps * _BATCH :][:_BATCH]
        gradients = _cnn(parts, shapes).gradients(x[chosen], labels[chosen])
        for part, gradient in zip(parts, gradients, strict=True):
            part.step(gradient.reshape(part.value.shape), rate * (1 - step / (epochs * steps)), 0.9)
    return _cnn(parts, shapes)


def _part(parameters: np.ndarray, rank: int | None, error: float | None) -> Dense:
    """Trainable form of a kernel (rows, columns, in, out), a matrix (in, out) or a bias."""
    if parameters.ndim == 1:
        return Dense(parameters)
    matrix = parameters.reshape(-1, parameters.shape[-1])
    pair, _ = factors_or_reason(matrix, rank=rank, error=error)
    return Dense(matrix) if pair is None else Factored(*pair)


def _cnn(parts: list[Dense], shapes: list[tuple[int, ...]]) -> Cnn:
    """Network of the parts, in the order of `Cnn.parameters`."""
    values = [part.value.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    count = (len(values) - 2) // 2
    return Cnn(values[:count], values[count:-2], values[-2], values[-1])
