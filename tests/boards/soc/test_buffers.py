"""Buffers: loaded words are sent without gaps of their own, and received words are read back."""

import random

import pytest
from tercet.boards.soc.buffers import InputBuffer, OutputBuffer

# At this depth ECP5 uses distributed RAM, which can be simulated here.
DEPTHS = {"any": 40, "ecp5": 32}
# Period of the engine's clock in clocks of the link; None for one clock.
ENGINES = {"one": None, "faster": 0.337, "alike": 1.0, "slower": 4.71}
SOME = [(engine, width) for engine in ENGINES if engine != "one" for width in (1, 69)]
# Values beyond both depths, with a single bit set or all: bits of addresses and counts above a buffer's own matter.
FAR = [*(1 << bit for bit in range(6, 24)), 2**24 - 1]


def words(width, count, seed=0):
    generator = random.Random(seed)
    return [generator.getrandbits(width) for _ in range(count)]


async def strobe(ctx, *signals, domain="sync"):
    for signal in signals:
        ctx.set(signal, 1)
    await ctx.tick(domain)
    for signal in signals:
        ctx.set(signal, 0)


async def load(ctx, buffer, address, values):
    ctx.set(buffer.address, address)
    ctx.set(buffer.words, len(values))
    await ctx.tick().repeat(2)
    fits = ctx.get(buffer.fits)
    if fits:
        await strobe(ctx, buffer.load)
        for value in values:
            ctx.set(buffer.word, value)
            await strobe(ctx, buffer.write)
        await strobe(ctx, buffer.commit)
    return fits


def domain_of(buffer):
    return "engine" if buffer.two_clocks else "sync"


async def start(ctx, buffer, count):
    ctx.set(buffer.count, count)
    ctx.set(buffer.run.count, count)
    # An output buffer has a strobe on the side of the link, too.
    begin = [buffer.start] if isinstance(buffer, OutputBuffer) else []
    if not buffer.two_clocks:
        await strobe(ctx, buffer.set, buffer.run.set)
        enough = ctx.get(buffer.enough)
        if enough:
            await strobe(ctx, buffer.run.start, *begin)
        return enough
    await strobe(ctx, buffer.set)
    enough = ctx.get(buffer.enough)
    await strobe(ctx, buffer.run.set, domain="engine")
    if enough:
        await strobe(ctx, *begin)
        await strobe(ctx, buffer.run.start, domain="engine")
    return enough


@pytest.mark.parametrize("stall", [0.0, 0.6])
@pytest.mark.parametrize(("engine", "width"), [*(("one", width) for width in (1, 16, 69)), *SOME])
@pytest.mark.parametrize("family", DEPTHS)
def test_input(simulate, receive, engine, family, width, stall):
    depth = DEPTHS[family]
    buffer = InputBuffer(width=width, depth=depth, family=family, two_clocks=engine != "one")
    domain = domain_of(buffer)
    first, second = words(width, depth), words(width, 7, seed=1)

    async def bench(ctx):
        assert not await load(ctx, buffer, 1, first[:1])  # a gap
        assert await load(ctx, buffer, 0, first[:30])
        assert not await load(ctx, buffer, 30, first[: depth - 29])  # too many
        assert not await start(ctx, buffer, 31)
        for far in FAR:
            assert not await load(ctx, buffer, far, first[:1])
            assert not await start(ctx, buffer, far)
        for many in FAR[:10]:
            assert not await load(ctx, buffer, 0, range(many))
        assert await load(ctx, buffer, 30, first[30:])
        assert not await start(ctx, buffer, depth + 1)
        for count in (depth, 1, 25, 0):
            assert await start(ctx, buffer, count)
            assert ctx.get(buffer.run.running) == (count > 0)
            await receive(buffer.o, count, stall, seed=count, domain=domain)(ctx)
            assert not ctx.get(buffer.run.running)
        assert await load(ctx, buffer, 3, second)
        assert not await start(ctx, buffer, 11)
        assert await start(ctx, buffer, 10)
        await receive(buffer.o, 10, stall, domain=domain)(ctx)

    trace = simulate(buffer, bench, engine=ENGINES[engine], o=(buffer.o, domain))
    taken = [clock for clock, value in enumerate(trace.o) if value is not None]
    want = [*first, first[0], *first[:25], *first[:3], *second]
    assert [trace.o[clock] for clock in taken] == want
    if not stall:
        assert taken[depth - 1] - taken[0] == depth - 1


async def read(ctx, buffer, receive, address, count, stall):
    ctx.set(buffer.address, address)
    ctx.set(buffer.words, count)
    await ctx.tick().repeat(2)
    fits = ctx.get(buffer.fits)
    if fits:
        await strobe(ctx, buffer.read)
        await receive(buffer.data, count * -(-len(buffer.i.payload) // 8), stall)(ctx)
        await ctx.tick().repeat(3)
        assert not ctx.get(buffer.reading)
    return fits


@pytest.mark.parametrize("stall", [0.0, 0.6])
@pytest.mark.parametrize(("engine", "width"), [*(("one", width) for width in (1, 16, 69, 200)), *SOME])
@pytest.mark.parametrize("family", DEPTHS)
def test_output(simulate, send, receive, engine, family, width, stall):
    depth = DEPTHS[family]
    buffer = OutputBuffer(width=width, depth=depth, family=family, two_clocks=engine != "one")
    domain = domain_of(buffer)
    first, second = words(width, depth), words(width, 5, seed=1)

    async def bench(ctx):
        for count in (depth + 1, *FAR):
            assert not await start(ctx, buffer, count)
        assert not ctx.get(buffer.i.ready)
        assert await start(ctx, buffer, depth)
        await send(buffer.i, first, stall, domain=domain)(ctx)
        assert not ctx.get(buffer.run.running)
        assert await read(ctx, buffer, receive, 0, depth, stall)
        assert await read(ctx, buffer, receive, 17, 3, stall)
        assert not await read(ctx, buffer, receive, 17, depth - 16, stall)
        # A run that another buffer refuses changes nothing.
        ctx.set(buffer.count, 3)
        await strobe(ctx, buffer.set)
        assert await read(ctx, buffer, receive, depth - 1, 1, stall)
        for far in FAR:
            assert not await read(ctx, buffer, receive, far, 1, stall)
        for many in FAR[:10]:
            assert not await read(ctx, buffer, receive, 0, many, stall)
        assert await start(ctx, buffer, 5)
        await send(buffer.i, second, stall, domain=domain)(ctx)
        assert not await read(ctx, buffer, receive, 4, 2, stall)
        assert await read(ctx, buffer, receive, 0, 5, stall)
        assert await read(ctx, buffer, receive, 2, 0, stall)

    trace = simulate(buffer, bench, clocks=20_000, engine=ENGINES[engine], data=buffer.data, i=(buffer.i, domain))
    size = -(-width // 8)
    want = b"".join(word.to_bytes(size, "little") for word in [*first, *first[17:20], first[-1], *second])
    assert bytes(byte for byte in trace.data if byte is not None) == want
