"""Drain alone: finished blocks to columns of the accumulators."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.rtl.npu.drain import Drain

from .instruction_cases import beats, blocks, fields, random_instruction, tiles

CONFIGS = {
    "lanes2-cols5": NpuConfig(rows=2, cols=5, requant_lanes=2, acc_depth=6),
    "lanes3-cols3": NpuConfig(rows=2, cols=3, requant_lanes=3, acc_depth=4),
    "lanes1-cols4": NpuConfig(rows=2, cols=4, requant_lanes=1, acc_depth=5),
}


class Surroundings:
    """Gather, accumulators and parameters: two blocks at a time are begun and become full after random clocks."""

    def __init__(self, drain, config, instructions, seed, pause):
        self.drain, self.config, self.instructions = drain, config, instructions
        self.generator, self.pause = random.Random(seed), pause
        self.ready = []  # of each clock

    async def bench(self, ctx):
        drain = self.drain
        for instruction in self.instructions:
            ctx.set(drain.instruction, fields(instruction))
            ctx.set(drain.began, 1)
            await self._clock(ctx)
            ctx.set(drain.began, 0)
            ctx.set(drain.instruction, dict.fromkeys(fields(instruction), 1))
            count = len(list(tiles(instruction, self.config)))
            left = [
                {"rows": rows, "tile_end": int(end), "layer_end": int(end and tile == count - 1)}
                for tile in range(count)
                for first, rows in blocks(instruction)
                for end in (first + rows == instruction.out_rows,)
            ]
            await self._blocks(ctx, left)

    async def _blocks(self, ctx, left):
        """Begin and complete blocks until the last is read."""
        gathered = unread = 0
        while left or unread:
            begins = left and unread < 2 and self.generator.random() >= self.pause
            fills = gathered and self.generator.random() >= self.pause
            ctx.set(self.drain.block_start, bool(begins))
            ctx.set(self.drain.full, bool(fills))
            if begins:
                ctx.set(self.drain.block, left.pop(0))
            freed = await self._clock(ctx)
            gathered += bool(begins) - bool(fills)
            unread += bool(begins) - freed
            ctx.set(self.drain.block_start, 0)
            ctx.set(self.drain.full, 0)

    async def _clock(self, ctx):
        ready = self.generator.random() >= self.pause
        ctx.set(self.drain.params_ready, ready)
        self.ready.append(ready)
        _, _, freed = await ctx.tick().sample(self.drain.freed)
        return freed


@pytest.mark.parametrize("pause", [0.0, 0.7])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_order(simulate, config, pause):
    generator = random.Random(config.cols)
    instructions = [random_instruction(generator, config, Opcode.CONVOLVE) for _ in range(12)]
    drain = Drain(config=config)
    around = Surroundings(drain, config, instructions, 1, pause)
    names = ("draining", "valid", "beat", "bank", "address", "chunk", "slot", "freed", "params_freed")
    trace = simulate(drain, around.bench, **{name: getattr(drain, name) for name in names}, clocks=20_000)
    reads = [clock for clock, valid in enumerate(trace.valid) if valid]
    assert trace.draining == trace.valid
    bank = 0
    for instruction in instructions:
        starts = {first for first, _ in blocks(instruction)}
        for (channel, row, pixel), beat in beats(instruction, config):
            clock = reads.pop(0)
            column, tile = channel % config.cols, channel // config.cols
            first = max(start for start in starts if start <= row)
            if (row, pixel, column) == (first, 0, 0):
                assert around.ready[clock - 1]
            else:
                assert trace.valid[clock - 1]
            address = (row - first) * instruction.out_cols + pixel
            place = (bank, address, column // config.lanes, tile % 2)
            assert tuple(getattr(trace, name)[clock] for name in ("bank", "address", "chunk", "slot")) == place
            assert trace.beat[clock] == beat
            block_end = beat["row_end"] and (row + 1 in starts or beat["tile_end"])
            assert (trace.freed[clock + 1], trace.params_freed[clock]) == (bool(block_end), beat["tile_end"])
            bank ^= bool(block_end)
    assert not reads
