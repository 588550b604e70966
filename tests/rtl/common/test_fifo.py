"""The FIFO whose writer knows that there is room: order, capacity, two clocks, one word a clock."""

import random

import pytest
from tercet.rtl.common.fifo import CreditFifo

LATENCY = 2


def run(simulate, depth, words, gaps, pauses, hold=0, seed=0):
    """Write whenever there is room; nothing is taken in the first `hold` clocks. Gives the trace."""
    fifo = CreditFifo(shape=12, depth=depth)
    generator = random.Random(seed)

    async def bench(ctx):
        written = taken = clock = 0
        while taken < len(words):
            arrive = written < len(words) and written - taken < depth and generator.random() >= gaps
            ready = clock >= hold and generator.random() >= pauses
            ctx.set(fifo.arrive, arrive)
            ctx.set(fifo.value, words[written] if arrive else generator.getrandbits(12))
            ctx.set(fifo.o.ready, ready)
            _, _, valid = await ctx.tick().sample(fifo.o.valid)
            written += arrive
            taken += bool(ready and valid)
            clock += 1
        ctx.set(fifo.arrive, 0)
        ctx.set(fifo.o.ready, 0)

    return simulate(fifo, bench, o=fifo.o, valid=fifo.o.valid, arrive=fifo.arrive)


def taken(trace):
    return {clock: word for clock, word in enumerate(trace.o) if word is not None}


@pytest.mark.parametrize(("gaps", "pauses"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (0.1, 0.8)])
@pytest.mark.parametrize("depth", [3, 4, 5, 8, 9])
def test_order(simulate, depth, gaps, pauses):
    words = [random.Random(depth).getrandbits(12) for _ in range(200)]
    assert list(taken(run(simulate, depth, words, gaps, pauses, seed=depth)).values()) == words


@pytest.mark.parametrize("depth", [3, 4, 5, 8, 9])
def test_holds_its_depth(simulate, depth):
    """All of `depth` words wait; then they come out one a clock."""
    words = [random.Random(depth).getrandbits(12) for _ in range(depth)]
    hold = depth + 5
    assert taken(run(simulate, depth, words, 0.0, 0.0, hold)) == {hold + n: word for n, word in enumerate(words)}


@pytest.mark.parametrize("depth", [4, 7])
def test_word_a_clock(simulate, depth):
    """Taken `LATENCY` clocks after it arrived, every clock."""
    words = list(range(1, 60))
    trace = run(simulate, depth, words, 0.0, 0.0)
    assert taken(trace) == {LATENCY + n: word for n, word in enumerate(words)}


def test_latency(simulate):
    """A word alone is valid `LATENCY` clocks after it arrived, and not before."""
    trace = run(simulate, 5, list(range(20)), gaps=0.9, pauses=0.0, seed=1)
    assert [0] * LATENCY + trace.arrive[:-LATENCY] == trace.valid


def test_refuses():
    with pytest.raises(ValueError, match="FIFO of 2 words; use at least 3"):
        CreditFifo(shape=8, depth=2)
