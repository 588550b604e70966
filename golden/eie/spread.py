"""Rows of an EIE engine's PEs, dealt so that the PEs have equal work in every stretch of columns.

`balance` of `eie_format` is simpler and makes the work of the whole layer equal. But a PE's queue holds only the next
few columns: where one PE has less to do among them than the others its queue runs dry, where it has more the queue
fills up and holds up all others, and clocks are lost although the sums are equal::

    work of PE 0     9 9 9 1 1 1          equal sums, but PE 1 waits for columns in the first half,
            PE 1     1 1 1 9 9 9          and PE 0 in the second
"""

import numpy as np

from .storage import row_work

__all__ = ["spread"]

_HALF_WINDOW = 16
"""Columns on either side that count as near: a queue of 8 holds about as many when a third of the activations are used.
"""

_WHOLE = 10
"""How much being ahead over all columns weighs against being ahead in a window: what a stretch leaves uneven a later
one may mend, but what the whole layer leaves uneven is lost."""

_STEPS = 256
"""Steps into which costs are divided. Sums of whole numbers are exact in float32 in whatever order they are added, so
that each machine deals alike."""


def spread(codes: np.ndarray, n_pe: int, index_bits: int, frequencies: np.ndarray | None = None) -> list[np.ndarray]:
    """Rows of each PE, dealt so that the PEs have about the same work in every stretch of columns.

    The heaviest rows first (ties: the lower row), in rounds of one row for each PE. Each round is dealt as costs
    least. A row costs on a PE, for each of its entries there and the fillers they need, how far that PE's work so far
    is above the mean of all PEs: in the window around the entry's column, and over all columns.

    Parameters
    ----------
    codes : (out, in) uint8 array
        0 = pruned.
    n_pe : int
        Processing elements.
    index_bits : int
        Bits of an entry that count zeros.
    frequencies : (in,) float array or None
        How often each activation is non-zero, and so how much an entry counts; None or all zero counts all alike.

    Returns
    -------
    list of int64 vectors, one per PE, rows in the order dealt, at most ``ceil(out / n_pe)`` each

    Notes
    -----
    Small layers gain nothing over `balance`: 300 x 64 on 8 PEs is not faster.
    """
    # Loads for a quarter of a second, for which commands that deal no rows need not wait.
    from scipy.optimize import linear_sum_assignment

    if frequencies is not None and not frequencies.any():
        frequencies = None
    order = np.argsort(-row_work(codes, frequencies), kind="stable")
    if n_pe == 1:
        return [order]
    n_in = codes.shape[1]
    often = np.ones(n_in) if frequencies is None else frequencies / frequencies.max()
    often = often.astype(np.float32)
    # The last round is made complete by rows -1, which have no entries.
    order = np.pad(order, (0, -order.size % n_pe), constant_values=-1).reshape(-1, n_pe)
    dealt = np.empty_like(order)
    above = np.zeros((n_pe, n_in), np.float32)
    # Since the last entry of each column; 16 bits are enough for the local rows of the largest engine.
    zeros = np.zeros((n_pe, n_in), np.uint16)
    for rows, places in zip(order, dealt, strict=True):
        held = (codes[rows] != 0) & (rows >= 0)[:, None]
        entries = (1 + (zeros >> index_bits)) * often
        _, pe = linear_sum_assignment(held.astype(np.float32) @ np.rint(entries * above).T)
        places[pe] = rows
        held = held[np.argsort(pe)]
        above += _rise(entries * held)
        above -= above.mean(axis=0)
        zeros += 1
        zeros[held] = 0
    return [rows[rows >= 0] for rows in dealt.T]


def _rise(work: np.ndarray) -> np.ndarray:
    """What work (n_pe, in) adds to the means of its windows and, weighted, to that of all columns; in steps."""
    n_in = work.shape[1]
    width = 2 * _HALF_WINDOW + 1
    sums = np.cumsum(np.pad(work, ((0, 0), (_HALF_WINDOW + 1, _HALF_WINDOW))), axis=1)
    rise = sums[:, width:] - sums[:, :-width]
    rise *= _STEPS / width
    rise += sums[:, -1:] * (_STEPS * _WHOLE / n_in)
    return rise
