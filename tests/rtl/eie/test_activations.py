"""Activation buffers and the leaf of the detection tree, against two lists."""

import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.eie.activations import Activations
from tercet.rtl.eie.shallow_activations import ShallowActivations

CONFIG = EieConfig(act_depth=32)


def words(count, seed):
    generator = random.Random(seed)
    return [generator.choice([0, 0, 1, -1, -(2**15), 256, generator.randrange(-(2**15), 2**15)]) for _ in range(count)]


def ref_tokens(buffer, count):
    """Groups of one token each, from address 0 on, wrapping at the end of the buffer."""
    acts = [buffer[n % len(buffer)] for n in range(count)]
    return [{"act": act, "item": int(act != 0), "close": 1, "index": 0} for act in acts]


class Driver:
    """Drives the buffers as the engine's control does."""

    def __init__(self, component):
        self.component = component

    async def restart(self, ctx, **together):
        for name, value in together.items():
            ctx.set(getattr(self.component, name), value)
        ctx.set(self.component.restart, 1)
        await ctx.tick()
        ctx.set(self.component.restart, 0)

    async def write(self, ctx, values, to_source, gaps=0.0, seed=0):
        generator = random.Random(seed)
        for value in values:
            while generator.random() < gaps:
                ctx.set(self.component.write_data, generator.randrange(-(2**15), 2**15))
                await ctx.tick()
            ctx.set(self.component.write, 1)
            ctx.set(self.component.write_data, value)
            ctx.set(self.component.to_source, to_source)
            await ctx.tick()
            ctx.set(self.component.write, 0)

    async def unload(self, ctx, count, gaps=0.0, seed=0):
        """Unload `count` words, each sampled exactly `unload_latency` clocks after its pulse."""
        generator = random.Random(seed)
        pulses, seen = [], []
        while sum(pulses) < count or any(pulses[-self.component.unload_latency :]):
            pulse = sum(pulses) < count and generator.random() >= gaps
            ctx.set(self.component.unload, pulse)
            _, _, word = await ctx.tick().sample(self.component.unloaded)
            pulses.append(pulse)
            if len(pulses) > self.component.unload_latency and pulses[-1 - self.component.unload_latency]:
                seen.append(word)
        return seen

    async def take(self, ctx, count, pauses=0.0, seed=0):
        """Take `count` tokens; return them and the clocks in which they were taken."""
        generator = random.Random(seed)
        tokens, clocks, clock = [], [], 0
        stream = self.component.tokens
        while len(tokens) < count:
            ready = generator.random() >= pauses
            ctx.set(stream.ready, ready)
            _, _, valid, token = await ctx.tick().sample(stream.valid, stream.payload)
            if valid and ready:
                tokens.append({name: token[name] for name in ("act", "item", "close", "index")})
                clocks.append(clock)
            clock += 1
        ctx.set(stream.ready, 0)
        return tokens, clocks


@pytest.fixture
def made(pipeline):
    """``made(config)`` returns the component and its driver."""

    def make(config=CONFIG):
        config = pipeline(config)
        component = (ShallowActivations if config.shallow else Activations)(config=config)
        return component, Driver(component)

    return make


@pytest.mark.parametrize("pauses", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("source", [0, 1])
def test_scan_beside_writes(simulate, made, source, pauses):
    """Scan the source more than once around while the destination is written; then swap the buffers."""
    old, new, count = words(32, 1), words(32, 2), 75
    component, driver = made()
    writing = [False]

    async def bench(ctx):
        await driver.restart(ctx, source=source)
        await driver.write(ctx, old, to_source=1)
        await driver.restart(ctx)
        writing[0] = True
        ctx.set(component.scan, 1)
        tokens, _ = await driver.take(ctx, count, pauses, seed=3)
        assert tokens == ref_tokens(old, count)
        ctx.set(component.scan, 0)
        await ctx.tick()
        while writing[0]:
            await ctx.tick()
        assert not ctx.get(component.tokens.valid)
        await driver.restart(ctx, source=1 - source)
        assert await driver.unload(ctx, 32) == new
        await driver.restart(ctx, source=source)
        assert await driver.unload(ctx, 32) == old

    async def writer(ctx):
        while not writing[0]:
            await ctx.tick()
        await driver.write(ctx, new, to_source=0, gaps=0.5, seed=4)
        writing[0] = False

    simulate(component, bench, writer)


@pytest.mark.parametrize("together", [False, True])
def test_clocks_of_a_scan(simulate, made, together):
    """The first token comes `scan_latency` clocks after `scan` without `restart`, then one per clock."""
    values = words(32, 5)
    component, driver = made()

    async def bench(ctx):
        await driver.restart(ctx)
        await driver.write(ctx, values, to_source=1)
        await driver.restart(ctx, scan=int(together))
        ctx.set(component.scan, 1)
        tokens, clocks = await driver.take(ctx, 70)
        assert tokens == ref_tokens(values, 70)
        assert clocks == list(range(component.scan_latency, component.scan_latency + 70))

    simulate(component, bench)


@pytest.mark.parametrize("ready", [0, 1])
@pytest.mark.parametrize("clocks", range(1, 9))
def test_scan_again(simulate, made, clocks, ready):
    """At any point of a scan: no token is valid in the clock after its end, and a restart begins at address 0."""
    values = words(32, 6)
    component, driver = made()

    async def scan_from_the_start(ctx):
        tokens, _ = await driver.take(ctx, 10, pauses=0.3, seed=clocks)
        assert tokens == ref_tokens(values, 10)

    async def bench(ctx):
        await driver.restart(ctx)
        await driver.write(ctx, values, to_source=1)
        await driver.restart(ctx)
        ctx.set(component.scan, 1)
        ctx.set(component.tokens.ready, ready)
        await ctx.tick().repeat(clocks)
        ctx.set(component.scan, 0)
        await ctx.tick()
        assert not ctx.get(component.tokens.valid)
        await driver.restart(ctx, scan=1)
        await scan_from_the_start(ctx)
        # A restart in the middle of a scan.
        await driver.restart(ctx)
        assert not ctx.get(component.tokens.valid)
        await scan_from_the_start(ctx)
        # Unload as early as permitted.
        await driver.restart(ctx, scan=0)
        assert await driver.unload(ctx, 5) == values[:5]

    simulate(component, bench)


@pytest.mark.parametrize("gaps", [0.0, 0.6])
def test_unload(simulate, made, gaps):
    """Words are unloaded in order, across pauses; read and write addresses are independent."""
    values, more = words(20, 7), words(12, 8)
    component, driver = made()

    async def bench(ctx):
        await driver.restart(ctx)
        await driver.write(ctx, values, to_source=1, gaps=gaps, seed=1)
        assert await driver.unload(ctx, 15, gaps, seed=2) == values[:15]
        await driver.write(ctx, more, to_source=1, gaps=gaps, seed=3)
        assert await driver.unload(ctx, 17, gaps, seed=4) == values[15:] + more
        await driver.restart(ctx)
        assert await driver.unload(ctx, 40, gaps, seed=5) == [*values, *more, *values[:8]]

    simulate(component, bench)


def test_write_latency(simulate, made):
    """A word can be read `write_latency` clocks after its `write`."""
    component, driver = made()

    async def bench(ctx):
        await driver.restart(ctx)
        await driver.write(ctx, [0] * 32, to_source=1)
        await driver.restart(ctx)
        for value in (77, -5, 13):
            await driver.write(ctx, [value], to_source=1)
            for _ in range(component.write_latency - 1):
                await ctx.tick()
            assert await driver.unload(ctx, 1) == [value]

    simulate(component, bench)


@pytest.mark.parametrize("depth", [1, 2, 3, 24])
def test_depth(simulate, made, depth):
    """The two buffers do not overlap at any size."""
    component, driver = made(EieConfig(act_depth=depth))
    first, second = words(depth, 9), words(depth, 10)

    async def bench(ctx):
        await driver.restart(ctx, source=1)
        await driver.write(ctx, first, to_source=1)
        await driver.restart(ctx)
        await driver.write(ctx, second, to_source=0)
        await driver.restart(ctx)
        assert await driver.unload(ctx, depth) == first
        await driver.restart(ctx, source=0)
        assert await driver.unload(ctx, depth) == second

    simulate(component, bench)
