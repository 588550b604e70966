"""Kinds of values behind the names in an ``.onnx`` file during conversion.

Between DequantizeLinear and QuantizeLinear, a file computes with real numbers. The conversion never does: a `Real`
refers to the codes it derives from, and a `Pending` to the operator to be appended once its output has a scale.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from tercet.golden.networks.operators.base import Shape
from tercet.golden.numerics.quantization import QuantParams

from .layout import View

__all__ = ["Codes", "Constant", "Floats", "Pending", "Quantised", "Real", "Value", "codes_of"]


def codes_of(values: np.ndarray, params: QuantParams) -> np.ndarray:
    """Quantise to int8 as onnxruntime's QuantizeLinear does: float32 quotient, ties to even, saturated."""
    with np.errstate(all="ignore"):
        quotient = np.rint(values.astype(np.float32) / np.float32(params.scale)).astype(np.float64)
    quotient = np.nan_to_num(quotient, nan=0.0, posinf=1e9, neginf=-1e9)
    return np.clip(quotient + params.zero_point, -128, 127).astype(np.int8)


@dataclass(frozen=True, eq=False)
class Quantised:
    """Codes of a constant: ``real = scale * (codes - zero_point)``.

    Attributes
    ----------
    codes : int8, uint8 or int32 array
        Codes as stored in the file.
    scale : float64 array, of shape () or (channels,)
    zero_point : int64 array, of the same shape
    axis : int
        Channel axis.
    """

    codes: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    def along(self, values: np.ndarray) -> np.ndarray:
        """Reshape one value per channel to broadcast against the codes."""
        if not values.ndim:
            return values
        return values.reshape([-1 if n == self.axis else 1 for n in range(self.codes.ndim)])

    @property
    def dtype(self) -> str:
        """Type of the codes."""
        return self.codes.dtype.name

    @property
    def centred(self) -> np.ndarray:
        """Codes minus their zero points, int64."""
        return self.codes.astype(np.int64) - self.along(self.zero_point)

    @property
    def real(self) -> np.ndarray:
        """Real numbers, float64."""
        return self.centred * self.along(self.scale)


@dataclass(frozen=True, eq=False)
class Constant:
    """Constant of the file.

    Attributes
    ----------
    array : array
        Its elements; real numbers if it was dequantised.
    quantised : Quantised or None
        Codes that it was dequantised from.
    """

    array: np.ndarray
    quantised: Quantised | None = None

    @property
    def shape(self) -> Shape:
        return self.array.shape


@dataclass(frozen=True)
class Codes:
    """Codes between nodes: int8 or uint8 in the file, int8 in the graph; the graph tensor has the scale."""

    view: View
    unsigned: bool = False

    @property
    def shape(self) -> Shape:
        return self.view.shape


@dataclass(frozen=True)
class Floats:
    """Floating-point input of the file, not yet quantised."""

    view: View

    @property
    def shape(self) -> Shape:
        return self.view.shape


@dataclass(frozen=True, eq=False)
class Real:
    """Function of each dequantised code.

    Attributes
    ----------
    view : View
        View of the codes.
    params : QuantParams
        Scale and zero point of the codes.
    table : (256,) or (channels, 256) float32 array, or None
        Real number for each code from -128 on, shared or per channel of the last graph axis; None if no function has
        been applied.
    functions : tuple of str
        Operators folded into the table.
    """

    view: View
    params: QuantParams
    table: np.ndarray | None = None
    functions: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        return self.view.shape

    @property
    def values(self) -> np.ndarray:
        """Real number for each code from -128 on."""
        if self.table is not None:
            return self.table
        codes = np.arange(-128, 128) - self.params.zero_point
        return codes.astype(np.float32) * np.float32(self.params.scale)


@dataclass(frozen=True, eq=False)
class Pending:
    """Result of an operator whose output has no scale yet.

    Attributes
    ----------
    label, op : str
        The node and its operator, for messages.
    shape : tuple of int
        Shape in the file.
    emit : callable
        ``emit(name, params, qmin, qmax)`` appends the operator with this output name, quantisation and clamp, and
        returns the view of its output.
    low, high : float
        Real-valued clamp of a Relu or Clip that follows.
    affine : callable or None
        ``affine(factor, offset)`` returns the operator with ``factor * output + offset``, both per channel, folded into
        its weights and biases; None if the operator has none.
    channels : int
        Axis of these channels in the file.
    """

    label: str
    op: str
    shape: Shape
    emit: Callable[[str, QuantParams, int, int], View]
    low: float = -np.inf
    high: float = np.inf
    affine: "Callable[[np.ndarray, np.ndarray], Pending] | None" = field(default=None, repr=False)
    channels: int = 1

    def clamped(self, low: float, high: float) -> "Pending":
        """Return a clamped copy, into which nothing more can be folded."""
        bounds = (min(max(bound, low), high) for bound in (self.low, self.high))
        low, high = bounds
        return replace(self, low=low, high=high, affine=None)

    def clamp(self, params: QuantParams) -> tuple[int, int]:
        """Return the minimum and maximum output code."""
        low, high = (int(code) for code in codes_of(np.array([self.low, self.high]), params))
        return low, high


Value = Constant | Codes | Floats | Real | Pending
