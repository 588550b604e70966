"""Costs of a layer on an EIE engine at any density: clocks, bytes, and the density up to which it is fast enough."""

from collections.abc import Callable, Sequence

import numpy as np
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import cycles, encode
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.program import link

from .prune import prune

__all__ = ["break_even", "held_bytes", "pruned_cycles"]

_STEPS = 256


def pruned_cycles(weights: np.ndarray, density: float, acts: np.ndarray, config: EieConfig) -> int:
    """Exact clocks of a layer pruned to a density, with rows dealt by ``balance``; its shared values do not matter.

    Parameters
    ----------
    weights : (out, in) float array
        Weights before pruning.
    density : float
        Fraction of weights to keep.
    acts : (vectors, in) int16 array
        Activations; the clocks are summed over the vectors.
    config : EieConfig
        The engine, with room for the layer.
    """
    codes = prune(weights, density=density).astype(np.uint8)
    codebook = np.zeros(2**config.code_bits, np.int16)
    return cycles(encode(codes, codebook, config, permute="balance"), acts).total


def break_even(clocks: Callable[[float], float], limit: float) -> float:
    """Largest density at which a layer takes fewer clocks than a limit.

    Found by bisection between multiples of 1/256, as clocks grow with the density.

    Parameters
    ----------
    clocks : callable
        Clocks at a density; see `pruned_cycles`.
    limit : float
        Clocks that it must stay below.

    Returns
    -------
    float
        A multiple of 1/256: 0 if not even an empty layer is below the limit, 1 if a dense one is.
    """
    if clocks(1.0) < limit:
        return 1.0
    below, above = 0, _STEPS
    if clocks(0.0) >= limit:
        return 0.0
    while above - below > 1:
        middle = (below + above) // 2
        if clocks(middle / _STEPS) < limit:
            below = middle
        else:
            above = middle
    return below / _STEPS


def held_bytes(layers: Sequence[EieLayer]) -> int:
    """Bytes that a network takes of an engine's memories: matrix words, pointers and constants of all PEs."""
    config = layers[0].config
    program = link(config, layers)
    widths = {"matrix": config.word_width, "pointers": config.pointer_width, "constants": max(16, config.acc_width)}
    bits = sum(width * sum(words.size for words in getattr(program, name)) for name, width in widths.items())
    return -(-bits // 8)
