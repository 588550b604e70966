"""Order and packing of a product's operands on the streams of the tensor-core engine.

D is cut into tiles of up to `TILE` blocks of m rows and ``cores * n`` columns, with one command per tile. `a` and `b`
carry a tile's blocks step by step along K, with `l` columns of A and `l` rows of B per step: A's from top to bottom,
B's from left to right. `c` and `d` carry a tile's blocks row by row. `block_parts` cuts each block into parts of one
beat.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..numerics.floats import FORMATS
from ..packing import join, pack, unpack
from ..streams import Job, StreamPort
from .config import TensorCoreConfig
from .cycle_model import TILE, block_parts, tiles
from .model import check_mma, result_array

__all__ = [
    "COMMAND_FIELDS",
    "Operands",
    "bind",
    "collect",
    "job",
    "order",
    "part_shapes",
    "pattern_widths",
    "streams",
    "units",
]

Operands = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Patterns of A (..., M, K), B (..., K, N) and C (..., M, N), as returned by `bind`."""

COMMAND_FIELDS = {"rows": (TILE[0] - 1).bit_length(), "cols": (TILE[1] - 1).bit_length(), "steps": 16}
"""Fields of a command and their widths in bits, starting at the LSB: height and width of a tile in blocks, and steps
along K, each minus one."""


def pattern_widths(config: TensorCoreConfig) -> dict[str, int]:
    """Pattern widths in bits of A, of B, and of C and D."""
    if config.integers:
        return {"a": 8, "b": 8, "c": 32}
    return {
        "a": FORMATS[config.a_format].width,
        "b": FORMATS[config.b_format].width,
        "c": FORMATS[config.out_format].width,
    }


def units(config: TensorCoreConfig) -> tuple[int, int]:
    """Rows and columns of the array of dot-product units; the first core has the first columns."""
    by_rows, by_cols = block_parts(config)
    return config.m // by_rows, config.columns // by_cols


def part_shapes(config: TensorCoreConfig) -> dict[str, tuple[int, int]]:
    """Shape of a beat as (vectors, elements per vector): rows of A, columns of B, rows of C and D."""
    rows, cols = units(config)
    return {"a": (rows, config.l), "b": (cols, config.l), "c": (rows, cols)}


def streams(config: TensorCoreConfig) -> tuple[StreamPort, ...]:
    """Streams of the engine, with a description of their beats."""
    rows, cols = units(config)
    bits = {
        name: width * vectors * elements
        for (name, width), (vectors, elements) in zip(
            pattern_widths(config).items(), part_shapes(config).values(), strict=True
        )
    }
    fields = ", ".join(f"{name} - 1 ({width} bits)" for name, width in COMMAND_FIELDS.items())
    return (
        StreamPort(
            "commands",
            sum(COMMAND_FIELDS.values()),
            "in",
            f"least significant first: {fields}: height and width of a tile in blocks, steps along K",
        ),
        StreamPort(
            "a",
            bits["a"],
            "in",
            f"{rows} rows of {config.l} {config.a_format} patterns, the first row's first least significant",
        ),
        StreamPort(
            "b",
            bits["b"],
            "in",
            f"{cols} columns of {config.l} {config.b_format} patterns, the first column's first least significant",
        ),
        StreamPort(
            "c",
            bits["c"],
            "in",
            f"{rows} rows of {cols} {config.out_format} patterns, the first row's first least significant",
        ),
        StreamPort("d", bits["c"] + 1, "out", "as c; tlast on the last beat of a tile"),
    )


def order(config: TensorCoreConfig) -> dict[str, str]:
    """Description of the operand order, for the manifest."""
    rows, cols = units(config)
    return {
        "commands": f"one for each tile of D, of up to {TILE[0]} x {TILE[1]} blocks of {config.m} x {config.columns}; "
        "any number of steps along K",
        "a": f"step by step along K, {config.l} columns each: blocks of {config.m} rows from top to bottom, {rows} "
        "rows at a time",
        "b": f"step by step along K, {config.l} rows each: blocks of {config.columns} columns from left to right, "
        f"{cols} columns at a time",
        "c": f"a tile's blocks row by row; each block in parts of {rows} x {cols}, row by row",
        "d": "as c",
    }


def bind(config: TensorCoreConfig, a: Any, b: Any, c: Any) -> Operands:
    """Check arrays and convert them to patterns; raises as `tercet.golden.tensorcore.mma` does."""
    return check_mma(a, b, c, config)


def job(config: TensorCoreConfig, operands: Operands) -> Job:
    """Pack products into beats, from patterns returned by `bind`."""
    a, b, c = (array.reshape(-1, *array.shape[-2:]) for array in operands)
    batch, steps = len(a), a.shape[-1] // config.l
    by_rows, by_cols = block_parts(config)
    a_blocks, c_blocks = _blocks(a, config.m, config.l, by_rows), _blocks(c, config.m, config.columns, by_rows, by_cols)
    # Store the elements of a column of B contiguously.
    b_blocks = _blocks(np.swapaxes(b, -1, -2), config.columns, config.l, by_cols)
    commands: list[tuple[int, int, int]] = []
    beats: dict[str, list[np.ndarray]] = {"a": [], "b": [], "c": []}
    for rows, cols in tiles(config, a.shape[-2], b.shape[-1]):
        commands.append((len(rows) - 1, len(cols) - 1, steps - 1))
        # All blocks of a step, then those of the next.
        beats["a"].append(a_blocks[:, rows.start : rows.stop].swapaxes(1, 2))
        beats["b"].append(b_blocks[:, cols.start : cols.stop].swapaxes(1, 2))
        beats["c"].append(c_blocks[:, rows.start : rows.stop, cols.start : cols.stop])
    inputs = {"commands": join(*zip(np.array(commands * batch).T, COMMAND_FIELDS.values(), strict=True))}
    for name, width in pattern_widths(config).items():
        parts = [part.reshape(batch, -1, part.shape[-1]) for part in beats[name]]
        inputs[name] = pack(np.concatenate(parts, axis=1).reshape(-1, parts[0].shape[-1]), width)
    return Job(inputs, {"d": len(inputs["c"])})


def collect(config: TensorCoreConfig, operands: Operands, outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Unpack the result: (..., M, N) float32, float16 or int32."""
    shape = operands[2].shape
    m, n = shape[-2:]
    high, wide = -(-m // config.m), -(-n // config.columns)
    width = pattern_widths(config)["c"]
    by_rows, by_cols = block_parts(config)
    rows, cols = units(config)
    parts = unpack(outputs["d"], width, rows * cols) & (2**width - 1)
    blocks = parts.reshape(-1, high * wide, by_rows, by_cols, rows, cols).swapaxes(3, 4)
    blocks = blocks.reshape(-1, high * wide, config.m, config.columns)
    out = np.empty((len(blocks), high, wide, config.m, config.columns), np.int64)
    first = 0
    for tile_rows, tile_cols in tiles(config, m, n):
        tile = blocks[:, first : first + len(tile_rows) * len(tile_cols)]
        first += tile.shape[1]
        tile = tile.reshape(-1, len(tile_rows), len(tile_cols), config.m, config.columns)
        out[:, tile_rows.start : tile_rows.stop, tile_cols.start : tile_cols.stop] = tile
    whole = out.swapaxes(2, 3).reshape(-1, high * config.m, wide * config.columns)[:, :m, :n]
    return result_array(whole.reshape(shape), config)


def _blocks(array: np.ndarray, rows: int, cols: int, by_rows: int, by_cols: int = 1) -> np.ndarray:
    """Cut patterns (batch, M, N) into blocks (batch, M / rows, N / cols, parts, elements), padded with zeros.

    A block is cut into `by_rows` times `by_cols` parts.
    """
    batch, m, n = array.shape
    padded = np.pad(array, ((0, 0), (0, -m % rows), (0, -n % cols)))
    high, wide = -(-m // rows), -(-n // cols)
    cut = padded.reshape(batch, high, by_rows, rows // by_rows, wide, by_cols, cols // by_cols)
    return cut.transpose(0, 1, 4, 2, 5, 3, 6).reshape(batch, high, wide, by_rows * by_cols, -1)
