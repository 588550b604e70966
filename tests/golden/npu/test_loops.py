"""Random instructions on the machine against the loops of the specification, byte by byte."""

import numpy as np
import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Instruction, Opcode, encoded
from tercet.golden.npu.machine import Machine, Memories
from tercet.golden.numerics.requantization import ROUNDINGS, requantize

WINDOWED = (Opcode.CONVOLVE, Opcode.DEPTHWISE, Opcode.MAXIMUM)


def random_config(rng):
    rows, cols = (int(n) for n in rng.integers(2, 7, 2))
    return NpuConfig(
        rows=rows,
        cols=cols,
        requant_lanes=1,
        depthwise_taps=int(rng.integers(0 if rows >= cols else 1, 5)),
        weight_rows=int(rng.choice([n for n in range(1, rows + 1) if rows % n == 0])),
        buffer_bytes=2048,
        acc_depth=int(rng.integers(3, 12)),
    )


def random_instruction(rng, config, opcode):
    """All addresses lie in the buffer: sources from 700 on, results from 1600 on."""
    out_rows, out_cols, channels = int(rng.integers(1, 6)), int(rng.integers(1, 4)), int(rng.integers(1, 14))
    names = ("first_row", "first_byte", "fill", "zero", "other_zero")
    fields = {name: int(rng.integers(-5, 6)) for name in names}
    small = ("source_row", "source_pixel", "kernel_row", "kernel_pixel", "other_row", "other_pixel")
    fields |= {name: int(rng.integers(0, 20)) for name in small}
    fields |= {name: int(rng.integers(0, 4)) for name in ("stride_rows", "dilation_rows", "weights", "parameters")}
    flags = ("other_channel", "parameter_channel", "same_rows", "same_tiles", "table", "other_table")
    fields |= {name: int(rng.integers(2)) for name in flags}
    block = int(rng.integers(1, config.acc_depth // out_cols + 1))
    for name, row in (("source_block", "source_row"), ("other_block", "other_row"), ("block_rows", "stride_rows")):
        fields[name] = block * fields[row]
    low, high = sorted(int(n) for n in rng.integers(-128, 128, 2))
    return Instruction(
        opcode,
        **fields,
        source=700,
        height=int(rng.integers(0, 8)),
        row_bytes=int(rng.integers(0, 60)),
        kernel_rows=int(rng.integers(1, 4)) if opcode in WINDOWED else 1,
        kernel_cols=int(rng.integers(1, 4)) if opcode in WINDOWED else 1,
        run=int(rng.integers(1, 14)),
        taps=int(rng.integers(1, config.window_taps + 1)) if opcode == Opcode.DEPTHWISE else 1,
        stride_cols=int(rng.integers(1, 4)),
        other=700,
        target=1600,
        target_row=int(out_cols * (channels + 2)),
        target_pixel=channels + 1,
        out_rows=out_rows,
        out_cols=out_cols,
        channels=channels,
        block=block,
        zero_point=int(rng.integers(-9, 10)),
        low=low,
        high=high,
        rounding=int(rng.integers(len(ROUNDINGS))),
    )


class Reference:
    """The loops of one instruction, for one result at a time."""

    def __init__(self, config, memories, buffer, instruction):
        self.config, self.memories, self.buffer, self.i = config, memories, buffer, instruction

    def byte(self, y, read, ky, kx, offset):
        i = self.i
        row = i.first_row + y * i.stride_rows + ky * i.dilation_rows
        position = i.first_byte + read * i.source_pixel + kx * i.kernel_pixel + offset
        if not (0 <= row < i.height and 0 <= position < i.row_bytes):
            return i.fill
        return int(self.buffer[i.source + y * i.source_row + ky * i.kernel_row + position - i.first_byte])

    def weight(self, tile, ky, number, passes, words, row, column):
        """Weight of a pass of a kernel row; `row` is (word, row of the word)."""
        i = self.i
        rows = 1 if i.same_rows else i.kernel_rows
        word = i.weights + words * ((0 if i.same_tiles else tile * rows * passes) + (ky % rows) * passes + number)
        return int(self.memories.weights[(word + row[0]) * self.config.weight_rows + row[1], column])

    def total(self, y, o, channel):
        i, config = self.i, self.config
        read, (tile, column) = o * i.stride_cols + i.taps - 1, divmod(channel, config.cols)
        windows = [(ky, kx) for ky in range(i.kernel_rows) for kx in range(i.kernel_cols)]
        found = 0
        if i.opcode == Opcode.CONVOLVE:
            pieces = -(-i.run // config.rows)
            for ky, kx in windows:
                for at in range(i.run):
                    piece, row = divmod(at, config.rows)
                    segment, word = divmod(row, config.rows // config.weight_rows)
                    place = (kx * pieces + piece, i.kernel_cols * pieces, config.rows // config.weight_rows)
                    weight = self.weight(tile, ky, *place, (word, segment), column)
                    found += weight * self.byte(y, read, ky, kx, at)
            return found
        if i.opcode == Opcode.DEPTHWISE:
            words = max(1, -(-config.depthwise_taps // config.weight_rows))
            for ky, kx in windows:
                for slot in range(i.taps):
                    place = (kx, i.kernel_cols, words)
                    weight = self.weight(tile, ky, *place, divmod(slot, config.weight_rows), column)
                    found += weight * self.byte(y, read - slot, ky, kx, channel)
            return found
        if i.opcode == Opcode.MAXIMUM:
            return max(self.byte(y, read, ky, kx, channel) for ky, kx in windows)
        first = self.byte(y, read, 0, 0, channel)
        address = i.other + y * i.other_row + read * i.other_pixel + i.other_channel * channel
        second = int(self.buffer[address])
        tables = self.memories.tables
        return {
            Opcode.ADD: lambda: int(tables[i.table, first + 128]) + int(tables[i.other_table, second + 128]),
            Opcode.MULTIPLY: lambda: (first - i.zero) * (second - i.other_zero),
            Opcode.LARGER: lambda: max(first, second),
            Opcode.LOOKUP: lambda: int(tables[i.table, first + 128]),
        }[i.opcode]()

    def run(self):
        i, after = self.i, self.buffer.copy()
        for y, o, channel in np.ndindex(i.out_rows, i.out_cols, i.channels):
            entry = i.parameters + i.parameter_channel * channel
            bias, multiplier, shift = (
                int(getattr(self.memories, name)[entry]) for name in ("bias", "multiplier", "shift")
            )
            total = np.array([self.total(y, o, channel) + bias], np.int32)
            ends = {"qmin": i.low, "qmax": i.high, "rounding": ROUNDINGS[i.rounding]}
            code = requantize(total, multiplier, shift, i.zero_point, **ends)[0]
            after[i.target + y * i.target_row + o * i.target_pixel + channel] = code
        return after


@pytest.mark.parametrize("opcode", list(Opcode)[1:])
def test_random_instructions(opcode):
    """Every field of every operation."""
    rng = np.random.default_rng(int(opcode))
    for _ in range(60):
        config = random_config(rng)
        instruction = random_instruction(rng, config, opcode)
        memories = Memories(
            weights=rng.integers(-128, 128, (2**12 * config.memory_word_rows, config.cols)).astype(np.int8),
            bias=rng.integers(-500, 500, 20),
            multiplier=rng.integers(2**29, 2**31, 20),
            shift=rng.integers(-9, 1, 20),
            tables=rng.integers(-(2**16), 2**16, (2, 256)).astype(np.int32),
            instructions=encoded([instruction, Instruction(Opcode.HALT)]),
        )
        found = Machine(config, memories, batch=2)
        found.buffer[:] = rng.integers(-128, 128, found.buffer.shape)
        want = [Reference(config, memories, buffer, instruction).run() for buffer in found.buffer]
        found.run()
        np.testing.assert_array_equal(found.buffer, want, err_msg=str(instruction))
