"""Low-rank factors of weights: a layer becomes two thinner ones, with nothing but products between them."""

import numpy as np
from tercet.golden.checks import INT32, float_array, integer, show

__all__ = ["check_choice", "factor", "factor_convolution", "factors_or_reason", "relative_error", "smallest_rank"]


def factor(weight: np.ndarray, *, rank: int | None = None, error: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Factor a matrix by truncated singular value decomposition.

    No other pair of factors of this rank has a smaller error: the root of the sum of squares of the singular values
    left out.

    Parameters
    ----------
    weight : (m, n) float array
        Finite weights, at least one.
    rank : int
        Rank of the factors, 1 to ``min(m, n)``.
    error : float
        Bound on the relative error ``norm(weight - left @ right) / norm(weight)`` in the Frobenius norm, in [0, 1);
        chooses the smallest rank. Give one of the two.

    Returns
    -------
    left : (m, rank) float64 array
        Left singular vectors, times the square roots of the singular values.
    right : (rank, n) float64 array
        Right singular vectors, times the same.

    Raises
    ------
    TypeError
        If the weights are not floats or the rank is not an integer.
    ValueError
        If the weights are not a matrix of finite numbers, or not exactly one of rank and error is given, in its range.

    Notes
    -----
    Source: Eckart and Young, "The approximation of one matrix by another of lower rank", Psychometrika 1936; of
    networks, Denton et al., "Exploiting Linear Structure Within Convolutional Networks for Efficient Evaluation",
    NeurIPS 2014.
    """
    weight = _matrix(weight)
    check_choice(rank, error)
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    if rank is None:
        assert error is not None
        rank = smallest_rank(values, error)
    rank = integer("Rank", rank, (1, len(values)))
    roots = np.sqrt(values[:rank])
    return left[:, :rank] * roots, roots[:, None] * right[:rank]


def factor_convolution(
    weight: np.ndarray, *, rank: int | None = None, error: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Factor a convolution into one of the same window to `rank` channels, and a 1x1 convolution of these.

    Stride, padding and dilation go with the first; the bias goes with the second.

    Parameters
    ----------
    weight : (out, kernel rows, kernel columns, in) float array
        Finite weights.
    rank, error
        As in `factor`, of the matrix (out, kernel rows * kernel columns * in).

    Returns
    -------
    first : (rank, kernel rows, kernel columns, in) float64 array
        Weights of the first convolution.
    second : (out, 1, 1, rank) float64 array
        Weights of the second.

    Raises
    ------
    TypeError, ValueError
        As in `factor`, and if the weights do not have four dimensions.

    Notes
    -----
    Source: Zhang et al., "Accelerating Very Deep Convolutional Networks for Classification and Detection", TPAMI 2016,
    section 3.1, without the data-dependent part.
    """
    weight = float_array("Weights", weight)
    if weight.ndim != 4:
        raise ValueError(f"Weights have shape {weight.shape}; use (out, kernel rows, kernel columns, in)")
    left, right = factor(weight.reshape(len(weight), -1), rank=rank, error=error)
    return right.reshape(-1, *weight.shape[1:]), left.reshape(len(weight), 1, 1, -1)


def check_choice(rank: int | None, error: float | None) -> None:
    """Check that exactly one of rank and error is given, in the range that it has for any matrix.

    Raises
    ------
    TypeError
        If the rank is not an integer, or the error not a number.
    ValueError
        If both or none are given, or one is out of range.
    """
    if (rank is None) == (error is None):
        raise ValueError(f"Rank is {rank} and error is {error}; give one of them")
    if rank is not None:
        integer("Rank", rank, (1, INT32[1]))
    elif isinstance(error, (bool, np.bool_)) or not isinstance(error, (int, float, np.number)):
        raise TypeError(f"Error {show(error)} is not a number; use a relative error, such as 0.2")
    elif not 0 <= error < 1:
        raise ValueError(f"Error {error} is outside [0, 1); use a relative error, such as 0.2")


def smallest_rank(values: np.ndarray, error: float) -> int:
    """Return the smallest rank, at least 1, with a relative error of at most `error`.

    Parameters
    ----------
    values : (n,) float array
        Singular values, largest first.
    error : float
        Bound, in [0, 1).

    Raises
    ------
    ValueError
        If the bound is out of range.
    """
    check_choice(None, error)
    # tails[r] is the squared error of rank r; added from the smallest value, so that small ones count.
    tails = np.append(np.cumsum(values[::-1] ** 2)[::-1], 0.0)
    return max(1, int(np.argmax(tails <= error**2 * tails[0])))


def factors_or_reason(
    weight: np.ndarray, *, rank: int | None = None, error: float | None = None
) -> tuple[tuple[np.ndarray, np.ndarray] | None, str]:
    """Factor a matrix if this saves products; else return None and the reason, for an error message.

    A rank beyond the matrix is such a reason. Other errors are raised as by `factor`.
    """
    rows, cols = _matrix(weight).shape
    what = f"a matrix of {rows} x {cols}"
    check_choice(rank, error)
    if rank is not None and rank > min(rows, cols):
        return None, f"rank {rank} is beyond the {min(rows, cols)} of {what}"
    pair = factor(weight, rank=rank, error=error)
    found = pair[0].shape[1]
    if found * (rows + cols) < rows * cols:
        return pair, ""
    most = (rows * cols - 1) // (rows + cols)
    asked = f"rank {found}" if error is None else f"rank {found}, which an error of {error} takes,"
    return None, f"{asked} saves no products of {what}" + (f"; use at most {most}" if most else ", as no rank does")


def relative_error(weight: np.ndarray, left: np.ndarray, right: np.ndarray) -> float:
    """Return ``norm(weight - left @ right) / norm(weight)`` in the Frobenius norm; 0 for weights of 0."""
    norm = float(np.linalg.norm(weight))
    return float(np.linalg.norm(weight - left @ right)) / norm if norm else 0.0


def _matrix(weight: np.ndarray) -> np.ndarray:
    weight = float_array("Weights", weight)
    if weight.ndim != 2 or 0 in weight.shape:
        raise ValueError(f"Weights have shape {weight.shape}; use a matrix with at least one row and one column")
    return weight
