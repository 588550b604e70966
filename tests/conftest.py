"""Fixtures for one component alone in Amaranth's simulator."""

import os
import random
from types import SimpleNamespace

import pytest
from amaranth import *
from amaranth.lib import data
from amaranth.sim import Simulator

# Most simulators of the tests run for moments: optimising them would take longer than all the rest.
os.environ.setdefault("TERCET_SIM_CFLAGS", "-O0")

# Clocks that are recorded after the benches have returned: what they did last comes out of a register or two.
_AFTER = 8


def _plain(value):
    """Integers, and dicts and lists of them, compare with what a test has computed."""
    if not isinstance(value, data.Const):
        return value
    keys = [key for key, _ in value.shape()]
    fields = {key: _plain(value[key]) for key in keys}
    return list(fields.values()) if isinstance(value.shape(), data.ArrayLayout) else fields


def _watch(name, seen, stream):
    """Record a stream's payloads in the clocks in which they are taken, None in others; hold it to its contract."""

    async def bench(ctx):
        kept = None
        sample = (stream.valid, stream.ready, stream.payload)
        async for _, _, valid, ready, payload in ctx.tick().sample(*sample):
            assert kept is None or (valid and _plain(payload) == kept), f"{name} has changed while it was not taken"
            kept = _plain(payload) if valid and not ready else None
            seen.append(_plain(payload) if valid and ready else None)

    return bench


@pytest.fixture
def simulate():
    """``simulate(component, *benches, beside=(), clocks=5_000, **watch)``: run until every bench has returned.

    Benches `beside` them need not return. Returns a namespace with a list for every signal or stream to watch: its
    value in each clock; of a stream the payload if it is taken in that clock, else None.
    """

    def run(component, *benches, beside=(), clocks=5_000, **watch):
        seen = {name: [] for name in watch}
        signals = {name: what for name, what in watch.items() if not hasattr(what, "payload")}
        running = list(benches)

        async def record(ctx):
            clock = returned = 0
            async for _, _, *values in ctx.tick().sample(*signals.values()):
                for name, value in zip(signals, values, strict=True):
                    seen[name].append(_plain(value))
                clock += 1
                if running:
                    assert clock < clocks, f"{type(component).__name__} has not finished after {clocks} clocks"
                    returned = clock
                elif clock == returned + _AFTER:
                    return

        def counted(bench):
            async def until_it_returns(ctx):
                await bench(ctx)
                running.remove(bench)

            return until_it_returns

        top = Module()
        top.domains.sync = ClockDomain()  # also where nothing is clocked
        top.submodules.component = component
        simulator = Simulator(top)
        simulator.add_clock(1e-6)
        streams = [_watch(name, seen[name], what) for name, what in watch.items() if name not in signals]
        for bench in (*streams, *beside, *map(counted, benches)):
            simulator.add_testbench(bench, background=True)
        simulator.add_testbench(record)
        simulator.run()
        return SimpleNamespace(**seen)

    return run


@pytest.fixture
def send():
    """``send(stream, payloads, stall=0.0, seed=0, ahead=False)``: a bench that offers them, with gaps.

    A payload shows when it becomes valid, or with `ahead` already in the gap before.
    """

    def make(stream, payloads, stall=0.0, seed=0, *, ahead=False):
        async def bench(ctx):
            generator = random.Random(seed)
            for payload in payloads:
                if ahead:
                    ctx.set(stream.payload, payload)
                while generator.random() < stall:
                    await ctx.tick()
                ctx.set(stream.payload, payload)
                ctx.set(stream.valid, 1)
                while not (await ctx.tick().sample(stream.ready))[2]:
                    pass
                ctx.set(stream.valid, 0)

        return bench

    return make


@pytest.fixture
def receive():
    """``receive(stream, count, stall=0.0, seed=0, after_valid=False)``: a bench that takes so many, with pauses.

    It is ready without regard to what is there, or with `after_valid` only once there is something.
    """

    def make(stream, count, stall=0.0, seed=0, *, after_valid=False):
        async def bench(ctx):
            generator = random.Random(seed)
            left = count
            while left:
                ready = generator.random() >= stall and (ctx.get(stream.valid) or not after_valid)
                ctx.set(stream.ready, ready)
                _, _, valid = await ctx.tick().sample(stream.valid)
                left -= bool(valid and ready)
            ctx.set(stream.ready, 0)

        return bench

    return make


@pytest.fixture
def through(simulate):
    """``through(component, cases, late=None, **latency)``: what comes out for each case, one of which goes in a clock.

    A case has integers by the name of the input, of all its bits if it has parts; inputs in `late` come so many clocks
    after the others. Returned is a list for each output named in `latency`, sampled so many clocks after the case.
    """

    def run(component, cases, late=None, **latency):
        late = late or {}
        after = {name: late.get(name, 0) for name in cases[0]}
        ports = {name: Value.cast(getattr(component, name)) for name in after}

        async def bench(ctx):
            for clock in range(len(cases) + max(after.values())):
                for name, port in ports.items():
                    if 0 <= clock - after[name] < len(cases):
                        ctx.set(port, cases[clock - after[name]][name])
                await ctx.tick()
            await ctx.tick().repeat(max(latency.values()) + 1)

        watched = {name: Value.cast(getattr(component, name)) for name in latency}
        trace = simulate(component, bench, clocks=len(cases) + 200, **watched)
        count = len(cases)
        return SimpleNamespace(**{name: getattr(trace, name)[clocks:][:count] for name, clocks in latency.items()})

    return run
