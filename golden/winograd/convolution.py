"""Winograd convolution of int8 layers: sixteen matrix products whose sums give those of the convolution, bit for bit.

Entry (i, j) of all transformed tiles is the left operand of one matrix product, over the input channels; the sixteen
have nothing in common but their shape, so an array computes them one after the other. Padding reads as the zero point,
which is folded into the bias as everywhere, so that raw codes are transformed: one bit less than differences from the
zero point would need. Tiles beyond an odd output are computed and dropped.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..checks import INT8, INT32
from ..networks.operators import Conv2D, DepthwiseConv2D, MatrixOperator, Operator, Product
from ..networks.operators.matrix import requantized
from .transforms import INPUT, SCALE, entry_bounds, input_transform, output_transform, weight_transform

__all__ = ["PRODUCTS", "TILE", "WinogradConvolution", "refusal"]

TILE = 2
"""Rows and columns of outputs per tile."""

PRODUCTS = 16
"""Matrix products of a convolution."""

# Entry (1, 1), which the output transform adds to all four outputs of a tile, takes the bias.
_BIASED = 5


def refusal(operator: Operator) -> str:
    """Return the reason that an operator is not computed by F(2x2, 3x3), or "" if it is."""
    if isinstance(operator, DepthwiseConv2D):
        return "each channel has a window of its own: there is no sum over channels for an array"
    if not isinstance(operator, Conv2D):
        return "it is not a convolution"
    window = operator.window
    if window.kernel != (3, 3):
        return f"its kernel is {window.kernel[0]}x{window.kernel[1]}, not 3x3"
    for name in ("stride", "dilation"):
        if getattr(window, name) != (1, 1):
            return f"its {name} is {getattr(window, name)}, not (1, 1)"
    return f"its weights are in {operator.groups} groups" if operator.groups > 1 else ""


@dataclass(frozen=True, eq=False)
class WinogradConvolution:
    """A 3x3 convolution of stride 1, computed by F(2x2, 3x3); equal to the convolution for all inputs.

    Parameters
    ----------
    operator : Conv2D
        Layer.

    Attributes
    ----------
    weights : (16, C, N) int16 array
        Transformed weights of each product, 12 bits.
    bias : (16, N) int32 array
        Bias of each product: `SCALE` times that of the layer, with its folded zero point, in one of them.

    Raises
    ------
    TypeError
        If the operator is not a convolution.
    ValueError
        If its window or its groups do not allow it, or some inputs could overflow a 32-bit sum of a product, whose
        bound is four times that of the convolution's sums.
    """

    operator: Conv2D
    weights: np.ndarray = field(init=False, repr=False)
    bias: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        reason = refusal(self.operator)
        if reason:
            name = getattr(self.operator, "name", self.operator)
            kind = ValueError if isinstance(self.operator, MatrixOperator) else TypeError
            raise kind(f"Layer {name!r} has no Winograd form: {reason}")
        # (N, 3, 3, C) to (16, C, N).
        entries = weight_transform(self.operator.weights.transpose(3, 0, 1, 2))
        weights = np.ascontiguousarray(entries.reshape(*entries.shape[:2], PRODUCTS).transpose(2, 0, 1))
        bias = np.zeros((PRODUCTS, self.operator.channels), np.int64)
        bias[_BIASED] = SCALE * self.operator.folded.astype(np.int64)
        self._prove(weights.astype(np.int64), bias)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "bias", bias.astype(np.int32))

    def _prove(self, weights: np.ndarray, bias: np.ndarray) -> None:
        """Reject weights and biases for which some inputs could overflow a sum."""
        least, greatest = (bound.reshape(PRODUCTS, 1) for bound in entry_bounds(INPUT, INT8))
        positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
        # Inputs of either sign exist, so the bias alone lies between the two.
        low = positive * least + negative * greatest + bias
        high = positive * greatest + negative * least + bias
        bad = (high > INT32[1]) | (low < INT32[0])
        if bad.any():
            n, channel = (int(index) for index in np.argwhere(bad)[0])
            raise ValueError(
                f"Layer {self.operator.name!r}: channel {channel} of product {divmod(n, 4)} can reach "
                f"[{low[n, channel]}, {high[n, channel]}] with its bias {bias[n, channel]}, beyond int32; use the "
                "direct convolution, or smaller weights, a smaller bias or fewer input channels"
            )

    def tiles(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of tiles for an input of this size."""
        rows, cols = self.operator.window.output_size(height, width)
        return -(-rows // TILE), -(-cols // TILE)

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Return the left operands of the products.

        Parameters
        ----------
        x : (B, H, W, C) int8 array
            Codes.

        Returns
        -------
        (16, B * tile rows * tile columns, C) int16 array
            Transformed inputs, 10 bits.
        """
        operator = self.operator
        depth = operator.weights.shape[3]
        if x.ndim != 4 or x.shape[3] != depth or x.dtype != np.int8:
            raise ValueError(f"Inputs are {x.dtype} {x.shape}; use int8 (batch, height, width, {depth})")
        rows, cols = self.tiles(*x.shape[1:3])
        if min(rows, cols) < 1:
            raise ValueError(f"Inputs have shape {x.shape}, less than a window with its padding; use a larger map")
        padded = operator.window.padded(x, operator.input_zero_point)
        # Whole tiles: what lies below and to the right of an odd output reaches dropped outputs only.
        down, right = TILE * rows + 2 - padded.shape[1], TILE * cols + 2 - padded.shape[2]
        padded = np.pad(padded, ((0, 0), (0, down), (0, right), (0, 0)))
        tiles = sliding_window_view(padded, (TILE + 2, TILE + 2), axis=(1, 2))[:, ::TILE, ::TILE]
        entries = input_transform(tiles)
        return entries.reshape(-1, depth, PRODUCTS).transpose(2, 0, 1)

    def sums(self, x: np.ndarray, product: Product | None = None) -> np.ndarray:
        """Return the sums of the convolution, equal to ``operator.sums``.

        Parameters
        ----------
        x : (B, H, W, C) int8 array
            Codes.
        product : callable or None
            Computes each product: (M, C) int16, (C, N) int16 and (N,) int32 to (M, N) int32. Default: NumPy.

        Returns
        -------
        (B, rows, columns, N) int32 array

        Raises
        ------
        ValueError
            If the shape or type of `x` is wrong.
        """
        acts = self.inputs(x)
        if product is None:
            # Proven below 2**31, so float64 holds every partial sum and BLAS can do the work.
            found = (acts.astype(float) @ self.weights.astype(float)).astype(np.int64) + self.bias[:, None]
        else:
            operands = zip(acts, self.weights, self.bias, strict=True)
            found = np.stack([product(np.ascontiguousarray(a), w, b) for a, w, b in operands])
        return self.outputs(found, x.shape)

    def outputs(self, sums: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Return the outputs (B, rows, columns, N) of the sums (16, M, N) of all products, for inputs of this shape."""
        batch, height, width, _ = shape
        tile_rows, tile_cols = self.tiles(height, width)
        rows, cols = self.operator.window.output_size(height, width)
        each = output_transform(sums.transpose(1, 2, 0).reshape(*sums.shape[1:], 4, 4))
        grid = each.reshape(batch, tile_rows, tile_cols, -1, TILE, TILE).transpose(0, 1, 4, 2, 5, 3)
        whole = grid.reshape(batch, TILE * tile_rows, TILE * tile_cols, -1)
        return np.ascontiguousarray(whole[:, :rows, :cols]).astype(np.int32)

    def run(self, x: np.ndarray, product: Product | None = None) -> np.ndarray:
        """Return the output of the layer, as ``operator.run`` does; raises as `sums`."""
        sums = self.sums(x, product)
        requant = self.operator.requant
        return sums if requant is None else requantized(sums.astype(np.int64), requant)
