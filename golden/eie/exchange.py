"""Exchanges of rows between the PEs of an EIE engine, to even out their work further once all rows are dealt.

Which activations will be zero is not known. The work of a PE in a stretch of columns varies for two reasons: its rows
have more or fewer entries there than those of the other PEs, and chance decides which of these columns are used. Rows
with few columns in common reduce the second, rows that complement each other in every stretch the first::

    expected square of the work = share**2 * (entries in the stretch)**2 + share * (1 - share) * sum(entries**2)

summed over stretches of several lengths, over all of their positions and over all PEs. Both terms are sums over pairs
of rows in the same PE: what a pair costs is computed once, and an exchange adds and subtracts a few of these costs.
"""

import numpy as np

__all__ = ["exchange"]

_STRETCHES = (16, 32, 64, 128, 256, 512)
"""Lengths in columns: a queue evens out shorter stretches by itself."""

_SHARE = 0.43
"""Share of the activations that are not zero; about that of the published layers."""

_WHOLE = 300
"""Weight of the work over all columns relative to that in the stretches of one length: it is never made up for."""

_STEPS = 256
"""Resolution of frequencies. Costs are integers, exact in float64 in any order, so every machine exchanges alike."""

_LARGEST = 2**33
"""Largest product of rows, rows and columns for which pairs are compared: a few seconds. The larger layers gain less,
since a PE with many rows evens them out by itself."""

_SWEEPS = 30
"""Most sweeps over all rows; about ten find no further exchange."""


def exchange(dealt: np.ndarray, codes: np.ndarray, often: np.ndarray) -> np.ndarray:
    """Exchange rows between PEs as long as that lowers the expected squares of their work in stretches of columns.

    Each row in turn makes the best of its exchanges with rows of other PEs, if that lowers the sum. Fillers are not
    counted. Layers whose pairs of rows are too many are returned as they are.

    Parameters
    ----------
    dealt : (n, n_pe) int64 array
        Rows of each PE, in columns; -1 for none.
    codes : (out, in) uint8 array
        Codes, 0 = pruned.
    often : (in,) float array
        How often each activation is non-zero, relative to the most frequent one.

    Returns
    -------
    (n, n_pe) int64 array, with every row of `dealt`
    """
    if dealt.size**2 * codes.shape[1] > _LARGEST:
        return dealt
    rows = dealt.ravel()
    held = (codes[rows] != 0) & (rows >= 0)[:, None]
    place = _settle(_pair_costs(held, np.rint(_STEPS * often)), np.tile(np.arange(dealt.shape[1]), len(dealt)))
    # An exchanged row takes the other's turn.
    return rows[place].reshape(dealt.shape)


def _pair_costs(held: np.ndarray, often: np.ndarray) -> np.ndarray:
    """Cost of two rows in one PE, all pairs: (rows, rows) float64 array of integers."""
    n_in = held.shape[1]
    used = held * often
    sums = np.cumsum(np.pad(used, ((0, 0), (1, 0))), axis=1)
    lengths = [length for length in _STRETCHES if length <= n_in]
    costs = (_STEPS * (1 - _SHARE) * max(1, len(lengths))) * (used @ held.T.astype(np.float64))
    for length in lengths:
        # Stretches an eighth of their length apart differ little.
        step = length // 8
        work = sums[:, length::step] - sums[:, :-length:step]
        costs += (_SHARE * step / length) * (work @ work.T)
    whole = sums[:, -1]
    return np.rint(costs + _WHOLE / n_in * np.outer(whole, whole))


def _settle(costs: np.ndarray, pe: np.ndarray) -> np.ndarray:
    """Return the row at each place; place n is in PE ``pe[n]``, and row n was there at first."""
    place = np.arange(pe.size)  # of each row
    pe = pe.copy()  # of each row
    alone = np.diag(costs)
    # Cost of each row with all rows of each PE.
    beside = costs @ (pe[:, None] == np.arange(pe.max() + 1)).astype(np.float64)
    own = beside[place, pe]
    for _ in range(_SWEEPS):
        settled = True
        for row in range(pe.size):
            here = pe[row]
            change = beside[row, pe] - own[row] + beside[:, here] - own + alone[row] + alone - 2 * costs[row]
            change[pe == here] = 0
            other = int(np.argmin(change))
            if change[other] < 0:
                there = pe[other]
                moved = costs[other] - costs[row]
                beside[:, here] += moved
                beside[:, there] -= moved
                pe[row], pe[other] = there, here
                place[row], place[other] = place[other], place[row]
                own = beside[np.arange(pe.size), pe]
                settled = False
        if settled:
            break
    return np.argsort(place)
