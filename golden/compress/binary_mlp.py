"""Training of perceptrons of signs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.checks import float_array, integer
from tercet.golden.networks.binary_network import BinaryLayer, BinaryNetwork, signs
from tercet.golden.networks.loss import cross_entropy

from .pipeline import Data
from .retrain import BATCH

__all__ = ["BinaryMlp", "binary_mlp", "thresholds"]

_MOMENTUM = 0.9


@dataclass(frozen=True)
class BinaryMlp:
    """A trained network of signs, and the fraction of correct answers on the test samples."""

    network: BinaryNetwork
    accuracy: float


def thresholds(x: np.ndarray, levels: int) -> np.ndarray:
    """Spread thresholds evenly between the smallest and the largest value of each input.

    Parameters
    ----------
    x : (samples, inputs) float array
        Samples.
    levels : int
        Thresholds per input, 1 to 64.

    Returns
    -------
    (inputs, levels) float64 array
    """
    x, levels = float_array("Samples", x), integer("Levels", levels, (1, 64))
    if x.ndim != 2 or not x.size:
        raise ValueError(f"Samples have shape {x.shape}; use (samples, inputs)")
    low, high = x.min(axis=0)[:, None], x.max(axis=0)[:, None]
    return low + (high - low) * np.arange(1, levels + 1) / (levels + 1)


def binary_mlp(
    data: Data,
    hidden: Sequence[int],
    outputs: int,
    *,
    levels: int = 3,
    epochs: int = 60,
    rate: float = 0.1,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> BinaryMlp:
    """Train a perceptron whose weights and activations are -1 and 1.

    Real weights in [-1, 1] stand behind the signs and move by the gradient with respect to these. A sign's gradient is
    taken as 1 for sums that are small, in units of their standard deviation, and as 0 for others. Sums are scaled by
    the root of their inputs, which the engine leaves out, as it changes no sign and no order of outputs; biases are in
    units of the scaled sums, and rounded in the end.

    Parameters
    ----------
    data : Data
        Samples to train with and to test on.
    hidden : sequence of int
        Neurons of the hidden layers.
    outputs : int
        Number of classes.
    levels : int
        Thresholds that turn each input into as many signs; see `thresholds`.
    epochs, rate, seed
        As in `train`.
    progress : callable
        Called after each epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range.

    Notes
    -----
    Source: Courbariaux et al., "Binarized Neural Networks", NeurIPS 2016, without its batch normalisation.
    """
    epochs = integer("Epochs", epochs, (0, 10**6))
    if not rate > 0:
        raise ValueError(f"Rate {rate} is out of range; use a rate above 0")
    levels_of = thresholds(data.train_x, levels)
    most = (1, 2**20)
    inner = [integer("Hidden layer", n, most) for n in hidden]
    sizes = [levels_of.size, *inner, integer("Outputs", outputs, most)]
    rng = np.random.default_rng(seed)
    layers = [_Layer(k, n, rng) for k, n in zip(sizes, sizes[1:], strict=False)]
    x = _network(levels_of, layers).codes(data.train_x).astype(float)
    steps = -(-len(x) // BATCH)
    for epoch in range(epochs):
        order = rng.permutation(len(x))
        for step in range(steps):
            now = rate * (1 + np.cos(np.pi * (epoch * steps + step) / (epochs * steps))) / 2
            chosen = order[step * BATCH : (step + 1) * BATCH]
            _step(layers, x[chosen], data.train_y[chosen], now)
        progress()
    network = _network(levels_of, layers)
    right = network.run(data.test_x)[-1].argmax(axis=1) == data.test_y
    return BinaryMlp(network, float(right.mean()))


class _Layer:
    """Real weights and bias behind a layer of signs."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator):
        self.scale = inputs**-0.5
        self.real, self.bias = rng.uniform(-0.3, 0.3, (inputs, outputs)), np.zeros(outputs)
        self._speeds = [np.zeros_like(self.real), np.zeros_like(self.bias)]

    @property
    def weights(self) -> np.ndarray:
        return signs(self.real).astype(float)

    def sums(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weights * self.scale + self.bias

    def step(self, x: np.ndarray, delta: np.ndarray, rate: float) -> None:
        # The gradient of a sum with respect to a weight is as small as the scale; the weights' range is not.
        gradients = [x.T @ delta, delta.sum(axis=0)]
        self._speeds = [_MOMENTUM * speed - rate * by for speed, by in zip(self._speeds, gradients, strict=True)]
        self.real = np.clip(self.real + self._speeds[0], -1, 1)
        self.bias = self.bias + self._speeds[1]


def _step(layers: list[_Layer], x: np.ndarray, labels: np.ndarray, rate: float) -> None:
    inputs, sums = [x], []
    for layer in layers:
        sums.append(layer.sums(inputs[-1]))
        inputs.append(signs(sums[-1]).astype(float))
    _, delta = cross_entropy(sums[-1], labels)
    for n in reversed(range(len(layers))):
        before = delta @ layers[n].weights.T * layers[n].scale
        layers[n].step(inputs[n], delta, rate)
        if n:
            delta = before * (np.abs(sums[n - 1]) <= 1)


def _network(levels_of: np.ndarray, layers: list[_Layer]) -> BinaryNetwork:
    parts = [BinaryLayer(signs(one.real), np.rint(one.bias / one.scale).astype(np.int32)) for one in layers]
    return BinaryNetwork(levels_of, tuple(parts))
