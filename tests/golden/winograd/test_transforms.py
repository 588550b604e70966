"""Transforms of F(2x2, 3x3): the identity for all integers, and bounds that corner tiles attain."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from tercet.golden.winograd import input_transform, output_transform, weight_transform
from tercet.golden.winograd.transforms import (
    INPUT,
    OUTPUT,
    WEIGHT,
    entry_bounds,
    operand_widths,
    signed_width,
    transformed,
)


def direct(tile, kernel):
    """Outputs of a 4x4 tile, product by product."""
    return [
        [sum(int(tile[y + i][x + j]) * int(kernel[i][j]) for i in range(3) for j in range(3)) for x in range(2)]
        for y in range(2)
    ]


def winograd(tile, kernel):
    return output_transform(input_transform(tile).astype(int) * weight_transform(kernel))


def test_equal_for_all_operands():
    """Both sides are bilinear, so the pairs of unit tiles and unit kernels decide."""
    for place, tap in product(range(16), range(9)):
        tile, kernel = np.zeros(16, int), np.zeros(9, int)
        tile[place] = kernel[tap] = 1
        tile, kernel = tile.reshape(4, 4), kernel.reshape(3, 3)
        products = transformed(INPUT, tile) * transformed(WEIGHT, kernel)
        assert transformed(OUTPUT, products).tolist() == [[4 * y for y in row] for row in direct(tile, kernel)]


def test_the_published_matrices():
    """Twice G has the published halves; F(2, 3) on symbols: y0 = m0 + m1 + m2, y1 = m1 - m2 - m3."""
    half = Fraction(1, 2)
    published = [[1, 0, 0], [half, half, half], [half, -half, half], [0, 0, 1]]
    assert (WEIGHT * half).tolist() == published
    d, g = np.array([3, -5, 7, 11]), np.array([2, 13, -17])
    m = ((d[0] - d[2]) * g[0], (d[1] + d[2]) * g.sum(), (d[2] - d[1]) * (g[0] - g[1] + g[2]), (d[1] - d[3]) * g[2])
    assert [*(INPUT @ d)] == [-4, 2, 12, -16]
    assert [2 * m[0] + m[1] + m[2], m[1] - m[2] - 2 * m[3]] == [2 * (d[:3] @ g), 2 * (d[1:] @ g)]
    assert (OUTPUT @ ((INPUT @ d) * (WEIGHT @ g))).tolist() == [2 * (d[:3] @ g), 2 * (d[1:] @ g)]


@pytest.mark.parametrize("low", [-128, -127])
def test_extremes_and_random_operands(low):
    rng = np.random.default_rng(0)
    for _ in range(200):
        tile = rng.choice([-128, 127], (4, 4)) if rng.random() < 0.5 else rng.integers(-128, 128, (4, 4))
        kernel = rng.choice([low, 127], (3, 3)) if rng.random() < 0.5 else rng.integers(low, 128, (3, 3))
        assert winograd(tile, kernel).tolist() == direct(tile, kernel)


@pytest.mark.parametrize("bounds", [(-128, 127), (-127, 127), (-255, 255), (0, 255)])
@pytest.mark.parametrize("matrix", [INPUT, WEIGHT])
def test_bounds_are_attained(matrix, bounds):
    """All 2**16 or 2**9 tiles of corner values: a linear function is extreme in a corner, so these are its bounds."""
    size = matrix.shape[1]
    bits = (np.arange(2 ** (size * size))[:, None] >> np.arange(size * size)) & 1
    corners = np.where(bits == 1, bounds[1], bounds[0]).reshape(-1, size, size)
    entries = transformed(matrix, corners)
    least, greatest = entry_bounds(matrix, bounds)
    np.testing.assert_array_equal(entries.min(axis=0), least)
    np.testing.assert_array_equal(entries.max(axis=0), greatest)


def test_widths():
    """Of codes 10 and 12; a zero point that is subtracted costs a bit."""
    assert operand_widths() == (10, 12)
    assert operand_widths((-255, 255), (-127, 127)) == (11, 12)
    assert [int(bound.min()) for bound in entry_bounds(INPUT, (-128, 127))] == [-512, 508]
    assert [int(bound.max()) for bound in entry_bounds(INPUT, (-128, 127))] == [-510, 510]
    assert int(entry_bounds(WEIGHT, (-128, 127))[0].min()) == -9 * 128
    assert int(entry_bounds(WEIGHT, (-128, 127))[1].max()) == 5 * 127 + 4 * 128
    assert [signed_width(*pair) for pair in ((0, 0), (-1, 0), (0, 1), (-2, 1), (-3, 1), (-512, 511), (-1, 512))] == [
        *(1, 1, 2, 2, 3, 10, 11)
    ]


def test_wrong_operands():
    with pytest.raises(TypeError, match="Input tiles has dtype float64, not an integer type"):
        input_transform(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"Input tiles have shape \(3, 3\); use \(..., 4, 4\)"):
        input_transform(np.zeros((3, 3), int))
    with pytest.raises(ValueError, match=r"Kernels 128.* is outside \[-128, 127\]"):
        weight_transform(np.full((3, 3), 128))
    with pytest.raises(ValueError, match=r"Input tiles 8192.*outside \[-8192, 8191\]"):
        input_transform(np.full((4, 4), 8192))
    corner = np.zeros((4, 4), int)
    corner[0, 0] = 6
    with pytest.raises(ValueError, match="Sums give 6, which is not a multiple of 4"):
        output_transform(corner)
    assert output_transform(4 * corner)[0, 0] == 6


def test_the_widest_tiles_fit_int16():
    tile = np.full((4, 4), -8192)
    assert input_transform(tile)[1, 1] == -32768
