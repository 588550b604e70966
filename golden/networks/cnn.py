"""Small trainable CNN for demos: 3x3 convolutions, each with ReLU and 2x2 max pooling, then a fully connected layer.

Float64 NumPy throughout, so a seed reproduces the same network on every machine with the same NumPy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .loss import cross_entropy

__all__ = ["Cnn", "train_cnn"]


@dataclass(eq=False)
class Cnn:
    """Convolutions and one fully connected layer.

    Attributes
    ----------
    kernels : list of (3, 3, in, out) float arrays
        Convolution kernels; the image keeps its size until 2x2 max pooling halves it.
    biases : list of (out,) float arrays
        Convolution biases.
    weights, bias : (in, classes) and (classes,) float arrays
        Fully connected layer, on the flattened channels-last feature map.
    """

    kernels: list[np.ndarray]
    biases: list[np.ndarray]
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def random(cls, size: int, channels: tuple[int, ...], classes: int, rng: np.random.Generator) -> "Cnn":
        """Return a network for `size` x `size` images with normal initial weights (He et al., ICCV 2015)."""
        pairs = list(zip(channels, channels[1:], strict=False))
        kernels = [rng.normal(0, np.sqrt(2 / (9 * k)), (3, 3, k, n)) for k, n in pairs]
        inputs = (size >> len(pairs)) ** 2 * channels[-1]
        weights = rng.normal(0, np.sqrt(2 / inputs), (inputs, classes))
        return cls(kernels, [np.zeros(n) for _, n in pairs], weights, np.zeros(classes))

    @property
    def parameters(self) -> list[np.ndarray]:
        """Return all trainable arrays."""
        return [*self.kernels, *self.biases, self.weights, self.bias]

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """Return all layer outputs for (N, H, W, C) images: per convolution its ReLU and pooling, then the scores."""
        found = []
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            found.append(np.maximum(np.tensordot(_windows(x), kernel, 3) + bias, 0))
            x = _halved(found[-1])
            found.append(x)
        found.append(x.reshape(len(x), -1) @ self.weights + self.bias)
        return found

    def gradients(self, x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
        """Return the gradients of the mean cross entropy, in the order of `parameters`."""
        values = self.activations(x)
        _, delta = cross_entropy(values[-1], labels)
        pooled = values[-2]
        last = [pooled.reshape(len(x), -1).T @ delta, delta.sum(axis=0)]
        delta = (delta @ self.weights.T).reshape(pooled.shape)
        by_kernels, by_biases = [], []
        for n in reversed(range(len(self.kernels))):
            full, pooled, before = values[2 * n], values[2 * n + 1], values[2 * n - 1] if n else x
            # The gradient goes to every pixel equal to the maximum, and stops where the ReLU is 0.
            delta = np.where((full == _doubled(pooled)) & (full > 0), _doubled(delta), 0)
            by_kernels.append(np.tensordot(_windows(before), delta, ((0, 1, 2), (0, 1, 2))))
            by_biases.append(delta.sum(axis=(0, 1, 2)))
            if n:
                flipped = self.kernels[n][::-1, ::-1].transpose(0, 1, 3, 2)
                delta = np.tensordot(_windows(delta), flipped, 3)
        return [*by_kernels[::-1], *by_biases[::-1], *last]


def _windows(x: np.ndarray) -> np.ndarray:
    """3x3 windows of a zero-padded image: (N, H, W, 3, 3, C)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sliding_window_view(padded, (3, 3), (1, 2)).transpose(0, 1, 2, 4, 5, 3)


def _halved(x: np.ndarray) -> np.ndarray:
    """2x2 max pooling."""
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def _doubled(x: np.ndarray) -> np.ndarray:
    """2x2 nearest-neighbour upsampling."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def train_cnn(x: np.ndarray, labels: np.ndarray, channels: tuple[int, ...], *, epochs: int = 15, seed: int = 0) -> Cnn:
    """Train a network by stochastic gradient descent with momentum and a learning rate that decays to zero.

    Parameters
    ----------
    x : (samples, H, W, C) float array
        Square images whose side can be halved once per convolution.
    labels : (samples,) integer array
        Class index of each sample.
    channels : tuple of int
        Channels of the image and of each convolution.
    epochs : int
        Passes over the samples, in batches of 32.
    seed : int
        Seed for the initial weights and the sample order.
    """
    rng = np.random.default_rng(seed)
    network = Cnn.random(x.shape[1], channels, int(labels.max()) + 1, rng)
    speeds = [np.zeros_like(each) for each in network.parameters]
    batches = [np.arange(start, min(start + 32, len(x))) for start in range(0, len(x), 32)]
    for epoch in range(epochs):
        order = rng.permutation(len(x))
        for step, batch in enumerate(batches):
            rate = 0.1 * (1 - (epoch + step / len(batches)) / epochs)
            rows = order[batch]
            gradients = network.gradients(x[rows], labels[rows])
            for value, speed, gradient in zip(network.parameters, speeds, gradients, strict=True):
                speed *= 0.9
                speed -= rate * gradient
                value += speed
    return network
