"""Data-movement operators: RESHAPE, TRANSPOSE, PAD, CONCATENATION, slices."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .base import Operator, Shape

__all__ = ["Concatenation", "Pad", "Reshape", "Slice", "Transpose"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reshape(Operator):
    """Reshape of each sample: RESHAPE, FLATTEN, SQUEEZE, EXPAND_DIMS.

    Attributes
    ----------
    shape : tuple of int
        Shape of a sample, without the batch.
    """

    op: ClassVar[str] = "RESHAPE"
    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], *self.shape)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return arrays[0].reshape(len(arrays[0]), *self.shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class Transpose(Operator):
    """Permutation of the axes.

    Attributes
    ----------
    order : tuple of int
        Input axis of each output axis; starts with 0, the batch.
    """

    op: ClassVar[str] = "TRANSPOSE"
    order: tuple[int, ...]

    def output_shape(self, *shapes: Shape) -> Shape:
        return tuple(shapes[0][axis] for axis in self.order)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return arrays[0].transpose(self.order)


@dataclass(frozen=True, eq=False, kw_only=True)
class Pad(Operator):
    """Padding of each sample with a constant code.

    Attributes
    ----------
    widths : tuple of (int, int)
        Elements added before and after along each axis, including the batch, for which both are 0.
    fill : int
        Padding code.
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
    """Concatenation of inputs with equal scale and zero point.

    Attributes
    ----------
    axis : int
        Axis to join, at least 1; 0 is the batch.
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
    """Slice of each sample: STRIDED_SLICE, SLICE, or one output of SPLIT or UNPACK.

    Attributes
    ----------
    slices : tuple of (start, stop, step)
        Slice of each axis except the batch; steps may be negative, with a stop of None for "to the beginning".
    shape : tuple of int
        Shape of the resulting sample, which may drop axes.
    """

    op: ClassVar[str] = "STRIDED_SLICE"
    slices: tuple[tuple[int, int | None, int], ...]
    shape: Shape

    def output_shape(self, *shapes: Shape) -> Shape:
        return (shapes[0][0], *self.shape)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        part = arrays[0][(slice(None), *(slice(*each) for each in self.slices))]
        return part.reshape(len(part), *self.shape)
