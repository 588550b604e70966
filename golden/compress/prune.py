"""Magnitude pruning of weights."""

from collections.abc import Sequence

import numpy as np
from tercet.golden.checks import float_array, show

__all__ = ["check_density", "densities", "prune"]


def check_density(density: object) -> float:
    """Return a density, the fraction of weights to keep, if it is in [0, 1]."""
    if isinstance(density, (bool, np.bool_)) or not isinstance(density, (int, float, np.integer, np.floating)):
        raise TypeError(f"Density {show(density)} is not a number; use the fraction of weights to keep")
    if not 0 <= density <= 1:
        raise ValueError(f"Density {density} is outside [0, 1]; use the fraction of weights to keep")
    return float(density)


def prune(w: np.ndarray, *, density: float | None = None, quality: float | None = None) -> np.ndarray:
    """Mask of the weights to keep, those largest in magnitude.

    Parameters
    ----------
    w : float array
        Weights of a layer, any shape.
    density : float
        Fraction of weights to keep, 0 to 1; tie-break: the first.
    quality : float
        Threshold in standard deviations of the layer, at least 0; weights above it are kept. Give one of the two.

    Returns
    -------
    bool array
        True where a weight is kept; never at a zero.

    Raises
    ------
    TypeError
        If the weights are not of a float type, or the density is not a number.
    ValueError
        If a weight is not finite, or not exactly one of density and quality is given, in its range.

    Notes
    -----
    Source: Han et al., "Learning both Weights and Connections", NeurIPS 2015.
    """
    w = float_array("Weights", w)
    if (density is None) == (quality is None):
        raise ValueError(f"Density is {density} and quality is {quality}; give one of them")
    magnitude = np.abs(w)
    if density is not None:
        mask = _greatest(magnitude.ravel(), int(check_density(density) * w.size + 0.5)).reshape(w.shape)
    else:
        assert quality is not None
        if not 0 <= quality < np.inf:
            raise ValueError(f"Quality {quality} is not finite and at least 0; use standard deviations, such as 1.5")
        mask = magnitude > quality * w.std()
    return mask & (magnitude > 0)


def densities(density: float | Sequence[float], layers: int) -> list[float]:
    """Return one density per layer.

    Raises
    ------
    TypeError, ValueError
        If a density is not in [0, 1], or there are several, but not as many as layers.
    """
    found = list(density) if isinstance(density, Sequence) and not isinstance(density, str) else [density] * layers
    if len(found) != layers:
        raise ValueError(f"There are {len(found)} densities for {layers} layers; give one, or one per layer")
    return [check_density(each) for each in found]


def _greatest(values: np.ndarray, count: int) -> np.ndarray:
    """Mask of the largest values of a vector, found without a full sort."""
    if count == 0:
        return np.zeros(len(values), bool)
    least = np.partition(values, len(values) - count)[len(values) - count]
    mask = values > least
    mask[np.flatnonzero(values == least)[: count - int(mask.sum())]] = True
    return mask
