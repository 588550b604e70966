"""Bit-exact golden model of the NPU: memories and instruction execution.

An ill-formed instruction sets the machine's error flag and stops the run: an address outside a memory, a count of zero,
a block that exceeds the accumulators, an unknown opcode or rounding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ..numerics.requantization import ROUNDINGS, rescale
from .config import NpuConfig
from .instructions import BYTES, Instruction, Opcode, decode
from .weights import pass_words, passes

__all__ = ["Machine", "MachineError", "Memories"]


class MachineError(ValueError):
    """An instruction cannot be executed; the machine has stopped."""


@dataclass(eq=False)
class Memories:
    """Memory contents loaded before a run.

    Attributes
    ----------
    weights : (rows of words, cols) int8 array
        Weight memory, `NpuConfig.weight_rows` rows per word.
    bias, multiplier, shift : (channels,) int64 arrays
        Parameter memory.
    tables : (tables, 256) int32 array
        Table words for each code from -128 on.
    instructions : (instructions, BYTES) uint8 array
        Instruction memory.
    """

    weights: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray
    shift: np.ndarray
    tables: np.ndarray
    instructions: np.ndarray


@dataclass(eq=False)
class Machine:
    """NPU with its memories loaded.

    Attributes
    ----------
    config : NpuConfig
        Configuration.
    memories : Memories
        Loaded memories.
    buffer : (buffer_bytes,) int8 array
        Unified buffer.
    batch : int
        Number of machines that run the same program in parallel; `buffer` then has a leading axis of this length.
    """

    config: NpuConfig
    memories: Memories
    batch: int = 1
    buffer: np.ndarray = field(init=False)

    def __post_init__(self):
        self.buffer = np.zeros((self.batch, self.config.buffer_bytes), np.int8)
        for name, found, most in (
            ("weights", self.memories.weights.size, self.config.weight_bytes),
            ("parameters", len(self.memories.bias), self.config.channels),
            ("tables", len(self.memories.tables), self.config.tables),
            ("instructions", len(self.memories.instructions), self.config.operators),
        ):
            if found > most:
                raise ValueError(f"The program has {found} {name}, the machine room for {most}; use a larger memory")
        if self.memories.instructions.shape[1:] != (BYTES,):
            raise ValueError(f"Instructions have shape {self.memories.instructions.shape}; use (instructions, {BYTES})")

    def instructions(self, first: int = 0) -> Iterator[Instruction]:
        """Decode the instruction memory from `first` up to HALT.

        Raises
        ------
        MachineError
            If an instruction is ill-formed, or there is no HALT.
        """
        for number, row in enumerate(self.memories.instructions[first:], first):
            try:
                found = decode(row.tobytes())
            except ValueError as error:
                raise MachineError(f"instruction {number}: {error}") from None
            if found.opcode == Opcode.HALT:
                return
            yield found
        raise MachineError("the instruction memory has no HALT")

    def run(self, first: int = 0) -> None:
        """Execute instructions from `first` up to HALT.

        Raises
        ------
        MachineError
            If an instruction cannot be executed.
        """
        for number, instruction in enumerate(list(self.instructions(first)), first):
            try:
                self._execute(instruction)
            except MachineError as error:
                raise MachineError(f"instruction {number}, {instruction}: {error}") from None

    def _execute(self, i: Instruction) -> None:
        self._check(i)
        execute: dict[int, Callable[[Instruction], np.ndarray]] = {
            Opcode.CONVOLVE: self._convolve,
            Opcode.DEPTHWISE: self._depthwise,
            Opcode.MAXIMUM: self._maximum,
            Opcode.ADD: self._add,
            Opcode.MULTIPLY: self._multiply,
            Opcode.LARGER: self._larger,
            Opcode.LOOKUP: self._lookup,
        }
        codes = np.clip(self._scaled(i, execute[i.opcode](i)), i.low, i.high)
        pixels = i.target_row * np.arange(i.out_rows)[:, None] + i.target_pixel * np.arange(i.out_cols)
        target = i.target + pixels[..., None] + np.arange(i.channels)
        self._inside(target, "writes")
        self.buffer[:, target] = codes.astype(np.int8)

    def _check(self, i: Instruction) -> None:
        if min(i.out_rows, i.out_cols, i.channels) < 1:
            raise MachineError("its result has no elements")
        counts = ["kernel_rows", "kernel_cols", "block", "taps", "stride_cols"]
        for name in [*counts, "run"] if i.opcode == Opcode.CONVOLVE else counts:
            if getattr(i, name) < 1:
                raise MachineError(f"{name} is 0")
        most = self.config.window_taps if i.opcode == Opcode.DEPTHWISE else 1
        if i.taps > most:
            raise MachineError(f"taps {i.taps} is above {most}")
        if min(i.block, i.out_rows) * i.out_cols > self.config.acc_depth:
            raise MachineError(f"a block of {i.block} rows of {i.out_cols} sums exceeds {self.config.acc_depth}")
        if i.low > i.high:
            raise MachineError(f"low {i.low} is above high {i.high}")
        if i.rounding >= len(ROUNDINGS):
            raise MachineError(f"rounding {i.rounding} is unknown")

    def _inside(self, addresses: np.ndarray, verb: str) -> None:
        for end in (int(addresses.min()), int(addresses.max())):
            if not 0 <= end < self.config.buffer_bytes:
                raise MachineError(f"it {verb} byte {end} of a buffer of {self.config.buffer_bytes}")

    def _read(self, i: Instruction, row: int, column: int, start: int, count: int) -> np.ndarray:
        """Read `count` lanes in all reads of a pass: codes (batch, out rows, reads, count).

        The lanes start `start` bytes after the first of kernel row `row` and column `column`. Lanes outside the operand
        read the fill code.
        """
        blocks, rows = divmod(np.arange(i.out_rows)[:, None, None], i.block)
        offset = _reads(i)[:, None] * i.source_pixel + column * i.kernel_pixel + start + np.arange(count)
        number = i.first_row + blocks * i.block_rows + rows * i.stride_rows + row * i.dilation_rows
        position = i.first_byte + offset
        inside = (number >= 0) & (number < i.height) & (position >= 0) & (position < i.row_bytes)
        address = i.source + blocks * i.source_block + rows * i.source_row + row * i.kernel_row + offset
        address = np.where(inside, address, 0)
        self._inside(address, "reads")
        return np.where(inside, self.buffer[:, address], np.int8(i.fill))

    def _other(self, i: Instruction) -> np.ndarray:
        """Read the second operand: codes (batch, out rows, out columns, channels)."""
        blocks, rows = divmod(np.arange(i.out_rows)[:, None, None], i.block)
        offset = _reads(i)[:, None] * i.other_pixel + i.other_channel * np.arange(i.channels)
        address = i.other + blocks * i.other_block + rows * i.other_row + offset
        self._inside(address, "reads")
        return _results(i, self.buffer[:, address])

    def _scaled(self, i: Instruction, sums: np.ndarray) -> np.ndarray:
        """Requantise sums (..., channels) with the instruction's parameters."""
        count = i.channels if i.parameter_channel else 1
        part = slice(i.parameters, i.parameters + count)
        if len(self.memories.bias[part]) < count:
            raise MachineError(f"it reads parameter {i.parameters + count - 1} of {len(self.memories.bias)}")
        # The accumulators have 32 bits.
        total = (sums.astype(np.int64) + self.memories.bias[part]).astype(np.int32).astype(np.int64)
        rounding = ROUNDINGS[i.rounding]
        return rescale(total, self.memories.multiplier[part], self.memories.shift[part], rounding) + i.zero_point

    def _weights(self, i: Instruction, tile: int, row: int, number: int) -> np.ndarray:
        """Rows of weights of a pass, the `number`-th of its kernel row: (rows of its words, cols)."""
        each, count = self.config.memory_word_rows, pass_words(i, self.config)
        of_row = len(list(passes(i, self.config)))
        row, of_tile = (0, of_row) if i.same_rows else (row, of_row * i.kernel_rows)
        first = i.weights + ((0 if i.same_tiles else tile * of_tile) + row * of_row + number) * count
        if (first + count) * each > len(self.memories.weights):
            words = len(self.memories.weights) // each
            raise MachineError(f"it reads word {first + count - 1} of {words} of the weights")
        return self.memories.weights[first * each : (first + count) * each]

    def _convolve(self, i: Instruction) -> np.ndarray:
        tiles = range(-(-i.channels // self.config.cols))
        sums = np.zeros((self.batch, i.out_rows, i.out_cols, len(tiles) * self.config.cols))
        shape = self.config.plane_words, self.config.memory_word_rows, self.config.cols
        for row in range(i.kernel_rows):
            for number, (column, start, used) in enumerate(passes(i, self.config)):
                codes = _results(i, self._read(i, row, column, start, used)).astype(np.float64)
                words = [self._weights(i, tile, row, number).reshape(shape).swapaxes(0, 1) for tile in tiles]
                planes = np.concatenate([each.reshape(-1, self.config.cols) for each in words], axis=1)
                # Exact in float64: below 2**53.
                sums += codes @ planes[:used].astype(np.float64)
        return sums[..., : i.channels]

    def _depthwise(self, i: Instruction) -> np.ndarray:
        sums = np.zeros((self.batch, i.out_rows, i.out_cols, i.channels), np.int64)
        tiles = range(-(-i.channels // self.config.cols))
        for row in range(i.kernel_rows):
            for column in range(i.kernel_cols):
                codes = self._read(i, row, column, 0, i.channels)
                words = np.concatenate([self._weights(i, tile, row, column)[: i.taps] for tile in tiles], axis=1)
                for age, weights in enumerate(words[:, : i.channels].astype(np.int64)):
                    sums += _results(i, codes, age) * weights
        return sums

    def _maximum(self, i: Instruction) -> np.ndarray:
        found = np.full((self.batch, i.out_rows, i.out_cols, i.channels), -128, np.int8)
        for row in range(i.kernel_rows):
            for column in range(i.kernel_cols):
                np.maximum(found, self._first(i, row, column), out=found)
        return found

    def _first(self, i: Instruction, row: int = 0, column: int = 0) -> np.ndarray:
        """Read the first operand of a vector operation: codes (batch, out rows, out columns, channels)."""
        return _results(i, self._read(i, row, column, 0, i.channels))

    def _table(self, number: int, codes: np.ndarray) -> np.ndarray:
        if number >= len(self.memories.tables):
            raise MachineError(f"it reads table {number} of {len(self.memories.tables)}")
        return self.memories.tables[number].astype(np.int64)[codes.astype(np.intp) + 128]

    def _add(self, i: Instruction) -> np.ndarray:
        return self._table(i.table, self._first(i)) + self._table(i.other_table, self._other(i))

    def _multiply(self, i: Instruction) -> np.ndarray:
        return (self._first(i).astype(np.int64) - i.zero) * (self._other(i).astype(np.int64) - i.other_zero)

    def _larger(self, i: Instruction) -> np.ndarray:
        return np.maximum(self._first(i), self._other(i))

    def _lookup(self, i: Instruction) -> np.ndarray:
        return self._table(i.table, self._first(i))


def _reads(i: Instruction) -> np.ndarray:
    """Numbers of the reads of a row."""
    return np.arange((i.out_cols - 1) * i.stride_cols + i.taps)


def _results(i: Instruction, codes: np.ndarray, age: int = 0) -> np.ndarray:
    """Select, of the codes (batch, rows, reads, lanes), the read `age` before the last of each result's window."""
    first = i.taps - 1 - age
    return codes[:, :, first : first + (i.out_cols - 1) * i.stride_cols + 1 : i.stride_cols]
