"""Machine without its memories: a program of every opcode against the golden machine, and what follows an error."""

import numpy as np
import pytest
from amaranth import *
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.cycle_model import instruction_cycles
from tercet.golden.npu.instructions import BYTES, Instruction, Opcode, encoded
from tercet.golden.npu.latencies import READ_CLOCKS, WORD_CLOCKS
from tercet.golden.npu.machine import Machine as GoldenMachine
from tercet.golden.npu.machine import Memories
from tercet.rtl.npu.machine import Machine

CONFIG = NpuConfig(
    rows=3,
    cols=2,
    weight_rows=1,
    depthwise_taps=2,
    requant_lanes=1,
    acc_depth=6,
    buffer_bytes=512,
    weight_bytes=256,
    channels=16,
    operators=16,
    tables=2,
)
# A map of 3 x 3 pixels of 2 channels at address 0; windows of 3 x 3 pixels around each, in blocks of 2 rows.
MAP = {"source_row": 6, "source_pixel": 2, "source_block": 12, "height": 3, "row_bytes": 6, "fill": 7}
MAP |= {
    "stride_rows": 1,
    "block_rows": 2,
    "dilation_rows": 1,
    "kernel_row": 6,
    "block": 2,
    "out_rows": 3,
    "out_cols": 3,
}
WINDOW = {"source": -8, "first_row": -1, "first_byte": -2, "kernel_rows": 3}
RESULT = {"channels": 2, "target_row": 6, "target_pixel": 2, "zero_point": -3, "low": -100, "high": 90}
OTHER = {"other": 30, "other_row": 6, "other_pixel": 2, "other_block": 12, "other_channel": 1}
HALT = Instruction(Opcode.HALT)
PROGRAM = [
    Instruction(
        Opcode.CONVOLVE,
        **{**MAP, **WINDOW, **RESULT, "channels": 3, "target_row": 9, "target_pixel": 3, "target": 100, "run": 6},
        parameter_channel=1,
        rounding=1,
        prefetch=3,
        other_table=1,
    ),
    Instruction(Opcode.ADD, **{**MAP, **RESULT, **OTHER, "target": 130, "other_table": 1, "parameters": 4}),
    Instruction(
        Opcode.DEPTHWISE,
        **{**MAP, **WINDOW, **RESULT, "target": 160, "kernel_cols": 2, "kernel_pixel": 4, "taps": 2, "weights": 20},
        parameter_channel=1,
    ),
    Instruction(Opcode.MAXIMUM, **{**MAP, **WINDOW, **RESULT, "target": 190, "parameters": 5, "kernel_cols": 2}),
    Instruction(Opcode.MULTIPLY, **{**MAP, **RESULT, **OTHER, "target": 220, "zero": 5, "other_zero": -6}),
    Instruction(Opcode.LARGER, **{**MAP, **RESULT, **OTHER, "target": 250, "other_channel": 0, "parameters": 5}),
    Instruction(Opcode.LOOKUP, **{**MAP, **RESULT, "source": 100, "target": 280, "parameters": 6, "table": 1}),
    HALT,
]
BAD = Instruction(Opcode.MAXIMUM, **{**MAP, **WINDOW, **RESULT, "target": 505})


def memories(instructions):
    """Memories of random contents; entry 5 keeps values as they are, the others bring sums near the int8 range."""
    rng = np.random.default_rng(0)
    entry = np.arange(CONFIG.channels)
    words = CONFIG.weight_bytes // CONFIG.cols
    return Memories(
        weights=rng.integers(-128, 128, (words, CONFIG.cols)).astype(np.int8),
        bias=np.where(entry == 5, 0, rng.integers(-3000, 3000, CONFIG.channels)),
        multiplier=np.where(entry == 5, 2**30, rng.integers(2**30, 2**31, CONFIG.channels)),
        shift=np.where(entry == 5, 1, np.where(entry == 6, -6, -8)),
        tables=rng.integers(-5000, 5000, (CONFIG.tables, 256)).astype(np.int32),
        instructions=encoded(instructions),
    )


def contents(stored):
    """Words of each memory that the machine reads, as integers."""
    parameters = zip(stored.bias.tolist(), stored.multiplier.tolist(), stored.shift.tolist(), strict=True)
    weights = [int.from_bytes(row.tobytes(), "little") for row in stored.weights]
    return {
        "instructions": stored.instructions.reshape(-1).view("<u4").tolist(),
        "weights": weights,
        "parameters": [b % 2**32 | m << 32 | (s % 64) << 63 for b, m, s in parameters],
        "tables": (stored.tables.reshape(-1).astype(np.int64) % 2**32).tolist(),
    }


def delayed(address, word, clocks, read):
    """Bench of a memory: `read` gives the word of an address, `clocks` later."""

    async def bench(ctx):
        queue = [0] * (clocks - 1)
        async for _, _, *values in ctx.tick().sample(*address):
            queue.append(read(*values))
            ctx.set(word, queue.pop(0))

    return bench


def run(simulate, instructions, starts):
    """Run programs from these instructions; return the buffer and a trace."""
    stored = memories(instructions)
    machine = Machine(config=CONFIG)
    buffer = np.random.default_rng(1).integers(-128, 128, CONFIG.buffer_bytes).astype(np.int8)
    initial = buffer.copy()

    def read_buffer(address, low, high, splat, fill):
        lanes = range(CONFIG.read_bytes)
        codes = [int(buffer[(address + (0 if splat else n)) % len(buffer)]) for n in lanes]
        chosen = [code if low <= n < high else fill for n, code in zip(lanes, codes, strict=True)]
        return sum((code & 0xFF) << 8 * n for n, code in enumerate(chosen))

    async def writes(ctx):
        async for _, _, count, address, data in ctx.tick().sample(
            machine.write, machine.write_address, machine.write_data
        ):
            buffer[address : address + count] = np.frombuffer(data.to_bytes(CONFIG.lanes, "little"), np.int8)[:count]

    async def host(ctx):
        for first in starts:
            ctx.set(machine.start, 1)
            ctx.set(machine.first, first * BYTES // 4)
            await ctx.tick()
            ctx.set(machine.start, 0)
            await ctx.tick().until(machine.done)

    ports = (machine.read_address, machine.low, machine.high, machine.splat, machine.fill)
    benches = [writes, delayed(ports, machine.read_data, READ_CLOCKS + 1, read_buffer)]
    for name, words in contents(stored).items():
        address, word = getattr(machine, f"{name}_address"), getattr(machine, f"{name}_word")
        benches.append(delayed([address], word, WORD_CLOCKS, lambda n, words=words: words[n] if n < len(words) else 0))
    names = ("running", "active", "done", "error")
    trace = simulate(machine, host, beside=benches, clocks=20_000, **{name: getattr(machine, name) for name in names})
    return stored, initial, buffer, trace


def golden(stored, buffer, first=0):
    machine = GoldenMachine(CONFIG, stored)
    machine.buffer[0] = buffer
    machine.run(first)
    return machine.buffer[0]


def test_program(simulate):
    stored, initial, buffer, trace = run(simulate, PROGRAM, [0])
    np.testing.assert_array_equal(buffer, golden(stored, initial))
    assert min(len(set(buffer[start : start + 18].tolist())) for start in range(100, 300, 30)) > 3
    parts = instruction_cycles(PROGRAM, CONFIG)
    assert sum(trace.running) == sum(part.cycles for part in parts)
    assert sum(trace.active) == sum(part.active for part in parts)
    assert (sum(trace.done), sum(trace.error)) == (1, 0)


@pytest.mark.parametrize("bad", [BAD, BAD.replaced(parameters=16, target=500), BAD.replaced(low=1, high=0)])
def test_error(simulate, bad):
    """The program ends where it is, and the next one is not disturbed by what was in flight."""
    instructions = [*PROGRAM[:2], bad, *PROGRAM[3:5], HALT, *PROGRAM[2:3], HALT]
    stored, initial, buffer, trace = run(simulate, instructions, [0, 6])
    want = golden(stored, golden(memories([*PROGRAM[:2], HALT]), initial), 6)
    # Results of the ill-formed instruction, and of the one before it, may be there or not.
    np.testing.assert_array_equal(buffer[:130], want[:130])
    np.testing.assert_array_equal(buffer[148:500], want[148:500])
    assert (sum(trace.done), any(trace.error)) == (2, True)
    assert not trace.running[-1]
