"""Delay lines, skew and outlets, each alone in Amaranth's simulator."""

import random

import pytest
from tercet.rtl.common.delay import Delay, Skew
from tercet.rtl.common.outlet import HeldOutlet, Outlet


@pytest.mark.parametrize(("clocks", "width"), [(0, 5), (1, 1), (3, 130), (8, 8), (9, 8), (21, 70)])
def test_delay(simulate, clocks, width):
    generator = random.Random(clocks)
    values = [generator.getrandbits(width) for _ in range(60)]
    seen = []

    async def bench(ctx):
        for value in values:
            ctx.set(component.i, value)
            await ctx.delay(1e-8)
            seen.append(ctx.get(component.o))
            await ctx.tick()

    component = Delay(clocks=clocks, width=width)
    assert component.latency == clocks
    simulate(component, bench)
    assert seen == ([0] * clocks + values)[: len(values)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lanes", [1, 2, 5, 8])
def test_skew(simulate, lanes, reverse):
    """Lane n is delayed by n clocks; lanes count from the other end if reversed."""
    width, clocks = 6, 40
    lane_mask = 2**width - 1
    seen = []

    async def bench(ctx):
        for clock in range(clocks):
            ctx.set(component.i, sum(((clock + 7 * lane) & lane_mask) << (lane * width) for lane in range(lanes)))
            await ctx.delay(1e-8)
            seen.append(ctx.get(component.o))
            await ctx.tick()

    component = Skew(lanes=lanes, width=width, reverse=reverse)
    simulate(component, bench)
    for clock in range(lanes, clocks):
        for lane in range(lanes):
            late = lanes - 1 - lane if reverse else lane
            assert seen[clock] >> (lane * width) & lane_mask == (clock - late + 7 * lane) & lane_mask


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(
    ("latency", "lanes", "cut"), [(0, (), True), (1, (), True), (7, (), True), (7, (3, 4, 1), True), (4, (3, 5), False)]
)
def test_outlet_loses_nothing(simulate, latency, lanes, cut, stall):
    """The pipeline starts whenever `ready` permits: every clock, if the receiver never stalls."""
    generator = random.Random(latency)
    sent, received, pipeline, starts = [], [], [None] * latency, 0

    async def bench(ctx):
        nonlocal starts
        await ctx.tick()
        for clock in range(300):
            start = bool(ctx.get(component.ready)) and clock < 280
            starts += start
            pipeline.append(len(sent) & 0xFF if start else None)
            if start:
                sent.append(len(sent) & 0xFF)
            value = pipeline.pop(0)
            ctx.set(component.start, start)
            ctx.set(component.arrive, value is not None)
            ctx.set(component.value, value or 0)
            ready = generator.random() >= stall or clock > 280
            ctx.set(component.o.ready, ready)
            await ctx.delay(1e-8)
            if ready and ctx.get(component.o.valid):
                received.append(ctx.get(component.o.payload))
            await ctx.tick()
        ctx.set(component.start, 0)
        ctx.set(component.arrive, 0)
        for _ in range(60):
            await ctx.delay(1e-8)
            if ctx.get(component.o.valid):
                received.append(ctx.get(component.o.payload))
            await ctx.tick()
        assert ctx.get(component.empty)

    component = Outlet(shape=8, latency=latency, lanes=lanes, cut=cut)
    simulate(component, bench)
    assert received == sent
    if stall == 0:
        assert starts == 280


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_held_outlet_loses_nothing(simulate, stall):
    """The source holds each word until it may start the next: every clock, if the receiver never stalls."""
    generator = random.Random(1)
    received, starts = [], 0
    component = HeldOutlet(shape=8)

    async def bench(ctx):
        nonlocal starts
        for clock in range(200):
            ctx.set(component.o.ready, generator.random() >= stall)
            start = bool(ctx.get(component.ready)) and clock < 150 and generator.random() < 0.9
            ctx.set(component.start, start)
            assert ctx.get(component.empty) == (len(received) == starts)
            if ctx.get(component.o.valid) and ctx.get(component.o.ready):
                received.append(ctx.get(component.o.payload))
            await ctx.tick()
            starts += start
            ctx.set(component.value, starts % 256)
        assert ctx.get(component.empty)

    simulate(component, bench)
    assert received == [n % 256 for n in range(1, starts + 1)]
    assert starts > 130 * (1 - stall)


def test_refuses():
    with pytest.raises(ValueError, match="Lanes add up to 7 bits for a payload of 8; make them equal"):
        Outlet(shape=8, latency=1, lanes=(3, 4))
    with pytest.raises(ValueError, match="Delay of -1 clocks and width 1; use at least 0 and 1"):
        Delay(clocks=-1, width=1)
    with pytest.raises(ValueError, match="Skew of 0 lanes of width 2"):
        Skew(lanes=0, width=2)
