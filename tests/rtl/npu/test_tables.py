"""Table fetch alone: tables are copied before they are read, not while others are, and only once."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.golden.npu.latencies import WORD_CLOCKS
from tercet.rtl.npu.tables import TableFetch

from .instruction_cases import fields, random_instruction

CONFIG = NpuConfig(rows=2, cols=2, tables=5)


def read_by(i):
    """Tables that an instruction reads, by operand."""
    return {Opcode.ADD: [i.table, i.other_table], Opcode.LOOKUP: [i.table]}.get(i.opcode, [])


class Surroundings:
    """Instructions one after another: each begins when its tables are ready, and runs for random clocks."""

    def __init__(self, part, instructions, cleared, seed):
        self.part, self.instructions, self.cleared = part, instructions, cleared
        self.generator = random.Random(seed)
        self.begins = []  # clocks
        self.clock = 0

    async def bench(self, ctx):
        part, generator = self.part, self.generator
        for n, instruction in enumerate(self.instructions):
            ctx.set(part.clear, n in self.cleared)
            await self.ticks(ctx, 1)
            ctx.set(part.clear, 0)
            ctx.set(part.instruction, fields(instruction))
            ctx.set(part.valid, 1)
            await self.ticks(ctx, 1)
            clocks = 1
            while not ctx.get(part.ready):
                # The instruction before still runs for a while.
                if clocks == 40:
                    ctx.set(part.in_use, 0)
                clocks += 1
                await self.ticks(ctx, 1)
            ctx.set(part.in_use, 0)
            if clocks < 3:
                await self.ticks(ctx, 3 - clocks)
            self.begins.append(self.clock)
            ctx.set(part.in_use, bool(read_by(instruction)))
            if instruction.prefetch:
                await self.ticks(ctx, generator.choice((1, 300, 600)))
            ctx.set(part.valid, 0)
            await self.ticks(ctx, generator.randrange(4, 30))

    async def ticks(self, ctx, count):
        self.clock += count
        await ctx.tick().repeat(count)


def test_copies(simulate):
    generator = random.Random(0)
    instructions = []
    for _ in range(40):
        opcode = generator.choice((Opcode.ADD, Opcode.LOOKUP, Opcode.CONVOLVE))
        prefetch = generator.randrange(4) if opcode == Opcode.CONVOLVE else 0
        instructions.append(random_instruction(generator, CONFIG, opcode, prefetch=prefetch))
    cleared = (0, 20, 30)
    part = TableFetch(config=CONFIG)
    around = Surroundings(part, instructions, cleared, 1)
    names = ("address", "write", "write_address", "ready", "in_use", "clear")
    trace = simulate(part, around.bench, clocks=40_000, **{name: getattr(part, name) for name in names})
    # Contents of the vector unit's two tables, and whether they are known to be right.
    held, known = [[None] * 256, [None] * 256], [None, None]
    begins = iter(zip(around.begins, instructions, strict=True))
    begin, instruction = next(begins)
    for clock, write in enumerate(trace.write):
        if trace.clear[clock]:
            held, known = [[None] * 256, [None] * 256], [None, None]
        if write:
            number, word = divmod(trace.write_address[clock], 256)
            address = trace.address[clock - WORD_CLOCKS]
            assert not trace.in_use[clock - WORD_CLOCKS]
            assert word or known[number] != address // 256
            held[number][word] = address
            known[number] = address // 256 if word == 255 else None
        # A pass reads the tables many clocks after it begins.
        if clock == (begin or 0) + WORD_CLOCKS + 1:
            for number, table in enumerate(read_by(instruction)):
                assert held[number] == list(range(256 * table, 256 * table + 256))
            begin, instruction = next(begins, (None, None))
    assert begin is None


@pytest.mark.parametrize(("prefetch", "cleared"), [(0, 0), (1, 0), (2, 0), (3, 0), (3, 100), (3, 400)])
def test_prefetch(simulate, prefetch, cleared):
    """Tables of the next instruction are copied while one that reads none runs, unless the memory changes then."""
    generator, part = random.Random(5), TableFetch(config=CONFIG)
    tables = {"table": 3, "other_table": 4}
    first = random_instruction(generator, CONFIG, Opcode.MAXIMUM, prefetch=prefetch, **tables)
    second = random_instruction(generator, CONFIG, Opcode.ADD, prefetch=0, **tables)
    waited = []

    async def bench(ctx):
        ctx.set(part.valid, 1)
        ctx.set(part.instruction, fields(first))
        for clock in range(600):
            ctx.set(part.clear, clock and clock == cleared)
            # The program that was running has ended.
            if clock and clock == cleared:
                ctx.set(part.valid, 0)
            await ctx.tick()
        ctx.set(part.valid, 1)
        ctx.set(part.instruction, fields(second))
        waited.append(0)
        while not ctx.get(part.ready):
            waited[0] += 1
            await ctx.tick()

    simulate(part, bench)
    copies = 2 if cleared else 2 - prefetch.bit_count()
    assert 256 * copies <= waited[0] <= 260 * copies
