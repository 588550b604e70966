"""End-to-end deep compression: prune, retrain, share weights, retrain the shared values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.eie.config import EieConfig
from tercet.golden.networks.mlp import Mlp

from .fixed_network import FixedNetwork, FloatError, fixed_network
from .model import CompressedLayer, sizes, to_mlp
from .prune import densities, prune
from .ranges import measure
from .retrain import Masked, Shared, train
from .share import share_weights

__all__ = ["Compression", "Data", "compress"]


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
    """

    layers: list[CompressedLayer]
    sizes: dict[str, int]
    accuracy: dict[str, float]
    fixed: FixedNetwork | None = None
    error: FloatError | None = None
    saturated: tuple[int, ...] = ()


def compress(
    mlp: Mlp,
    *,
    density: float | Sequence[float] = 0.1,
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
        Fraction of weights to keep, for all layers or for each.
    code_bits, index_bits : int
        Widths of an entry's code and distance in storage, 1 to 8 and 2 to 8 bits.
    data : Data or None
        Data to retrain with, for `epochs` after pruning and a third of that after sharing, and to measure accuracy; the
        layers' ranges are taken over all samples.
    rate, seed
        As in `train`; shared values use a hundredth of the rate, because each sums the gradients of many weights.
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
    if mlp.linear:
        raise ValueError(f"Layer {mlp.linear[0]} is linear; only networks with a ReLU after each layer are compressed")
    each = densities(density, len(mlp.weights))
    accuracy = {} if data is None else {"float": mlp.accuracy(data.test_x, data.test_y)}
    masks = [prune(w, density=d) for w, d in zip(mlp.weights, each, strict=True)]
    masked = [Masked(w, mask) for w, mask in zip(mlp.weights, masks, strict=True)]
    pruned = Mlp([w.value for w in masked], mlp.biases)
    if data is not None:
        options = {"seed": seed, "progress": progress}
        pruned = train(masked, mlp.biases, data.train_x, data.train_y, epochs=epochs, rate=rate, **options)
        accuracy["pruned"] = pruned.accuracy(data.test_x, data.test_y)
    shared = [Shared(*share_weights(w, mask, code_bits)) for w, mask in zip(pruned.weights, masks, strict=True)]
    biases = pruned.biases
    if data is not None:
        options = {"seed": seed, "progress": progress}
        tuned = train(shared, biases, data.train_x, data.train_y, epochs=epochs // 3, rate=rate / 100, **options)
        biases = tuned.biases
    layers = [CompressedLayer(w.codes.T, w.centroids, b, index_bits) for w, b in zip(shared, biases, strict=True)]
    if data is None:
        return Compression(layers, sizes(layers), accuracy)
    layers = measure(layers, np.concatenate([data.train_x, data.test_x]))
    accuracy["shared"] = to_mlp(layers).accuracy(data.test_x, data.test_y)
    fixed = fixed_network(layers, data.test_x, _large(layers))
    result = fixed.run()
    error = fixed.error(result.out, data.test_y)
    return Compression(layers, sizes(layers), accuracy, fixed, error, result.saturated)


def _large(layers: list[CompressedLayer]) -> EieConfig:
    """Engine with room for any network; memory sizes do not affect the results."""
    bits = max(2, *(layer.code_bits for layer in layers))
    return EieConfig(n_pe=16, code_bits=bits, matrix_depth=2**20, pointer_depth=2**20, act_depth=2**16)
