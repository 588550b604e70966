"""Weight, parameter and table memory images under construction; identical entries are stored once."""

import numpy as np
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.machine import Memories
from tercet.golden.numerics.requantization import Requant

from ..errors import Unsupported

__all__ = ["Images"]


class Images:
    """Growing memory images of a program.

    Parameters
    ----------
    config : NpuConfig
        Sizes of the memories.
    """

    def __init__(self, config: NpuConfig):
        self._config = config
        self._weights: list[np.ndarray] = []
        self._rows = 0
        self._parameters: list[np.ndarray] = []
        self._channels = 0
        self._tables: list[np.ndarray] = []
        self._found: dict[bytes, int] = {}

    def weights(self, words: np.ndarray) -> int:
        """Add (rows of words, cols) weights; return the index of the first word."""
        key = b"w" + words.tobytes()
        if key not in self._found:
            self._found[key] = self._rows
            self._weights.append(words)
            self._rows += len(words)
        return self._found[key] // self._config.memory_word_rows

    def parameters(self, bias: np.ndarray, requant: Requant) -> int:
        """Add biases, multipliers and shifts; return the index of the first entry."""
        rows = np.stack([np.asarray(bias, np.int64), *requant.per_channel(len(bias))], axis=1)
        key = b"p" + rows.tobytes()
        if key not in self._found:
            self._found[key] = self._channels
            self._parameters.append(rows)
            self._channels += len(rows)
        return self._found[key]

    def tables(self, tables: np.ndarray) -> int:
        """Add (tables, 256) words; return the index of the first table."""
        key = b"t" + tables.astype(np.int64).tobytes()
        if key not in self._found:
            self._found[key] = len(self._tables)
            self._tables += list(tables.astype(np.int32))
        return self._found[key]

    def memories(self, instructions: np.ndarray) -> Memories:
        """Return the finished images.

        Raises
        ------
        ValueError
            If an image is larger than its memory; the message names it, the excess and the fix.
        """
        cols = self._config.cols
        weights = np.concatenate(self._weights) if self._weights else np.zeros((0, cols), np.int8)
        rows = np.concatenate(self._parameters) if self._parameters else np.zeros((0, 3), np.int64)
        tables = np.stack(self._tables) if self._tables else np.zeros((0, 256), np.int32)
        for what, need, field in (
            ("bytes of weights", weights.size, "weight_bytes"),
            ("channels of parameters", len(rows), "channels"),
            ("tables", len(tables), "tables"),
            ("instructions", len(instructions), "operators"),
        ):
            room = getattr(self._config, field)
            if need > room:
                raise Unsupported(
                    f"the network has {need} {what}, {need - room} more than the machine's {room}; use {field}={need}"
                )
        return Memories(weights, rows[:, 0], rows[:, 1], rows[:, 2], tables, instructions)
