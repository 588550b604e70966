"""Training of constrained weights: masked, shared, ternary, factored."""

from collections.abc import Callable, Sequence

import numpy as np
from tercet.golden.checks import float_array, int_array, integer
from tercet.golden.networks.loss import cross_entropy
from tercet.golden.networks.mlp import Mlp, gradients

from .share import check_mask
from .soft_targets import SoftTargets
from .ternary import NEGATIVE, POSITIVE, ternarize, ternary_values

__all__ = ["BATCH", "Dense", "Factored", "Masked", "Shared", "Ternary", "train"]

BATCH = 64
"""Samples per step by default."""


class Dense:
    """Unconstrained weights, trained by gradient descent with momentum."""

    def __init__(self, w: np.ndarray):
        self._free = float_array("Weights", w).copy()
        self._velocity = np.zeros_like(self._free)

    @property
    def value(self) -> np.ndarray:
        """The weights."""
        return self._free

    def step(self, gradient: np.ndarray, rate: float, momentum: float) -> None:
        """Take a descent step, given the gradient of the loss with respect to the weights."""
        self._velocity = momentum * self._velocity - rate * self._pull(gradient)
        self._free = self._free + self._velocity

    def _pull(self, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the free parameters."""
        return gradient


class Masked(Dense):
    """Pruned weights: those outside a mask stay zero."""

    def __init__(self, w: np.ndarray, mask: np.ndarray):
        super().__init__(w)
        self._mask = check_mask(self._free, mask)
        self._free = self._free * self._mask

    def _pull(self, gradient: np.ndarray) -> np.ndarray:
        return gradient * self._mask


class Shared(Dense):
    """Weights that share values. A value moves by the sum of its weights' gradients; code 0 stays zero.

    Parameters
    ----------
    codes : uint8 array
        Index of each weight's value.
    centroids : (n,) float array
        Initial values.
    """

    def __init__(self, codes: np.ndarray, centroids: np.ndarray):
        super().__init__(centroids)
        self.codes = int_array("Codes", codes, (0, len(self._free) - 1), "use the codes of these centroids")

    @property
    def centroids(self) -> np.ndarray:
        """Current values."""
        return self._free

    @property
    def value(self) -> np.ndarray:
        return self._free[self.codes]

    def _pull(self, gradient: np.ndarray) -> np.ndarray:
        by_code = np.bincount(self.codes.ravel(), gradient.ravel(), minlength=len(self._free))
        by_code[0] = 0.0
        return by_code


class Ternary(Dense):
    """Ternary weights, trained through underlying full-precision weights (Zhu et al., ICLR 2017, section 3).

    Full-precision weights move by the gradient times their scale, those within the threshold by the gradient itself. A
    scale moves by the mean gradient of its weights: the paper's sum at a proportionally lower rate, so that one rate
    serves both.

    Parameters
    ----------
    w : float array
        Initial weights.
    one_scale : bool
        Both signs have the same scale, so that weights are -1, 0 and 1 in units of it.
    """

    def __init__(self, w: np.ndarray, *, one_scale: bool = False):
        super().__init__(w)
        self._one_scale = one_scale
        self.codes, self.scales = ternarize(self._free)
        if one_scale:
            self.scales = np.full(2, self._together(self.scales))
        self._scale_velocity = np.zeros(2)

    def _together(self, by_sign: np.ndarray) -> float:
        """Mean over all weights that are not zero, of means over the positive and the negative ones."""
        counts = np.bincount(self.codes.ravel(), minlength=3)[[POSITIVE, NEGATIVE]]
        return float((by_sign * counts).sum() / max(counts.sum(), 1))

    @property
    def value(self) -> np.ndarray:
        return ternary_values(self.scales)[self.codes]

    def step(self, gradient: np.ndarray, rate: float, momentum: float) -> None:
        sums = np.bincount(self.codes.ravel(), gradient.ravel(), minlength=3)
        counts = np.maximum(np.bincount(self.codes.ravel(), minlength=3), 1)
        by_scale = np.array([1.0, -1.0]) * (sums / counts)[[POSITIVE, NEGATIVE]]
        if self._one_scale:
            by_scale = np.full(2, self._together(by_scale))
        self._scale_velocity = momentum * self._scale_velocity - rate * by_scale
        # A negative scale would swap the signs.
        scales = np.maximum(self.scales + self._scale_velocity, 0.0)
        super().step(gradient, rate, momentum)
        self.codes, _ = ternarize(self._free)
        self.scales = scales

    def _pull(self, gradient: np.ndarray) -> np.ndarray:
        factors = np.array([1.0, self.scales[0], self.scales[1]])
        return gradient * factors[self.codes]


class Factored(Dense):
    """Weights that are the product of two factors; both move by their own gradient.

    Parameters
    ----------
    left, right : (in, rank) and (rank, out) float arrays
        Initial factors, see `tercet.golden.compress.factor`.

    Raises
    ------
    TypeError, ValueError
        If a factor is not a matrix of finite floats, or their ranks differ.
    """

    def __init__(self, left: np.ndarray, right: np.ndarray):
        super().__init__(left)
        self._other = Dense(right)
        if self.left.ndim != 2 or self.right.ndim != 2 or self.left.shape[1] != len(self.right):
            raise ValueError(
                f"Factors have shape {self.left.shape} and {self.right.shape}; use (in, rank), (rank, out)"
            )

    @property
    def left(self) -> np.ndarray:
        """Current factor (in, rank)."""
        return self._free

    @property
    def right(self) -> np.ndarray:
        """Current factor (rank, out)."""
        return self._other.value

    @property
    def value(self) -> np.ndarray:
        return self.left @ self.right

    def step(self, gradient: np.ndarray, rate: float, momentum: float) -> None:
        # Both gradients are those of the factors before the step.
        by_left, by_right = gradient @ self.right.T, self.left.T @ gradient
        super().step(by_left, rate, momentum)
        self._other.step(by_right, rate, momentum)


def train(
    weights: Sequence[Dense],
    biases: Sequence[np.ndarray],
    x: np.ndarray,
    labels: np.ndarray,
    *,
    soft: SoftTargets | None = None,
    epochs: int,
    rate: float = 0.1,
    momentum: float = 0.9,
    batch: int = BATCH,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Mlp:
    """Train by stochastic gradient descent with momentum and a learning rate that decays to zero along a cosine.

    Parameters
    ----------
    weights : sequence of Dense
        Weights of each layer; modified in place.
    biases : sequence of float arrays
        Initial biases.
    x : (samples, in) float array
        Inputs.
    labels : (samples,) integer array
        Index of the correct output of each sample; -1 for a sample that has only a soft target.
    soft : SoftTargets or None
        A teacher's scores for the samples. Default: the labels alone.
    epochs, batch : int
        Passes through all samples, and samples per step.
    rate, momentum : float
        Initial learning rate, above 0, and momentum, in [0, 1).
    seed : int
        Seed of the sample order.
    progress : callable
        Called after each epoch.

    Returns
    -------
    Mlp
        The trained network.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or range.
    """
    epochs, batch = integer("Epochs", epochs, (0, 10**6)), integer("Batch", batch, (1, 10**9))
    if not rate > 0 or not 0 <= momentum < 1:
        raise ValueError(
            f"Rate {rate} and momentum {momentum} are out of range; use a rate above 0 and a momentum in [0, 1)"
        )
    x = float_array("Samples", x)
    if x.ndim != 2 or len(x) != len(labels):
        raise ValueError(f"Samples have shape {x.shape} and there are {len(labels)} labels; use (samples, in)")
    if soft is not None:
        soft.check(len(x), len(biases[-1]))
    free = [Dense(b) for b in biases]
    rng = np.random.default_rng(seed)
    steps = -(-len(x) // batch)
    for epoch in range(epochs):
        order = rng.permutation(len(x))
        for step in range(steps):
            now = rate * (1 + np.cos(np.pi * (epoch * steps + step) / (epochs * steps))) / 2
            chosen = order[step * batch : (step + 1) * batch]
            mlp = Mlp([w.value for w in weights], [b.value for b in free])
            loss = cross_entropy if soft is None else soft.take(chosen).loss
            _, by_weights, by_biases = gradients(mlp, x[chosen], labels[chosen], loss)
            for part, gradient in zip([*weights, *free], [*by_weights, *by_biases], strict=True):
                part.step(gradient, now, momentum)
        progress()
    return Mlp([w.value for w in weights], [b.value for b in free])
