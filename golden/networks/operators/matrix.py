"""Convolutions and fully connected layers: int32 sums of products, requantised.

The input zero point is folded into the bias, and padding reads as the zero point, so raw codes are multiplied:
``sum (q - zp) * w + b == sum q * w + (b - zp * sum w)``.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...checks import INT32
from ...numerics.requantization import Requant, rescale
from .base import INT8_MAX, INT8_MIN, Operator, Product, Shape

__all__ = ["Conv2D", "DepthwiseConv2D", "FullyConnected", "MatrixOperator", "Window", "requantized"]

# Integer sums below this are exact in float32 in any order of addition.
_EXACT = 2**24


def requantized(sums: np.ndarray, requant: Requant) -> np.ndarray:
    """Apply `requant` to int64 sums proven to be in range."""
    codes = rescale(sums, requant.multiplier, requant.shift, requant.rounding)
    codes += requant.zero_point
    return np.clip(codes, requant.qmin, requant.qmax, out=codes).astype(np.int8)


@dataclass(frozen=True, eq=False, kw_only=True)
class Window:
    """Window of a convolution or pooling operator.

    Attributes
    ----------
    kernel, stride, dilation : (int, int)
        Rows and columns.
    padding : (top, bottom, left, right)
        Rows and columns outside the feature map that a window may cover.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns spanned by the dilated window."""
        (rows, cols), (down, across) = self.kernel, self.dilation
        return (rows - 1) * down + 1, (cols - 1) * across + 1

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the number of window positions along rows and columns."""
        top, bottom, left, right = self.padding
        (rows, cols), (down, across) = self.extent, self.stride
        return (height + top + bottom - rows) // down + 1, (width + left + right - cols) // across + 1

    @staticmethod
    def same(
        size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
    ) -> tuple[int, int, int, int]:
        """Return TFLite's SAME padding: half of it before, rounded down, the rest after."""
        found: list[int] = []
        for length, k, s, d in zip(size, kernel, stride, dilation, strict=True):
            total = max((-(-length // s) - 1) * s + (k - 1) * d + 1 - length, 0)
            found += [total // 2, total - total // 2]
        return found[0], found[1], found[2], found[3]

    def padded(self, x: np.ndarray, fill: int) -> np.ndarray:
        """Pad an (N, H, W, C) feature map with `fill`."""
        top, bottom, left, right = self.padding
        if not any(self.padding):
            return x
        return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)

    def views(self, padded: np.ndarray) -> np.ndarray:
        """Return zero-copy windows of a padded map: (N, out rows, out columns, C, kernel rows, kernel columns)."""
        view = sliding_window_view(padded, self.extent, axis=(1, 2))
        return view[:, :: self.stride[0], :: self.stride[1], :, :: self.dilation[0], :: self.dilation[1]]

    def taps(self, padded: np.ndarray, height: int, width: int):
        """Yield, for each kernel element in row-major order, its pixels (N, out rows, out columns, C)."""
        rows, cols = self.output_size(height, width)
        for y in range(self.kernel[0]):
            top = y * self.dilation[0]
            for x in range(self.kernel[1]):
                left = x * self.dilation[1]
                yield (
                    (y, x),
                    padded[
                        :,
                        top : top + (rows - 1) * self.stride[0] + 1 : self.stride[0],
                        left : left + (cols - 1) * self.stride[1] + 1 : self.stride[1],
                    ],
                )


@dataclass(frozen=True, eq=False, kw_only=True)
class MatrixOperator(Operator):
    """Operator whose outputs are requantised sums of products.

    Attributes
    ----------
    weights : int8 array
        Codes with zero point 0; the subclass defines the shape.
    bias : (channels,) int32 array
        Bias in units of the sums, without the folded input zero point.
    requant : Requant or None
        Requantisation from sums to output codes, clamped by the fused activation; None outputs int32 sums.
    input_zero_point : int
        Input code of real zero.

    Raises
    ------
    ValueError
        If a sum, with or without the folded zero point, or a left-shifted sum can overflow int32.
    """

    weights: np.ndarray
    bias: np.ndarray
    requant: Requant | None
    input_zero_point: int
    folded: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "weights", np.ascontiguousarray(self.weights, np.int8))
        bias = np.asarray(self.bias, np.int64)
        least, most, folded = self._range(bias)
        # Partial sums on the folded bias may wrap around and back; the bias itself must fit int32.
        bad = (most > INT32[1]) | (least < INT32[0]) | (folded > INT32[1]) | (folded < INT32[0])
        if bad.any():
            n = int(np.argmax(bad))
            raise ValueError(
                f"channel {n} can reach [{least[n]}, {most[n]}] with its folded bias {folded[n]}, beyond int32; "
                "use smaller weights or a smaller bias"
            )
        if self.requant is not None:
            left = np.maximum(self.requant.per_channel(self.channels)[1], 0)
            bad = (most << left > INT32[1]) | (least << left < INT32[0])
            if bad.any():
                n = int(np.argmax(bad))
                raise ValueError(
                    f"channel {n} can reach [{least[n]}, {most[n]}], which its output scale shifts left by {left[n]} "
                    "bits, beyond int32; use a larger output scale"
                )
        object.__setattr__(self, "bias", bias.astype(np.int32))
        object.__setattr__(self, "folded", folded.astype(np.int32))

    def _range(self, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bounds on each channel's sum over all inputs, and its folded bias."""
        w = self.columns.astype(np.int64)
        folded = bias - self.input_zero_point * w.sum(axis=0)
        positive, negative = np.maximum(w, 0).sum(axis=0), np.minimum(w, 0).sum(axis=0)
        least = positive * INT8_MIN + negative * INT8_MAX + folded
        most = positive * INT8_MAX + negative * INT8_MIN + folded
        return least, most, folded

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return self.columns.shape[1]

    @property
    def columns(self) -> np.ndarray:
        """Weights as a (products per sum, channels) matrix."""
        raise NotImplementedError

    @property
    def weight_count(self) -> int:
        return self.weights.size

    def sums(self, x: np.ndarray, product: Product | None) -> np.ndarray:
        """Return the sums of a batch, int64 or int32, including the folded bias."""
        raise NotImplementedError

    def run(self, *arrays: np.ndarray, product: Product | None = None) -> np.ndarray:
        """Compute the output; `product`, if given, computes the matrix products."""
        sums = self.sums(arrays[0], product).astype(np.int64, copy=False)
        return sums.astype(np.int32) if self.requant is None else requantized(sums, self.requant)


def _matmul(acts: np.ndarray, weights: np.ndarray, bias: np.ndarray, product: Product | None) -> np.ndarray:
    """(M, K) times (K, N) plus (N,), exact."""
    if product is not None:
        sums = np.asarray(product(np.ascontiguousarray(acts), np.ascontiguousarray(weights), bias))
        if sums.shape != (len(acts), weights.shape[1]) or sums.dtype != np.int32:
            raise TypeError(
                f"The product gave {sums.dtype} {sums.shape}; use one that returns int32 {len(acts), weights.shape[1]}"
            )
        return sums.astype(np.int64)
    bound = int(np.abs(weights.astype(np.int64)).sum(axis=0).max(initial=0)) * 128
    exact = np.float32 if bound < _EXACT else np.float64
    return (acts.astype(exact) @ weights.astype(exact)).astype(np.int64) + bias


@dataclass(frozen=True, eq=False, kw_only=True)
class _Convolution(MatrixOperator):
    """Operator on the windows of a feature map; input and output (N, H, W, C)."""

    window: Window

    def output_shape(self, *shapes: Shape) -> Shape:
        n, height, width, _ = shapes[0]
        return (n, *self.window.output_size(height, width), self.channels)

    def macs(self, *shapes: Shape) -> int:
        _, rows, cols, _ = self.output_shape(shapes[0])
        return rows * cols * self.weights.size


@dataclass(frozen=True, eq=False, kw_only=True)
class Conv2D(_Convolution):
    """Convolution: weights (out, kernel rows, kernel columns, in / groups), input and output (N, H, W, C)."""

    op: ClassVar[str] = "CONV_2D"
    groups: int = 1

    @property
    def columns(self) -> np.ndarray:
        return self.weights.reshape(len(self.weights), -1).T

    def matrix(self, x: np.ndarray, group: int = 0) -> np.ndarray:
        """Return the int8 left operand (N * out rows * out columns, K) of one group's matrix product."""
        depth = self.weights.shape[3]
        part = x[..., group * depth : (group + 1) * depth]
        if self.window.kernel == (1, 1) and not any(self.window.padding):
            part = part[:, :: self.window.stride[0], :: self.window.stride[1]]
            return part.reshape(-1, depth)
        view = self.window.views(self.window.padded(part, self.input_zero_point))
        return view.transpose(0, 1, 2, 4, 5, 3).reshape(-1, self.columns.shape[0])

    def sums(self, x: np.ndarray, product: Product | None) -> np.ndarray:
        shape = self.output_shape(x.shape)
        each = self.channels // self.groups
        parts = []
        for group in range(self.groups):
            part = slice(group * each, (group + 1) * each)
            parts.append(_matmul(self.matrix(x, group), self.columns[:, part], self.folded[part], product))
        return (parts[0] if self.groups == 1 else np.concatenate(parts, axis=1)).reshape(shape)


@dataclass(frozen=True, eq=False, kw_only=True)
class DepthwiseConv2D(_Convolution):
    """Depthwise convolution: weights (kernel rows, kernel columns, in * multiplier), input and output (N, H, W, C)."""

    op: ClassVar[str] = "DEPTHWISE_CONV_2D"
    multiplier: int = 1

    @property
    def columns(self) -> np.ndarray:
        return self.weights.reshape(-1, self.weights.shape[2])

    def sums(self, x: np.ndarray, product: Product | None) -> np.ndarray:
        padded = self.window.padded(x, self.input_zero_point).astype(np.int32)
        if self.multiplier > 1:
            padded = np.repeat(padded, self.multiplier, axis=3)
        weights = self.weights.astype(np.int32)
        # Partial sums may wrap around and back: the final sum is proven to fit int32.
        total = np.broadcast_to(self.folded, self.output_shape(x.shape)).copy()
        for (row, col), pixels in self.window.taps(padded, *x.shape[1:3]):
            total += pixels * weights[row, col]
        return total


@dataclass(frozen=True, eq=False, kw_only=True)
class FullyConnected(MatrixOperator):
    """Fully connected layer: weights (in, out), input (N, ...) as rows of ``in`` elements, output (N, ..., out)."""

    op: ClassVar[str] = "FULLY_CONNECTED"
    keep_dims: bool = False

    @property
    def columns(self) -> np.ndarray:
        return self.weights

    def output_shape(self, *shapes: Shape) -> Shape:
        shape = shapes[0]
        if self.keep_dims:
            return (*shape[:-1], self.channels)
        rows = int(np.prod(shape)) // len(self.weights)
        return (rows, self.channels)

    def macs(self, *shapes: Shape) -> int:
        return int(np.prod(self.output_shape(shapes[0])[:-1])) // shapes[0][0] * self.weights.size

    def sums(self, x: np.ndarray, product: Product | None) -> np.ndarray:
        rows = x.reshape(-1, len(self.weights))
        return _matmul(rows, self.weights, self.folded, product).reshape(self.output_shape(x.shape))
