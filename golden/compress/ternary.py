"""Ternary weights: zero, or one of a positive and a negative scale."""

import numpy as np
from tercet.golden.checks import float_array

__all__ = ["NEGATIVE", "POSITIVE", "ternarize", "ternary_values"]

POSITIVE, NEGATIVE = 1, 2
"""Codes of positive and negative weights; 0 is the code of a zero weight."""

_THRESHOLD = 0.05


def ternarize(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ternarise weights with a threshold at 5 % of the largest magnitude.

    Parameters
    ----------
    w : float array
        Weights, any shape.

    Returns
    -------
    codes : uint8 array of the shape of `w`
        0 at or below the threshold, `POSITIVE` and `NEGATIVE` beyond it.
    scales : (2,) float64 array
        Mean magnitude of the positive and of the negative weights beyond the threshold; 0 where there are none.

    Raises
    ------
    TypeError, ValueError
        If the weights are not floats, or one is not finite.

    Notes
    -----
    Source: Zhu et al., "Trained Ternary Quantization", ICLR 2017, section 3; training then moves the scales.
    """
    w = float_array("Weights", w)
    threshold = _THRESHOLD * np.abs(w).max(initial=0.0)
    codes = np.where(w > threshold, POSITIVE, np.where(w < -threshold, NEGATIVE, 0)).astype(np.uint8)
    scales = [np.abs(w[codes == code]).mean() if (codes == code).any() else 0.0 for code in (POSITIVE, NEGATIVE)]
    return codes, np.array(scales)


def ternary_values(scales: np.ndarray) -> np.ndarray:
    """Value of each of the four 2-bit codes; the last is unused."""
    return np.array([0.0, scales[0], -scales[1], 0.0])
