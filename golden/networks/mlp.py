"""Small multilayer perceptron, trained by the demos and retrained by compression.

Float64 NumPy throughout, so a seed gives the same network on every machine with the same NumPy.
"""

from dataclasses import dataclass

import numpy as np

from ..checks import float_array, integer, transposed
from .loss import Loss, cross_entropy

__all__ = ["Mlp", "gradients"]


@dataclass(frozen=True)
class Mlp:
    """Fully connected layers with ReLU between them: ``weights[n]`` (in, out) and ``biases[n]`` (out,), float64.

    `linear` names hidden layers without the ReLU, such as the first of two low-rank factors.
    """

    weights: list[np.ndarray]
    biases: list[np.ndarray]
    linear: tuple[int, ...] = ()

    def __post_init__(self):
        weights = [float_array(f"Weights of layer {n}", w) for n, w in enumerate(self.weights)]
        biases = [float_array(f"Bias of layer {n}", b) for n, b in enumerate(self.biases)]
        if not weights or len(weights) != len(biases):
            raise ValueError(f"There are {len(weights)} weights and {len(biases)} biases; use one of each per layer")
        for n, (w, b) in enumerate(zip(weights, biases, strict=True)):
            if w.ndim != 2 or 0 in w.shape:
                raise ValueError(f"Weights of layer {n} have shape {w.shape}; use a matrix (in, out)")
            if b.shape != w.shape[1:]:
                hint = transposed("weights are", b.shape == w.shape[:1])
                raise ValueError(f"Bias of layer {n} has shape {b.shape}; its weights need ({w.shape[1]},){hint}")
            before = weights[n - 1].shape[1] if n else w.shape[0]
            if before != w.shape[0]:
                hint = transposed("weights are", before == w.shape[1]) or "; weights are (in, out)"
                raise ValueError(f"Layer {n} takes {w.shape[0]} values but layer {n - 1} gives {before}{hint}")
        hidden = (0, len(weights) - 2)
        if self.linear and len(weights) == 1:
            raise ValueError(f"There is one layer, and layer {self.linear[0]} is linear; only hidden ones may be")
        object.__setattr__(self, "linear", tuple(integer("Linear layer", n, hidden) for n in self.linear))
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "biases", biases)

    @classmethod
    def random(cls, sizes: tuple[int, ...], seed: int = 0) -> "Mlp":
        """Layers from ``sizes[n]`` to ``sizes[n + 1]``; normal weights of variance 2 / in (He et al., ICCV 2015)."""
        rng = np.random.default_rng(seed)
        pairs = list(zip(sizes, sizes[1:], strict=False))
        weights = [rng.normal(0.0, np.sqrt(2.0 / k), (k, n)) for k, n in pairs]
        return cls(weights, [np.zeros(n) for _, n in pairs])

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """Compute the input of every layer and the output of the last, which has no ReLU."""
        values = [x]
        for n, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ w + b
            if n < len(self.weights) - 1 and n not in self.linear:
                x = np.maximum(x, 0)
            values.append(x)
        return values

    def accuracy(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Fraction of samples whose largest output is the one given by their label."""
        return float((self.activations(x)[-1].argmax(axis=1) == labels).mean())


def gradients(
    mlp: Mlp, x: np.ndarray, labels: np.ndarray, loss: Loss = cross_entropy
) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """Mean loss of the outputs and its gradients.

    Parameters
    ----------
    mlp : Mlp
        The network.
    x : (samples, in) float array
        Inputs.
    labels : (samples,) integer array
        Index of the correct output of each sample.
    loss : Loss
        Loss of the outputs. Default: the cross entropy of their softmax.

    Returns
    -------
    (float, list of arrays, list of arrays)
        Loss and its gradients with respect to ``mlp.weights`` and ``mlp.biases``.

    Raises
    ------
    TypeError, ValueError
        If labels are not integers or do not name an output.
    """
    values = mlp.activations(x)
    value, delta = loss(values[-1], labels)
    by_weights, by_biases = [], []
    for n in reversed(range(len(mlp.weights))):
        by_weights.append(values[n].T @ delta)
        by_biases.append(delta.sum(axis=0))
        if n:
            delta = delta @ mlp.weights[n].T
            if n - 1 not in mlp.linear:
                delta = delta * (values[n] > 0)
    return value, by_weights[::-1], by_biases[::-1]
