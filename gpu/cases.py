"""Test cases for a GPU: directed dot products, hard ones, and random tiles.

Dot product i lies on the diagonal of a tile: its factors are row i of A and column i of B. The other elements, each of
which combines two dot products, are compared as well.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.stimuli import hard_dots, random_operands
from tercet.sim.tensorcore_directed import directed_dots

from .instructions import Instruction

__all__ = ["tiles"]

Operands = tuple[np.ndarray, np.ndarray, np.ndarray]

# Elements of D per block, which bounds memory and sets the step of the progress display.
_BLOCK = 2**16


def tiles(
    rng: np.random.Generator, instruction: Instruction, config: TensorCoreConfig, count: int, *, zero_addend: bool
) -> Iterator[Operands]:
    """Generate tiles for an instruction, in blocks: first the directed ones, then half hard and half random ones.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the random cases.
    instruction : Instruction
        Instruction, for the sizes.
    config : TensorCoreConfig
        Formats and arithmetic, whose limits the cases target.
    count : int
        Elements of D, rounded up to whole tiles.
    zero_addend : bool
        Whether all of C is +0.

    Yields
    ------
    (tiles, m, k), (tiles, k, n) and (tiles, m, n) arrays
        A, B and C: bit patterns, or int8 and int32.
    """
    m, n, k = instruction.m, instruction.n, instruction.k
    left = -(-count // (m * n))
    step = max(2, _BLOCK // (m * n))
    waiting = _on_diagonals(directed_dots(config, k), m, n)
    while left:
        size = min(left, step)
        first = tuple(array[:size] for array in waiting)
        waiting = tuple(array[size:] for array in waiting)
        rest = size - len(first[0])
        parts = [first, _hard_tiles(rng, config, rest - rest // 2, m, k, n)]
        if rest // 2:
            parts.append(random_operands(rng, config, m, k, n, rest // 2))
        a, b, c = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        yield a, b, np.zeros_like(c) if zero_addend else c
        left -= size


def _hard_tiles(rng: np.random.Generator, config: TensorCoreConfig, count: int, m: int, k: int, n: int) -> Operands:
    """Dot products of `hard_dots` over all of k, half of them in random order."""
    # The operands depend on the number of products, not on how FP8 is multiplied.
    a, b, c = hard_dots(rng, replace(config, l=k, k=k, fp8="native"), count * m)
    order = np.where(rng.random((count * m, 1)) < 0.5, rng.random((count * m, k)), np.arange(k)).argsort(axis=1)
    a, b = (np.take_along_axis(array, order, 1).reshape(count, m, k) for array in (a, b))
    # A tile with more rows than columns has no columns for the last rows' dot products; these meet other columns.
    addend = np.repeat(c.reshape(count, m, 1), n, axis=2)
    return a, np.moveaxis(b[:, :n], 1, 2), addend


def _on_diagonals(dots: Operands, m: int, n: int) -> Operands:
    """Place dot products on the diagonals of as many tiles as needed; the rest of the last tile is zero."""
    a, b, c = dots
    size = min(m, n)
    count, k = -(-len(a) // size), a.shape[1]
    left, right = np.zeros((count, m, k), a.dtype), np.zeros((count, k, n), b.dtype)
    addend = np.zeros((count, m, n), c.dtype)
    tile, index = np.arange(len(a)) // size, np.arange(len(a)) % size
    left[tile, index], right[tile, :, index], addend[tile, index, index] = a, b, c
    return left, right, addend
