"""Frame sender compared with the protocol's codec."""

import random
import zlib

import pytest
from tercet.boards.host.protocol import Frame
from tercet.boards.soc.sender import FrameSender

BYTES = 512


def replies(simulate, send, frames, frame_bytes=BYTES, gaps=0.0, pauses=0.0):
    """Return the bytes sent for each frame and a per-clock flag of each byte; repeated data is resent, not reloaded."""
    sender = FrameSender(frame_bytes=frame_bytes)
    wires, clocks = [], []
    generator = random.Random(1)

    async def start(ctx, frame):
        ctx.set(sender.replies.sequence, frame.sequence)
        ctx.set(sender.replies.code, frame.code)
        await strobe(ctx, sender.replies.send)
        # The header is sampled in the clock of `send` only.
        ctx.set(sender.replies.sequence, frame.sequence ^ 0xFF)
        ctx.set(sender.replies.code, frame.code ^ 0xFF)

    async def bench(ctx):
        loaded = b""
        for frame in frames:
            if frame.data != loaded:
                await strobe(ctx, sender.replies.clear)
                await send(sender.replies.data, frame.data, gaps, len(wires))(ctx)
                loaded = frame.data
            await start(ctx, frame)
            wires.append(bytearray())
            clocks.append([])
            while ctx.get(sender.replies.busy):
                ready = generator.random() >= pauses
                ctx.set(sender.o.ready, ready)
                _, _, valid, byte = await ctx.tick().sample(sender.o.valid, sender.o.payload)
                clocks[-1].append(valid and ready)
                wires[-1] += bytes([byte] * (valid and ready))
            ctx.set(sender.o.ready, 0)

    simulate(sender, bench, clocks=100_000, o=sender.o)
    return wires, clocks


async def strobe(ctx, *signals):
    for signal in signals:
        ctx.set(signal, 1)
    await ctx.tick()
    for signal in signals:
        ctx.set(signal, 0)


def coded(frames):
    return [frame.encode() for frame in frames]


def some_frames(count, seed, most=60):
    generator = random.Random(seed)
    for _ in range(count):
        data = bytes(generator.choices((0, 1, 255, generator.randrange(256)), k=generator.randrange(most + 1)))
        yield Frame(generator.randrange(256), generator.randrange(256), data)


def with_zeros_in_crc(mask):
    """Return a frame whose CRC has zeros in all bits of the mask."""
    generator = random.Random(mask)
    while True:
        frame = Frame(1, 2, generator.randbytes(6))
        if not zlib.crc32(bytes([1, 2, 6, 0]) + frame.data) & mask:
            return frame


@pytest.mark.parametrize(("gaps", "pauses"), [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.7)])
def test_random(simulate, send, gaps, pauses):
    """Random frames; the last is resent with another header."""
    frames = list(some_frames(12, seed=1))
    frames += [Frame(frame.sequence ^ 0x81, 7, frame.data) for frame in frames[-1:]]
    assert replies(simulate, send, frames, gaps=gaps, pauses=pauses)[0] == coded(frames)


def test_sizes(simulate, send):
    """Includes frames that end with a full group of 254 bytes, with and without an empty group after it."""
    frames = [Frame(0xA5, 0x5A, b"\x55" * size) for size in (249, 250, 251, 254, 255, 500, 501, 504)]
    frames += [Frame(0xA5, 0x5A, bytes(size)) for size in (1, 249, 250, 504)]
    wires, _ = replies(simulate, send, frames)
    assert wires == coded(frames)
    assert [wire[-256] == 0xFF for wire in wires[:7]] == [False, True, False, False, False, True, False]


def test_zeros_in_the_crc(simulate, send):
    """A frame may end with one or more zeros."""
    frames = [with_zeros_in_crc(mask) for mask in (0xFF, 0xFF00, 0xFF0000, 0xFF000000, 0xFFFF0000)]
    assert replies(simulate, send, frames)[0] == coded(frames)


@pytest.mark.parametrize("frame_bytes", [9, 13, 200])
def test_other_memories(simulate, send, frame_bytes):
    """Up to the largest frame that fits."""
    frames = [*some_frames(5, seed=2, most=frame_bytes - 8), Frame(3, 4, b"\7" * (frame_bytes - 8))]
    assert replies(simulate, send, frames, frame_bytes)[0] == coded(frames)


def test_clocks(simulate, send):
    """Timing as documented, without back-pressure."""
    frames = [Frame(0, 0), Frame(1, 2), *some_frames(4, seed=3), Frame(1, 2, b"\7" * 300)]
    wires, clocks = replies(simulate, send, frames)
    for frame, wire, given in zip(frames, wires, clocks, strict=True):
        index, expected = 0, [0] * (len(frame.data) + 14)
        while wire[index]:
            expected += [0] * (wire[index] + 5) + [1] + [0, 0, 1] * (wire[index] - 1)
            index += wire[index]
        assert given == [*expected, 0, 0, 0, 0, 0, 0, 1]


def test_overflow(simulate, send):
    """`overflow` lasts until `clear`; the bytes that fitted are sent."""
    sender = FrameSender(frame_bytes=16)
    shown = []

    async def bench(ctx):
        await send(sender.replies.data, range(1, 9))(ctx)
        shown.append(ctx.get(sender.replies.overflow))
        await send(sender.replies.data, [9])(ctx)
        shown.append(ctx.get(sender.replies.overflow))
        ctx.set(sender.o.ready, 1)
        await strobe(ctx, sender.replies.send)
        while ctx.get(sender.replies.busy):
            await ctx.tick()
        shown.append(ctx.get(sender.replies.overflow))
        await strobe(ctx, sender.replies.clear)
        shown.append(ctx.get(sender.replies.overflow))

    trace = simulate(sender, bench, o=sender.o)
    assert shown == [0, 1, 1, 0]
    assert bytes(byte for byte in trace.o if byte is not None) == Frame(0, 0, bytes(range(1, 9))).encode()


def test_busy(simulate, send):
    """While busy it accepts no data and ignores `send` and `clear`; appending can continue afterwards."""
    sender = FrameSender(frame_bytes=BYTES)

    async def bench(ctx):
        await send(sender.replies.data, b"ab")(ctx)
        ctx.set(sender.replies.data.payload, ord("c"))
        ctx.set(sender.replies.data.valid, 1)
        ctx.set(sender.o.ready, 1)
        # `clear` with `send` has no effect, and the byte waits.
        await strobe(ctx, sender.replies.send, sender.replies.clear)
        while ctx.get(sender.replies.busy):
            assert not ctx.get(sender.replies.data.ready)
            await strobe(ctx, sender.replies.send, sender.replies.clear)
        await ctx.tick()
        ctx.set(sender.replies.data.valid, 0)
        await strobe(ctx, sender.replies.send)
        while ctx.get(sender.replies.busy):
            await ctx.tick()

    trace = simulate(sender, bench, data=sender.replies.data, o=sender.o)
    appended, sent = (bytes(byte for byte in seen if byte is not None) for seen in (trace.data, trace.o))
    assert appended == b"abc"
    assert sent == Frame(0, 0, b"ab").encode() + Frame(0, 0, b"abc").encode()


@pytest.mark.parametrize("frame_bytes", [0, 8, 65537])
def test_refuses(frame_bytes):
    with pytest.raises(ValueError, match=f"Frames have {frame_bytes} bytes; use 9 to 65536"):
        FrameSender(frame_bytes=frame_bytes)
