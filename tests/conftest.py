"""Fixtures that simulate a single component in Amaranth's simulator."""

import os
import random
from types import SimpleNamespace

import pytest
from amaranth import *
from amaranth.lib import data
from amaranth.sim import Simulator

# Most simulations in the tests are so short that optimising the simulator would take longer than the run.
os.environ.setdefault("TERCET_SIM_CFLAGS", "-O0")

# Clocks recorded after all benches have returned: their last outputs pass a register or two.
_AFTER = 8


def _plain(value):
    """Convert a value to integers, and dicts and lists of them, for comparison with a test's results."""
    if not isinstance(value, data.Const):
        return value
    keys = [key for key, _ in value.shape()]
    fields = {key: _plain(value[key]) for key in keys}
    return list(fields.values()) if isinstance(value.shape(), data.ArrayLayout) else fields


def _watch(name, seen, stream, domain):
    """Record a stream's payload in each clock with a transfer, None in others; check valid and payload until ready."""

    async def bench(ctx):
        kept = None
        sample = (stream.valid, stream.ready, stream.payload)
        async for _, _, valid, ready, payload in ctx.tick(domain).sample(*sample):
            assert kept is None or (valid and _plain(payload) == kept), f"{name} changed before it was taken"
            kept = _plain(payload) if valid and not ready else None
            seen.append(_plain(payload) if valid and ready else None)

    return bench


@pytest.fixture
def simulate():
    """``simulate(component, *benches, beside=(), clocks=5_000, engine=None, **watch)``: run a component.

    The simulation ends when every bench has returned. Benches in `beside` need not return. Returns a namespace with a
    list for each watched signal or stream: the signal's value in each clock; the stream's payload in each clock with a
    transfer, else None. `engine` adds a domain of that name whose clock has this period, in clocks; a stream in it is
    watched as the pair of stream and domain.
    """

    def run(component, *benches, beside=(), clocks=5_000, engine=None, **watch):
        seen = {name: [] for name in watch}
        domains = {name: what[1] if isinstance(what, tuple) else "sync" for name, what in watch.items()}
        watch = {name: what[0] if isinstance(what, tuple) else what for name, what in watch.items()}
        signals = {name: what for name, what in watch.items() if not hasattr(what, "payload")}
        running = list(benches)

        async def record(ctx):
            clock = returned = 0
            async for _, _, *values in ctx.tick().sample(*signals.values()):
                for name, value in zip(signals, values, strict=True):
                    seen[name].append(_plain(value))
                clock += 1
                if running:
                    assert clock < clocks, f"{type(component).__name__} did not finish within {clocks} clocks"
                    returned = clock
                elif clock == returned + _AFTER:
                    return

        def counted(bench):
            async def until_it_returns(ctx):
                await bench(ctx)
                running.remove(bench)

            return until_it_returns

        top = Module()
        top.domains.sync = ClockDomain()  # also for combinational components
        if engine is not None:
            top.domains.engine = ClockDomain()
        top.submodules.component = component
        simulator = Simulator(top)
        simulator.add_clock(1e-6)
        if engine is not None:
            # No two edges of the clocks coincide for long.
            simulator.add_clock(engine * 1e-6, phase=0.2371e-6, domain="engine")
        streams = [_watch(name, seen[name], what, domains[name]) for name, what in watch.items() if name not in signals]
        for bench in (*streams, *beside, *map(counted, benches)):
            simulator.add_testbench(bench, background=True)
        simulator.add_testbench(record)
        simulator.run()
        return SimpleNamespace(**seen)

    return run


@pytest.fixture
def send():
    """``send(stream, payloads, stall=0.0, seed=0, ahead=False, domain="sync")``: a bench that sends payloads.

    There are random gaps between them. A payload appears together with valid, or with `ahead` already during the gap
    before.
    """

    def make(stream, payloads, stall=0.0, seed=0, *, ahead=False, domain="sync"):
        async def bench(ctx):
            generator = random.Random(seed)
            for payload in payloads:
                if ahead:
                    ctx.set(stream.payload, payload)
                while generator.random() < stall:
                    await ctx.tick(domain)
                ctx.set(stream.payload, payload)
                ctx.set(stream.valid, 1)
                while not (await ctx.tick(domain).sample(stream.ready))[2]:
                    pass
                ctx.set(stream.valid, 0)

        return bench

    return make


@pytest.fixture
def receive():
    """``receive(stream, count, stall=0.0, seed=0, after_valid=False, domain="sync")``: a bench that takes payloads.

    It takes `count` payloads, with random pauses. Ready is independent of valid, or with `after_valid` follows it.
    """

    def make(stream, count, stall=0.0, seed=0, *, after_valid=False, domain="sync"):
        async def bench(ctx):
            generator = random.Random(seed)
            left = count
            while left:
                ready = generator.random() >= stall and (ctx.get(stream.valid) or not after_valid)
                ctx.set(stream.ready, ready)
                _, _, valid = await ctx.tick(domain).sample(stream.valid)
                left -= bool(valid and ready)
            ctx.set(stream.ready, 0)

        return bench

    return make


@pytest.fixture
def through(simulate):
    """``through(component, cases, late=None, **latency)``: run one case per clock through a pipeline.

    A case maps input names to integers, which hold all bits of a structured input. `late` delays inputs by a number of
    clocks. Returns a namespace with a list for each output named in `latency`, sampled that many clocks after the case.
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
