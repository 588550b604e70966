"""Cycle model of the EIE engine: when each column is broadcast, dequeued and processed in every PE.

Loops over the broadcast columns, with all PEs in parallel. Only the number of entries per column and PE matters, not
their values.
"""

from dataclasses import dataclass

import numpy as np

from .config import EieConfig

__all__ = ["EieCycles", "column_counts", "step_cycles"]


@dataclass(frozen=True)
class EieCycles:
    """Cycle and entry counts of a computation.

    Attributes
    ----------
    total : int
        Clock cycles from the start of a layer to its last write of an activation.
    stall : int
        Clock cycles in which a column could not be broadcast because a queue was full.
    busy : int
        Entries issued in all PEs, including fillers: ``busy + starve == n_pe * total``.
    starve : int
        Clock cycles in which a PE issued no entry, summed over all PEs.
    filler : int
        Fillers issued.
    """

    total: int
    stall: int
    busy: int
    starve: int
    filler: int

    def __add__(self, other: "EieCycles") -> "EieCycles":
        return EieCycles(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def efficiency(self) -> float:
        """Fraction of the PEs' clock cycles in which an entry is issued."""
        return self.busy / (self.busy + self.starve)


def column_counts(values: tuple[np.ndarray, ...], pointers: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Entries of each column in each PE, and the fillers among them: (in, n_pe) each."""
    ends = np.stack(pointers, axis=1)
    fillers = [np.concatenate(([0], np.cumsum(v == 0)))[p] for v, p in zip(values, pointers, strict=True)]
    return np.diff(ends, axis=0), np.diff(np.stack(fillers, axis=1), axis=0)


def step_cycles(
    config: EieConfig,
    counts: np.ndarray,
    fillers: np.ndarray,
    acts: np.ndarray,
    rows: int | None,
    loaded: bool,
) -> EieCycles:
    """Clock cycles of one program step.

    Parameters
    ----------
    config : EieConfig
        The engine.
    counts, fillers : (in, n_pe) arrays
        From `column_counts`.
    acts : (in,) array
        Activations.
    rows : int or None
        Rows swept at the end; None for a step that keeps its sums in the accumulators.
    loaded : bool
        Whether the step first loads activations of its own; its first cycle then counts as part of the load.
    """
    used = np.flatnonzero(acts)
    done, stall = _broadcast(config, counts[used], used, acts.size)
    compute = done + config.tree_clocks + 1
    sweep = 0 if rows is None else rows + config.settle_clocks
    begin = 1 if loaded else 1 + config.timing.step
    total = begin + compute + config.drain_clocks + sweep
    busy = int(counts[used].sum())
    return EieCycles(total, stall, busy, config.n_pe * total - busy, int(fillers[used].sum()))


def _broadcast(config: EieConfig, counts: np.ndarray, used: np.ndarray, n_in: int) -> tuple[int, int]:
    """Cycle in which the last PE is done, counted from the first cycle of detection, and the number of stall cycles."""
    n_pe, hops, timing = config.n_pe, config.tree_clocks, config.timing
    slots = _slots(used, n_in, n_pe)
    if slots.size > used.size:
        # The last group is all zero: its end is broadcast as a column that is empty in every PE.
        counts = np.concatenate((counts, np.zeros((1, n_pe), counts.dtype)))
    sent = np.full(slots.size + 2, -(10**9), np.int64)  # with two entries before the first column
    left = np.zeros((slots.size, n_pe), np.int64)
    free = np.zeros(n_pe, np.int64)
    oldest = 0  # the oldest column still in some queue
    stall, token = 0, hops + config.tree_levels * timing.node + timing.scan - 1
    for i, slot in enumerate(slots):
        # The register slice before the broadcast holds two columns; groups of zeros wait along with the columns behind.
        gap = int(slot - slots[i - 1]) if i else int(slot) + 1
        token = max(token + 1, int(sent[i]) + 1) + gap - 1
        ready = max(token, int(sent[i + 1])) + 1
        while oldest < i and left[oldest].max() <= ready - hops - 2:
            oldest += 1
        clock = _not_full(config, ready, sent[2 + oldest : i + 2], left[oldest:i])
        stall += clock - ready
        sent[i + 2] = clock
        queued = clock + hops + timing.pointers
        here = counts[i]
        keep = here > 0 if i + 1 < slots.size else np.ones(n_pe, bool)
        taken = np.maximum(queued + timing.queue, free)
        free = np.where(keep, taken + np.maximum(here, 1), free)
        left[i] = np.where(keep, taken, queued)
    return int(free.max()) + 1, stall


def _slots(used: np.ndarray, n_in: int, n_pe: int) -> np.ndarray:
    """Token index of each column broadcast: a group has one token per non-zero, or a single token if it has none."""
    groups = -(-n_in // n_pe)
    each = np.bincount(used // n_pe, minlength=groups)
    tokens = np.maximum(each, 1)
    first = np.cumsum(tokens) - tokens
    within = np.arange(used.size) - (np.cumsum(each) - each)[used // n_pe]
    slots = first[used // n_pe] + within
    return slots if each[-1] else np.append(slots, first[-1])


def _not_full(config: EieConfig, clock: int, sent: np.ndarray, left: np.ndarray) -> int:
    """First cycle, from `clock` on, in which the broadcast root sees no full queue.

    `sent` and `left` cover the columns that may still be queued: the cycle in which each was broadcast, and the cycles
    in which it left each queue.
    """
    hops, depth = config.tree_clocks, config.full_level
    while True:
        arrived = int(np.searchsorted(sent, clock - 2 * hops - 1, side="right"))
        here = left[:arrived]
        if arrived < depth or not ((here > clock - hops - 2).sum(axis=0) >= depth).any():
            return clock
        if arrived == sent.size:
            # All columns sent have arrived: wait until every queue has room.
            nth = np.partition(here, arrived - depth, axis=0)[arrived - depth]
            return int(nth.max()) + hops + 2
        clock += 1
