"""Operators that move codes and compute nothing: RESHAPE, TRANSPOSE, PAD, CONCATENATION, slices."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Operator, Shape

__all__ = ["Concatenation", "Pad", "Reshape", "Slice", "Transpose"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Operator):
    """Another shape for each sample: RESHAPE, FLATTEN, SQUEEZE, EXPAND_DIMS.

    Attributes
    ----------
    shape : tuple of int
        Of a sample, without the batch.
    """

    op: ClassVar[str] = "RESHAPE"
    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], *self.shape)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return arrays[0].reshape(len(arrays[0]), *self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Operator):
    """Axes in another order.

    Attributes
    ----------
    order : tuple of int
        Axis of the input for each axis of the output; begins with 0, the batch.
    """

    op: ClassVar[str] = "TRANSPOSE"
    order: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        return tuple(shapes[0][axis] for axis in self.order)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return arrays[0].transpose(self.order)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Operator):
    """Constant codes around each sample.

    Attributes
    ----------
    widths : tuple of (int, int)
        Elements before and behind along each axis, the batch included, where both are 0.
    fill : int
        Their code.
    """

    op: ClassVar[str] = "PAD"
    widths: tuple[tuple[int, int], ...]
    fill: int

    def output_shape(self, *shapes: Shape) -> Shape:
        return tuple(sum(width, length) for width, length in zip(self.widths, shapes[0], strict=True))

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return np.pad(arrays[0], self.widths, constant_values=self.fill)


@dataclass(frozen=True, eq=False, kw_only=True)
class Concatenation(Operator):
    """Inputs of equal scale and zero point behind each other.

    Attributes
    ----------
    axis : int
        At least 1; 0 is the batch.
    """

    op: ClassVar[str] = "CONCATENATION"
    axis: int

    def output_shape(self, *shapes: Shape) -> Shape:
        length = sum(shape[self.axis] for shape in shapes)
        return (*shapes[0][: self.axis], length, *shapes[0][self.axis + 1 :])

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return np.concatenate(arrays, axis=self.axis)


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice(Operator):
    """Part of each sample: STRIDED_SLICE, SLICE, an output of SPLIT or UNPACK.

    Attributes
    ----------
    slices : tuple of (start, stop, step)
        Of each axis but the batch; steps may be negative, with a stop of None for "to the beginning".
    shape : tuple of int
        Of the resulting sample, where axes disappear.
    """

    op: ClassVar[str] = "STRIDED_SLICE"
    slices: tuple[tuple[int, int | None, int], ...]
    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], *self.shape)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        part = arrays[0][(slice(None), *(slice(*each) for each in self.slices))]
        return part.reshape(len(part), *self.shape)
