"""NPU instruction set: one field table for decoder, assembler, disassembler and golden machine.

An instruction is one operator on a feature map (height, width, channels). Its fields hold loop bounds, strides and base
addresses, so a whole convolution is one instruction. The TPU's MatrixMultiply/Convolve and Activate are merged, as
requantisation follows immediately.

All operators walk the same loops, outermost first::

    tiles of `cols` result channels
      blocks of `block` result rows, whose sums fit the accumulators
        passes: kernel rows, `kernel_cols` of each, and for CONVOLVE the pieces of a run
          rows of the block
            reads: bytes from one address of the buffer, per clock

Lane l of read x, in row y, of the pass with kernel row ky and column kx, reads position ``first_byte + x * source_pixel
+ kx * kernel_pixel + l`` of the operand's row ``first_row + y * stride_rows + ky * dilation_rows``: the byte at address
``source + y * source_row + ky * kernel_row + position - first_byte``. CONVOLVE adds the start of the pass in its run to
the position, the others the first channel of the tile. Lanes whose row or position lies outside the operand read the
fill code. Pixel o of a result row is the sum at read ``o * stride_cols + taps - 1``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from ..numerics.requantization import ROUNDINGS

__all__ = ["BYTES", "FIELDS", "Field", "Instruction", "Opcode", "assemble", "decode", "disassemble", "encoded"]


class Opcode(IntEnum):
    """Operation of an instruction; every result is requantised and clamped."""

    HALT = 0
    """Stop and report the end of the run."""
    CONVOLVE = 1
    """Windows times weight planes on the array: convolutions and fully connected layers."""
    DEPTHWISE = 2
    """Per-channel windows times per-channel weights: depthwise convolutions, averages."""
    MAXIMUM = 3
    """Maximum code of each window: maximum pooling, copies, padding."""
    ADD = 4
    """Sum of two looked-up words: ADD and SUB."""
    MULTIPLY = 5
    """Product of two centred codes."""
    LARGER = 6
    """Larger of two codes."""
    LOOKUP = 7
    """Word of a 256-entry table."""


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
        Description.
    signed : bool
        Whether it may be negative.
    """

    name: str
    bits: int
    text: str
    signed: bool = False

    @property
    def bounds(self) -> tuple[int, int]:
        """Minimum and maximum value."""
        if self.signed:
            return -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        return 0, 2**self.bits - 1


FIELDS = (
    Field("opcode", 4, "what to do"),
    Field("source", 24, "address of the first byte of the first window; it may lie before the operand", signed=True),
    Field("source_row", 20, "bytes from a row of windows to the next"),
    Field("source_pixel", 20, "bytes from a read of a row to the next"),
    Field("source_block", 24, "bytes from a block of rows to the next"),
    Field("kernel_row", 20, "bytes from a kernel row to the next"),
    Field("kernel_pixel", 20, "bytes from a pass of a kernel row to the next"),
    Field("first_row", 16, "row of the operand in which the first window starts", signed=True),
    Field("first_byte", 20, "position in that row of its first byte", signed=True),
    Field("height", 16, "rows of the operand; windows read the fill code outside"),
    Field("row_bytes", 20, "bytes of its rows"),
    Field("stride_rows", 8, "operand rows from a row of windows to the next"),
    Field("block_rows", 16, "operand rows from a block to the next"),
    Field("dilation_rows", 8, "operand rows from a kernel row to the next"),
    Field("fill", 8, "code read outside the operand", signed=True),
    Field("kernel_rows", 12, "rows of a window"),
    Field("kernel_cols", 12, "runs (CONVOLVE) or passes (others) of a kernel row"),
    Field("run", 16, "bytes of a run, which CONVOLVE cuts into passes"),
    Field("taps", 4, "kernel columns of a DEPTHWISE pass; 1 otherwise"),
    Field("stride_cols", 8, "reads from a result to the next"),
    Field("other", 24, "address of the second operand"),
    Field("other_row", 20, "row pitch of the second operand in bytes; 0 repeats the row"),
    Field("other_pixel", 20, "pixel pitch of the second operand in bytes; 0 repeats the pixel"),
    Field("other_block", 24, "bytes of the second operand from a block to the next"),
    Field("other_channel", 1, "1 for one code per channel, 0 to repeat one code"),
    Field("target", 24, "address of the result's byte (0, 0, 0)"),
    Field("target_row", 20, "row pitch of the result in bytes"),
    Field("target_pixel", 20, "pixel pitch of the result in bytes"),
    Field("out_rows", 16, "rows of the result"),
    Field("out_cols", 16, "pixels of its rows"),
    Field("channels", 16, "channels of the result"),
    Field("block", 16, "result rows per accumulator block"),
    Field("weights", 20, "index of the first word of the weight memory"),
    Field("same_rows", 1, "1 if all kernel rows use the same weights"),
    Field("same_tiles", 1, "1 if all channel tiles use the same weights"),
    Field("parameters", 16, "index of the first parameter entry: bias, multiplier, shift"),
    Field("parameter_channel", 1, "1 for per-channel parameters, 0 for one set"),
    Field("table", 12, "table of the first operand"),
    Field("other_table", 12, "table of the second operand"),
    Field("prefetch", 2, "tables of a later instruction to copy while this one runs: 1 `table`, 2 `other_table`"),
    Field("zero", 8, "zero point of the first factor", signed=True),
    Field("other_zero", 8, "zero point of the second factor", signed=True),
    Field("zero_point", 8, "zero point of the result", signed=True),
    Field("low", 8, "minimum code of the result", signed=True),
    Field("high", 8, "maximum code of the result", signed=True),
    Field("rounding", 2, f"index of the rounding mode: {', '.join(ROUNDINGS)}"),
)
"""Fields in bit order, LSB first."""

_BITS = sum(field.bits for field in FIELDS)
BYTES = -(-_BITS // 64) * 8
"""Size of an instruction in bytes, a multiple of 8."""

_BY_NAME = {field.name: field for field in FIELDS}
_ONES = dict.fromkeys(("kernel_rows", "kernel_cols", "taps", "stride_cols", "block"), 1)
_DEFAULTS = {**dict.fromkeys(_BY_NAME, 0), **_ONES, "low": -128, "high": 127}


class Instruction:
    """One instruction; its fields are keyword arguments and attributes.

    Raises
    ------
    TypeError
        If a field is unknown.
    ValueError
        If a value does not fit its field.
    """

    __slots__ = ("_values",)

    def __init__(self, opcode: int, **fields: int):
        values = {**_DEFAULTS, "opcode": int(opcode)}
        for name, value in fields.items():
            if name not in _BY_NAME:
                raise TypeError(f"Unknown field {name!r}; use one of {', '.join(_BY_NAME)}")
            values[name] = int(value)
        for name, value in values.items():
            low, high = _BY_NAME[name].bounds
            if not low <= value <= high:
                raise ValueError(f"{name} {value} is outside its {_BY_NAME[name].bits}-bit range [{low}, {high}]")
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

    def replaced(self, **fields: int) -> "Instruction":
        """Copy of the instruction with other values of some fields; raises as the constructor does."""
        return Instruction(**{**self._values, **fields})

    def encode(self) -> bytes:
        """Encode the instruction as `BYTES` bytes, little-endian."""
        word = at = 0
        for field in FIELDS:
            word |= (self._values[field.name] & (2**field.bits - 1)) << at
            at += field.bits
        return word.to_bytes(BYTES, "little")


def decode(data: bytes) -> Instruction:
    """Decode the output of `Instruction.encode`.

    Raises
    ------
    ValueError
        If the size is wrong, the opcode unknown, or a bit beyond the fields set.
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
    """Return one line per instruction, omitting fields with their default values."""
    return "".join(f"{instruction}\n" for instruction in instructions)


def assemble(text: str) -> list[Instruction]:
    """Parse the output of `disassemble`; text from ``#`` on is a comment.

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
    """Encode instructions as an (instructions, BYTES) uint8 array."""
    rows = [np.frombuffer(instruction.encode(), np.uint8) for instruction in instructions]
    return np.stack(rows) if rows else np.zeros((0, BYTES), np.uint8)
