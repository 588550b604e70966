"""Lower operators on single codes, and copies, to LOOKUP, ADD, MULTIPLY, LARGER and MAXIMUM."""

from collections.abc import Sequence

import numpy as np
from tercet.golden.networks.operators import Add, Lookup, Mul
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import FIELDS, Instruction, Opcode

from .lowering import Fields, Lowering
from .views import View

__all__ = ["add", "copy", "larger", "lookup", "multiply"]

_ROWS = {field.name: field.bounds[1] for field in FIELDS}["out_rows"]
_PIXELS = 16  # of a row of dense operands; blocks of several rows fill the accumulators


def copy(low: Lowering) -> list[Instruction]:
    """Copy codes from one view to another."""
    return _emit(low, Opcode.MAXIMUM, (low.inputs[0],), low.identity())


def lookup(low: Lowering) -> list[Instruction]:
    """Lower LOOKUP: one instruction, or one per channel if each has its table."""
    operator: Lookup = low.operator
    tables = np.atleast_2d(operator.table).astype(np.int64)
    (x,), y, fields = low.inputs, low.output, low.identity()
    if len(tables) == 1:
        return _emit(low, Opcode.LOOKUP, (x,), fields | {"table": low.images.tables(tables)})
    found = []
    for channel, table in enumerate(tables):
        source, target = (
            view.part(slice(0, view.rows), slice(0, view.cols), slice(channel, channel + 1)) for view in (x, y)
        )
        index = low.images.tables(table[None])
        found += low.pointwise(Opcode.LOOKUP, source, None, target, fields | {"table": index})
    return found


def add(low: Lowering) -> list[Instruction]:
    """Lower ADD and SUB: two tables and the requantiser."""
    operator: Add = low.operator
    order = _order(low)
    first, second = (low.images.tables(operator.table(n)[None]) for n in order)
    fields = low.requant(np.array([0]), operator.requant) | {"table": first, "other_table": second}
    return _emit(low, Opcode.ADD, [low.inputs[n] for n in order], fields)


def multiply(low: Lowering) -> list[Instruction]:
    """Lower MUL: two zero points and the requantiser."""
    operator: Mul = low.operator
    order = _order(low)
    first, second = (operator.zero_points[n] for n in order)
    fields = low.requant(np.array([0]), operator.requant) | {"zero": first, "other_zero": second}
    return _emit(low, Opcode.MULTIPLY, [low.inputs[n] for n in order], fields)


def larger(low: Lowering) -> list[Instruction]:
    """Lower MAXIMUM: the larger of two codes."""
    return _emit(low, Opcode.LARGER, [low.inputs[n] for n in _order(low)], low.identity())


def _order(low: Lowering) -> tuple[int, int]:
    """Operand order that puts a repeated channel, then the smaller operand, second; these operators all commute."""
    first, second = low.inputs
    key = [(view.channels == low.output.channels, view.size) for view in (first, second)]
    return (0, 1) if key[0] >= key[1] else (1, 0)


def _emit(low: Lowering, opcode: Opcode, operands: Sequence[View], fields: Fields) -> list[Instruction]:
    """Lower an operation whose channels are alike; dense operands are cut anew, so that pixels fill all columns."""
    found = []
    for *views, target in _flattened(operands, low.output, low.config):
        second = views[1] if len(views) > 1 else None
        found += low.pointwise(opcode, views[0], second, target, fields)
    return found


def _flattened(operands: Sequence[View], output: View, config: NpuConfig) -> list[tuple[View, ...]]:
    """Cut operands and result into rows of pixels of `cols` bytes, if all are dense; a repeated code stays."""
    whole, size = [output, operands[0]], output.size
    repeated = len(operands) > 1 and operands[1].size == 1
    if not repeated:
        whole += operands[1:]
    pixels, rest = divmod(size, config.cols)
    same = all(view.is_dense and view.size == size for view in whole)
    most = min(config.acc_depth, _PIXELS)
    if not same or rest or pixels // most > _ROWS:
        return [(*operands, output)]
    found = []
    start = 0
    for rows, cols in _pieces(pixels, most):
        views = [
            view if repeated and n == 1 else view.flat(start, rows, cols, config.cols)
            for n, view in enumerate((*operands, output))
        ]
        found.append(tuple(views))
        start += rows * cols * config.cols
    return found


def _pieces(pixels: int, most: int) -> list[tuple[int, int]]:
    """Cut a row of pixels into rows of at most `most`: (rows, columns) of each piece."""
    cols = next(n for n in range(min(most, pixels), 0, -1) if pixels % n == 0)
    if 2 * cols > min(most, pixels):
        return [(pixels // cols, cols)]
    return [(pixels // most, most), (1, pixels % most)]
