"""One layer of a compressed network, encoded for an EIE engine."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..checks import ByValue
from .config import EieConfig
from .storage import unpack

__all__ = ["EieLayer"]


@dataclass(frozen=True, eq=False)
class EieLayer(ByValue):
    """A layer in the engine's storage format; created by `encode`.

    Parameters
    ----------
    values, zeros : tuple of uint8 vectors, one per PE
        Codebook index of each entry, and zeros since the previous entry; a filler has index 0.
    pointers : tuple of (in + 1,) int64 vectors, one per PE
        First entry of each column, and the number of entries.
    rows : tuple of int64 vectors, one per PE
        Original row of each local row.
    codebook : (2**code_bits,) int16 array
        Weights; the first is 0.
    bias : (out,) int64 array or None
        In accumulator LSBs, in original row order.
    relu : bool
        Whether negative outputs become zero.
    shift : int
        Right shift from accumulator to output.
    act_frac, weight_frac : int
        Fraction bits of the inputs and of the codebook.
    out_frac : int or None
        Fraction bits of the outputs; None if only a shift was given.
    act_max : int
        Largest magnitude of an activation for which no accumulator can overflow.
    config : EieConfig
        The engine that the layer is encoded for.
    shape : (int, int)
        Outputs and inputs.

    Notes
    -----
    Arrays are copied and read-only.
    """

    values: tuple[np.ndarray, ...] = field(repr=False)
    zeros: tuple[np.ndarray, ...] = field(repr=False)
    pointers: tuple[np.ndarray, ...] = field(repr=False)
    rows: tuple[np.ndarray, ...] = field(repr=False)
    codebook: np.ndarray = field(repr=False)
    bias: np.ndarray | None = field(repr=False)
    relu: bool
    shift: int
    act_frac: int
    weight_frac: int
    out_frac: int | None
    act_max: int
    config: EieConfig
    shape: tuple[int, int]

    def __post_init__(self):
        for name, dtype in (("values", np.uint8), ("zeros", np.uint8), ("pointers", np.int64), ("rows", np.int64)):
            object.__setattr__(self, name, tuple(_frozen(array, dtype) for array in getattr(self, name)))
        object.__setattr__(self, "codebook", _frozen(self.codebook, np.int16))
        if self.bias is not None:
            object.__setattr__(self, "bias", _frozen(self.bias, np.int64))

    @property
    def entries(self) -> int:
        """Entries in all PEs, fillers included."""
        return sum(v.size for v in self.values)

    @property
    def fillers(self) -> int:
        """Entries that only bridge a long run of zeros."""
        return sum(int(np.count_nonzero(v == 0)) for v in self.values)

    def weights(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Original row, column and code of every entry except fillers, PE by PE."""
        parts = []
        for values, zeros, pointers, rows in zip(self.values, self.zeros, self.pointers, self.rows, strict=True):
            row, col = unpack(zeros, pointers)
            used = values != 0
            parts.append((rows[row[used]], col[used], values[used]))
        row, col, code = zip(*parts, strict=True)
        return np.concatenate(row), np.concatenate(col), np.concatenate(code)


def _frozen(array: np.ndarray, dtype: Any) -> np.ndarray:
    array = np.array(array, dtype)
    array.flags.writeable = False
    return array
