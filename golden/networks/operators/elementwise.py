"""Binary operators ADD, SUB, MUL, MAXIMUM, MINIMUM; operands broadcast, and either may be constant."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...numerics.requantization import Requant, Rounding, rescale
from .base import Operator, Shape, check_left_shift
from .matrix import requantized

__all__ = ["Add", "Binary", "Maximum", "Minimum", "Mul", "Sub", "add_parameters", "aligned"]

_LEFT_SHIFT = 20  # fraction bits of an addend in TFLite's int8 kernels
_CODES = np.arange(-128, 128)


def aligned(array: np.ndarray, rank: int) -> np.ndarray:
    """Expand a batch to `rank` dimensions, inserting the added dimensions after the batch."""
    return array.reshape(len(array), *[1] * (rank - array.ndim), *array.shape[1:])


@dataclass(frozen=True, eq=False, kw_only=True)
class Binary(Operator):
    """Operator with two operands, one of which may be constant.

    Attributes
    ----------
    constant : int8 array or None
        Codes of the constant operand, which broadcasts against a sample; `inputs` then names only the other operand.
    constant_first : bool
        Whether the constant is the first operand.
    """

    constant: np.ndarray | None = None
    constant_first: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        rank = max(map(len, shapes))
        if self.constant is not None:
            rank = max(rank, self.constant.ndim + 1)
        padded = [(shape[0], *[1] * (rank - len(shape)), *shape[1:]) for shape in shapes]
        if self.constant is not None:
            padded.append((1, *[1] * (rank - 1 - self.constant.ndim), *self.constant.shape))
        return np.broadcast_shapes(*padded)

    def operands(self, *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both operands, ready to broadcast, in the operator's order."""
        rank = max(array.ndim for array in arrays)
        if self.constant is None:
            first, second = (aligned(array, rank) for array in arrays)
            return first, second
        rank = max(rank, self.constant.ndim + 1)
        constant = self.constant.reshape(1, *[1] * (rank - 1 - self.constant.ndim), *self.constant.shape)
        other = aligned(arrays[0], rank)
        return (constant, other) if self.constant_first else (other, constant)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return self.combine(*self.operands(*arrays))

    def combine(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Compute the output codes from the codes of both operands."""
        raise NotImplementedError


def add_parameters(
    scales: tuple[float, float], output_scale: float, zero_point: int, qmin: int, qmax: int
) -> tuple[tuple[tuple[int, int], tuple[int, int]], Requant]:
    """Return multiplier and shift of each addend, and the requantisation of their sum.

    Parameters
    ----------
    scales : (float, float)
        Scales of the operands.
    output_scale, zero_point, qmin, qmax
        Scale, zero point and clamp of the output.

    Raises
    ------
    ValueError
        If the output scale is too small for the kernel's 20 fraction bits.
    """
    twice = 2 * max(scales)
    each = [Requant.from_scale(scale / twice, 0) for scale in scales]
    real = twice / (2.0**_LEFT_SHIFT * output_scale)
    if real >= 1:
        raise ValueError(f"output scale {output_scale} is below {twice / 2**_LEFT_SHIFT}; use a larger one")
    first, second = ((int(r.multiplier), int(r.shift)) for r in each)
    return (first, second), Requant.from_scale(real, zero_point, qmin, qmax)


@dataclass(frozen=True, eq=False, kw_only=True)
class Add(Binary):
    """Sum of two codes, each first scaled to a common fixed-point grid with 20 fraction bits.

    Attributes
    ----------
    zero_points : (int, int)
        Zero points of the operands.
    addends : ((int, int), (int, int))
        Multiplier and shift of each operand.
    requant : Requant
        Requantisation from the sum to output codes.
    rounding : "double", "single" or "away"
        Rounding of the operands' scaling.
    """

    op: ClassVar[str] = "ADD"
    sign: ClassVar[int] = 1
    zero_points: tuple[int, int]
    addends: tuple[tuple[int, int], tuple[int, int]]
    requant: Requant
    rounding: Rounding = "double"

    def table(self, operand: int) -> np.ndarray:
        """Return the addend of each code from -128 on, (256,) int64; negated for the second operand of SUB."""
        multiplier, shift = self.addends[operand]
        sign = self.sign if operand else 1
        return sign * rescale((_CODES - self.zero_points[operand]) << _LEFT_SHIFT, multiplier, shift, self.rounding)

    def combine(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        low, high = (self.table(n)[x.astype(np.intp) + 128] for n, x in enumerate((first, second)))
        return requantized(low + high, self.requant)


class Sub(Add):
    """Difference of two codes, computed like `Add`."""

    op: ClassVar[str] = "SUB"
    sign: ClassVar[int] = -1


@dataclass(frozen=True, eq=False, kw_only=True)
class Mul(Binary):
    """Product of two centred codes, requantised.

    Attributes
    ----------
    zero_points : (int, int)
        Zero points of the operands.
    requant : Requant
        Requantisation from the product to output codes.
    """

    op: ClassVar[str] = "MUL"
    zero_points: tuple[int, int]
    requant: Requant

    def __post_init__(self):
        first, second = (max(127 - zero_point, zero_point + 128) for zero_point in self.zero_points)
        check_left_shift(first * second, int(self.requant.shift))

    def combine(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        a, b = (x.astype(np.int64) - z for x, z in zip((first, second), self.zero_points, strict=True))
        return requantized(a * b, self.requant)


class _Extremum(Binary):
    """Larger or smaller of two codes of equal scale and zero point."""

    choose: ClassVar[Callable[..., np.ndarray]]

    def combine(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return type(self).choose(first, second)


class Maximum(_Extremum):
    """Larger of two codes of equal scale and zero point."""

    op: ClassVar[str] = "MAXIMUM"
    choose: ClassVar[Callable[..., np.ndarray]] = np.maximum


class Minimum(_Extremum):
    """Smaller of two codes of equal scale and zero point."""

    op: ClassVar[str] = "MINIMUM"
    choose: ClassVar[Callable[..., np.ndarray]] = np.minimum
