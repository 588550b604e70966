"""Unified buffer: a read and a write in every clock, at any byte address, against an array of bytes."""

import random

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu.config import NpuConfig
from tercet.rtl.common.pipeline import event
from tercet.rtl.emit import prototype, verilog
from tercet.rtl.npu.buffer import UnifiedBuffer
from tercet.rtl.primitives import used
from tercet.sim import simulators
from tercet.sim.bench import Job, StreamPort, run

# Columns and requantiser lanes: 4 to 64 bytes are read, and 4 to as many written.
SIZES = [(2, 1), (4, 4), (8, 4), (7, 6), (8, 8), (16, 4), (12, 6), (16, 8), (16, 16), (32, 8), (24, 24), (64, 8)]
BUFFER_BYTES = 1024  # at least 64 rows of 16 bytes, which fill blocks of ECP5
CLOCKS = 2000
FILL = 0xA5


INPUTS = ("read_address", "low", "high", "splat", "write", "write_address", "write_data")


def configured(cols, lanes, **fields):
    fields.setdefault("buffer_bytes", BUFFER_BYTES)
    return NpuConfig(rows=cols, cols=cols, requant_lanes=lanes, **fields)


def random_accesses(config, seed):
    """Draw a read and a write per clock; most reads overlap one of the last writes, some cross the buffer's end."""
    generator = random.Random(seed)
    lanes, most = config.read_bytes, config.write_bytes
    accesses = []
    for _ in range(CLOCKS):
        across = generator.randrange(-lanes, lanes)
        anywhere = generator.randrange(-BUFFER_BYTES, BUFFER_BYTES)
        written = generator.choice(accesses[-6:])["write_address"] if accesses else 0
        low, high = sorted(generator.randint(0, lanes) for _ in range(2))
        accesses.append(
            {
                "read_address": generator.choice((across, *[written + generator.randrange(1 - lanes, most)] * 3)),
                "low": generator.choice((0, low)),
                "high": generator.choice((lanes, high)),
                "splat": generator.random() < 0.2,
                "write_address": generator.choice((across, anywhere, anywhere)),
                "write": generator.choice((0, most, generator.randint(0, most))),
                "write_data": int.from_bytes(generator.randbytes(most), "little"),
            }
        )
    return accesses


def written_bytes(access):
    """Map the addresses that an access writes to their bytes."""
    return {
        (access["write_address"] + n) % BUFFER_BYTES: access["write_data"] >> 8 * n & 0xFF
        for n in range(access["write"])
    }


def ref_reads(accesses, lanes, write_latency):
    """Return the lanes that each access reads, None for a byte in the last clock in which it cannot be read yet."""
    stored = dict.fromkeys(range(BUFFER_BYTES), 0)
    reads = []
    for clock, access in enumerate(accesses):
        if clock >= write_latency:
            stored |= written_bytes(accesses[clock - write_latency])
        seen = dict(stored)
        if clock >= write_latency - 1:
            seen |= dict.fromkeys(written_bytes(accesses[clock - write_latency + 1]))
        first = access["read_address"]
        values = [seen[(first + (0 if access["splat"] else n)) % BUFFER_BYTES] for n in range(lanes)]
        reads.append([value if access["low"] <= n < access["high"] else FILL for n, value in enumerate(values)])
    return reads


def check(config, accesses, reads):
    """Compare the bytes read by each access with the reference, except for undefined ones."""
    write_latency = prototype(UnifiedBuffer, config=config).write_latency
    for expected, found in zip(ref_reads(accesses, config.read_bytes, write_latency), reads, strict=False):
        assert [None if lane is None else byte for lane, byte in zip(expected, found, strict=True)] == expected


@pytest.mark.parametrize(("cols", "lanes"), SIZES)
def test_buffer(simulate, cols, lanes):
    config = configured(cols, lanes)
    accesses = random_accesses(config, seed=cols + lanes)
    buffer = UnifiedBuffer(config=config)

    async def bench(ctx):
        ctx.set(buffer.fill, FILL)
        for access in accesses:
            for name, value in access.items():
                ctx.set(getattr(buffer, name), value)
            await ctx.tick()

    trace = simulate(buffer, bench, data=buffer.data)
    check(config, accesses, [data.to_bytes(config.read_bytes, "little") for data in trace.data[buffer.latency :]])


class BufferOnStreams(wiring.Component):
    """Buffer with a stream of accesses and one of the bytes read; neither may stall."""

    def __init__(self, config):
        self.buffer = UnifiedBuffer(config=config)
        self.widths = [len(getattr(self.buffer, name)) for name in INPUTS]
        i, o = stream.Signature(sum(self.widths)), stream.Signature(len(self.buffer.data))
        super().__init__({"i": In(i), "o": Out(o)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = self.buffer
        m.d.comb += [
            Cat(getattr(buffer, name) for name in INPUTS).eq(self.i.payload),
            buffer.fill.eq(FILL),
            self.i.ready.eq(1),
            self.o.valid.eq(event(m, "valid", self.i.valid, buffer.latency)),
            self.o.payload.eq(buffer.data),
        ]
        return m


def joined(access, widths):
    """Return the inputs of an access as one number, the first in the least significant bits."""
    total = first = 0
    for name, width in zip(INPUTS, widths, strict=True):
        total |= (access[name] & (1 << width) - 1) << first
        first += width
    return total


def test_cells_of_ecp5():
    """Memory blocks and multiplexers of ECP5, which Amaranth's simulator does not have."""
    try:
        simulators.find()
    except simulators.SimulatorNotFound as error:
        pytest.skip(str(error))
    config = configured(16, 6, mac="ecp5")
    top = BufferOnStreams(config)
    text = verilog(top, name="buffers")
    assert [path.name for path in used(text)] == ["DP16KD.v", "LUT4.v", "PFUMX.v"]
    accesses = random_accesses(config, seed=5)
    i, o = (StreamPort(name, len(getattr(top, name).payload), way) for name, way in (("i", "in"), ("o", "out")))
    beats = b"".join(joined(access, top.widths).to_bytes(i.bytes, "little") for access in accesses)
    job = Job({"i": np.frombuffer(beats, np.uint8).reshape(len(accesses), -1)}, {"o": len(accesses)})
    sources = {"buffers.v": text, **{path.name: path.read_text() for path in used(text)}}
    (result,) = run(sources, "buffers", [i, o], [job])
    check(config, accesses, [beat.tobytes() for beat in result.outputs["o"]])


@pytest.mark.parametrize(("cols", "lanes"), [(16, 4), (8, 8)])
def test_first_and_last_reads(simulate, cols, lanes):
    """A byte is old two clocks before the first read of the new, whether or not that read crosses a row."""
    config = configured(cols, lanes)
    for address in range(-config.read_bytes, config.read_bytes):
        buffer = UnifiedBuffer(config=config)

        async def bench(ctx, buffer=buffer, address=address):
            ctx.set(buffer.high, config.read_bytes)
            ctx.set(buffer.read_address, address)
            ctx.set(buffer.write_address, address)
            ctx.set(buffer.write_data, 0x04030201)
            ctx.set(buffer.write, 3)
            await ctx.tick()
            ctx.set(buffer.write, 0)
            await ctx.tick().repeat(buffer.write_latency + buffer.latency)

        data = simulate(buffer, bench, data=buffer.data).data
        first = buffer.latency + buffer.write_latency
        assert data[first - 2] == 0
        assert data[first] == 0x030201


def test_depth_not_a_power_of_two(simulate):
    """All bytes of a buffer whose last row is incomplete."""
    config = configured(16, 8, buffer_bytes=16 * 18 + 5)
    buffer = UnifiedBuffer(config=config)
    contents = random.Random(3).randbytes(config.buffer_bytes)
    assert buffer.depth == 19

    async def bench(ctx):
        for address, byte in enumerate(contents):
            ctx.set(buffer.write_address, address)
            ctx.set(buffer.write_data, byte)
            ctx.set(buffer.write, 1)
            await ctx.tick()
        ctx.set(buffer.write, 0)
        await ctx.tick().repeat(buffer.write_latency)
        ctx.set(buffer.high, 1)
        for address in range(len(contents)):
            ctx.set(buffer.read_address, address)
            await ctx.tick()

    data = simulate(buffer, bench, data=buffer.data).data
    start = len(contents) + buffer.write_latency + buffer.latency
    assert bytes(data[start : start + len(contents)]) == contents
