"""Average and maximum pooling, and mean and maximum over axes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...numerics.quantization import QuantParams
from ...numerics.requantization import SHIFT, Requant
from .base import INT8_MIN, Operator, Shape, check_left_shift
from .matrix import Window, requantized

__all__ = ["AveragePool2D", "MaxPool2D", "Mean", "ReduceMax"]


@dataclass(frozen=True, eq=False, kw_only=True)
class _Pool(Operator):
    """Per-channel window operator; input and output (N, H, W, C).

    Attributes
    ----------
    window : Window
        Size, stride, padding. Padding elements do not count.
    qmin, qmax : int
        Clamp of the output code.
    """

    window: Window
    qmin: int = -128
    qmax: int = 127

    def output_shape(self, *shapes: Shape) -> Shape:
        n, height, width, channels = shapes[0]
        return (n, *self.window.output_size(height, width), channels)


@dataclass(frozen=True, eq=False, kw_only=True)
class AveragePool2D(_Pool):
    """Average of raw codes over the elements inside the feature map, rounded half away from zero."""

    op: ClassVar[str] = "AVERAGE_POOL_2D"

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        x = arrays[0]
        height, width = x.shape[1:3]
        total = np.zeros(self.output_shape(x.shape), np.int32)
        for _, pixels in self.window.taps(self.window.padded(x, 0).astype(np.int32), height, width):
            total += pixels
        count = self.counts(height, width)[None, :, :, None]
        magnitude = (np.abs(total) + count // 2) // count
        return np.clip(np.where(total < 0, -magnitude, magnitude), self.qmin, self.qmax).astype(np.int8)

    def counts(self, height: int, width: int) -> np.ndarray:
        """Return the number of elements inside the feature map per window, (out rows, out columns) int32."""
        inside = self.window.padded(np.ones((1, height, width, 1), np.int32), 0)
        return np.sum([pixels for _, pixels in self.window.taps(inside, height, width)], axis=0)[0, :, :, 0]


@dataclass(frozen=True, eq=False, kw_only=True)
class MaxPool2D(_Pool):
    """Maximum code over the elements inside the feature map."""

    op: ClassVar[str] = "MAX_POOL_2D"

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        x = arrays[0]
        most = np.full(self.output_shape(x.shape), INT8_MIN, np.int8)
        for _, pixels in self.window.taps(self.window.padded(x, INT8_MIN), *x.shape[1:3]):
            np.maximum(most, pixels, out=most)
        return np.clip(most, self.qmin, self.qmax)


def _reduced(shape: Shape, axes: tuple[int, ...], keep_dims: bool) -> Shape:
    if keep_dims:
        return tuple(1 if n in axes else length for n, length in enumerate(shape))
    return tuple(length for n, length in enumerate(shape) if n not in axes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Mean(Operator):
    """Mean over axes, requantised.

    Attributes
    ----------
    axes : tuple of int
        Axes of the input to reduce; never 0, the batch.
    input_zero_point : int
        Input code of real zero.
    requant : Requant
        Requantisation from the sum of centred codes to output codes, including the division by their number; see `of`.
    keep_dims : bool
        Whether the reduced axes are kept with length 1.
    """

    op: ClassVar[str] = "MEAN"
    axes: tuple[int, ...]
    input_zero_point: int
    requant: Requant
    keep_dims: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        x: str,
        y: str,
        axes: tuple[int, ...],
        shape: Shape,
        source: QuantParams,
        target: QuantParams,
        *,
        keep_dims: bool,
    ) -> "Mean":
        """Return the mean over axes of a tensor with this shape, for these input and output scales.

        The kernel divides the multiplier of the scales by the number of elements and truncates; other operators round.

        Raises
        ------
        ValueError
            If left-shifted sums overflow int32: the output scale is too small.

        Source: ``reference_ops::QuantizedMeanOrSum`` of TFLite Micro.
        """
        requant = Requant.from_scale(float(source.scale) / float(target.scale), target.zero_point)
        multiplier, shift = int(requant.multiplier), int(requant.shift)
        count = int(np.prod([shape[axis] for axis in axes]))
        bits = min(count.bit_length() - 1, 32, shift - SHIFT[0])
        multiplier, shift = (multiplier << bits) // count, shift - bits
        check_left_shift(count * max(127 - source.zero_point, source.zero_point + 128), shift)
        return cls(
            name=name,
            inputs=(x,),
            output=y,
            axes=axes,
            input_zero_point=source.zero_point,
            requant=Requant(multiplier, shift, target.zero_point),
            keep_dims=keep_dims,
        )

    def output_shape(self, *shapes: Shape) -> Shape:
        return _reduced(shapes[0], self.axes, self.keep_dims)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        x = arrays[0]
        count = int(np.prod([x.shape[axis] for axis in self.axes]))
        total = x.sum(axis=self.axes, dtype=np.int64) - count * self.input_zero_point
        return requantized(total, self.requant).reshape(self.output_shape(x.shape))


@dataclass(frozen=True, eq=False, kw_only=True)
class ReduceMax(Operator):
    """Maximum code over axes; never axis 0, the batch."""

    op: ClassVar[str] = "REDUCE_MAX"
    axes: tuple[int, ...]
    keep_dims: bool = False

    def output_shape(self, *shapes: Shape) -> Shape:
        return _reduced(shapes[0], self.axes, self.keep_dims)

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        return arrays[0].max(axis=self.axes, keepdims=self.keep_dims)
