"""The register slice alone in Amaranth's simulator."""

import random

import pytest
from tercet.rtl.common.register_slice import RegisterSlice


def payloads(count, seed):
    generator = random.Random(seed)
    return [generator.getrandbits(9) for _ in range(count)]


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("gaps", "pauses"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.6), (0.6, 0.3)])
def test_order(simulate, send, receive, gaps, pauses, ahead):
    sent = payloads(300, seed=1)
    component = RegisterSlice(shape=9)
    benches = send(component.i, sent, gaps, 2, ahead=ahead), receive(component.o, len(sent), pauses, 3)
    trace = simulate(component, *benches, i=component.i, o=component.o)
    assert [p for p in trace.i if p is not None] == sent
    assert [p for p in trace.o if p is not None] == sent


def test_clocks(simulate, send, receive):
    """One payload per clock; each leaves `latency` clocks after it arrives."""
    sent = payloads(50, seed=4)
    component = RegisterSlice(shape=9)
    trace = simulate(component, send(component.i, sent), receive(component.o, len(sent)), i=component.i, o=component.o)
    start = trace.i.index(sent[0])
    assert trace.i[start : start + len(sent)] == sent
    start += component.latency
    assert trace.o[start : start + len(sent)] == sent


def test_two_places(simulate, send, receive):
    """It accepts two payloads while none leaves; `ready` does not depend on the receiver within a clock."""

    async def never(ctx):
        await ctx.tick().repeat(20)

    component = RegisterSlice(shape=9)
    trace = simulate(component, never, beside=[send(component.i, [5, 6, 7])], i=component.i, ready=component.i.ready)
    assert [p for p in trace.i if p is not None] == [5, 6]
    assert trace.ready[-1] == 0


@pytest.mark.parametrize("held", [0, 1, 2])
def test_clear(simulate, held):
    """All payloads held or offered are gone in the next clock, and there is room for two again."""

    async def bench(ctx):
        async def give(value):
            ctx.set(component.i.payload, value)
            ctx.set(component.i.valid, 1)
            await ctx.tick()
            ctx.set(component.i.valid, 0)

        for value in range(held):
            await give(value)
        assert ctx.get(component.o.valid) == (held > 0)
        assert ctx.get(component.i.ready) == (held < 2)
        ctx.set(component.clear, 1)
        await give(10)
        ctx.set(component.clear, 0)
        assert not ctx.get(component.o.valid)
        assert ctx.get(component.i.ready)
        await give(11)
        await give(12)
        ctx.set(component.o.ready, 1)
        seen = []
        for _ in range(4):
            _, _, valid, payload = await ctx.tick().sample(component.o.valid, component.o.payload)
            seen += [payload] * valid
        assert seen == [11, 12]

    component = RegisterSlice(shape=9)
    simulate(component, bench)
