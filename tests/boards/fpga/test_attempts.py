"""Choice among seeds and placers, with pretended runs of place and route."""

import itertools
import threading
from pathlib import Path

import pytest
from tercet.boards.fpga import attempts
from tercet.boards.fpga.attempts import best_attempt, choices
from tercet.boards.fpga.netlist import DoesNotFit, SynthesisError
from tercet.boards.fpga.nextpnr import PLACERS, RoutedDesign, Stopped


def routed(reached, asked=100.0):
    return RoutedDesign({"link": {"reached": 90.0, "asked": 50.0}, "engine": {"reached": reached, "asked": asked}}, [])


def folder(seed, placer):
    return Path(f"{placer}{seed}")


def attempt(results, jobs=1, **options):
    """Try all of `results`, (seed, placer) to an fmax or an error, and return the best, all, and what was shown."""
    shown = []

    def place(seed, placer, stop):
        result = results[seed, placer]
        if isinstance(result, Exception):
            raise result
        return routed(result)

    best, ended = best_attempt(list(results), place, folder, jobs=jobs, watch=shown.append, **options)
    return best, ended, shown


def test_choices():
    assert choices(5, 1, "heap", others=True) == [(5, "heap")]
    assert choices(5, 3, "static", others=False) == [(5, "static"), (6, "static"), (7, "static")]
    tried = choices(1, 2, "static", others=True)
    assert tried[:2] == [(1, "static"), (2, "static")]
    assert {placer for _, placer in tried} == set(PLACERS)
    with pytest.raises(ValueError, match="^Number of seeds is 0; use at least 1$"):
        choices(1, 0, "heap", others=True)


def test_first_that_meets_the_clock_ends_the_search():
    best, ended, shown = attempt({(1, "heap"): 99.0, (2, "heap"): 100.0, (3, "heap"): 200.0})
    assert (best.seed, best.placer, best.folder) == (2, "heap", Path("heap2"))
    assert [each.seed for each in ended] == [1, 2]
    assert shown == [
        "seed 1, placer heap: 90.0 MHz, 99.0 MHz",
        "seed 2, placer heap: 90.0 MHz, 100.0 MHz",
    ]


def test_best_of_those_that_miss():
    best, ended, _ = attempt({(1, "heap"): 80.0, (2, "heap"): 95.0, (1, "static"): 90.0})
    assert (best.seed, best.placer) == (2, "heap")
    assert best.margin == pytest.approx(0.95)
    assert [each.to_dict()["reached_mhz"]["engine"] for each in ended] == [80.0, 95.0, 90.0]


def test_slow_crossing_is_a_miss():
    """The clocks are met, but what crosses between them takes longer than a period of the faster."""
    clocks = {"link": {"reached": 90.0, "asked": 50.0}, "engine": {"reached": 120.0, "asked": 100.0}}
    slow, quick = (RoutedDesign(clocks, [], {("engine", "link"): delay}) for delay in (12.5, 8.0))
    assert slow.margin == pytest.approx(0.8)
    assert quick.margin == pytest.approx(1.2)
    tries = {(1, "heap"): slow, (2, "heap"): quick, (3, "heap"): quick}
    best, ended = best_attempt(list(tries), lambda *key: tries[key[:2]], folder, jobs=1)
    assert (best.seed, len(ended)) == (2, 2)


def test_failures_count_only_if_nothing_else_does():
    best, ended, shown = attempt({(1, "heap"): SynthesisError("lost"), (2, "heap"): 70.0})
    assert best.seed == 2
    assert ended[0].to_dict()["problem"] == "lost"
    assert shown[0] == "seed 1, placer heap: lost"
    with pytest.raises(DoesNotFit, match="^full$"):
        attempt({(1, "heap"): DoesNotFit("full"), (1, "static"): SynthesisError("lost")})
    with pytest.raises(ValueError, match="^Number of jobs is 0; use at least 1$"):
        attempt({(1, "heap"): 70.0}, jobs=0)


def test_parallel_runs_are_stopped():
    """The second run goes on until it is told that the first has met the clock."""
    begun = threading.Event()

    def place(seed, placer, stop):
        if seed == 1:
            assert begun.wait(30)
            return routed(120.0)
        begun.set()
        while not stop():
            pass
        raise Stopped("stopped")

    best, ended = best_attempt([(1, "heap"), (2, "heap")], place, folder, jobs=2)
    assert best.seed == 1
    assert {each.problem for each in ended} == {"", "stopped, as another met the clock"}


def test_another_placer_is_given_up(monkeypatch):
    """One that never ends is stopped after a multiple of the longest run so far; one of the own placer never is."""
    clock = itertools.count()
    monkeypatch.setattr(attempts, "monotonic", lambda: float(next(clock)))
    asked = []

    def place(seed, placer, stop):
        asked.append(0)
        if placer == "heap":
            for _ in range(3):
                assert not stop()
            return routed(80.0 + seed)
        while not stop():
            asked[-1] += 1
        raise Stopped("stopped")

    best, ended = best_attempt([(1, "heap"), (2, "heap"), (1, "static")], place, folder, jobs=1)
    assert (best.seed, best.placer) == (2, "heap")
    assert ended[-1].problem == "stopped, as it took too long"
    assert asked[-1] > 0
