"""Dense-sparse-dense training: prune, train what is left, then train all weights again.

Pruning here is a way to train, not to compress: the result has all its weights. ::

    dense network --> prune, train with mask --> pruned weights back, from zero --> train all, at a lower rate
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tercet.golden.networks.mlp import Mlp

from .prune import prune
from .retrain import Dense, Masked, train

__all__ = ["DenseSparseDense", "dense_sparse_dense"]

# The last phase divides the learning rate by this: section 3 of the paper.
_RATE_DIVISOR = 10


@dataclass(frozen=True)
class DenseSparseDense:
    """A network trained dense, sparse, and dense again.

    Attributes
    ----------
    mlp : Mlp
        The network.
    sparse : Mlp
        The network at the end of the sparse phase.
    masks : tuple of bool arrays
        Weights of each layer that the sparse phase kept.
    """

    mlp: Mlp
    sparse: Mlp
    masks: tuple[np.ndarray, ...]


def dense_sparse_dense(
    mlp: Mlp,
    x: np.ndarray,
    labels: np.ndarray,
    *,
    density: float = 0.5,
    epochs: int = 30,
    rate: float = 0.05,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> DenseSparseDense:
    """Prune a trained network, train it, release the pruned weights, and train it again.

    Parameters
    ----------
    mlp : Mlp
        Network after the first dense phase; it is not changed.
    x, labels
        As in `train`.
    density : float
        Fraction of each layer's weights that the sparse phase keeps, above 0 and at most 1. With 1 nothing is pruned:
        the same training without its sparse phase, to compare with.
    epochs : int
        Epochs of each of the two phases.
    rate : float
        Initial learning rate of the sparse phase; the last one has a tenth of it. Both decay to zero, see `train`.
    seed : int
        Seed of the sample order.
    progress : callable
        Called after each epoch.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range, or the network has linear layers.

    Notes
    -----
    Source: Han et al., "DSD: Dense-Sparse-Dense Training for Deep Neural Networks", ICLR 2017.
    """
    if mlp.linear:
        raise ValueError(f"Layer {mlp.linear[0]} is linear; train networks with a ReLU after each layer")
    if not 0 < density <= 1:
        raise ValueError(f"Density {density} is outside (0, 1]; use the fraction of weights to keep, such as 0.5")
    whole = density == 1
    # A weight that is 0 by chance is pruned as well, but not where nothing is.
    masks = [np.ones(w.shape, bool) if whole else prune(w, density=density) for w in mlp.weights]
    parts = [Masked(w, mask) for w, mask in zip(mlp.weights, masks, strict=True)]
    options = {"epochs": epochs, "seed": seed, "progress": progress}
    sparse = train(parts, mlp.biases, x, labels, rate=rate, **options)
    parts = [Dense(w) for w in sparse.weights]
    dense = train(parts, sparse.biases, x, labels, rate=rate / _RATE_DIVISOR, **options)
    return DenseSparseDense(dense, sparse, tuple(masks))
