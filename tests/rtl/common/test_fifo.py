"""FIFOs whose writer knows that there is room: order, capacity, clocks, one word a clock."""

import random

import pytest
from tercet.rtl.common.fifo import CreditFifo, ShiftFifo

# Clocks from a word's arrival to the first in which it can be taken.
LATENCIES = {CreditFifo: 2, ShiftFifo: 1}
KINDS = pytest.mark.parametrize("kind", LATENCIES)


def run(simulate, kind, depth, words, gaps, pauses, hold=0, seed=0):
    """Write whenever there is room; nothing is taken in the first `hold` clocks. Gives the trace."""
    fifo = kind(shape=12, depth=depth)
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


@KINDS
@pytest.mark.parametrize(("gaps", "pauses"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (0.1, 0.8)])
@pytest.mark.parametrize("depth", [3, 4, 5, 8, 9])
def test_order(simulate, kind, depth, gaps, pauses):
    words = [random.Random(depth).getrandbits(12) for _ in range(200)]
    assert list(taken(run(simulate, kind, depth, words, gaps, pauses, seed=depth)).values()) == words


@KINDS
@pytest.mark.parametrize("depth", [3, 4, 5, 8, 9])
def test_holds_its_depth(simulate, kind, depth):
    """All of `depth` words wait; then they come out one a clock."""
    words = [random.Random(depth).getrandbits(12) for _ in range(depth)]
    hold = depth + 5
    assert taken(run(simulate, kind, depth, words, 0.0, 0.0, hold)) == {hold + n: word for n, word in enumerate(words)}


@KINDS
@pytest.mark.parametrize("depth", [4, 7])
def test_word_a_clock(simulate, kind, depth):
    """Taken as many clocks after it arrived, every clock."""
    words = list(range(1, 60))
    trace = run(simulate, kind, depth, words, 0.0, 0.0)
    assert taken(trace) == {LATENCIES[kind] + n: word for n, word in enumerate(words)}


@KINDS
def test_latency(simulate, kind):
    """A word alone is valid as many clocks after it arrived, and not before."""
    trace = run(simulate, kind, 5, list(range(20)), gaps=0.9, pauses=0.0, seed=1)
    assert [0] * LATENCIES[kind] + trace.arrive[: -LATENCIES[kind]] == trace.valid


def test_refuses():
    with pytest.raises(ValueError, match="FIFO of 2 words; use at least 3"):
        CreditFifo(shape=8, depth=2)
    with pytest.raises(ValueError, match="FIFO of 0 words; use at least 1"):
        ShiftFifo(shape=8, depth=0)


@pytest.mark.parametrize("depth", [1, 2])
def test_few_words(simulate, depth):
    """What only registers can hold so few of."""
    words = [random.Random(depth).getrandbits(12) for _ in range(200)]
    assert list(taken(run(simulate, ShiftFifo, depth, words, 0.3, 0.3, seed=depth)).values()) == words
