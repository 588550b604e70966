"""Performance counters against sums."""

import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.engine import MODEL
from tercet.rtl.eie.counters import Counters

FLAGS = ("computing", "loading", "unloading", "stalled")
# Clocks from an event to its count.
LATENCY = 3


def random_clocks(n_pe, count, seed):
    """Phases of a run; PEs also issue after computing has ended, as their signals arrive late."""
    generator = random.Random(seed)
    clocks = []
    while len(clocks) < count:
        phase = generator.choice(("computing", "computing", "loading", "unloading", None))
        for _ in range(generator.randrange(1, 20)):
            clock = dict.fromkeys(FLAGS, 0) | ({phase: 1} if phase else {})
            clock["stalled"] = int(phase == "computing" and generator.random() < 0.3)
            clock["issued"] = generator.choice([0, n_pe, generator.randrange(n_pe + 1)])
            clock["fillers"] = generator.randrange(clock["issued"] + 1)
            clock["clamped"] = generator.choice([0, n_pe, generator.randrange(n_pe + 1)])
            clocks.append(clock)
    return clocks[:count]


def ref_counts(n_pe, clocks):
    """Return the counters' steps in each clock."""
    return [
        {
            "total": clock["computing"],
            "busy": clock["issued"],
            "stall": clock["stalled"],
            "starve": n_pe * clock["computing"] - clock["issued"],
            "filler": clock["fillers"],
            "load": clock["loading"],
            "unload": clock["unloading"],
            "saturated": clock["clamped"],
        }
        for clock in clocks
    ]


@pytest.mark.parametrize("clears", [(), (100,), (0, 57, 58, 133)])
@pytest.mark.parametrize("n_pe", [1, 4, 5, 256])
def test_counts(simulate, n_pe, clears):
    """All counters after every clock, modulo 2**40; a clear also discards the step of the clock before it."""
    counters = Counters(config=EieConfig(n_pe=n_pe))
    clocks = random_clocks(n_pe, 200, seed=n_pe)

    async def bench(ctx):
        for number, clock in enumerate(clocks):
            for name, value in clock.items():
                ctx.set(getattr(counters, name), value)
            ctx.set(counters.clear, number in clears)
            await ctx.tick()

    trace = simulate(counters, bench, **{name: counters.counts[name] for name in MODEL.counters})
    steps = ref_counts(n_pe, clocks)
    for name in MODEL.counters:
        value, want = 0, [0] * LATENCY
        for number, step in enumerate(steps):
            # The step of this clock arrives in the next, together with a clear there.
            value = 0 if number + 1 in clears else value + step[name]
            want.append(value % 2**40)
        assert getattr(trace, name)[1 : len(want)] == want[1:], name
    if not clears:
        assert (trace.busy[-1] + trace.starve[-1]) % 2**40 == n_pe * trace.total[-1]
