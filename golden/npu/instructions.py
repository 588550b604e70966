"""The NPU's instructions: one table of fields for the decoder, the assembler, the disassembler and the machine.

An instruction is one operator on a picture (height, width, channels). Loops, strides and bases live in its fields, so
that a whole convolution is one instruction. Of the TPU's instructions, MatrixMultiply/Convolve and Activate are one
here, since requantisation follows at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ..numerics.requantization import ROUNDINGS

__all__ = ["BYTES", "FIELDS", "Field", "Instruction", "Opcode", "assemble", "decode", "disassemble", "encoded"]


class Opcode(IntEnum):
    """What an instruction does."""

    HALT = 0
    """Stop, and report that the run has ended."""
    CONVOLVE = 1
    """Windows times planes of weights on the array, requantised: convolutions and fully connected layers."""
    DEPTHWISE = 2
    """Windows of each channel times its own weights, requantised: depthwise convolutions, averages."""
    MAXIMUM = 3
    """Largest code of each window, clamped: maximum pooling, copies, padding."""
    ADD = 4
    """Sum of two looked-up words, requantised: ADD and SUB."""
    MULTIPLY = 5
    """Product of two centred codes, requantised."""
    LARGER = 6
    """Larger of two codes."""
    LOOKUP = 7
    """Code from a table of 256."""


@dataclass(frozen=True)
class Field:
    """One field of an instruction.

    Attributes
    ----------
    name : str
        Name in assembler text.
    bits : int
        Width; two's complement if signed.
    text : str
        What it means.
    signed : bool
        Whether it may be negative.
    """

    name: str
    bits: int
    text: str
    signed: bool = False

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and greatest value."""
        if self.signed:
            return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        return 0, 2**self.bits - 1


FIELDS = (
    Field("opcode", 4, "what to do"),
    Field("source", 24, "address of the first operand's byte (0, 0, 0)"),
    Field("source_row", 20, "bytes from a row of the first operand to the next"),
    Field("source_pixel", 16, "bytes from a pixel to the next"),
    Field("height", 16, "rows of the first operand; windows beyond read the fill code"),
    Field("width", 16, "pixels of its rows"),
    Field("depth", 16, "channels that a window reads"),
    Field("kernel_rows", 12, "rows of a window"),
    Field("kernel_cols", 12, "pixels of its rows"),
    Field("stride_rows", 8, "rows from a window to the next"),
    Field("stride_cols", 8, "pixels from a window to the next"),
    Field("dilation_rows", 8, "rows from a row of a window to the next"),
    Field("dilation_cols", 8, "pixels from a pixel of a window to the next"),
    Field("top", 16, "rows of the first window above the operand", signed=True),
    Field("left", 16, "pixels of the first window to the left of the operand", signed=True),
    Field("fill", 8, "code read outside the operand", signed=True),
    Field("other", 24, "address of the second operand"),
    Field("other_row", 20, "bytes from a row of the second operand to the next; 0 repeats it"),
    Field("other_pixel", 16, "bytes from a pixel to the next; 0 repeats it"),
    Field("other_channel", 1, "1 for a code per channel, 0 to repeat one"),
    Field("target", 24, "address of the result's byte (0, 0, 0)"),
    Field("target_row", 20, "bytes from a row of the result to the next"),
    Field("target_pixel", 16, "bytes from a pixel to the next"),
    Field("out_rows", 16, "rows of the result"),
    Field("out_cols", 16, "pixels of its rows"),
    Field("channels", 16, "channels of the result"),
    Field("block", 16, "rows of the result in a block of the accumulators"),
    Field("weights", 20, "first word of its weights"),
    Field("parameters", 16, "first entry of its parameters: bias, multiplier, shift"),
    Field("parameter_channel", 1, "1 for parameters per channel, 0 for one set"),
    Field("table", 12, "table of the first operand"),
    Field("other_table", 12, "table of the second operand"),
    Field("table_channel", 1, "1 for a table per channel"),
    Field("zero", 8, "zero point of the first factor", signed=True),
    Field("other_zero", 8, "zero point of the second factor", signed=True),
    Field("zero_point", 8, "zero point of the result", signed=True),
    Field("low", 8, "least code of the result", signed=True),
    Field("high", 8, "greatest code of the result", signed=True),
    Field("rounding", 2, f"number of the rounding: {', '.join(ROUNDINGS)}"),
)
"""Fields in the order of their bits, from the least significant one."""

_BITS = sum(field.bits for field in FIELDS)
BYTES = -(-_BITS // 64) * 8
"""Bytes of an instruction in memory, in whole words of 64 bits."""

_BY_NAME = {field.name: field for field in FIELDS}
_ONES = dict.fromkeys(("kernel_rows", "kernel_cols", "stride_rows", "stride_cols", "dilation_rows"), 1)
_DEFAULTS = {**dict.fromkeys(_BY_NAME, 0), **_ONES, "dilation_cols": 1, "low": -128, "high": 127}


class Instruction:
    """One instruction; fields are keyword arguments, and attributes.

    Raises
    ------
    TypeError
        If there is no such field.
    ValueError
        If a value does not fit its field.
    """

    __slots__ = ("_values",)

    def __init__(self, opcode: int, **fields: int):
        values = {**_DEFAULTS, "opcode": int(opcode)}
        for name, value in fields.items():
            if name not in _BY_NAME:
                raise TypeError(f"There is no field {name!r}; use one of {', '.join(_BY_NAME)}")
            values[name] = int(value)
        for name, value in values.items():
            low, high = _BY_NAME[name].bounds
            if not low <= value <= high:
                raise ValueError(f"{name} {value} is outside [{low}, {high}] of its {_BY_NAME[name].bits} bits")
        Opcode(values["opcode"])
        self._values = values

    def __getattr__(self, name: str) -> int:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instruction) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values.values()))

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        shown = [
            f"{name}={value}" for name, value in self._values.items() if name != "opcode" and value != _DEFAULTS[name]
        ]
        return " ".join([Opcode(self.opcode).name, *shown])

    def encode(self) -> bytes:
        """The instruction in memory, `BYTES` bytes, least significant first."""
        word = at = 0
        for field in FIELDS:
            word |= (self._values[field.name] & (2**field.bits - 1)) << at
            at += field.bits
        return word.to_bytes(BYTES, "little")


def decode(data: bytes) -> Instruction:
    """Decode what `Instruction.encode` gives.

    Raises
    ------
    ValueError
        If it has another size, an unknown opcode, or a bit beyond the fields.
    """
    if len(data) != BYTES:
        raise ValueError(f"An instruction has {len(data)} bytes; use {BYTES}")
    word = int.from_bytes(data, "little")
    values = {}
    for field in FIELDS:
        value = word & (2**field.bits - 1)
        word >>= field.bits
        if field.signed and value >> (field.bits - 1):
            value -= 2**field.bits
        values[field.name] = value
    if word:
        raise ValueError("An instruction has bits beyond its fields; compile the model again")
    return Instruction(values.pop("opcode"), **values)


def disassemble(instructions: Iterable[Instruction]) -> str:
    """A line per instruction; fields with their usual values are left out."""
    return "".join(f"{instruction}\n" for instruction in instructions)


def assemble(text: str) -> list[Instruction]:
    """Read what `disassemble` writes; text from ``#`` on is a comment.

    Raises
    ------
    ValueError
        If a line is not an instruction; the message names the line.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words: Sequence[str] = line.partition("#")[0].split()
        if not words:
            continue
        try:
            fields = dict(word.split("=") for word in words[1:])
            found.append(Instruction(Opcode[words[0]], **{name: int(value) for name, value in fields.items()}))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"line {number}, {line.strip()!r}: {' '.join(str(error).split())}") from None
    return found


def encoded(instructions: Iterable[Instruction]) -> np.ndarray:
    """Instructions in memory, (instructions, BYTES) uint8."""
    rows = [np.frombuffer(instruction.encode(), np.uint8) for instruction in instructions]
    return np.stack(rows) if rows else np.zeros((0, BYTES), np.uint8)
