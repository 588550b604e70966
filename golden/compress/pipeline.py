"""Deep compression from end to end: prune, retrain, share, retrain the values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.eie.config import EieConfig
from tercet.golden.networks.mlp import Mlp

from .fixed_network import FixedNetwork, FloatError, fixed_network
from .model import CompressedLayer, sizes, to_mlp
from .prune import prune
from .ranges import measure
from .retrain import Masked, Shared, train
from .share import share_weights

__all__ = ["Compression", "Data", "compress"]


@dataclass(frozen=True)
class Data:
    """Samples to retrain with, and others to measure accuracy on: inputs (samples, in), labels (samples,)."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@dataclass(frozen=True)
class Compression:
    """A compressed network and how it came about.

    Attributes
    ----------
    layers : list of CompressedLayer
        The network.
    sizes : dict
        See `sizes`.
    accuracy : dict
        Share of right answers after each stage, ``float``, ``pruned``, ``shared``; empty without data.
    fixed : FixedNetwork or None
        The network and the samples to measure with in the numbers of an EIE engine with accumulators of the default
        width; None without data.
    error : FloatError or None
        Of its results against `layers` in real numbers.
    saturated : tuple of int
        Of each layer, its results that do not fit 16 bits.
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
        The network, trained.
    density : float or sequence of float
        Share of the weights to keep, for all layers or for each.
    code_bits, index_bits : int
        Of an entry in storage, 1 to 8 and 2 to 8.
    data : Data or None
        To retrain after pruning (`epochs`) and the values after sharing (a third of that), and to measure accuracy;
        the layers' ranges are those of all samples.
    rate, seed
        As in `train`; the values learn with a hundredth of the rate, since each moves for many weights.
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
    densities = [float(d) for d in density] if isinstance(density, Sequence) else [float(density)] * len(mlp.weights)
    if len(densities) != len(mlp.weights):
        raise ValueError(f"There are {len(densities)} densities for {len(mlp.weights)} layers; give one, or one each")
    accuracy = {} if data is None else {"float": mlp.accuracy(data.test_x, data.test_y)}
    masks = [prune(w, density=d) for w, d in zip(mlp.weights, densities, strict=True)]
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
    """An engine that has room for any network: how large its memories are makes no difference to the numbers."""
    bits = max(2, *(layer.code_bits for layer in layers))
    return EieConfig(n_pe=16, code_bits=bits, matrix_depth=2**20, pointer_depth=2**20, act_depth=2**16)
