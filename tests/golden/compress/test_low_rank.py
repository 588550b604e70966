"""Low-rank factors: against the optimum that theory gives, other factors, and the convolution computed directly."""

import numpy as np
import pytest
from tercet.golden.compress import factor, factor_convolution
from tercet.golden.compress.low_rank import factors_or_reason, relative_error, smallest_rank

SHAPES = [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1)]


def matrix(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_error_is_that_of_the_singular_values_left_out(shape):
    """Eckart and Young, with singular values from the eigenvalues of w^T w, not from an SVD."""
    w = matrix(shape)
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(w.T @ w)[::-1], 0))[: min(shape)]
    for rank in range(1, min(shape) + 1):
        left, right = factor(w, rank=rank)
        assert (left.shape, right.shape) == ((shape[0], rank), (rank, shape[1]))
        assert np.linalg.norm(w - left @ right) == pytest.approx(np.sqrt((values[rank:] ** 2).sum()), abs=1e-7)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_no_other_factors_are_better(rank):
    """Alternating least squares from random factors comes near, and never below."""
    w = matrix((9, 8), seed=3)
    best = relative_error(w, *factor(w, rank=rank))
    rng = np.random.default_rng(4)
    reached = []
    for _ in range(5):
        right = rng.normal(size=(rank, 8))
        for _ in range(200):
            left = np.linalg.lstsq(right.T, w.T, rcond=None)[0].T
            right = np.linalg.lstsq(left, w, rcond=None)[0]
        reached.append(relative_error(w, left, right))
        start = rng.normal(size=(rank, 8))
        assert relative_error(w, np.linalg.lstsq(start.T, w.T, rcond=None)[0].T, start) > best
    assert min(reached) >= best - 1e-9
    assert min(reached) == pytest.approx(best, rel=1e-3)


def test_exact_at_the_rank_of_the_matrix():
    w = matrix((6, 3)) @ matrix((3, 10), seed=1)
    np.testing.assert_allclose(np.matmul(*factor(w, rank=3)), w, atol=1e-12)
    assert factor(w, error=1e-6)[0].shape == (6, 3)
    assert relative_error(w, *factor(w, rank=2)) > 0.01


def test_factors_are_balanced():
    left, right = factor(matrix((6, 9)), rank=4)
    np.testing.assert_allclose(np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=1))


def test_rank_by_error():
    """The smallest rank within the bound, from a matrix with known singular values."""
    (left, _), (right, _) = np.linalg.qr(matrix((6, 4))), np.linalg.qr(matrix((5, 4), seed=1))
    w = left @ np.diag([6.0, 2.0, 2.0, 1.0]) @ right.T  # squares 36, 4, 4, 1 of 45
    for error, rank in {1e-6: 4, 0.14: 4, 0.15: 3, 0.33: 3, 0.34: 2, 0.44: 2, 0.45: 1, 0.9: 1}.items():
        found = factor(w, error=error)
        assert found[0].shape[1] == rank, error
        assert relative_error(w, *found) <= error + 1e-9
    assert smallest_rank(np.zeros(3), 0.1) == 1


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_convolution(rank):
    """Both convolutions, one after the other and with stride, against one with the product of their weights."""
    w = matrix((6, 3, 2, 4))
    first, second = factor_convolution(w, rank=rank)
    assert (first.shape, second.shape) == ((rank, 3, 2, 4), (6, 1, 1, rank))
    x = matrix((8, 7, 4), seed=5)

    def convolved(weight):
        rows, cols = weight.shape[1:3]
        found = [
            [(x[y : y + rows, z : z + cols] * weight).sum(axis=(1, 2, 3)) for z in range(8 - cols)]
            for y in range(0, 9 - rows, 2)
        ]
        return np.array(found)

    two = convolved(first) @ second[:, 0, 0].T
    one = np.tensordot(second[:, 0, 0], first, 1)
    np.testing.assert_allclose(two, convolved(one))
    assert np.allclose(one, w) == (rank == 6)
    # The best of its rank among all such pairs.
    values = np.linalg.svd(w.reshape(6, 24), compute_uv=False)
    assert np.linalg.norm(one - w) == pytest.approx(np.sqrt((values[rank:] ** 2).sum()), abs=1e-9)


def test_only_factors_that_save_products():
    w = matrix((10, 15))  # 150 products; 25 per rank
    pair, reason = factors_or_reason(w, rank=5)
    assert pair is not None
    assert not reason
    reasons = {
        (6, None): "rank 6 saves no products of a matrix of 10 x 15; use at most 5",
        (11, None): "rank 11 is beyond the 10 of a matrix of 10 x 15",
        (None, 0.0): "rank 10, which an error of 0.0 takes, saves no products of a matrix of 10 x 15; use at most 5",
    }
    for (rank, error), text in reasons.items():
        assert factors_or_reason(w, rank=rank, error=error) == (None, text)
    assert factors_or_reason(matrix((1, 8)), rank=1)[1].endswith("1 x 8, as no rank does")


def test_refuses():
    w = matrix((4, 6))
    for given in ({}, {"rank": 2, "error": 0.1}):
        with pytest.raises(ValueError, match=r"Rank is .* and error is .*; give one of them"):
            factor(w, **given)
    for rank in (0, -1, 5):
        with pytest.raises(ValueError, match=rf"Rank {rank} is outside"):
            factor(w, rank=rank)
    for error in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=rf"Error {error} is outside \[0, 1\)"):
            factor(w, error=error)
    with pytest.raises(TypeError, match=r"Rank 2.0 is not an integer"):
        factor(w, rank=2.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"Error 'a' is not a number"):
        factor(w, error="a")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="Weights has dtype int64"):
        factor(np.ones((2, 2), np.int64), rank=1)
    for shape in ((3,), (0, 3), (2, 2, 2)):
        with pytest.raises(ValueError, match=r"Weights have shape .*; use a matrix"):
            factor(np.zeros(shape), rank=1)
    with pytest.raises(ValueError, match=r"Weights have shape \(4, 6\); use \(out, kernel rows"):
        factor_convolution(w, rank=1)
    with pytest.raises(ValueError, match="values not finite"):
        factor(np.array([[1.0, np.inf]]), rank=1)
