"""Weight sharing: one-dimensional k-means clustering of a layer's weights to a few values."""

import numpy as np
from tercet.golden.checks import INT16, float_array, integer
from tercet.golden.eie.config import FRACTION_BITS

__all__ = ["check_mask", "fixed_point", "share_weights"]

_ROUNDS = 300


def check_mask(w: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Check that a mask is a bool array of the shape of the weights, and return it."""
    mask = np.asarray(mask)
    if mask.dtype != np.bool_:
        raise TypeError(f"Mask has dtype {mask.dtype}; use a bool array, as prune gives")
    if mask.shape != w.shape:
        raise ValueError(f"Mask has shape {mask.shape} but the weights have {w.shape}; use the same shape")
    return mask


def share_weights(w: np.ndarray, mask: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Replace every kept weight by one of ``2**bits - 1`` shared values.

    The centroids start evenly spaced from the smallest to the largest weight, which preserves the rare large weights,
    and move by Lloyd's algorithm. A centroid without weights moves to the weight farthest from its own centroid.

    Parameters
    ----------
    w : float array
        Weights, any shape.
    mask : bool array
        True where a weight is kept.
    bits : int
        Width of a code in bits, 1 to 8.

    Returns
    -------
    codes : uint8 array of the shape of `w`
        0 where pruned, otherwise from 1 in ascending order of the values.
    centroids : (2**bits,) float64 array
        Value of each code; ``centroids[0]`` and those of unused codes are 0.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or range.

    Notes
    -----
    Source: Han et al., "Deep Compression", ICLR 2016, section 3.
    """
    w = float_array("Weights", w)
    mask = check_mask(w, mask)
    bits = integer("Code bits", bits, (1, 8))
    codes = np.zeros(w.shape, np.uint8)
    centroids = np.zeros(2**bits)
    if mask.any():
        clusters = _k_means(np.sort(w[mask]), 2**bits - 1)
        centroids[1 : len(clusters) + 1] = clusters
        codes[mask] = np.searchsorted(_borders(clusters), w[mask], side="right") + 1
    return codes, centroids


def _borders(centroids: np.ndarray) -> np.ndarray:
    """Midpoints between neighbouring centroids; a weight on a border belongs to the upper cluster."""
    return (centroids[:-1] + centroids[1:]) / 2


def _k_means(values: np.ndarray, count: int) -> np.ndarray:
    """Ascending centroids of sorted values: at most `count`, each with at least one value."""
    centroids = np.linspace(values[0], values[-1], count) if values[0] < values[-1] else values[:1]
    totals = np.concatenate([[0.0], np.cumsum(values)])
    for _ in range(_ROUNDS):
        ends = np.concatenate([[0], np.searchsorted(values, _borders(centroids), side="left"), [len(values)]])
        sizes = np.diff(ends)
        used = sizes > 0
        means = np.diff(totals[ends])[used] / sizes[used]
        # Clip: rounding of the sums must not move a mean out of its cluster.
        means = np.clip(means, values[ends[:-1][used]], values[ends[1:][used] - 1])
        moved = _reseed(values, means, np.repeat(means, sizes[used]), count - len(means))
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    return centroids


def _reseed(values: np.ndarray, means: np.ndarray, nearest: np.ndarray, missing: int) -> np.ndarray:
    """Fill up the means: for every missing centroid, add the distinct value farthest from its own mean."""
    distance = np.abs(values - nearest)
    order = np.argsort(-distance, kind="stable")[: 8 * missing] if missing else np.zeros(0, int)
    seeds = values[order[distance[order] > 0]]
    _, first = np.unique(seeds, return_index=True)
    return np.unique(np.concatenate([means, seeds[np.sort(first)][:missing]]))


def fixed_point(centroids: np.ndarray, frac: int) -> np.ndarray:
    """Convert centroids to int16 with `frac` fraction bits, rounded half to even.

    Raises
    ------
    TypeError
        If the centroids are not of a float type.
    ValueError
        If a centroid does not fit 16 bits.
    """
    c = float_array("Centroids", centroids)
    frac = integer("Fraction bits", frac, FRACTION_BITS)
    scaled = np.rint(c * 2.0**frac)
    bad = (scaled < INT16[0]) | (scaled > INT16[1])
    if bad.any():
        worst = float(c[np.argmax(np.abs(c))])
        raise ValueError(f"Centroid {worst} does not fit 16 bits with {frac} fraction bits; use fewer fraction bits")
    return scaled.astype(np.int16)
