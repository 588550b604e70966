"""Transforms of Winograd's F(2x2, 3x3) in exact integers, and the widths that they need.

A 4x4 tile d of the input and a 3x3 kernel g give a 2x2 tile y of the output::

    y = A' [(G g G') * (B' d B)] A          * is elementwise: 16 products instead of 2 * 2 * 9 = 36

B and A hold 0, 1 and -1, G halves. With 2G in the place of G all numbers are integers, and the result is 4y. Both
sides are bilinear in d and g, so that comparing them for the 16 x 9 pairs of unit tiles and unit kernels proves them
equal for all operands. A is linear, so that it is applied once, to the sums over the input channels.
"""

from typing import Any

import numpy as np

from ..checks import INT8, int_array

__all__ = [
    "INPUT",
    "OUTPUT",
    "SCALE",
    "WEIGHT",
    "entry_bounds",
    "input_transform",
    "operand_widths",
    "output_transform",
    "signed_width",
    "transformed",
    "weight_transform",
]

INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
"""B': a column of 4 inputs to 4 entries."""

WEIGHT = np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]])
"""2G: a column of 3 weights to 4 entries, twice those of the real transform."""

OUTPUT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]])
"""A': a column of 4 sums to 2 outputs."""

SCALE = 4
"""Outputs are a quarter of what the integer transforms give: `WEIGHT` is applied twice."""

# Inputs and kernels of more bits would need wider entries than int16, which the systolic engine takes.
_INPUTS = (-(2**13), 2**13 - 1)


def transformed(matrix: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    """Apply ``matrix @ tile @ matrix.T`` to the last two axes of an array, in int64."""
    return matrix @ np.asarray(tiles, np.int64) @ matrix.T


def input_transform(tiles: Any) -> np.ndarray:
    """Transform tiles of the input.

    Parameters
    ----------
    tiles : (..., 4, 4) integer array
        Codes in [-8192, 8191]; each entry of the result is a sum and difference of four.

    Returns
    -------
    (..., 4, 4) int16 array

    Raises
    ------
    TypeError, ValueError
        If the tiles are not integers of this shape and range.

    Notes
    -----
    Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.1.
    """
    return transformed(INPUT, _tiles("Input tiles", tiles, 4, _INPUTS)).astype(np.int16)


def weight_transform(kernels: Any) -> np.ndarray:
    """Transform kernels, scaled by `SCALE`.

    Parameters
    ----------
    kernels : (..., 3, 3) integer array
        Codes in [-128, 127].

    Returns
    -------
    (..., 4, 4) int16 array
        Entries in [-1152, 1147], 12 bits.

    Raises
    ------
    TypeError, ValueError
        If the kernels are not integers of this shape and range.
    """
    return transformed(WEIGHT, _tiles("Kernels", kernels, 3, INT8)).astype(np.int16)


def output_transform(sums: Any) -> np.ndarray:
    """Transform sums of products of transformed tiles and kernels to outputs, and take the scale out.

    Parameters
    ----------
    sums : (..., 4, 4) integer array
        Sums in [-2**59, 2**59]; a bias of 4b in entry (1, 1) adds b to all four outputs.

    Returns
    -------
    (..., 2, 2) int64 array
        Sums of the convolution.

    Raises
    ------
    TypeError
        If the sums are not integers.
    ValueError
        If the shape or range is wrong, or a result is not a multiple of `SCALE`, as the sums of a convolution always
        are.
    """
    scaled = transformed(OUTPUT, _tiles("Sums", sums, 4, (-(2**59), 2**59)))
    outputs, rest = np.divmod(scaled, SCALE)
    if rest.any():
        raise ValueError(
            f"Sums give {scaled[rest != 0][0]}, which is not a multiple of {SCALE}; use sums of products of "
            "transformed inputs and transformed weights"
        )
    return outputs


def _tiles(name: str, value: Any, size: int, bounds: tuple[int, int]) -> np.ndarray:
    array = int_array(name, value, bounds, "use integers in that range")
    if array.shape[-2:] != (size, size):
        raise ValueError(f"{name} have shape {array.shape}; use (..., {size}, {size})")
    return array


def entry_bounds(matrix: np.ndarray, bounds: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and greatest value of each entry of ``matrix @ tile @ matrix.T``.

    Each is attained: by the tile that has one bound where the entry's coefficient is positive and the other where it is
    negative.

    Parameters
    ----------
    matrix : (n, m) integer array
        Transform.
    bounds : (int, int)
        Inclusive range of the elements of the tile.

    Returns
    -------
    least, greatest : (n, n) int64 arrays
    """
    low, high = bounds
    plus, minus = np.maximum(matrix, 0), np.maximum(-matrix, 0)
    up, down = plus.sum(axis=1), minus.sum(axis=1)
    # Sums of the positive and of the negative coefficients of the two-dimensional transform.
    positive = np.outer(up, up) + np.outer(down, down)
    negative = np.outer(up, down) + np.outer(down, up)
    return positive * low - negative * high, positive * high - negative * low


def signed_width(least: int, greatest: int) -> int:
    """Return the bits of the narrowest two's complement number that holds both bounds."""
    return max(int(greatest), -int(least) - 1, 0).bit_length() + 1


def operand_widths(inputs: tuple[int, int] = INT8, weights: tuple[int, int] = INT8) -> tuple[int, int]:
    """Return the bits of transformed inputs and of transformed weights.

    int8 codes need 10 and 12. Inputs from which a zero point was subtracted, [-255, 255], would need 11; with padding
    that reads as the zero point, and the zero point folded into the bias, codes are transformed as they are.

    Parameters
    ----------
    inputs, weights : (int, int)
        Inclusive ranges.
    """
    return _width(INPUT, inputs), _width(WEIGHT, weights)


def _width(matrix: np.ndarray, bounds: tuple[int, int]) -> int:
    least, greatest = entry_bounds(matrix, bounds)
    return signed_width(int(least.min()), int(greatest.max()))
