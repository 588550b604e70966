"""Weight order in the NPU's memory: planes for the array, words for the depthwise unit.

A word holds one weight per column. For each tile of ``cols`` output channels and each kernel row, CONVOLVE reads runs:
one of ``kernel_cols * depth`` bytes if the window's row is contiguous in the buffer, else one of ``depth`` bytes per
pixel. Each run is cut into planes of ``rows`` words; the last plane is zero-padded, so data read beyond the run adds
nothing. DEPTHWISE reads, for each tile of ``cols`` channels, one word per kernel element in row-major order.
"""

from collections.abc import Iterator

import numpy as np

from .config import NpuConfig
from .instructions import Instruction

__all__ = ["contiguous", "depthwise_words", "plane_words", "planes", "runs"]


def contiguous(instruction: Instruction) -> bool:
    """Whether a window row is one contiguous run of bytes."""
    return instruction.dilation_cols == 1 and instruction.source_pixel == instruction.depth


def runs(instruction: Instruction) -> list[tuple[int, int, int]]:
    """Return the runs of a window as (kernel row, first pixel, bytes)."""
    rows, cols, depth = instruction.kernel_rows, instruction.kernel_cols, instruction.depth
    if contiguous(instruction):
        return [(row, 0, cols * depth) for row in range(rows)]
    return [(row, col, depth) for row in range(rows) for col in range(cols)]


def planes(instruction: Instruction, config: NpuConfig) -> Iterator[tuple[int, int, int, int]]:
    """Yield the planes of one channel tile as (kernel row, first pixel, first byte of the run, bytes used)."""
    for row, col, length in runs(instruction):
        for start in range(0, length, config.rows):
            yield row, col, start, min(config.rows, length - start)


def plane_words(weights: np.ndarray, instruction: Instruction, config: NpuConfig) -> np.ndarray:
    """Order weights (out, kernel rows, kernel columns, depth) for CONVOLVE: (words, cols) int8."""
    out = len(weights)
    tiles = -(-out // config.cols)
    padded = np.zeros((tiles * config.cols, *weights.shape[1:]), np.int8)
    padded[:out] = weights
    words = []
    for tile in range(tiles):
        part = padded[tile * config.cols : (tile + 1) * config.cols]
        for row, col, start, used in planes(instruction, config):
            run = part[:, row].reshape(config.cols, -1) if contiguous(instruction) else part[:, row, col]
            plane = np.zeros((config.rows, config.cols), np.int8)
            plane[:used] = run[:, start : start + used].T
            words.append(plane)
    return np.concatenate(words)


def depthwise_words(weights: np.ndarray, config: NpuConfig) -> np.ndarray:
    """Order weights (kernel rows, kernel columns, channels) for DEPTHWISE: (words, cols) int8."""
    rows, cols, channels = weights.shape
    tiles = -(-channels // config.cols)
    padded = np.zeros((rows, cols, tiles * config.cols), np.int8)
    padded[:, :, :channels] = weights
    return padded.reshape(rows * cols, tiles, config.cols).transpose(1, 0, 2).reshape(-1, config.cols)
