"""Words of signs: a set bit is +1, a clear bit -1.

An array for binary weights multiplies two words as vectors of signs. With ``width`` signs in each::

    sum(a[n] * w[n]) = 2 * popcount(~(a ^ w)) - width

The words are integers of the operands' width in two's complement, the first sign in the least significant bit.
"""

import numpy as np

from ..checks import int_array

__all__ = ["pack_signs", "unpack_signs"]


def pack_signs(signs: np.ndarray, width: int, pad: int = 0) -> np.ndarray:
    """Pack signs along the last axis.

    Parameters
    ----------
    signs : (..., K) integer array
        -1 and 1.
    width : int
        Signs in a word, 1 to 16.
    pad : int
        Word whose bits complete the last one.

    Returns
    -------
    (..., ceil(K / width)) int8 or int16 array
        int16 above 8 signs.

    Raises
    ------
    TypeError, ValueError
        If there is anything but -1 and 1.
    """
    signs = int_array("Signs", signs, (-1, 1), "use -1 and 1")
    if (signs == 0).any():
        raise ValueError("A sign is 0; use -1 and 1")
    count = -(-signs.shape[-1] // width)
    bits = np.broadcast_to(np.tile(pad >> np.arange(width) & 1, count), (*signs.shape[:-1], count * width)).copy()
    bits[..., : signs.shape[-1]] = signs > 0
    words = (bits.reshape(*signs.shape[:-1], count, width) << np.arange(width)).sum(axis=-1)
    words -= words >> (width - 1) << width
    return words.astype(np.int8 if width <= 8 else np.int16)


def unpack_signs(words: np.ndarray, width: int) -> np.ndarray:
    """Return the signs of words along the last axis, int64 of shape (..., K * width)."""
    words = np.asarray(words, np.int64)
    bits = words[..., None] >> np.arange(width) & 1
    return (2 * bits - 1).reshape(*words.shape[:-1], -1)
