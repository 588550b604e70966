"""FIFOs for a writer with credits: order, capacity, latency and throughput."""

import random

import pytest
from tercet.rtl.common.fifo import CreditFifo, ShiftFifo

# Clocks from a word's arrival until it can be taken.
LATENCIES = {CreditFifo: 2, ShiftFifo: 1}
KINDS = pytest.mark.parametrize("kind", LATENCIES)


def run(simulate, kind, depth, words, gaps, pauses, hold=0, seed=0):
    """Write whenever there is room, take nothing in the first `hold` clocks, and return the trace."""
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
    """`depth` words wait, then leave at one per clock."""
    words = [random.Random(depth).getrandbits(12) for _ in range(depth)]
    hold = depth + 5
    assert taken(run(simulate, kind, depth, words, 0.0, 0.0, hold)) == {hold + n: word for n, word in enumerate(words)}


@KINDS
@pytest.mark.parametrize("depth", [4, 7])
def test_word_a_clock(simulate, kind, depth):
    """Words leave at one per clock, each `LATENCIES` clocks after its arrival."""
    words = list(range(1, 60))
    trace = run(simulate, kind, depth, words, 0.0, 0.0)
    assert taken(trace) == {LATENCIES[kind] + n: word for n, word in enumerate(words)}


@KINDS
def test_latency(simulate, kind):
    """A single word is valid exactly `LATENCIES` clocks after its arrival."""
    trace = run(simulate, kind, 5, list(range(20)), gaps=0.9, pauses=0.0, seed=1)
    assert [0] * LATENCIES[kind] + trace.arrive[: -LATENCIES[kind]] == trace.valid


def test_refuses():
    with pytest.raises(ValueError, match="FIFO of 2 words; use at least 3"):
        CreditFifo(shape=8, depth=2)
    with pytest.raises(ValueError, match="FIFO of 0 words; use at least 1"):
        ShiftFifo(shape=8, depth=0)


@pytest.mark.parametrize("depth", [1, 2])
def test_few_words(simulate, depth):
    """Only `ShiftFifo` supports depths below 3."""
    words = [random.Random(depth).getrandbits(12) for _ in range(200)]
    assert list(taken(run(simulate, ShiftFifo, depth, words, 0.3, 0.3, seed=depth)).values()) == words
