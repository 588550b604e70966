"""Readout of the engine's counters, byte by byte."""

import random

import pytest
from tercet.boards.soc.counter_reader import CounterReader


@pytest.mark.parametrize("stall", [0.0, 0.7])
@pytest.mark.parametrize("size", [1, 2, 8, 9, 67])
def test_bytes(simulate, receive, size, stall):
    reader = CounterReader(size=size)
    values = [random.Random(seed).randbytes(size) for seed in range(3)]

    async def bench(ctx):
        for value in values:
            ctx.set(reader.counters, int.from_bytes(value, "little"))
            ctx.set(reader.request, 1)
            await ctx.tick()
            ctx.set(reader.request, 0)
            await receive(reader.o, size, stall)(ctx)
            await ctx.tick().repeat(5)
            assert not ctx.get(reader.o.valid)

    taken = [payload for payload in simulate(reader, bench, o=reader.o).o if payload is not None]
    assert bytes(payload["byte"] for payload in taken) == b"".join(values)
    assert [payload["last"] for payload in taken] == len(values) * [*(size - 1) * [0], 1]
