"""Gather alone: passes to reads, and the bytes that lie outside the operand."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.golden.systolic.cycle_model import ACCUMULATE_CLOCKS
from tercet.rtl.npu.gather import Gather

from .instruction_cases import fields, random_instruction

CONFIGS = {
    "lanes4": NpuConfig(rows=3, cols=2, depthwise_taps=3, acc_depth=30, buffer_bytes=4096),
    "lanes8": NpuConfig(rows=5, cols=7, depthwise_taps=8, acc_depth=30, buffer_bytes=3000),
}
# Clocks from the flags of a read to its address.
ADDRESS = 3
FLAGS = ("step", "start", "emit", "begin", "end", "first", "last", "second")


def reads_of_a_row(i):
    return (i.out_cols - 1) * i.stride_cols + i.taps


def random_instructions(config, generator, count):
    """Instructions with small operands and windows of all kinds."""
    found = []
    for _ in range(count):
        opcode = generator.choice((Opcode.DEPTHWISE, Opcode.CONVOLVE, Opcode.ADD))
        height = generator.randint(0, 5)
        shape = {"height": height, "row_bytes": generator.choice((0, 1, 7, 40)), "stride_rows": generator.randint(0, 3)}
        found.append(random_instruction(generator, config, opcode, **shape))
    return found


def random_pass(config, generator, i, **flags):
    """Pass around the operand's ends, within the buffer."""
    pitches = {"row_pitch": generator.randint(0, 200), "pixel_pitch": generator.choice((0, 1, 3, 50))}
    rows = flags["rows"]
    span = (rows - 1) * pitches["row_pitch"] + (reads_of_a_row(i) - 1) * pitches["pixel_pitch"]
    address = generator.randint(1 - config.read_bytes, config.buffer_bytes - 1 - span)

    def around(end, margin):
        """Positions around the start, around the end, and between them."""
        return generator.randint(-margin, 2), generator.randint(end - margin, end + 2), generator.randint(0, end)

    return {
        "address": address % 2**24,
        "row": generator.choice((-(2**15), *around(i.height, 4))),
        "byte": generator.choice((-(2**19), *around(i.row_bytes, config.read_bytes))),
        **pitches,
        "bounded": int(generator.random() < 0.7),
        "splat": generator.getrandbits(1),
        "second": generator.getrandbits(1),
        **flags,
    }


def random_passes(config, generator, instructions):
    """One to three blocks of one to three passes of each instruction: (instruction, pass)."""
    found = []
    for i in instructions:
        for block in range(generator.randint(1, 3)):
            rows = generator.randint(1, min(4, config.acc_depth // i.out_cols))
            ends = {"tile_end": generator.getrandbits(1), "layer_end": generator.getrandbits(1), "rows": rows}
            count = generator.randint(1, 3)
            for n in range(count):
                flags = {"first": int(n == 0), "last": int(n == count - 1), "layer": int(block == n == 0)}
                found.append((i, random_pass(config, generator, i, **ends, **flags)))
    return found


def ref_reads(config, i, run):
    """Flags, address and lanes inside the operand of each read."""
    found = []
    for y in range(run["rows"]):
        for x in range(reads_of_a_row(i)):
            row, byte = run["row"] + y * i.stride_rows, run["byte"] + x * run["pixel_pitch"]
            inside = [
                n
                for n in range(config.read_bytes)
                if not run["bounded"] or (0 <= row < i.height and 0 <= byte + n < i.row_bytes)
            ]
            emit = x >= i.taps - 1 and (x - i.taps + 1) % i.stride_cols == 0
            flags = {
                "step": 1,
                "start": not found,
                "emit": emit,
                "begin": emit and not any(f["emit"] for f, *_ in found),
            }
            flags |= {"end": 0, **{name: run[name] for name in ("first", "last", "second")}}
            address = (run["address"] + y * run["row_pitch"] + x * run["pixel_pitch"]) % 2**24
            found.append(({name: int(value) for name, value in flags.items()}, address, inside))
    found[-1][0]["end"] = run["last"]
    return found


class Surroundings:
    """Weight loader, which announces each pass a clock before it is valid; banks and barrier that are free at times."""

    def __init__(self, gather, passes, seed, pause):
        self.gather, self.passes = gather, passes
        self.generator, self.pause = random.Random(seed), pause
        self.valid, self.free = [], []  # first clock of each pass; of each clock: bank_free, idle

    async def bench(self, ctx):
        gather = self.gather
        for i, run in self.passes:
            ctx.set(gather.passes.valid, 0)
            while self.generator.random() < self.pause:
                await self.clock(ctx)
            ctx.set(gather.passes.payload, run)
            ctx.set(gather.instruction, fields(i) if run["layer"] else dict.fromkeys(fields(i), 1))
            ctx.set(gather.coming, 1)
            await self.clock(ctx)
            ctx.set(gather.coming, 0)
            ctx.set(gather.passes.valid, 1)
            self.valid.append(len(self.free))
            while not await self.clock(ctx):
                pass
        ctx.set(gather.passes.valid, 0)
        for _ in range(200):
            await self.clock(ctx)

    async def clock(self, ctx):
        free = [int(self.generator.random() >= self.pause) for _ in range(2)]
        self.free.append(free)
        for name, value in zip(("bank_free", "idle"), free, strict=True):
            ctx.set(getattr(self.gather, name), value)
        _, _, ready = await ctx.tick().sample(self.gather.passes.ready)
        return ready


def simulated(simulate, config, passes, pause=0.0):
    gather = Gather(config=config)
    around = Surroundings(gather, passes, 1, pause)
    names = ("began", "block_start", "block", "flags", "address", "low", "high", "splat", "fill", "error")
    watch = {name: getattr(gather, name) for name in names}
    return around, simulate(gather, around.bench, clocks=20_000, passes=gather.passes, **watch)


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_reads(simulate, config, pause):
    """Every read, in the clock in which it may come first."""
    generator = random.Random(config.cols)
    passes = random_passes(config, generator, random_instructions(config, generator, 15))
    around, trace = simulated(simulate, config, passes, pause)
    taken = [clock for clock, run in enumerate(trace.passes) if run]
    steps = [clock for clock, flags in enumerate(trace.flags) if flags["step"]]
    starts = {
        name: [clock for clock, value in enumerate(getattr(trace, name)) if value] for name in ("began", "block_start")
    }
    before = end = -ACCUMULATE_CLOCKS
    for (i, run), take, valid in zip(passes, taken, around.valid, strict=True):
        clock = max(valid, before + ACCUMULATE_CLOCKS, end)
        while not (around.free[clock - 1][0] or not run["first"]) or not (
            around.free[clock - 1][1] or not run["layer"]
        ):
            clock += 1
        assert take == clock
        for name, flag in (("began", "layer"), ("block_start", "first")):
            if run[flag]:
                assert starts[name].pop(0) == take + 1
        block = {name: run[name] for name in ("rows", "tile_end", "layer_end")}
        for flags, address, inside in ref_reads(config, i, run):
            clock += 1
            assert steps.pop(0) == clock
            assert {name: trace.flags[clock][name] for name in FLAGS} == flags
            assert trace.block[clock] == block
            at = clock + ADDRESS
            assert [n for n in range(config.read_bytes) if trace.low[at] <= n < trace.high[at]] == inside
            assert (trace.address[at], trace.splat[at]) == (address, run["splat"])
            # Stays until the next instruction begins.
            assert trace.fill[clock] == i.fill
        before, end = take, clock
    assert not steps
    assert not starts["began"]
    assert not starts["block_start"]
    assert not any(trace.error)


SIZE = CONFIGS["lanes4"].buffer_bytes
# Address, row, byte and rows of a pass with results of two pixels, two bytes apart, and whether that is refused.
ADDRESSES = [
    (0, 0, 0, 1, False),
    (-3, 0, 0, 1, False),  # the first read ends in the buffer, and the unit may ignore its other lanes
    (-4, 0, 0, 1, True),
    (-4, 0, -4, 1, False),  # outside the operand too
    (-4, -1, 0, 1, False),
    (-4, -1, 0, 2, True),
    (SIZE - 3, 0, 0, 1, False),
    (SIZE - 2, 0, 0, 1, True),
    (SIZE - 2, 0, 9, 1, True),
    (SIZE - 2, 0, 10, 1, False),
    (2**23 - 1, 0, 0, 1, True),
    (2**20, 4, 0, 1, False),
    (2**20, 3, 0, 1, True),
]


@pytest.mark.parametrize(("address", "row", "byte", "rows", "refused"), ADDRESSES)
def test_outside_the_buffer(simulate, address, row, byte, rows, refused):
    shape = {"height": 4, "row_bytes": 12, "stride_rows": 1, "out_cols": 2, "taps": 1, "stride_cols": 1}
    i = random_instruction(random.Random(0), CONFIGS["lanes4"], Opcode.MAXIMUM, **shape)
    run = {"address": address % 2**24, "row": row, "byte": byte, "row_pitch": 0, "pixel_pitch": 2, "rows": rows}
    run |= {"bounded": 1, "first": 1, "last": 1, "layer": 1}
    _, trace = simulated(simulate, CONFIGS["lanes4"], [(i, run)])
    assert any(trace.error) == refused


@pytest.mark.parametrize(("rows", "cols", "refused"), [(5, 6, False), (6, 5, False), (31, 1, True), (4, 8, True)])
def test_blocks_above_the_accumulators(simulate, rows, cols, refused):
    """Two passes of a block, of which each is counted on its own."""
    shape = {"out_cols": cols, "taps": 2, "stride_cols": 2}
    config = CONFIGS["lanes8"]
    i = random_instruction(random.Random(0), config, Opcode.DEPTHWISE, **shape)
    run = {"row_pitch": 0, "pixel_pitch": 0, "rows": rows, "first": 1, "last": 0, "layer": 1}
    _, trace = simulated(simulate, config, [(i, run), (i, {**run, "first": 0, "last": 1, "layer": 0})])
    assert any(trace.error) == refused
