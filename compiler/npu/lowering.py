"""Fields that all lowerings share: operands, results, windows, requantisation, strips and blocks."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tercet.golden.networks.operators import Window
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.cycle_model import instruction_cycles
from tercet.golden.npu.instructions import Instruction, Opcode
from tercet.golden.numerics.requantization import Requant, rounding_code

from .images import Images
from .views import Storage, View

__all__ = ["Fields", "Lowering", "Passes", "block_sizes"]

Fields = dict[str, int]

_ALWAYS = 2**20 - 1  # bytes of the longest row: positions before it are inside
_BLOCKS = 8  # sizes of blocks tried: the smallest, and the largest of equal blocks


def block_sizes(rows: int, cols: int, config: NpuConfig) -> list[int]:
    """Return sizes of accumulator blocks worth trying, in result rows, largest first.

    Parameters
    ----------
    rows, cols : int
        Rows and pixels of the result; `cols` is at most `acc_depth`.
    config : NpuConfig
        Configuration.
    """
    most = min(config.acc_depth // cols, rows)
    # A larger block needs fewer passes; a smaller last block leaves less to drain at the end.
    balanced = (-(-rows // count) for count in range(-(-rows // most), rows + 1))
    return sorted({most, *range(1, min(most, _BLOCKS) + 1), *itertools.islice(balanced, _BLOCKS)}, reverse=True)


@dataclass(frozen=True)
class Passes:
    """Passes of a kernel row.

    Attributes
    ----------
    count : int
        Passes (runs of CONVOLVE).
    pixels : int
        Operand pixels from one to the next.
    run : int
        Bytes of a run of CONVOLVE; 0 for other operators.
    taps : int
        Kernel columns of a pass of DEPTHWISE.
    """

    count: int
    pixels: int
    run: int = 0
    taps: int = 1


@dataclass(eq=False)
class Lowering:
    """Context for lowering one operator.

    Attributes
    ----------
    operator : Operator
        Operator to lower.
    config : NpuConfig
        Target configuration.
    images : Images
        Memory images that collect weights, parameters and tables.
    inputs : list of View
        Operands in the operator's order, including the constant of a binary operator.
    output : View
        Destination of the result.
    rank : int
        Number of dimensions of the first operand, including the batch.
    scratch : Storage or None
        Temporary storage for the operator.
    """

    operator: Any
    config: NpuConfig
    images: Images
    inputs: list[View]
    output: View
    rank: int = 4
    scratch: Storage | None = None

    def clocks(self, instructions: Sequence[Instruction]) -> int:
        """Return the clocks of instructions that run on their own."""
        return sum(part.cycles for part in instruction_cycles(instructions, self.config))

    def fastest(self, candidates: "Sequence[Callable[[Lowering], list[Instruction]]]") -> list[Instruction]:
        """Lower the operator with the candidate that takes the fewest clocks; the first of equals."""
        if len(candidates) > 1:
            clocks = [self.clocks(each(replace(self, images=Images(self.config)))) for each in candidates]
            candidates = [candidates[clocks.index(min(clocks))]]
        return candidates[0](self)

    def requant(self, bias: np.ndarray, requant: Requant) -> Fields:
        """Store the requantisation parameters and return the instruction fields that select them."""
        return {
            "parameters": self.images.parameters(bias, requant),
            "parameter_channel": int(len(bias) > 1),
            "zero_point": requant.zero_point,
            "low": requant.qmin,
            "high": requant.qmax,
            "rounding": rounding_code(requant.rounding),
        }

    def identity(self, low: int = -128, high: int = 127) -> Fields:
        """Return the fields of a requantisation that only clamps."""
        return self.requant(np.array([0]), Requant(2**30, 1, 0, low, high, "single"))

    def windows(
        self,
        opcode: Opcode,
        source: View,
        output: View,
        window: Window,
        fields: Fields,
        passes: Passes | None = None,
    ) -> list[Instruction]:
        """Lower an operator on windows, one instruction per column strip.

        Parameters
        ----------
        opcode : Opcode
            Operation.
        source, output : View
            Operand and result.
        window : Window
            Window; positions outside the operand read the fill code.
        fields : dict of str to int
            The operation's other fields.
        passes : Passes or None
            Passes of a kernel row; None is one per kernel column.
        """
        passes = passes or Passes(window.kernel[1], window.dilation[1])
        (top, _, left, _), (down, across) = window.padding, window.stride
        step, stride_cols = (1, across) if passes.taps > 1 else (across, 1)
        found = []
        for start, part in self._strips(output, self.config.acc_depth):
            # Columns to the left of the strip are dropped, so that positions stay small.
            first = start * across - left
            skipped = max(first, 0) * source.pixel
            walk = {
                "source": source.address - top * source.row + first * source.pixel,
                "source_row": down * source.row,
                "source_pixel": step * source.pixel,
                "kernel_row": window.dilation[0] * source.row,
                "kernel_pixel": passes.pixels * source.pixel,
                "first_row": -top,
                "first_byte": min(first, 0) * source.pixel,
                "height": source.rows,
                "row_bytes": max((source.cols - 1) * source.pixel + source.channels - skipped, 0),
                "stride_rows": down,
                "dilation_rows": window.dilation[0],
                "kernel_rows": window.kernel[0],
                "kernel_cols": passes.count,
                "run": passes.run,
                "taps": passes.taps,
                "stride_cols": stride_cols,
            }
            found.append(self._instruction(opcode, {**fields, **walk}, part))
        return found

    def pointwise(
        self, opcode: Opcode, first: View, second: View | None, output: View, fields: Fields
    ) -> list[Instruction]:
        """Lower an operation on one or two operands, one instruction per column strip; an axis of length 1 repeats."""
        first = first.broadcast(output.rows, output.cols)
        second = second and second.broadcast(output.rows, output.cols)
        most = self.config.acc_depth
        if first.pixel:
            most = max(1, min(most, (_ALWAYS - output.channels) // first.pixel + 1))
        found = []
        for start, part in self._strips(output, most):
            walk = {
                "source": first.address + start * first.pixel,
                "source_row": first.row,
                "source_pixel": first.pixel,
                "height": 1,
                "row_bytes": _ALWAYS,
            }
            if second is not None:
                walk |= {
                    "other": second.address + start * second.pixel,
                    "other_row": second.row,
                    "other_pixel": second.pixel,
                    "other_channel": int(second.channels == output.channels),
                }
            found.append(self._instruction(opcode, {**fields, **walk}, part))
        return found

    def _strips(self, output: View, most: int) -> Iterator[tuple[int, View]]:
        """Split a result into strips of at most `most` columns; yields the first column and the part."""
        rows, channels = slice(0, output.rows), slice(0, output.channels)
        for start in range(0, output.cols, most):
            yield start, output.part(rows, slice(start, min(start + most, output.cols)), channels)

    def _instruction(self, opcode: Opcode, fields: Fields, output: View) -> Instruction:
        """Add the fields of the result, and blocks of the size that takes the fewest clocks; the largest of equals."""
        found = [
            _blocked(opcode, fields, output, block) for block in block_sizes(output.rows, output.cols, self.config)
        ]
        return found[0] if len(found) == 1 else min(found, key=lambda instruction: self.clocks([instruction]))


def _blocked(opcode: Opcode, fields: Fields, output: View, block: int) -> Instruction:
    """Instruction with the fields of its result and blocks; fields of loops that do not repeat become 0."""
    fields = {
        **fields,
        "target": output.address,
        "target_row": output.row,
        "target_pixel": output.pixel,
        "out_rows": output.rows,
        "out_cols": output.cols,
        "channels": output.channels,
        "block": block,
        "source_block": block * fields["source_row"],
        "other_block": block * fields.get("other_row", 0),
        "block_rows": block * fields.get("stride_rows", 0),
    }
    unused = []
    if output.rows <= block:
        unused += ["source_block", "other_block", "block_rows"]
    if output.rows == 1:
        unused += ["source_row", "other_row", "target_row", "stride_rows"]
    if output.cols == 1:
        unused += ["other_pixel", "target_pixel"] + ["source_pixel"] * (fields.get("taps", 1) == 1)
    if fields.get("kernel_rows", 1) == 1:
        unused += ["kernel_row", "dilation_rows"]
    if fields.get("kernel_cols", 1) == 1:
        unused.append("kernel_pixel")
    return Instruction(opcode, **{**fields, **dict.fromkeys(unused, 0)})
