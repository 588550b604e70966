"""Bit-exact comparison of a GPU's results with the golden model's, with the differences classified."""

from dataclasses import dataclass, field

import numpy as np
from tercet.golden.numerics.floats import FORMATS, unpack
from tercet.golden.tensorcore.config import TensorCoreConfig

__all__ = ["CLASSES", "Case", "Comparison", "compare"]

CLASSES = {
    "nan_pattern": "different NaN pattern",
    "nan": "NaN on one side only",
    "infinite": "infinite on one side only",
    "zero_sign": "sign of zero",
    "flushed": "subnormal expected, zero got",
    "saturated": "int32 limit on one side only",
    "sign": "sign",
    "more_bits": "fraction bits that should be zero",
    "last_place": "off by one in the last place",
    "further": "off by more than one",
}
"""Classes of differences. An element counts in the first class that fits."""


@dataclass(frozen=True)
class Case:
    """One differing element, as bit patterns in hexadecimal digits.

    Attributes
    ----------
    a, b : tuple of str
        The k factors from A and from B.
    c, got, want : str
        Addend, result of the GPU, result of the golden model.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    c: str
    got: str
    want: str


@dataclass
class Comparison:
    """Number of elements compared, and of differences in each class.

    Attributes
    ----------
    total : int
        Elements compared.
    counts : dict
        Class to number of differences, for the classes that occurred.
    first : dict
        Class to its first `Case`.
    """

    total: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, Case] = field(default_factory=dict)

    @property
    def equal(self) -> int:
        """Number of bit-identical elements."""
        return self.total - sum(self.counts.values())

    def add(self, other: "Comparison") -> None:
        """Merge a later comparison into this one."""
        self.total += other.total
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
            self.first.setdefault(name, other.first[name])


def compare(
    config: TensorCoreConfig, operands: tuple[np.ndarray, np.ndarray, np.ndarray], got: np.ndarray, want: np.ndarray
) -> Comparison:
    """Compare the results of tiles.

    Parameters
    ----------
    config : TensorCoreConfig
        Formats.
    operands : (tiles, m, k), (tiles, k, n) and (tiles, m, n) arrays
        A, B and C, as bit patterns, or int8 and int32; quoted in the cases that differ.
    got, want : (tiles, m, n) uint16 or uint32 arrays
        Bit patterns of D, from the GPU and from the golden model.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If the results differ in shape or type.
    """
    if got.shape != want.shape or got.dtype != want.dtype:
        raise ValueError(
            f"Results are {got.dtype} {got.shape} and {want.dtype} {want.shape}; use the same type and shape"
        )
    different = np.argwhere(got != want)
    result = Comparison(total=want.size)
    if not len(different):
        return result
    tile, row, column = different.T
    x, y = got[tile, row, column], want[tile, row, column]
    kinds = _integers(x, y) if config.integers else _floats(x, y, config)
    free = np.ones(len(x), bool)
    for name in CLASSES:
        matches = free & kinds.get(name, False)
        free &= ~matches
        if matches.any():
            n = int(matches.argmax())
            result.counts[name] = int(matches.sum())
            result.first[name] = _case(operands, x[n], y[n], *different[n])
    return result


def _floats(got: np.ndarray, want: np.ndarray, config: TensorCoreConfig) -> dict[str, np.ndarray]:
    """Map each class to a mask of the differences that fit it."""
    form = FORMATS[config.out_format]
    x, y = unpack(got, form), unpack(want, form)
    finite = ~(x.nan | x.infinite | y.nan | y.infinite)
    zero_x, zero_y = (finite & (number.significand == 0) for number in (x, y))
    magnitude = 2 ** (form.width - 1) - 1
    distance = np.abs((got & magnitude).astype(np.int64) - (want & magnitude).astype(np.int64))
    dropped = form.fraction_bits - config.out_fraction_bits
    subnormal = finite & ~zero_y & (y.significand < 2**form.fraction_bits)
    return {
        "nan_pattern": x.nan & y.nan,
        "nan": x.nan | y.nan,
        "infinite": x.infinite != y.infinite,
        "zero_sign": zero_x & zero_y,
        "flushed": zero_x & subnormal,
        "sign": (x.sign != y.sign) & ~zero_x & ~zero_y,
        "more_bits": finite & (got & (2**dropped - 1) != 0),
        "last_place": finite & (distance == 2**dropped),
        "further": np.ones(len(got), bool),
    }


def _integers(got: np.ndarray, want: np.ndarray) -> dict[str, np.ndarray]:
    x, y = (patterns.view(np.int32).astype(np.int64) for patterns in (got, want))
    limits = np.array([-(2**31), 2**31 - 1])
    return {
        "saturated": np.isin(x, limits) | np.isin(y, limits),
        "sign": (x < 0) != (y < 0),
        "last_place": np.abs(x - y) == 1,
        "further": np.ones(len(got), bool),
    }


def _case(
    operands: tuple[np.ndarray, np.ndarray, np.ndarray], got: np.integer, want: np.integer, *index: np.integer
) -> Case:
    a, b, c = operands
    tile, row, column = index
    return Case(
        tuple(_hex(value) for value in a[tile, row]),
        tuple(_hex(value) for value in b[tile, :, column]),
        *(_hex(value) for value in (c[tile, row, column], got, want)),
    )


def _hex(value: np.integer) -> str:
    digits = 2 * value.dtype.itemsize
    return f"{int(value) & (16**digits - 1):0{digits}x}"
