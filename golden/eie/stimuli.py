"""Random and extreme layers and activations for the EIE engine, used by tests and long-running measurements.

Layers use the full numeric range: the codebook is as large as the overflow proof allows, and the shift brings most
results close to 16 bits, and some beyond.
"""

from typing import Literal

import numpy as np

from .config import EieConfig
from .encoding import encode
from .layer import EieLayer

__all__ = ["layer_jobs", "random_acts", "random_codes", "random_layer"]

_PERMUTATIONS: tuple[Literal["balance", "spread"] | None, ...] = (None, "balance", "spread")
_SHARES = (0.0, 0.02, 0.1, 0.3, 0.7, 1.0)


def random_codes(rng: np.random.Generator, shape: tuple[int, int], density: float, code_bits: int = 4) -> np.ndarray:
    """Random codes (out, in) of a pruned layer, each kept with probability `density`."""
    kept = rng.integers(0, 2**16, shape, np.uint16) < round(density * 2**16)
    return rng.integers(1, 2**code_bits, shape, np.uint8) * kept


def random_layer(
    rng: np.random.Generator,
    config: EieConfig,
    n_out: int,
    n_in: int,
    density: float,
    *,
    bias: bool = False,
    relu: bool = False,
    shift: int | None = None,
    permute: Literal["balance", "spread"] | None = None,
    empty: float = 0.0,
    act_max: int = 32768,
) -> EieLayer:
    """Create a random layer.

    Parameters
    ----------
    rng : np.random.Generator
        Random number generator.
    config : EieConfig
        The engine.
    n_out, n_in : int
        Shape.
    density : float
        Fraction of weights kept.
    bias, relu : bool
        Whether there is a random bias, and a ReLU.
    permute : str or None
        As in `encode`.
    shift : int or None
        As in `encode`; None chooses one with which most results just fit 16 bits.
    empty : float
        Probability that a row, and likewise a column, loses all of its weights.
    act_max : int
        As in `encode`; reduced if rows have more weights than the accumulator has room for.
    """
    codes = random_codes(rng, (n_out, n_in), density, config.code_bits)
    if empty:
        codes[rng.random(n_out) < empty] = 0
        codes[:, rng.random(n_in) < empty] = 0
    most = max(1, int(np.count_nonzero(codes, axis=1).max()))
    # Half of the accumulator's range is for the weights, the other half for the bias.
    room = 2 ** (config.acc_width - 2) // most
    act_max = min(act_max, room)
    limit = min(2**15, room // act_max)
    if shift is None:
        typical = limit * act_max * most**0.5 / 3
        shift = int(np.clip(np.log2(typical) - 14, 0, config.acc_width - 1))
    return encode(
        codes,
        _codebook(rng, limit, config.code_bits),
        config,
        bias=_bias(rng, n_out, config) if bias else None,
        relu=relu,
        shift=shift,
        permute=permute,
        act_max=act_max,
    )


def _codebook(rng: np.random.Generator, limit: int, code_bits: int) -> np.ndarray:
    """Weights of magnitude up to `limit`, including both ``-limit`` and ``limit``."""
    values = rng.integers(-limit, limit, 2**code_bits, endpoint=True)
    values[:3] = 0, -limit, limit
    return np.clip(values, -(2**15), 2**15 - 1).astype(np.int16)


def _bias(rng: np.random.Generator, n_out: int, config: EieConfig) -> np.ndarray:
    """Biases of any size within half of the accumulator's range, occasionally at its ends."""
    end = 2 ** int(rng.integers(0, config.acc_width - 2, endpoint=True))
    values = rng.integers(-end, end, n_out)
    return np.where(rng.random(n_out) < 0.1, rng.choice([-end, end - 1], n_out), values)


def random_acts(
    rng: np.random.Generator, n_in: int, density: float, batch: int | None = None, act_max: int = 32768
) -> np.ndarray:
    """Random int16 activations (in,) or (batch, in) of either sign, each non-zero with probability `density`.

    A tenth of them have the largest magnitude, `act_max`, or the smallest, 1.
    """
    shape = (n_in,) if batch is None else (batch, n_in)
    high = min(act_max, 2**15 - 1)
    values = rng.integers(-act_max, high, shape, endpoint=True)
    values = np.where(rng.random(shape) < 0.1, rng.choice([-act_max, high, -1, 1], shape), values)
    values[values == 0] = 1
    return np.where(rng.random(shape) < density, values, 0).astype(np.int16)


def layer_jobs(config: EieConfig, count: int, seed: int, largest: int = 70) -> list[tuple[EieLayer, np.ndarray]]:
    """Random layers that fit an engine, each with one to four activation vectors.

    Layers have 1 to `largest` outputs and inputs, or as many as the engine holds, and keep anywhere from none to all of
    their weights and non-zero activations. Every fifth has rows so far apart in each PE that its columns need fillers,
    if the engine has room for them.
    """
    rng = np.random.default_rng(seed)
    return [_job(rng, config, largest, far=number % 5 == 4) for number in range(count)]


def _job(rng: np.random.Generator, config: EieConfig, largest: int, far: bool) -> tuple[EieLayer, np.ndarray]:
    entries = config.matrix_depth * config.entries_per_word
    apart = 3 * 2**config.index_bits
    inputs = max(1, min(largest, config.pointer_depth - 1, entries // apart if far else entries))
    n_in = int(rng.integers(1, inputs, endpoint=True))
    # Every memory is large enough whichever weights are kept.
    most = min(config.act_depth, config.constant_depth - 2**config.code_bits, entries // n_in)
    if far:
        n_out, density = min(most, apart) * config.n_pe, 1 / 2**config.index_bits
    else:
        n_out = int(rng.integers(1, min(largest, most * config.n_pe), endpoint=True))
        density = float(rng.choice(_SHARES))
    layer = random_layer(
        rng,
        config,
        n_out,
        n_in,
        density,
        bias=rng.random() < 0.5,
        relu=rng.random() < 0.5,
        shift=int(rng.integers(0, config.acc_width)) if rng.random() < 0.3 else None,
        permute=_PERMUTATIONS[int(rng.integers(3))],
        empty=0.3 if rng.random() < 0.3 else 0.0,
        act_max=int(rng.choice([32768, 32767, 1000, 1])),
    )
    batch = int(rng.integers(1, 4, endpoint=True))
    return layer, random_acts(rng, n_in, float(rng.choice(_SHARES)), batch, layer.act_max)
