"""Parameter fetch alone: entries of each tile's channels, in two sets."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.golden.npu.latencies import WORD_CLOCKS
from tercet.golden.systolic.cycle_model import READ_CLOCKS
from tercet.rtl.npu.parameters import ParameterFetch

from .instruction_cases import fields, random_instruction, tiles

CONFIGS = {
    "cols5": NpuConfig(rows=2, cols=5, requant_lanes=2, channels=100),
    "cols2": NpuConfig(rows=2, cols=2, requant_lanes=1, channels=64),
}
STORED = 2  # clocks from a write to the entry in the lanes


class Surroundings:
    """Drain that takes a tile whose parameters are ready, and frees it after random clocks."""

    def __init__(self, part, config, instructions, seed, pause):
        self.part, self.config, self.instructions = part, config, instructions
        self.generator, self.pause = random.Random(seed), pause
        self.began, self.freed = [], []  # clocks, those of the tiles by instruction
        self.clock = 0

    async def bench(self, ctx):
        part = self.part
        for instruction in self.instructions:
            ctx.set(part.instruction, fields(instruction))
            ctx.set(part.began, 1)
            self.began.append(self.clock)
            await self.tick(ctx)
            ctx.set(part.began, 0)
            ctx.set(part.instruction, dict.fromkeys(fields(instruction), 1))
            self.freed.append([])
            for _ in tiles(instruction, self.config):
                while not ctx.get(part.ready) or self.generator.random() < self.pause:
                    await self.tick(ctx)
                ctx.set(part.freed, 1)
                self.freed[-1].append(self.clock)
                await self.tick(ctx)
                ctx.set(part.freed, 0)
            # Until the last result is written.
            for _ in range(READ_CLOCKS + 2):
                await self.tick(ctx)

    async def tick(self, ctx):
        self.clock += 1
        await ctx.tick()


@pytest.mark.parametrize("pause", [0.0, 0.9])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_entries(simulate, config, pause):
    generator = random.Random(config.cols)
    instructions = []
    for n in range(20):
        channels = generator.randint(1, 4 * config.cols)
        first = generator.randrange(config.channels - channels + 1)
        more = {"channels": channels, "parameters": first, "parameter_channel": int(n % 4 > 0)}
        instructions.append(random_instruction(generator, config, Opcode.CONVOLVE, **more))
    part = ParameterFetch(config=config)
    around = Surroundings(part, config, instructions, 1, pause)
    names = ("address", "write", "slot", "column", "common", "ready", "error")
    trace = simulate(part, around.bench, clocks=20_000, **{name: getattr(part, name) for name in names})
    writes = [clock for clock, write in enumerate(trace.write) if write]
    assert not any(trace.error)
    for i, began, freed in zip(instructions, around.began, around.freed, strict=True):
        assert trace.common[began + 1 : freed[-1] + 1] == [not i.parameter_channel] * (freed[-1] - began)
        stored = []
        for tile, (channel, count) in enumerate(tiles(i, config) if i.parameter_channel else [(0, 1)]):
            for column in range(count):
                clock = writes.pop(0)
                assert trace.address[clock - WORD_CLOCKS] == i.parameters + channel + column
                assert (trace.slot[clock], trace.column[clock]) == (tile % 2, column)
                # The set belongs to the tile before the last until the lanes have read it for its last codes.
                assert tile < 2 or clock > freed[tile - 2] + READ_CLOCKS + 3
            stored.append(clock + STORED)
        for n, clock in enumerate(freed):
            assert clock >= stored[min(n, len(stored) - 1)]
    assert not writes


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("beyond", [False, True])
@pytest.mark.parametrize("per_channel", [0, 1])
def test_outside(simulate, config, beyond, per_channel):
    """Only the last entry is beyond the memory, or is its last."""
    count = 3 if per_channel else 1
    fields_ = {"channels": 3, "parameters": config.channels - count + beyond, "parameter_channel": per_channel}
    instruction = random_instruction(random.Random(4), config, Opcode.CONVOLVE, **fields_)
    part = ParameterFetch(config=config)
    around = Surroundings(part, config, [instruction], 1, 0.0)
    trace = simulate(part, around.bench, error=part.error)
    assert any(trace.error) == beyond
