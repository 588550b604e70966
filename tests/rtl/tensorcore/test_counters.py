"""Each clock of a tile is in one counter, that of the first missing input."""

import random
from itertools import product

import pytest
from tercet.golden.tensorcore.engine import MODEL
from tercet.rtl.tensorcore.counters import Counters

FLAGS = ("running", "issue", "operands", "addend", "sum")
# Clocks from an event to its count.
LATENCY = 2


def ref_step(running, issue, operands, addend, sum):
    """Name of the counter that counts a clock; None if none does."""
    if not running:
        return None
    missing = [name for name, present in (("operand", operands), ("addend", addend), ("sum", sum)) if not present]
    return "busy" if issue else f"{(*missing, 'room')[0]}_wait"


@pytest.mark.parametrize("clears", [(), (100,), (0, 57, 58, 190)])
def test_counts(simulate, clears):
    """All combinations of inputs, several times; a clear discards all earlier counts."""
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
