"""Readout of description and link counters, after those of the engine, byte by byte."""

import random

import pytest
from tercet.boards.host.protocol import IDENTIFY_BYTES
from tercet.boards.soc.info_reader import NONCE_BYTES, InfoReader

PARTS = 3
TEXT = random.Random(1).randbytes(PARTS * IDENTIFY_BYTES)


ENGINE_BYTES = 5


def ask(simulate, requests, counters, pause):
    """Return the bytes and `last` flags of each request, a nonce with an offset or the value of the counters."""
    info = InfoReader(description=TEXT, counters=counters)
    generator, found, far = random.Random(2), [], []

    async def engine(ctx):
        while True:
            if far and generator.random() < 0.5:
                ctx.set(info.engine.payload, {"byte": far[0], "last": len(far) == 1})
                ctx.set(info.engine.valid, 1)
                while not (await ctx.tick().sample(info.engine.ready))[2]:
                    pass
                del far[0]
                ctx.set(info.engine.valid, 0)
            else:
                await ctx.tick()

    async def bench(ctx):
        for request in requests:
            if isinstance(request, bytes):
                ctx.set(info.counters, int.from_bytes(request[ENGINE_BYTES:], "little"))
                far[:] = request[:ENGINE_BYTES]
                strobe = info.count
            else:
                nonce, offset = request
                ctx.set(info.nonce, int.from_bytes(nonce, "little"))
                ctx.set(info.offset, offset)
                strobe = info.identify
            await ctx.tick()
            ctx.set(strobe, 1)
            await ctx.tick()
            ctx.set(strobe, 0)
            taken = []
            while not (taken and taken[-1][1]):
                ctx.set(info.o.ready, generator.random() >= pause)
                _, _, valid, ready, byte, last = await ctx.tick().sample(
                    info.o.valid, info.o.ready, info.o.payload, info.last
                )
                if valid and ready:
                    taken.append((byte, last))
            assert not ctx.get(info.o.valid)
            found.append(taken)

    simulate(info, bench, beside=[engine], clocks=200_000, o=info.o)
    return [(bytes(byte for byte, _ in taken), [last for _, last in taken]) for taken in found]


@pytest.mark.parametrize("pause", [0.0, 0.7])
@pytest.mark.parametrize("counters", [1, 8, 9, 64, 67])
def test_bytes(simulate, counters, pause):
    """Parts, preceded by a nonce, alternate with counters."""
    generator = random.Random(counters)
    requests, wanted = [], []
    for _ in range(3):
        for part in range(PARTS):
            nonce, at = generator.randbytes(NONCE_BYTES), part * IDENTIFY_BYTES
            requests += [(nonce, at), generator.randbytes(ENGINE_BYTES + counters)]
            wanted += [nonce + TEXT[at : at + IDENTIFY_BYTES], requests[-1]]
    found = ask(simulate, requests, counters, pause)
    assert [given for given, _ in found] == wanted
    for given, last in found:
        assert last == [*(len(given) - 1) * [0], 1]


def test_missing(simulate):
    """Offsets inside a part or beyond the end are missing."""
    info = InfoReader(description=TEXT, counters=1)
    offsets = {*range(len(TEXT) + 130), *(1 << n for n in range(16)), 2**16 - IDENTIFY_BYTES, 2**16 - 1}
    found = set()

    async def bench(ctx):
        for offset in offsets:
            ctx.set(info.offset, offset)
            await ctx.tick()
            if not ctx.get(info.missing):
                found.add(offset)

    simulate(info, bench)
    assert found == {part * IDENTIFY_BYTES for part in range(PARTS)}
