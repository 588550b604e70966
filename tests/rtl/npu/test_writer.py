"""Writer alone: addresses of results, and codes outside the buffer."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.rtl.npu.writer import Writer

from .instruction_cases import beats, fields, random_instruction

CONFIGS = {
    "lanes2-cols5": NpuConfig(rows=2, cols=5, requant_lanes=2, buffer_bytes=1024),
    "lanes4-cols4": NpuConfig(rows=2, cols=4, requant_lanes=4, buffer_bytes=1000),
}


def targets(generator, config):
    """Target inside the buffer, or across one of its ends; pitches that do not align with its words."""
    size = config.buffer_bytes
    target = generator.choice((0, 1, 301, size - 40, size - 3, size, 2**24 - 1, generator.randrange(size)))
    return {
        "target": target,
        "target_row": generator.choice((0, 7, 100, 2**20 - 1)),
        "target_pixel": generator.choice((0, 3, 17)),
    }


@pytest.mark.parametrize("pause", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_addresses(simulate, config, pause):
    """Codes are written two clocks after they come, or the error is reported; done is a clock before the last."""
    generator = random.Random(config.cols)
    instructions = [random_instruction(generator, config, Opcode.ADD, **targets(generator, config)) for _ in range(30)]
    writer, want = Writer(config=config), []
    codes = [generator.getrandbits(8 * config.lanes) for _ in range(20_000)]

    async def bench(ctx):
        async def clock(expected=None):
            ctx.set(writer.codes, codes[len(want)])
            want.append(expected)
            await ctx.tick()

        for i in instructions:
            ctx.set(writer.instruction, fields(i))
            ctx.set(writer.began, 1)
            await clock()
            ctx.set(writer.began, 0)
            ctx.set(writer.instruction, dict.fromkeys(fields(i), 1))
            for (channel, row, pixel), beat in beats(i, config):
                while generator.random() < pause:
                    await clock()
                ctx.set(writer.valid, 1)
                ctx.set(writer.beat, beat)
                address = (i.target + row * i.target_row + pixel * i.target_pixel + channel) % 2**24
                await clock((address, beat["count"], beat["layer_end"]))
                ctx.set(writer.valid, 0)
        await clock()

    names = ("count", "address", "data", "error", "done")
    trace = simulate(writer, bench, **{name: getattr(writer, name) for name in names}, clocks=20_000)
    errors = 0
    for n, expected in enumerate(want):
        count, address, data, error = (getattr(trace, name)[n + 3] for name in names[:-1])
        if expected is None:
            assert (count, error, trace.done[n + 2]) == (0, 0, 0)
            continue
        outside = expected[0] + expected[1] > config.buffer_bytes
        assert (error, trace.done[n + 2]) == (outside, expected[2])
        assert count == (0 if outside else expected[1])
        mask = (1 << 8 * count) - 1
        assert outside or (address, data & mask) == (expected[0], codes[n + 1] & mask)
        errors += outside
    assert 0 < errors < len([expected for expected in want if expected])
