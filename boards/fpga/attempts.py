"""Place and route with several seeds and placers, until one meets the clock."""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from .netlist import SynthesisError
from .nextpnr import PLACERS, RoutedDesign, Stopped

__all__ = ["Attempt", "best_attempt", "choices", "is_overdue"]

_PATIENCE = 4


@dataclass(frozen=True)
class Attempt:
    """One run of place and route.

    Attributes
    ----------
    seed, placer
        Its seed and placer.
    folder : Path
        Its working directory.
    seconds : float
        Wall time.
    routed : RoutedDesign or None
        Result; None if it failed or was stopped.
    problem : str
        Why there is no result.
    """

    seed: int
    placer: str
    folder: Path
    seconds: float
    routed: RoutedDesign | None = None
    problem: str = ""

    @property
    def margin(self) -> float:
        """That of its result, at least 1 if timing is met; 0 without one."""
        return 0.0 if self.routed is None else self.routed.margin

    def to_dict(self) -> dict[str, Any]:
        """Return the attempt as JSON content."""
        clocks = {} if self.routed is None else self.routed.clocks
        return {
            "seed": self.seed,
            "placer": self.placer,
            "seconds": round(self.seconds, 1),
            "reached_mhz": {name: clock["reached"] for name, clock in clocks.items()},
            **({"problem": self.problem} if self.problem else {}),
        }


def is_overdue(started: float, ended: Iterable[float]) -> bool:
    """Return whether a run takes too long: some placers never end where most of the multipliers are used.

    Parameters
    ----------
    started : float
        Its start, by `time.monotonic`.
    ended : iterable of float
        Seconds that runs with a result took; it may take four times the longest of them.
    """
    longest = max(ended, default=0.0)
    return 0 < longest * _PATIENCE < monotonic() - started


def choices(seed: int, seeds: int, placer: str, *, others: bool) -> list[tuple[int, str]]:
    """Return the seeds and placers to try: `seeds` of them from `seed` on with `placer`, then the other placers.

    Raises
    ------
    ValueError
        If `seeds` is below 1.
    """
    if seeds < 1:
        raise ValueError(f"Number of seeds is {seeds}; use at least 1")
    own = [(seed + n, placer) for n in range(seeds)]
    # Another placer is a last resort: one seed of each.
    return own + ([(seed, name) for name in PLACERS if name != placer] if others and seeds > 1 else [])


def best_attempt(
    tries: Sequence[tuple[int, str]],
    place: Callable[[int, str, Callable[[], bool]], RoutedDesign],
    folder: Callable[[int, str], Path],
    *,
    jobs: int,
    watch: Callable[[str], None] = lambda state: None,
) -> tuple[Attempt, list[Attempt]]:
    """Try seeds and placers until one meets every clock; the others are stopped then.

    Parameters
    ----------
    tries : sequence of (int, str)
        Seeds and placers in the order of trying, the first with the design's own placer.
    place : callable
        Place and route with a seed and a placer; stops when its last argument returns True.
    folder : callable
        Working directory of a seed and a placer.
    jobs : int
        Number of parallel runs.
    watch : callable
        Called with a line when an attempt ends.

    Returns
    -------
    Attempt, list of Attempt
        The one with the best margin, and all that were started.

    Raises
    ------
    ValueError
        If `jobs` is below 1.
    SynthesisError
        If none has a result; the error of the first.
    """
    if jobs < 1:
        raise ValueError(f"Number of jobs is {jobs}; use at least 1")
    met = threading.Event()
    ended: list[Attempt] = []
    errors: list[SynthesisError] = []

    def attempt(seed: int, placer: str) -> Attempt | None:
        if met.is_set():
            return None
        started = monotonic()

        def enough() -> bool:
            # With the design's own placer it may take as long as it takes.
            own = placer == tries[0][1]
            seconds = (other.seconds for other in ended if other.routed is not None)
            return met.is_set() or (not own and is_overdue(started, seconds))

        routed, problem = None, ""
        try:
            routed = place(seed, placer, enough)
        except Stopped:
            problem = "stopped, as another met the clock" if met.is_set() else "stopped, as it took too long"
        except SynthesisError as error:
            errors.append(error)
            problem = str(error)
        found = Attempt(seed, placer, folder(seed, placer), monotonic() - started, routed, problem)
        ended.append(found)
        if found.margin >= 1:
            met.set()
        reached = ", ".join(f"{clock['reached']:.1f} MHz" for clock in routed.clocks.values()) if routed else problem
        watch(f"seed {seed}, placer {placer}: {reached}")
        return found

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            futures = [pool.submit(attempt, *each) for each in tries]
            for future in futures:
                future.result()
        finally:
            # Also on Ctrl-C: no run may outlive the build.
            met.set()
    best = max(ended, key=lambda each: each.margin)
    if best.routed is None:
        raise errors[0]
    return best, ended
