"""Two exact int8 products from one 18x18 multiplier, and their sums.

With both weights in [-127, 127], ``packed = w1 * 1024 + w0`` fits 18 bits, and with ``product = packed * x``::

    low  = product mod 1024
    high = product >> 10
    c    = (w1[4:0] * x[4:0]) mod 32
    h0   = signed5(high[4:0] - c)

    w0 * x = h0 * 1024 + low
    w1 * x = high - h0

``h0`` is the part of ``w0 * x`` above its 10 low bits: it lies in [-16, 15], so its 5 low bits suffice, and these are
those of ``high - w1 * x``. A column adds `low`, `h0` and `high` separately, and the sums are joined at its end: a cell
then needs no adder for the join. Source: ``spec/systolic.md``.
"""

import numpy as np

__all__ = ["SHIFT", "join", "pack", "split"]

SHIFT = 10
"""Distance in bits of the two weights in the packed operand."""


def pack(w0: np.ndarray, w1: np.ndarray) -> np.ndarray:
    """Pack pairs of weights in [-127, 127] into operands of 18 bits, int64 of the same shape."""
    return (np.asarray(w1, np.int64) << SHIFT) + np.asarray(w0, np.int64)


def split(product: np.ndarray, w1: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Split products of packed weights and an activation.

    Parameters
    ----------
    product, w1, x : integer arrays
        ``pack(w0, w1) * x``, the upper weight in [-127, 127] and the activation in [-128, 127]; broadcast.

    Returns
    -------
    low, h0, high : int64 arrays
        Parts in [0, 1023], [-16, 15] and [-16272, 16271].
    """
    product = np.asarray(product, np.int64)
    high = product >> SHIFT
    correction = (np.asarray(w1, np.int64) & 31) * (np.asarray(x, np.int64) & 31)
    h0 = ((high - correction + 16) & 31) - 16
    return product & (1 << SHIFT) - 1, h0, high


def join(low: np.ndarray, h0: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join parts, or sums of parts: the products, or sums of products, of both weights."""
    return (h0 << SHIFT) + low, high - h0
