"""Sequencer alone: instructions to passes."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Instruction, Opcode
from tercet.rtl.npu.sequencer import Sequencer

from .instruction_cases import BINARY, blocks, fields, random_instruction, tiles

CONFIGS = {
    "4x3": NpuConfig(rows=4, cols=3, weight_rows=2, depthwise_taps=3, requant_lanes=1, acc_depth=6),
    "3x2-diagonal": NpuConfig(rows=3, cols=2, weight_rows=1, depthwise_taps=0, acc_depth=5),
}


def ref_windows(config, i):
    """Passes of a block: bytes from the first window's, kernel row, number in the kernel row."""
    if i.opcode in (*BINARY, Opcode.LOOKUP):
        return [(0, 0, 0)]
    starts = range(0, i.run, config.rows) if i.opcode == Opcode.CONVOLVE else (0,)
    return [
        (column * i.kernel_pixel + start, row, column * len(starts) + n)
        for row in range(i.kernel_rows)
        for column in range(i.kernel_cols)
        for n, start in enumerate(starts)
    ]


def ref_weights(config, i):
    """Memory words of a pass and loads that they take; none on the vector unit."""
    if i.opcode == Opcode.CONVOLVE:
        return config.plane_words, config.plane_words
    if i.opcode == Opcode.DEPTHWISE:
        return (config.tap_words, config.tap_words) if config.depthwise_taps else (1, config.plane_words)
    return 0, 0


def wrapped(value, bits, signed=False):
    value %= 1 << bits
    return value - (1 << bits) if signed and value >> bits - 1 else value


def ref_passes(config, i):
    """Return the passes by the definition of the instruction set; None where it does not matter."""
    words, loads = ref_weights(config, i)
    windows, found = ref_windows(config, i), []
    of_row = sum(row == 0 for _, row, _ in windows)
    for tile, (channel, _) in enumerate(tiles(i, config)):
        offset = 0 if i.opcode == Opcode.CONVOLVE else channel
        for number, (first_row, rows) in enumerate(blocks(i)):
            flags = {
                "tile_end": int(first_row + rows == i.out_rows),
                "layer_end": int(first_row + rows == i.out_rows and channel + config.cols >= i.channels),
                "rows": rows,
            }
            for count, (position, row, n) in enumerate(windows):
                index = (
                    i.weights + ((0 if i.same_tiles else tile) * (1 if i.same_rows else i.kernel_rows)) * of_row * words
                )
                index += ((0 if i.same_rows else row) * of_row + n) * words
                silent = not words or (i.same_rows and of_row == 1 and count > 0)
                address = i.source + number * i.source_block + row * i.kernel_row + position + offset
                found.append(
                    {
                        "address": wrapped(address, 24),
                        "row": wrapped(i.first_row + number * i.block_rows + row * i.dilation_rows, 18, True),
                        "byte": wrapped(i.first_byte + position + offset, 22, True),
                        "row_pitch": i.source_row,
                        "pixel_pitch": i.source_pixel,
                        "bounded": 1,
                        "splat": 0,
                        "second": 0,
                        "silent": int(silent),
                        "weights": None if silent else wrapped(index, 20),
                        "loads": None if silent else loads,
                        "diagonal": int(bool(words) and words != loads),
                        "first": int(count == 0),
                        "last": int(count == len(windows) - 1 and i.opcode not in BINARY),
                        "layer": int(not found),
                        **flags,
                    }
                )
            if i.opcode in BINARY:
                address = i.other + number * i.other_block + (channel if i.other_channel else 0)
                second = {"address": wrapped(address, 24), "row_pitch": i.other_row, "pixel_pitch": i.other_pixel}
                second |= {"row": None, "byte": None, "bounded": 0, "splat": int(not i.other_channel), "second": 1}
                found.append({**found[-1], **second, "first": 0, "last": 1, "layer": 0})
    return found


class Surroundings:
    """Instruction fetch, tables and gather: they answer after random clocks, and log what the sequencer asks for."""

    def __init__(self, sequencer, instructions, malformed, seed):
        self.sequencer, self.instructions, self.malformed = sequencer, instructions, malformed
        self.generator, self.log = random.Random(seed), []

    async def bench(self, ctx):
        sequencer, due = self.sequencer, {"start": 3}
        passes = sequencer.passes
        sampled = (sequencer.fetch_first, sequencer.fetch_next, passes.valid & passes.ready, passes.payload.layer)
        left = list(enumerate(self.instructions))
        begun = False
        programs = len(self.malformed) + sum(i.opcode == Opcode.HALT for i in self.instructions)
        while len(self.log) < programs:
            for name in ("start", "began"):
                ctx.set(getattr(sequencer, name), 0)
            for name in [name for name, clocks in due.items() if not clocks]:
                del due[name]
                ctx.set(getattr(sequencer, name), 1)
                begun |= name == "began"
            due = {name: clocks - 1 for name, clocks in due.items()}
            _, _, first, following, taken, layer, done, error = await ctx.tick().sample(
                *sampled, sequencer.done, sequencer.error
            )
            if first or following:
                assert begun or first
                begun = False
                number, instruction = left.pop(0)
                for name in ("valid", "tables_ready", "idle"):
                    ctx.set(getattr(sequencer, name), 0)
                    due[name] = self.generator.randrange(8)
                due["valid"] += 1  # the instruction is stable before that
                due["tables_ready"] += due["valid"]
                ctx.set(sequencer.instruction, fields(instruction))
                ctx.set(sequencer.malformed, number in self.malformed)
            if taken:
                assert ctx.get(sequencer.valid & sequencer.tables_ready)
                if layer:
                    due["began"] = self.generator.randrange(40)
            if done:
                assert ctx.get(sequencer.idle)
            if done or error:
                self.log.append("done" if done else "error")
                due = {"start": self.generator.randrange(1, 9)} if left else {}


def check(simulate, receive, config, instructions, stall=0.0, malformed=()):
    """Compare all passes; return how each program ended."""
    runs = [i for n, i in enumerate(instructions) if i.opcode != Opcode.HALT and n not in malformed]
    want = [run for i in runs for run in ref_passes(config, i)]
    sequencer = Sequencer(config=config)
    around = Surroundings(sequencer, instructions, malformed, seed=1)
    taker = receive(sequencer.passes, len(want), stall, 2)
    trace = simulate(sequencer, around.bench, taker, passes=sequencer.passes, clocks=20_000)
    found = [run for run in trace.passes if run is not None]
    assert len(found) == len(want)
    for run, each in zip(found, want, strict=True):
        expected = {name: value for name, value in each.items() if value is not None}
        assert {name: run[name] for name in expected} == expected
    return around.log


@pytest.mark.parametrize("stall", [0.0, 0.6])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_passes(simulate, receive, config, stall):
    """Every field of every pass, of several programs."""
    generator = random.Random(config.rows)
    instructions = []
    for _ in range(3):
        opcodes = generator.sample(list(Opcode)[1:], 7)
        instructions += [random_instruction(generator, config, opcode) for opcode in opcodes]
        instructions.append(Instruction(Opcode.HALT))
    assert check(simulate, receive, config, instructions, stall) == ["done"] * 3


def test_malformed(simulate, receive):
    """A malformed instruction ends its program before any of its passes."""
    config, generator = CONFIGS["4x3"], random.Random(3)
    copy, halt = random_instruction(generator, config, Opcode.MAXIMUM), Instruction(Opcode.HALT)
    instructions = [copy, copy, copy, copy, halt, halt]
    assert check(simulate, receive, config, instructions, malformed=(0, 2)) == ["error", "error", "done", "done"]
