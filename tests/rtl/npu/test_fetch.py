"""Instruction fetch alone: instructions in order, and every kind that is refused."""

import random

from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import BYTES, FIELDS, Instruction, Opcode
from tercet.golden.npu.latencies import WORD_CLOCKS
from tercet.golden.numerics.requantization import ROUNDINGS
from tercet.rtl.npu.fetch import BEATS, InstructionFetch

from .instruction_cases import fields, random_instruction

CONFIG = NpuConfig(rows=4, cols=4, depthwise_taps=3, operators=8, tables=5)
BITS = sum(field.bits for field in FIELDS)
ADD, CONVOLVE, DEPTHWISE, LOOKUP = Opcode.ADD, Opcode.CONVOLVE, Opcode.DEPTHWISE, Opcode.LOOKUP


def fetched(simulate, config, rows, steps):
    """Fetch from a memory of `rows`, each an int; a step is an index, or None for the next. Return what was seen."""
    words = [row >> 32 * n & 0xFFFFFFFF for row in rows for n in range(BEATS)]
    fetch, seen, clocks = InstructionFetch(config=config), [], []

    async def memory(ctx):
        queue = [0] * (WORD_CLOCKS - 1)
        while True:
            _, _, address = await ctx.tick().sample(fetch.address)
            queue.append(words[address] if address < len(words) else 0)
            ctx.set(fetch.word, queue.pop(0))

    async def bench(ctx):
        for step in steps:
            ctx.set(fetch.first_address, 0 if step is None else step * BEATS)
            command = fetch.next if step is None else fetch.first
            ctx.set(command, 1)
            await ctx.tick()
            ctx.set(command, 0)
            ctx.set(fetch.first_address, 1)
            count = 1
            while not ctx.get(fetch.valid):
                await ctx.tick()
                count += 1
            clocks.append(count)
            before = ctx.get(fetch.instruction)
            await ctx.tick().repeat(5)
            assert ctx.get(fetch.valid)
            assert ctx.get(fetch.instruction) == before
            seen.append(({name: before[name] for name in fields(Instruction(0))}, ctx.get(fetch.malformed)))

    simulate(fetch, bench, beside=[memory])
    assert len(set(clocks)) == 1
    return seen


def encoded(instruction):
    return int.from_bytes(instruction.encode(), "little")


def test_order(simulate):
    """From any instruction, then the following ones; behind the last there is none."""
    generator = random.Random(0)
    instructions = [random_instruction(generator, CONFIG, opcode) for opcode in list(Opcode)[1:]]
    instructions.append(Instruction(Opcode.HALT))
    steps = [0, *[None] * 7, 3, None, 7, None, 6, None]
    seen = fetched(simulate, CONFIG, [encoded(each) for each in instructions], steps)
    at = 0
    for step, (found, malformed) in zip(steps, seen, strict=True):
        at = at + 1 if step is None else step
        assert malformed == (at == len(instructions))
        if at < len(instructions):
            assert found == fields(instructions[at])


def opcode(number):
    """Instruction with an unknown opcode."""
    return encoded(Instruction(Opcode.MAXIMUM, **VALID)) & ~0xF | number


VALID = {"out_rows": 1, "out_cols": 1, "channels": 1, "run": 1}
COUNTS = ("out_rows", "out_cols", "channels", "kernel_rows", "kernel_cols", "block", "taps", "stride_cols")
# Opcode and fields of an instruction that is refused, and the nearest one that is not.
REFUSED = [
    *((LOOKUP, {name: 0}, {name: 1}) for name in COUNTS),
    (CONVOLVE, {"run": 0}, {"run": 1}),
    (DEPTHWISE, {"taps": 4}, {"taps": 3, "run": 0}),
    (CONVOLVE, {"taps": 2}, {"taps": 1}),
    (Opcode.MAXIMUM, {"taps": 2}, {"taps": 1, "table": 4095, "other_table": 4095}),
    (CONVOLVE, {"low": 4, "high": 3}, {"low": 4, "high": 4}),
    (CONVOLVE, {"low": 1, "high": -1}, {"low": -1, "high": 1}),
    (CONVOLVE, {"rounding": len(ROUNDINGS)}, {"rounding": len(ROUNDINGS) - 1}),
    (LOOKUP, {"table": 5}, {"table": 4, "other_table": 5}),
    (ADD, {"table": 5}, {"table": 4}),
    (ADD, {"other_table": 5}, {"other_table": 4}),
    (ADD, {"other_table": 4095}, {}),
]


def test_malformed_fields(simulate):
    config = NpuConfig(rows=4, cols=4, depthwise_taps=3, operators=2 * len(REFUSED), tables=5)
    pairs = [[Instruction(code, **{**VALID, **more}) for more in both] for code, *both in REFUSED]
    rows = [encoded(each) for both in pairs for each in both]
    seen = fetched(simulate, config, rows, [0, *[None] * (len(rows) - 1)])
    for (code, refused, accepted), first, second in zip(REFUSED, seen[::2], seen[1::2], strict=True):
        assert (first[1], second[1]) == (1, 0), (code, refused, accepted)


def test_malformed_bits(simulate):
    """Unknown opcodes, and bits beyond the fields."""
    good = encoded(Instruction(Opcode.MAXIMUM, **VALID))
    rows = [opcode(number) for number in range(len(Opcode), 16)]
    rows += [good | 1 << bit for bit in range(BITS, 8 * BYTES)]
    config = NpuConfig(operators=len(rows) + 1)
    seen = fetched(simulate, config, [*rows, good], [0, *[None] * len(rows)])
    assert [malformed for _, malformed in seen] == [1] * len(rows) + [0]


def test_small_machines(simulate):
    """Without the depthwise unit a window has one tap, and without tables no instruction may read any."""
    config = NpuConfig(rows=4, cols=4, depthwise_taps=0, tables=0, operators=8)
    cases = [(DEPTHWISE, {"taps": 2}), (DEPTHWISE, {}), (ADD, {}), (LOOKUP, {}), (Opcode.LARGER, {})]
    rows = [encoded(Instruction(code, **VALID, **more)) for code, more in cases]
    seen = fetched(simulate, config, rows, [0, *[None] * (len(rows) - 1)])
    assert [malformed for _, malformed in seen] == [1, 0, 1, 1, 0]
