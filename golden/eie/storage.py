"""Storage format of one EIE layer: assignment of rows to PEs, and their interleaved compressed columns.

Within a PE the columns are stored one after the other. Each entry counts the zero rows since the previous entry::

    column of a PE      0 0 1 2 0 x 18 3          (rows from the top; 18 zeros)
    entries (v, z)      (1, 2) (2, 0) (0, 15) (3, 2)
                                      filler: 15 zeros and itself, also a zero

``pointers[j]`` is the first entry of column j. Callers loop over the PEs; nothing here loops over entries.
"""

import heapq

import numpy as np

__all__ = ["balance", "interleave", "pack", "row_work", "unpack"]


def interleave(n_out: int, n_pe: int) -> list[np.ndarray]:
    """Rows of each PE in the paper's order: row i on PE ``i mod n_pe``."""
    return [np.arange(k, n_out, n_pe, dtype=np.int64) for k in range(n_pe)]


def row_work(codes: np.ndarray, frequencies: np.ndarray | None = None) -> np.ndarray:
    """Work per row of codes (out, in): its non-zeros, or the expected number that meet a non-zero activation."""
    if frequencies is None:
        return np.count_nonzero(codes, axis=1)
    row, col = np.divmod(np.flatnonzero(codes), codes.shape[1])
    return np.bincount(row, frequencies[col], codes.shape[0])


def balance(loads: np.ndarray, n_pe: int) -> list[np.ndarray]:
    """Deal rows to PEs so that all PEs have about the same work.

    Rows are dealt from the heaviest (tie-break: lower row), each to the least loaded PE (tie-break: lower PE) that has
    fewer than ``ceil(out / n_pe)`` rows.

    Parameters
    ----------
    loads : (out,) array
        Work of each row, from `row_work`.
    n_pe : int
        Processing elements.

    Returns
    -------
    list of int64 vectors, one per PE, with rows in the order dealt

    Notes
    -----
    Source: ``spec/eie.md``, "Published benchmark".
    """
    most = -(-loads.size // n_pe)
    rows: list[list[int]] = [[] for _ in range(n_pe)]
    # Equal loads leave the heap in PE order; a full PE does not return to it.
    least = [(0, k) for k in range(n_pe)]
    for row in np.argsort(-loads, kind="stable").tolist():
        load, k = heapq.heappop(least)
        rows[k].append(row)
        if len(rows[k]) < most:
            heapq.heappush(least, (load + loads[row].item(), k))
    return [np.array(r, np.int64) for r in rows]


def pack(codes: np.ndarray, index_bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compress the columns of one PE.

    Parameters
    ----------
    codes : (local rows, in) uint8 array
        The PE's rows in local order, 0 = pruned.
    index_bits : int
        Width in bits of an entry's zero count.

    Returns
    -------
    values, zeros : uint8 vectors
        Code of each entry, and zeros since the previous entry in the column. A filler has code 0 and the maximum count.
    pointers : (in + 1,) int64 array
        First entry of each column, and the number of entries.
    """
    n_rows, n_in = codes.shape
    columns = np.ascontiguousarray(codes.T).ravel()
    at = np.flatnonzero(columns)
    col, row = np.divmod(at, n_rows)
    gap = row.copy()
    gap[1:] -= np.where(col[1:] == col[:-1], row[:-1] + 1, 0)
    # A filler covers 2**index_bits rows including itself; all fillers of a gap precede its entry.
    after = np.cumsum((gap >> index_bits) + 1)
    total = int(after[-1]) if after.size else 0
    values = np.zeros(total, np.uint8)
    zeros = np.full(total, 2**index_bits - 1, np.uint8)
    values[after - 1] = columns[at]
    zeros[after - 1] = gap & (2**index_bits - 1)
    first = np.searchsorted(col, np.arange(n_in + 1))
    return values, zeros, np.concatenate(([0], after))[first]


def unpack(zeros: np.ndarray, pointers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local row and column of every entry of one PE, fillers included, as int64."""
    counts = np.diff(pointers)
    after = np.concatenate(([0], np.cumsum(zeros.astype(np.int64) + 1)))
    row = after[1:] - 1 - np.repeat(after[pointers[:-1]], counts)
    return row, np.repeat(np.arange(counts.size), counts)
