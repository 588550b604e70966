"""Compressed networks for the tests of several packages."""

import itertools

import numpy as np
from tercet.golden.compress.model import CompressedLayer
from tercet.golden.compress.prune import prune
from tercet.golden.compress.share import share_weights

__all__ = ["AUTOENCODER", "compressed"]

AUTOENCODER = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)


def compressed(
    sizes: tuple[int, ...], *, density: float = 0.1, code_bits: int = 4, index_bits: int = 4
) -> list[CompressedLayer]:
    """Random untrained network, pruned and with shared weights."""
    rng = np.random.default_rng(0)
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        weights = rng.normal(0, 0.5 / np.sqrt(n_in * density), (n_out, n_in))
        codes, centroids = share_weights(weights, prune(weights, density=density), code_bits)
        layers.append(CompressedLayer(codes, centroids, rng.normal(0, 0.1, n_out), index_bits))
    return layers
