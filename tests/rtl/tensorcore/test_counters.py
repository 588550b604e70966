"""Every clock of a tile is in one counter: that of the first thing that is missing."""

import random
from itertools import product

import pytest
from tercet.golden.tensorcore.engine import MODEL
from tercet.rtl.tensorcore.counters import Counters

FLAGS = ("running", "issue", "operands", "addend", "sum")
# Clocks from what is counted to its count.
LATENCY = 2


def ref_step(running, issue, operands, addend, sum):
    """The counter that counts a clock."""
    if not running:
        return None
    missing = [name for name, there in (("operand", operands), ("addend", addend), ("sum", sum)) if not there]
    return "busy" if issue else f"{(*missing, 'room')[0]}_wait"


@pytest.mark.parametrize("clears", [(), (100,), (0, 57, 58, 190)])
def test_counts(simulate, clears):
    """All that can be said of a clock, many times; a clear takes what was counted before it along."""
    counters = Counters()
    clocks = list(product((0, 1), repeat=len(FLAGS))) * 6
    random.Random(1).shuffle(clocks)

    async def bench(ctx):
        for number, clock in enumerate(clocks):
            for name, value in zip(FLAGS, clock, strict=True):
                ctx.set(getattr(counters, name), value)
            ctx.set(counters.clear, number in clears)
            await ctx.tick()

    trace = simulate(counters, bench, **{name: counters.counts[name] for name in MODEL.counters})
    counts = dict.fromkeys(MODEL.counters, 0)
    steps = [None, *(ref_step(*clock) for clock in clocks)]
    assert set(steps) == {None, *MODEL.counters}
    for number, step in enumerate(steps[:-1]):
        if number in clears:
            counts = dict.fromkeys(MODEL.counters, 0)
        elif step:
            counts[step] += 1
        assert {name: getattr(trace, name)[number + LATENCY - 1] for name in MODEL.counters} == counts
