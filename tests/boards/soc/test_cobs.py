"""COBS decoder compared with the ``cobs`` package, for valid frames and arbitrary bytes."""

import random

import pytest
from cobs import cobs
from tercet.boards.soc.cobs import CobsDecoder


def ref_decode(wire):
    """Decode each frame; None if it is empty or its last group is incomplete."""
    frames = []
    for coded in wire.split(b"\0")[:-1]:
        try:
            frames += [cobs.decode(coded) or None] if coded else []
        except cobs.DecodeError:
            frames.append(None)
    return frames


def rtl_decode(simulate, send, wire, stall=0.0):
    """Decode each frame in gateware, with the same result format."""
    decoder = CobsDecoder()
    watch = {name: getattr(decoder, name) for name in ("valid", "byte", "end", "good")}
    trace = simulate(decoder, send(decoder.i, wire, stall), clocks=20_000, **watch)
    frames, frame = [], bytearray()
    for valid, byte, end, good in zip(trace.valid, trace.byte, trace.end, trace.good, strict=True):
        assert not (valid and end)
        if valid:
            frame.append(byte)
        if end:
            frames.append(bytes(frame) if good else None)
            frame.clear()
    return frames


def frames():
    for size in (1, 2, 253, 254, 255, 256, 507, 508, 509):
        yield bytes(size)
        yield b"\xff" * size
        yield b"\x01" * size + b"\0"
        yield b"\0" + b"\x01" * size
    generator = random.Random(1)
    for _ in range(40):
        yield bytes(generator.choices((0, 1, 2, 255), k=generator.randrange(1, 30)))


def test_frames(simulate, send):
    sent = list(frames())
    assert rtl_decode(simulate, send, b"".join(cobs.encode(frame) + b"\0" for frame in sent)) == sent


@pytest.mark.parametrize("stall", [0.0, 0.6])
def test_anything(simulate, send, stall):
    """Short codes, so that groups and frames end at all positions."""
    generator = random.Random(2)
    wire = bytes(generator.choices((0, 1, 2, 3, 4, 255), (3, 4, 4, 4, 4, 0.05), k=3000)) + b"\0\0"
    expected = ref_decode(wire)
    assert rtl_decode(simulate, send, wire, stall) == expected
    assert 100 < expected.count(None) < len(expected) - 100


def test_empty_frames(simulate, send):
    """Zeros alone emit nothing; an empty group is a frame, but not a good one."""
    assert rtl_decode(simulate, send, bytes(5)) == []
    assert rtl_decode(simulate, send, b"\0\x01\0\0\x02\x07\0\0") == [None, b"\x07"]


def test_clocks(simulate):
    """Each byte is emitted after `latency` clocks, the 0 of a group with the next code."""
    decoder = CobsDecoder()
    wire = b"\x02\x41\x02\x42\0"

    async def bench(ctx):
        ctx.set(decoder.i.valid, 1)
        for byte in wire:
            ctx.set(decoder.i.payload, byte)
            await ctx.tick()
        ctx.set(decoder.i.valid, 0)
        await ctx.tick()

    trace = simulate(decoder, bench, ready=decoder.i.ready, valid=decoder.valid, byte=decoder.byte, end=decoder.end)
    after = slice(decoder.latency, decoder.latency + len(wire))
    assert trace.valid[after] == [0, 1, 1, 1, 0]
    assert [byte for byte, valid in zip(trace.byte, trace.valid, strict=True) if valid] == [0x41, 0, 0x42]
    assert trace.end[after] == [0, 0, 0, 0, 1]
    assert all(trace.ready)
