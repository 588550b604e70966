"""Figures over several seeds: means, and deviations of what each seed measures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from tercet.cli.output import progress

from .common import Rows

__all__ = ["over_seeds", "percent"]


def over_seeds(
    of_seed: Callable[[int], Mapping[Any, Mapping[str, Any]]],
    seeds: Sequence[int],
    key: str,
    counts: Sequence[str],
    measured: Sequence[str],
) -> Rows:
    """Run all seeds and summarise them.

    Parameters
    ----------
    of_seed : callable
        Returns the figures of a seed: a mapping from a setting, such as a rank, to figures by name.
    seeds : sequence of int
        The seeds.
    key : str
        Name of the setting in the rows.
    counts, measured : sequences of str
        Figures of which rows have the rounded mean, and the mean and the standard deviation, ``<name>_deviation``.
    """
    from threadpoolctl import threadpool_limits

    runs = []
    # Products this small are slower in threads.
    with progress("seeds", total=len(seeds)) as advance, threadpool_limits(1):
        for seed in seeds:
            runs.append(of_seed(seed))
            advance(f"seed {seed}")
    rows: Rows = []
    for setting in runs[0]:
        found = [run[setting] for run in runs]
        row: dict[str, Any] = {key: setting}
        row |= {name: round(np.mean([each[name] for each in found])) for name in counts}
        for name in measured:
            values = np.array([each[name] for each in found])
            row |= {name: float(values.mean()), f"{name}_deviation": float(values.std(ddof=1))}
        rows.append({**row, "mismatches": sum(each.get("mismatches", 0) for each in found)})
    return rows


def percent(row: Mapping[str, Any], name: str, sign: str = "") -> str:
    """Mean and deviation of a figure in per cent; `sign` is "+" for differences."""
    return f"{100 * row[name]:{sign}.2f} ± {100 * row[f'{name}_deviation']:.2f}"
