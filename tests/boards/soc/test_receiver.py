"""Frame receiver: intact frames arrive, damaged ones do not, wherever the damage is."""

import random
import struct
import zlib

import pytest
from cobs import cobs
from tercet.boards.host.protocol import Frame, decode
from tercet.boards.soc.receiver import FrameReceiver

BYTES = 64


class Host:
    """Testbench driver that sends bytes to a receiver and takes its frames."""

    def __init__(self, ctx, receiver, stall=0.0, pauses=0.0, seed=0):
        self.ctx, self.receiver, self.stall, self.pauses = ctx, receiver, stall, pauses
        self.generator = random.Random(seed)

    async def give(self, wire):
        """Send bytes with gaps, and wait for the check."""
        receiver = self.receiver
        for byte in wire:
            self.ctx.set(receiver.i.valid, 0)
            while self.generator.random() < self.stall:
                await self.ctx.tick()
            self.ctx.set(receiver.i.payload, byte)
            self.ctx.set(receiver.i.valid, 1)
            await self.ctx.tick()
        self.ctx.set(receiver.i.valid, 0)
        await self.ctx.tick().repeat(3)

    async def take(self, count=None):
        """Return the held frame with its first `count` bytes, or all of them; None if there is none."""
        ctx, receiver = self.ctx, self.receiver
        if not ctx.get(receiver.requests.frame):
            return None
        data = bytearray()
        size = ctx.get(receiver.requests.length)
        while len(data) < (size if count is None else count):
            ready = self.generator.random() >= self.pauses
            ctx.set(receiver.requests.data.ready, ready)
            _, _, valid, byte = await ctx.tick().sample(receiver.requests.data.valid, receiver.requests.data.payload)
            if valid and ready:
                data.append(byte)
        ctx.set(receiver.requests.data.ready, 0)
        for _ in range(4):
            await ctx.tick()
            if len(data) < size:
                await ctx.tick()
            assert ctx.get(receiver.requests.data.valid) == (len(data) < size)
        return Frame(ctx.get(receiver.requests.sequence), ctx.get(receiver.requests.code), bytes(data))

    async def free(self):
        self.ctx.set(self.receiver.requests.done, 1)
        await self.ctx.tick()
        self.ctx.set(self.receiver.requests.done, 0)


def exchange(simulate, wires, frame_bytes=BYTES, **host):
    """Return the frame taken after each wire string, and the numbers of damaged and dropped frames."""
    receiver = FrameReceiver(frame_bytes=frame_bytes)
    taken = []

    async def bench(ctx):
        side = Host(ctx, receiver, **host)
        for wire in wires:
            await side.give(wire)
            taken.append(await side.take())
            if taken[-1]:
                await side.free()
            assert not ctx.get(receiver.requests.frame)

    watch = {"damaged": receiver.requests.damaged, "dropped": receiver.requests.dropped, "data": receiver.requests.data}
    trace = simulate(receiver, bench, clocks=100_000, **watch)
    return taken, sum(trace.damaged), sum(trace.dropped)


def coded(body):
    """Encode a body as it is, with the correct CRC."""
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


def some_frames(count, seed, most=BYTES - 8):
    generator = random.Random(seed)
    for _ in range(count):
        data = bytes(generator.choices((0, 1, 255, generator.randrange(256)), k=generator.randrange(most + 1)))
        yield Frame(generator.randrange(256), generator.randrange(256), data)


def damages(wire, seed):
    """Yield one fault of each kind: flipped bit, lost, doubled or extra byte, inner 0, truncation, leading bytes."""
    generator = random.Random(seed)
    index, bit = generator.randrange(len(wire) - 1), 1 << generator.randrange(8)
    before, byte, after = wire[:index], wire[index], wire[index + 1 :]
    yield before + bytes([byte ^ bit]) + after
    yield before + after
    yield before + bytes([byte, byte]) + after
    yield before + bytes([generator.randrange(1, 256), byte]) + after
    yield before + b"\0" + after
    yield before + b"\0"
    yield generator.randbytes(generator.randrange(1, 9)) + wire


@pytest.mark.parametrize(("stall", "pauses"), [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.4, 0.7)])
def test_good(simulate, stall, pauses):
    frames = list(some_frames(25, seed=1))
    wires = [frame.encode() for frame in frames]
    assert exchange(simulate, wires, stall=stall, pauses=pauses) == (frames, 0, 0)


@pytest.mark.parametrize("fill", [0, 0x55])
def test_sizes(simulate, fill):
    """All kinds of groups, and the longest possible frame."""
    sizes = [0, 1, 249, 250, 251, 255, 500, 504, 0, 504]
    frames = [Frame(0xA5, 0x5A, bytes([fill]) * size) for size in sizes]
    assert exchange(simulate, [frame.encode() for frame in frames], frame_bytes=512) == (frames, 0, 0)


@pytest.mark.parametrize("frame_bytes", [9, 27, 64, 68])
def test_too_long(simulate, frame_bytes):
    """Too long by one byte, two or many, with various lengths in the header; the next frame arrives."""
    most = frame_bytes - 8
    good = Frame(3, 4, bytes(range(1, most + 1)))
    wires = []
    for size in (most + 1, most + 2, 2 * most + 20):
        data = bytes(n % 251 + 1 for n in range(size))
        lengths = {size, most, most + 1, size % 256}
        wires += [coded(struct.pack("<BBH", 1, 2, length) + data) for length in lengths]
    taken, damaged, dropped = exchange(
        simulate, [part for wire in wires for part in (wire, good.encode())], frame_bytes
    )
    assert taken == [None, good] * len(wires)
    assert (damaged, dropped) == (len(wires), 0)


def test_wrong_length(simulate):
    """Rejected although the CRC is correct."""
    frame = Frame(1, 2, b"abc")
    lengths = [0, 2, 4, 3 + 64, 3 + 256, 3 + 0x8000, 0xFFFC, 0xFFFF]
    wires = [coded(struct.pack("<BBH", 1, 2, length) + b"abc") for length in lengths]
    taken, damaged, dropped = exchange(simulate, [part for wire in wires for part in (wire, frame.encode())])
    assert taken == [None, frame] * len(wires)
    assert (damaged, dropped) == (len(wires), 0)


def test_short(simulate):
    """Shorter than header and CRC, though with a correct CRC, at any point."""
    frame = Frame(0, 0, b"abcd")
    for body in (b"", b"\0", b"\0\0", b"\0\0\0", b"\1\2\3"):
        assert exchange(simulate, [coded(body), frame.encode(), coded(body)]) == ([None, frame, None], 2, 0)


@pytest.mark.parametrize("seed", range(3))
def test_damaged(simulate, seed):
    """Only frames that `decode` accepts arrive, and so does the intact frame that follows."""
    wires, expected, damaged = [], [], 0
    for n, frame in enumerate(some_frames(8, seed)):
        for wire in damages(frame.encode(), 100 * seed + n):
            parts = [part + b"\0" for part in wire.split(b"\0")[:-1]]
            found = [decode(part[:-1]) for part in parts]
            damaged += sum(frame is None and part != b"\0" for frame, part in zip(found, parts, strict=True))
            wires += [*parts, frame.encode()]
            expected += [*found, frame]
    # Only damage outside the frame itself may have left it intact.
    assert exchange(simulate, wires) == (expected, damaged, 0)
    assert damaged > len(wires) / 3


def test_every_bit(simulate):
    frame = Frame(7, 2, b"so\0me")
    wires = []
    for bit in range(8 * len(frame.encode()) - 8):
        wire = bytearray(frame.encode())
        wire[bit // 8] ^= 1 << bit % 8
        wires += [bytes(wire), frame.encode()]
    assert exchange(simulate, wires)[0] == [None, frame] * (len(wires) // 2)


def test_held(simulate):
    """A frame is held unchanged until `done`; frames that arrive meanwhile are dropped."""
    first, second, third = some_frames(3, seed=5)
    receiver = FrameReceiver(frame_bytes=BYTES)

    async def bench(ctx):
        side = Host(ctx, receiver)
        await side.give(first.encode() + second.encode() + b"\x02\0" + second.encode()[3:] + third.encode())
        assert await side.take() == first
        await side.give(third.encode())
        assert ctx.get(receiver.requests.frame)
        await side.free()
        assert not ctx.get(receiver.requests.frame)
        await side.give(third.encode())
        assert await side.take() == third

    trace = simulate(receiver, bench, damaged=receiver.requests.damaged, dropped=receiver.requests.dropped)
    assert (sum(trace.damaged), sum(trace.dropped)) == (0, 5)


def test_release_during_the_next_frame(simulate):
    """`done` in any clock of the next frame: that frame arrives whole or counts as dropped."""
    first, second, third = Frame(1, 2, b"a\0b"), Frame(3, 4, b"\0\0cd"), Frame(5, 6, b"e")
    receiver = FrameReceiver(frame_bytes=BYTES)
    arrived = []

    async def bench(ctx):
        side = Host(ctx, receiver)
        for clock in range(25):
            await side.give(first.encode())
            for n, byte in enumerate([*second.encode(), *[None] * 15]):
                ctx.set(receiver.i.valid, byte is not None)
                ctx.set(receiver.i.payload, byte or 0)
                ctx.set(receiver.requests.done, n == clock)
                await ctx.tick()
            ctx.set(receiver.requests.done, 0)
            arrived.append(await side.take())
            if arrived[-1]:
                await side.free()
            await side.give(third.encode())
            assert await side.take() == third
            await side.free()

    trace = simulate(receiver, bench, damaged=receiver.requests.damaged, dropped=receiver.requests.dropped)
    assert arrived == [second, second, *[None] * 23]
    assert (sum(trace.damaged), sum(trace.dropped)) == (0, 23)


def test_done_before_the_end(simulate):
    """Unread data does not leak into the next frame."""
    frames = list(some_frames(20, seed=6))
    receiver = FrameReceiver(frame_bytes=BYTES)

    async def bench(ctx):
        side = Host(ctx, receiver, pauses=0.3)
        for n, frame in enumerate(frames):
            await side.give(frame.encode())
            count = min(n % 5, len(frame.data))
            assert await side.take(count) == Frame(frame.sequence, frame.code, frame.data[:count])
            assert ctx.get(receiver.requests.length) == len(frame.data)
            await side.free()
            assert not ctx.get(receiver.requests.data.valid)

    simulate(receiver, bench)


def test_clocks(simulate):
    """3 clocks from the 0 to `frame`, 2 to the first byte, 3 between bytes; 2 from the 0 to `damaged`."""
    receiver = FrameReceiver(frame_bytes=BYTES)
    wire = Frame(1, 2, b"abcd").encode()

    async def bench(ctx):
        ctx.set(receiver.requests.data.ready, 1)
        side = Host(ctx, receiver)
        await side.give(b"\x02\0")
        await side.give(wire)
        await ctx.tick().repeat(16)

    watch = {name: getattr(receiver.requests, name) for name in ("frame", "data", "damaged")}
    trace = simulate(receiver, bench, **watch)
    assert trace.damaged.index(1) == 1 + 2
    end = 2 + 3 + len(wire) - 1
    frame = trace.frame.index(1)
    assert frame == end + 3
    assert trace.data[frame : frame + 12] == [None, None, 0x61, None, None, 0x62, None, None, 0x63, None, None, 0x64]


@pytest.mark.parametrize("frame_bytes", [0, 8, 65537])
def test_refuses(frame_bytes):
    with pytest.raises(ValueError, match=f"Frames have {frame_bytes} bytes; use 9 to 65536"):
        FrameReceiver(frame_bytes=frame_bytes)
