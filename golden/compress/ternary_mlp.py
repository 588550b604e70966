"""Perceptrons with weights of -1, 0 and 1, for arrays that add instead of multiplying."""

from collections.abc import Callable
from dataclasses import dataclass

from tercet.golden.networks.int8_network import Int8Network, quantize_mlp
from tercet.golden.networks.mlp import Mlp

from .pipeline import Data
from .retrain import Ternary, train

__all__ = ["TernaryMlp", "ternary_mlp"]


@dataclass(frozen=True)
class TernaryMlp:
    """A perceptron with ternary weights.

    Attributes
    ----------
    mlp : Mlp
        In real numbers: each layer has the weights -s, 0 and s.
    network : Int8Network
        In integers, with the weights -1, 0 and 1.
    accuracy : dict
        Fraction of correct answers on the test samples: of the network as given, ``float``; rounded without training,
        ``rounded``; trained, ``trained``; and in integers, ``int8``.
    """

    mlp: Mlp
    network: Int8Network
    accuracy: dict[str, float]

    @property
    def zeros(self) -> float:
        """Share of weights that are 0."""
        weights = [layer.weights for layer in self.network.layers]
        return sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)


def ternary_mlp(
    mlp: Mlp,
    data: Data,
    *,
    epochs: int = 60,
    rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> TernaryMlp:
    """Train a perceptron with ternary weights, and quantise its activations to int8.

    Parameters
    ----------
    mlp : Mlp
        Trained network.
    data : Data
        Samples to train with, which also set the ranges of the activations, and to test on.
    epochs, rate, seed
        As in `train`.
    progress : callable
        Called after each epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range, or a layer is linear.

    Notes
    -----
    Source: Zhu et al., "Trained Ternary Quantization", ICLR 2017, but with one scale for both signs of a layer. Two
    would take two sums per output on an array.
    """
    if mlp.linear:
        raise ValueError(f"Layer {mlp.linear[0]} is linear; use a network with a ReLU after each layer")
    parts = [Ternary(w, one_scale=True) for w in mlp.weights]
    rounded = Mlp([part.value for part in parts], mlp.biases)
    options = {"epochs": epochs, "rate": rate, "seed": seed, "progress": progress}
    done = train(parts, mlp.biases, data.train_x, data.train_y, **options)
    network = quantize_mlp(done, data.train_x, ternary=True)
    test = (data.test_x, data.test_y)
    accuracy = {"float": mlp.accuracy(*test), "rounded": rounded.accuracy(*test), "trained": done.accuracy(*test)}
    accuracy["int8"] = float((network.run(data.test_x)[-1].argmax(axis=1) == data.test_y).mean())
    return TernaryMlp(done, network, accuracy)
