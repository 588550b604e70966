"""Weight order in the NPU's memory: planes for the array, windows for the depthwise unit.

A word of the weight memory holds `weight_rows` rows of ``cols`` weights. Each pass takes consecutive words, in the
order of the passes: for each tile of ``cols`` output channels and each kernel row.

- CONVOLVE: a plane of ``rows`` rows. Word j holds, as its row g, the plane's row ``g * plane_words + j``, so that the
  array loads `weight_rows` segments at once. A run is cut into passes; rows beyond its end are zero, so data read there
  adds nothing.
- DEPTHWISE: a window of `taps` kernel columns. Row s of the pass multiplies the s-th newest pixel, and so holds the
  window's column ``taps - 1 - s``; rows beyond the window or the kernel are zero.
"""

from collections.abc import Iterator

import numpy as np

from .config import NpuConfig
from .instructions import Instruction, Opcode

__all__ = ["depthwise_words", "pass_words", "passes", "plane_words"]


def passes(instruction: Instruction, config: NpuConfig) -> Iterator[tuple[int, int, int]]:
    """Yield the passes of a kernel row as (kernel column, first byte of the run, bytes used); 0, 0 unless CONVOLVE."""
    for column in range(instruction.kernel_cols):
        if instruction.opcode != Opcode.CONVOLVE:
            yield column, 0, 0
            continue
        for start in range(0, instruction.run, config.rows):
            yield column, start, min(config.rows, instruction.run - start)


def pass_words(instruction: Instruction, config: NpuConfig) -> int:
    """Return the words of the weight memory that a pass takes; 0 for an operator without weights."""
    words: dict[int, int] = {Opcode.CONVOLVE: config.plane_words, Opcode.DEPTHWISE: config.window_words}
    return words.get(instruction.opcode, 0)


def plane_words(weights: np.ndarray, config: NpuConfig) -> np.ndarray:
    """Order weights for CONVOLVE.

    Parameters
    ----------
    weights : (out, kernel rows, runs, bytes of a run) int8 array
        Weights of each run of a kernel row, in the order of the buffer.
    config : NpuConfig
        Size of the array and of the memory's words.

    Returns
    -------
    (rows of words, cols) int8 array
        `weight_rows` rows per word.
    """
    out, kernel_rows, runs, length = weights.shape
    tiles, pieces = -(-out // config.cols), -(-length // config.rows)
    padded = np.zeros((tiles * config.cols, kernel_rows, runs, pieces * config.rows), np.int8)
    padded[:out, ..., :length] = weights
    segments = padded.reshape(tiles, config.cols, -1, config.memory_word_rows, config.plane_words)
    return np.ascontiguousarray(segments.transpose(0, 2, 4, 3, 1)).reshape(-1, config.cols)


def depthwise_words(weights: np.ndarray, taps: int, config: NpuConfig) -> np.ndarray:
    """Order weights for DEPTHWISE.

    Parameters
    ----------
    weights : (kernel rows, kernel columns, channels) int8 array
        Weights.
    taps : int
        Kernel columns of a pass, at most `NpuConfig.window_taps`.
    config : NpuConfig
        Size of the depthwise unit and of the memory's words.

    Returns
    -------
    (rows of words, cols) int8 array
        `weight_rows` rows per word.
    """
    rows, columns, channels = weights.shape
    tiles, windows = -(-channels // config.cols), -(-columns // taps)
    padded = np.zeros((rows, windows * taps, tiles * config.cols), np.int8)
    padded[:, :columns, :channels] = weights
    slots = padded.reshape(rows, windows, taps, tiles, config.cols)[:, :, ::-1].transpose(3, 0, 1, 2, 4)
    words = np.zeros((tiles, rows, windows, config.window_words * config.memory_word_rows, config.cols), np.int8)
    words[:, :, :, :taps] = slots
    return words.reshape(-1, config.cols)
