"""Bit-exact golden model of the NPU: memories and instruction execution.

An ill-formed instruction sets the machine's error flag and stops the run: an address outside a memory, a result without
elements, an unknown opcode or rounding.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..numerics.requantization import ROUNDINGS, rescale
from .config import NpuConfig
from .instructions import BYTES, Instruction, Opcode, decode
from .weights import planes

__all__ = ["Machine", "MachineError", "Memories"]


class MachineError(ValueError):
    """An instruction cannot be executed; the machine has stopped."""


@dataclass(eq=False)
class Memories:
    """Memory contents loaded before a run.

    Attributes
    ----------
    weights : (words, cols) int8 array
        Weight memory.
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

    def instructions(self) -> Iterator[Instruction]:
        """Decode the instruction memory up to HALT.

        Raises
        ------
        MachineError
            If an instruction is ill-formed, or there is no HALT.
        """
        for number, row in enumerate(self.memories.instructions):
            try:
                found = decode(row.tobytes())
            except ValueError as error:
                raise MachineError(f"instruction {number}: {error}") from None
            if found.opcode == Opcode.HALT:
                return
            yield found
        raise MachineError("the instruction memory has no HALT")

    def run(self, first: int = 0, count: int | None = None) -> None:
        """Execute instructions starting at `first`, up to HALT or `count` instructions.

        Raises
        ------
        MachineError
            If an instruction cannot be executed.
        """
        found = list(self.instructions())[first:]
        for number, instruction in enumerate(found[:count], first):
            try:
                self._execute(instruction)
            except MachineError as error:
                raise MachineError(f"instruction {number}, {instruction}: {error}") from None

    def _execute(self, instruction: Instruction) -> None:
        if min(instruction.out_rows, instruction.out_cols, instruction.channels) < 1:
            raise MachineError("its result has no elements")
        if instruction.low > instruction.high:
            raise MachineError(f"low {instruction.low} is above high {instruction.high}")
        if instruction.rounding >= len(ROUNDINGS):
            raise MachineError(f"rounding {instruction.rounding} is unknown")
        execute: dict[int, Callable[[Instruction], np.ndarray]] = {
            Opcode.CONVOLVE: self._convolve,
            Opcode.DEPTHWISE: self._depthwise,
            Opcode.MAXIMUM: self._maximum,
            Opcode.ADD: self._add,
            Opcode.MULTIPLY: self._multiply,
            Opcode.LARGER: self._larger,
            Opcode.LOOKUP: self._lookup,
        }
        codes = np.clip(execute[instruction.opcode](instruction), instruction.low, instruction.high)
        target = self._addresses(
            instruction.target,
            (instruction.target_row, instruction.target_pixel, 1),
            (instruction.out_rows, instruction.out_cols, instruction.channels),
        )
        self.buffer[:, target] = codes.astype(np.int8)

    def _addresses(self, base: int, pitches: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
        """Byte addresses of a feature map, (rows, columns, channels)."""
        found = np.asarray(base)
        for pitch, size in zip(pitches, sizes, strict=True):
            found = found[..., None] + pitch * np.arange(size)
        if found.size and (found.min() < 0 or found.max() >= self.config.buffer_bytes):
            raise MachineError(f"it reaches byte {int(found.max())} of a buffer of {self.config.buffer_bytes}")
        return found

    def _window(self, i: Instruction, row: int, col: int, count: int, start: int = 0) -> np.ndarray:
        """Gather the same run of bytes from all windows: codes (batch, out rows, out columns, count).

        The run starts `start` bytes after the kernel element (`row`, `col`) and may extend into the following pixels.
        Bytes of pixels outside the operand read as the fill code.
        """
        bytes_ = np.arange(start, start + count)
        rows = np.arange(i.out_rows) * i.stride_rows - i.top + row * i.dilation_rows
        cols = np.arange(i.out_cols) * i.stride_cols - i.left + col * i.dilation_cols
        pixels = cols[:, None] + bytes_ // max(i.depth, 1)
        inside = ((rows >= 0) & (rows < i.height))[:, None, None] & ((pixels >= 0) & (pixels < i.width))
        addresses = i.source + rows[:, None, None] * i.source_row + cols[:, None] * i.source_pixel + bytes_
        addresses = np.where(inside, addresses, 0)
        if addresses.max() >= self.config.buffer_bytes:
            raise MachineError(f"it reads byte {int(addresses.max())} of a buffer of {self.config.buffer_bytes}")
        return np.where(inside, self.buffer[:, addresses], np.int8(i.fill))

    def _scaled(self, i: Instruction, sums: np.ndarray) -> np.ndarray:
        """Requantise sums (..., channels) with the instruction's parameters."""
        count = i.channels if i.parameter_channel else 1
        part = slice(i.parameters, i.parameters + count)
        if len(self.memories.bias[part]) < count:
            raise MachineError(f"it reads parameter {i.parameters + count - 1} of {len(self.memories.bias)}")
        total = sums.astype(np.int64) + self.memories.bias[part]
        rounding = ROUNDINGS[i.rounding]
        return rescale(total, self.memories.multiplier[part], self.memories.shift[part], rounding) + i.zero_point

    def _words(self, first: int, count: int) -> np.ndarray:
        if first + count > len(self.memories.weights):
            raise MachineError(f"it reads word {first + count - 1} of {len(self.memories.weights)} of the weights")
        return self.memories.weights[first : first + count]

    def _convolve(self, i: Instruction) -> np.ndarray:
        if not 1 <= i.block * i.out_cols <= max(self.config.acc_depth, i.out_cols):
            raise MachineError(f"a block of {i.block} rows of {i.out_cols} sums exceeds {self.config.acc_depth}")
        layout = list(planes(i, self.config))
        taps = {}
        for row, col, start, used in layout:
            taps[row, col, start] = self._window(i, row, col, used, start).astype(np.float64)
        rows, cols = self.config.rows, self.config.cols
        tiles, sums, at = -(-i.channels // cols), [], i.weights
        for _ in range(tiles):
            total = np.zeros((self.batch, i.out_rows, i.out_cols, cols))
            for row, col, start, used in layout:
                plane = self._words(at, rows)[:used].astype(np.float64)
                total += taps[row, col, start] @ plane
                at += rows
            sums.append(total)
        # Exact in float64: below 2**53.
        return self._scaled(i, np.concatenate(sums, axis=-1)[..., : i.channels].astype(np.int64))

    def _depthwise(self, i: Instruction) -> np.ndarray:
        cols, taps = self.config.cols, i.kernel_rows * i.kernel_cols
        tiles = -(-i.channels // cols)
        weights = self._words(i.weights, tiles * taps).reshape(tiles, taps, cols)
        weights = weights.transpose(1, 0, 2).reshape(taps, tiles * cols)[:, : i.channels].astype(np.int64)
        total = np.zeros((self.batch, i.out_rows, i.out_cols, i.channels), np.int64)
        for tap in range(taps):
            total += self._window(i, *divmod(tap, i.kernel_cols), i.channels) * weights[tap]
        return self._scaled(i, total)

    def _maximum(self, i: Instruction) -> np.ndarray:
        found = np.full((self.batch, i.out_rows, i.out_cols, i.channels), -128, np.int8)
        for row in range(i.kernel_rows):
            for col in range(i.kernel_cols):
                np.maximum(found, self._window(i, row, col, i.channels), out=found)
        return found

    def _operands(self, i: Instruction) -> tuple[np.ndarray, np.ndarray]:
        """Read the codes of both operands, (batch, rows, columns, channels); a pitch of 0 repeats the second."""
        sizes = (i.out_rows, i.out_cols, i.channels)
        first = self._addresses(i.source, (i.source_row, i.source_pixel, 1), sizes)
        second = self._addresses(i.other, (i.other_row, i.other_pixel, i.other_channel), sizes)
        return self.buffer[:, first], self.buffer[:, second]

    def _table(self, number: int) -> np.ndarray:
        if number >= len(self.memories.tables):
            raise MachineError(f"it reads table {number} of {len(self.memories.tables)}")
        return self.memories.tables[number].astype(np.int64)

    def _add(self, i: Instruction) -> np.ndarray:
        first, second = self._operands(i)
        return self._scaled(
            i, self._table(i.table)[first.astype(int) + 128] + self._table(i.other_table)[second.astype(int) + 128]
        )

    def _multiply(self, i: Instruction) -> np.ndarray:
        first, second = self._operands(i)
        return self._scaled(i, (first.astype(np.int64) - i.zero) * (second.astype(np.int64) - i.other_zero))

    def _larger(self, i: Instruction) -> np.ndarray:
        return np.maximum(*self._operands(i))

    def _lookup(self, i: Instruction) -> np.ndarray:
        sizes = (i.out_rows, i.out_cols, i.channels)
        codes = self.buffer[:, self._addresses(i.source, (i.source_row, i.source_pixel, 1), sizes)].astype(int) + 128
        if not i.table_channel:
            return self._table(i.table)[codes]
        tables = np.stack([self._table(i.table + n) for n in range(i.channels)])
        return tables[np.arange(i.channels), codes]
