"""Assignment of rows to the PEs of an EIE engine that evens out their work in every stretch of columns.

`tercet.golden.eie.storage.balance` is simpler and equalises the work over the whole layer. But a PE's queue holds only
the next few columns. A PE with less work in these than the others drains its queue; a PE with more fills its queue and
stalls all others. Cycles are lost although the totals are equal::

    work of PE 0     9 9 9 1 1 1          equal sums, but PE 1 waits for columns in the first half,
            PE 1     1 1 1 9 9 9          and PE 0 in the second
"""

import numpy as np

from .exchange import exchange
from .storage import row_work

__all__ = ["deal", "spread"]

_HALF_WINDOW = 16
"""Columns on either side that count as near: a queue of 8 spans about as many if a third of activations are used."""

_WHOLE = 10
"""Weight of an imbalance over all columns relative to one in a window: a later stretch can make up for the latter, but
an imbalance over the whole layer is lost time."""

_STEPS = 256
"""Resolution of costs: they are rounded to multiples of 1 / 256. float32 sums of integers are exact in any order, so
every machine deals alike."""


def spread(codes: np.ndarray, n_pe: int, index_bits: int, frequencies: np.ndarray | None = None) -> list[np.ndarray]:
    """Assign rows to PEs so that all PEs have about the same work in every stretch of columns: `deal`, then `exchange`.

    Parameters
    ----------
    codes : (out, in) uint8 array
        Codes, 0 = pruned.
    n_pe : int
        Processing elements.
    index_bits : int
        Width in bits of an entry's zero count.
    frequencies : (in,) float array or None
        How often each activation is non-zero, used to weight its entries; None or all zeros weights all alike.

    Returns
    -------
    list of int64 vectors, one per PE, with at most ``ceil(out / n_pe)`` rows each

    Notes
    -----
    Small layers gain nothing over `balance`: 300 x 64 on 8 PEs is not faster.
    """
    often = np.ones(codes.shape[1]) if frequencies is None or not frequencies.any() else frequencies / frequencies.max()
    dealt = deal(codes, n_pe, index_bits, often)
    if n_pe > 1:
        dealt = exchange(dealt, codes, often)
    return [rows[rows >= 0] for rows in dealt.T]


def deal(codes: np.ndarray, n_pe: int, index_bits: int, often: np.ndarray) -> np.ndarray:
    """Deal rows from the heaviest (tie-break: lower row) in rounds of one row per PE, each round at the least cost.

    The cost of a row on a PE is, for each of its entries there and the fillers that they need, the excess of the PE's
    work so far over the mean of all PEs, in the window around the entry's column and over all columns.

    Parameters
    ----------
    codes, n_pe, index_bits
        As in `spread`.
    often : (in,) float array
        Weight of each column's entries, up to 1.

    Returns
    -------
    (rounds, n_pe) int64 array
        Rows of each round, PE by PE; -1 for none.
    """
    # This import takes a quarter of a second; spare commands that deal no rows.
    from scipy.optimize import linear_sum_assignment

    order = np.argsort(-row_work(codes, often), kind="stable")
    # Rows of -1, which have no entries, complete the last round.
    order = np.pad(order, (0, -order.size % n_pe), constant_values=-1).reshape(-1, n_pe)
    if n_pe == 1:
        return order
    often = often.astype(np.float32)
    dealt = np.empty_like(order)
    above = np.zeros((n_pe, codes.shape[1]), np.float32)
    # Zeros since the last entry of each column; 16 bits suffice for the local rows of the largest engine.
    zeros = np.zeros((n_pe, codes.shape[1]), np.uint16)
    for rows, assigned in zip(order, dealt, strict=True):
        held = (codes[rows] != 0) & (rows >= 0)[:, None]
        entries = (1 + (zeros >> index_bits)) * often
        _, pe = linear_sum_assignment(held.astype(np.float32) @ np.rint(entries * above).T)
        assigned[pe] = rows
        held = held[np.argsort(pe)]
        above += _rise(entries * held)
        above -= above.mean(axis=0)
        zeros += 1
        zeros[held] = 0
    return dealt


def _rise(work: np.ndarray) -> np.ndarray:
    """Contribution of work (n_pe, in) to the means of its windows and, weighted, of all columns; in cost steps."""
    n_in = work.shape[1]
    width = 2 * _HALF_WINDOW + 1
    sums = np.cumsum(np.pad(work, ((0, 0), (_HALF_WINDOW + 1, _HALF_WINDOW))), axis=1)
    rise = sums[:, width:] - sums[:, :-width]
    rise *= _STEPS / width
    rise += sums[:, -1:] * (_STEPS * _WHOLE / n_in)
    return rise
