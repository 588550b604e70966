"""Costs of a layer on an EIE engine at any density: clocks, bytes, and the density up to which it is cheap enough."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import cycles, encode
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.program import link
from tercet.golden.eie.sizing import DEPTHS, size_engine

from .prune import prune

__all__ = ["break_even", "held_bytes", "pruned_cycles", "pruned_layer"]

_STEPS = 256


def pruned_layer(weights: np.ndarray, density: float, config: EieConfig) -> EieLayer:
    """Encode a layer pruned to a density, with rows dealt by ``balance``, and shared values that say nothing.

    Parameters
    ----------
    weights : (out, in) float array
        Weights before pruning.
    density : float
        Fraction of weights to keep.
    config : EieConfig
        The engine, made deeper where the layer needs it.

    Returns
    -------
    EieLayer
        Good for clocks and bytes.
    """
    codes = prune(weights, density=density).astype(np.uint8)
    fields = asdict(config)
    depths = {name: fields.pop(name) for name in DEPTHS}
    codebook = np.zeros(2**config.code_bits, np.int16)
    # Without a bias: the zeros in its place take as many constants.
    [layer] = size_engine(lambda engine: [encode(codes, codebook, engine, permute="balance")], fields, least=depths)
    return layer


def pruned_cycles(weights: np.ndarray, density: float, acts: np.ndarray, config: EieConfig) -> int:
    """Exact clocks of `pruned_layer` on activations, (vectors, in) int16, summed over the vectors."""
    return cycles(pruned_layer(weights, density, config), acts).total


def break_even(cost: Callable[[float], float], limit: float) -> float:
    """Largest density at which a layer costs less than a limit.

    Found by bisection between multiples of 1/256, as costs grow with the density.

    Parameters
    ----------
    cost : callable
        Clocks or bytes at a density; see `pruned_cycles` and `held_bytes`.
    limit : float
        What it must stay below.

    Returns
    -------
    float
        A multiple of 1/256: 0 if not even an empty layer is below the limit, 1 if a dense one is.
    """
    if cost(1.0) < limit:
        return 1.0
    below, above = 0, _STEPS
    if cost(0.0) >= limit:
        return 0.0
    while above - below > 1:
        middle = (below + above) // 2
        if cost(middle / _STEPS) < limit:
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
