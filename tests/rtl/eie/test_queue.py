"""Activation queue alone: its level, its full flag, and room for the columns sent before that flag takes effect."""

import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.eie.queue import ActivationQueue

CONFIGS = {
    "1": EieConfig(n_pe=1, fifo_depth=1),
    "2": EieConfig(n_pe=16, fifo_depth=2),
    "8": EieConfig(n_pe=4, fifo_depth=8),
    "5 of 64": EieConfig(n_pe=64, fifo_depth=5),
}


def column(number):
    return {"act": number % 2**15, "begin": number % 512, "more": number % 64, "end": number % 2}


def run(simulate, config, count, *, gaps=0.0, pauses=0.0, drops=0.0, hold=0, deaf=False, seed=0):
    """Simulate a broadcast that sees `full` late, and whose columns are kept or dropped after their pointer read.

    Nothing is taken in the first `hold` clocks. With `deaf` the broadcast ignores `full`.
    """
    queue = ActivationQueue(config=config)
    generator = random.Random(seed)
    hops = config.tree_clocks
    kept = []

    async def bench(ctx):
        heard = [0] * hops
        down = [0] * hops
        reading = [0] * config.timing.pointers
        sent = left = clock = 0
        while sent < count or any(down) or any(reading) or left < len(kept):
            wait = heard[0] if hops else ctx.get(queue.full)
            send = sent < count and (deaf or not wait) and generator.random() >= gaps
            sent += send
            down.append(send)
            arrive = down.pop(0)
            reading.append(arrive)
            read = reading.pop(0)
            drop = read and generator.random() < drops
            ready = clock >= hold and generator.random() >= pauses
            ctx.set(queue.arrive, arrive)
            ctx.set(queue.keep, read and not drop)
            ctx.set(queue.drop, drop)
            ctx.set(queue.i, column(len(kept) if read and not drop else generator.getrandbits(10)))
            ctx.set(queue.o.ready, ready)
            if read and not drop:
                kept.append(column(len(kept)))
            _, _, valid, full = await ctx.tick().sample(queue.o.valid, queue.full)
            heard = [*heard[1:], full]
            left += bool(valid and ready)
            clock += 1
        for signal in (queue.arrive, queue.keep, queue.drop, queue.o.ready):
            ctx.set(signal, 0)

    watch = {name: getattr(queue, name) for name in ("arrive", "keep", "drop", "full", "o")}
    trace = simulate(queue, bench, **watch)
    return trace, kept


def ref_full(config, trace):
    """Return `full` per clock, and the final level: a column counts from the clock after its arrival to two clocks
    after it has left.
    """
    full, level = [], 0
    left = [int(drop) + (o is not None) for drop, o in zip(trace.drop, trace.o, strict=True)]
    for clock, arrive in enumerate(trace.arrive):
        full.append(int(level >= config.full_level))
        level += arrive - (left[clock - 1] if clock else 0)
    return full, level


@pytest.mark.parametrize("drops", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("gaps", "pauses"), [(0.0, 0.0), (0.0, 0.6), (0.3, 0.3), (0.0, 0.8)])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_level(simulate, pipeline, config, gaps, pauses, drops):
    """Columns kept leave in order, and `full` follows the count of those that have not left."""
    config = pipeline(config)
    trace, kept = run(simulate, config, 60, gaps=gaps, pauses=pauses, drops=drops, seed=3)
    assert [item for item in trace.o if item is not None] == kept
    full, level = ref_full(config, trace)
    assert trace.full == full
    assert level == 0


def test_at_once(simulate, pipeline):
    """Arrival, drop and take in every combination in one clock, around the full level."""
    config = pipeline(EieConfig(n_pe=256, fifo_depth=2))
    trace, kept = run(simulate, config, 400, gaps=0.4, pauses=0.3, drops=0.4, deaf=True, seed=1)
    assert [item for item in trace.o if item is not None] == kept
    assert trace.full == ref_full(config, trace)[0]
    assert {0, 1} == set(trace.full)
    taken = [item is not None for item in trace.o]
    assert len(set(zip(trace.arrive, trace.drop, taken, strict=True))) == 8


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_room_until_full_is_heard(simulate, pipeline, config):
    """The most columns that can arrive before the broadcast sees `full`; none is lost."""
    config = pipeline(config)
    trace, kept = run(simulate, config, 60, hold=50)
    assert [item for item in trace.o if item is not None] == kept
    assert sum(trace.arrive[:50]) == config.full_level + 2 * config.tree_clocks == config.queue_depth


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_holds_its_depth(simulate, pipeline, config):
    """`queue_depth` columns fit regardless of `full`, which stays 1 until fewer than `full_level` are left."""
    config = pipeline(config)
    trace, kept = run(simulate, config, config.queue_depth, hold=40, deaf=True)
    out = [clock for clock, item in enumerate(trace.o) if item is not None]
    assert [trace.o[clock] for clock in out] == kept
    assert out == list(range(40, 40 + config.queue_depth))
    assert trace.full[39] == 1
    assert trace.full == ref_full(config, trace)[0]


def test_full_to_empty_clocks(simulate, pipeline):
    """`full` rises in the clock after the arrival that fills the queue, and falls two clocks after a take."""
    config = pipeline(EieConfig(n_pe=4, fifo_depth=3))
    queue = ActivationQueue(config=config)
    # One is next in turn, three are behind it; in the deep pipeline a fifth is at the pointer read.
    fill = 4 if config.shallow else 5

    async def bench(ctx):
        for clock in range(30):
            ctx.set(queue.arrive, clock < fill)
            ctx.set(queue.keep, fill <= clock < 2 * fill)
            ctx.set(queue.o.ready, clock == 15)
            await ctx.tick()

    trace = simulate(queue, bench, full=queue.full)
    assert [clock for clock, full in enumerate(trace.full) if full] == list(range(fill, 17))
