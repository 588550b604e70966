"""Kinds of values that the names of an ``.onnx`` file stand for during its conversion.

Between DequantizeLinear and QuantizeLinear a file computes with real numbers. None of them is computed here: a `Real`
knows the codes that it comes from, and a `Pending` the operator that will be added once its output has a scale.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from tercet.golden.networks.operators.base import Shape
from tercet.golden.numerics.quantization import QuantParams

from .layout import View

__all__ = ["Codes", "Constant", "Floats", "Pending", "Quantised", "Real", "Value", "codes_of"]


def codes_of(values: np.ndarray, params: QuantParams) -> np.ndarray:
    """Real numbers to int8 codes as onnxruntime's QuantizeLinear: a float32 quotient, ties to even, saturated."""
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
        As in the file.
    scale : float64 array, of shape () or (channels,)
    zero_point : int64 array, of the same shape
    axis : int
        Of the channels.
    """

    codes: np.ndarray
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int

    def along(self, values: np.ndarray) -> np.ndarray:
        """One value per channel, ready to broadcast against the codes."""
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
        Its elements; real numbers where it has been dequantised.
    quantised : Quantised or None
        The codes that it was dequantised from.
    """

    array: np.ndarray
    quantised: Quantised | None = None

    @property
    def shape(self) -> Shape:
        return self.array.shape


@dataclass(frozen=True)
class Codes:
    """Codes between nodes, int8 or uint8 in the file; int8 inside, whose scale the graph's tensor has."""

    view: View
    unsigned: bool = False

    @property
    def shape(self) -> Shape:
        return self.view.shape


@dataclass(frozen=True)
class Floats:
    """Real numbers that the file takes as its input, not yet quantised."""

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
        Where the codes are.
    params : QuantParams
        What they stand for.
    table : (256,) or (channels, 256) float32 array, or None
        Real number for each code from -128 on, for all channels or for each on the last axis inside; None before any
        function.
    functions : tuple of str
        Operators in the table.
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
        """Real number of each code from -128 on."""
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
        In the file.
    emit : callable
        ``emit(name, params, qmin, qmax)`` adds the operator with its output quantised and clamped so, and returns where
        its output lies. `name` is the tensor's.
    low, high : float
        Real clamp, of a Relu or Clip behind it.
    affine : callable or None
        ``affine(factor, offset)``: the same operator with ``factor * output + offset``, one of each per channel,
        in its weights and biases; None if it has none.
    channels : int
        Axis in the file of these channels.
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
        """The same, clamped; nothing can be folded into it any more."""
        bounds = (min(max(bound, low), high) for bound in (self.low, self.high))
        low, high = bounds
        return replace(self, low=low, high=high, affine=None)

    def clamp(self, params: QuantParams) -> tuple[int, int]:
        """Least and greatest code."""
        low, high = (int(code) for code in codes_of(np.array([self.low, self.high]), params))
        return low, high


Value = Constant | Codes | Floats | Real | Pending
