"""Base class of the operators of a graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...checks import INT32

__all__ = ["INT8_MAX", "INT8_MIN", "Operator", "Product", "Shape", "check_left_shift"]

INT8_MIN, INT8_MAX = -128, 127

Shape = tuple[int, ...]
Product = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""``product(acts, weights, bias)``: (M, K) int8 times (K, N) int8 plus (N,) int32, as (M, N) int32."""


def check_left_shift(largest: int, shift: int) -> None:
    """Reject a scale whose left shift overflows int32, where kernels wrap.

    Parameters
    ----------
    largest : int
        Largest magnitude of a sum.
    shift : int
        Shift of the requantisation; positive shifts left.

    Raises
    ------
    ValueError
        If a shifted sum can overflow int32.
    """
    if largest << max(shift, 0) > INT32[1]:
        raise ValueError(
            f"sums reach {largest}, which the output scale shifts left by {shift} bits, beyond int32; "
            "use a larger output scale"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Operator:
    """One operator of a graph: integer parameters, named inputs, one output.

    Attributes
    ----------
    name : str
        Name of the node in the model file, or of its output if the file has none.
    inputs : tuple of str
        Names of the tensors read.
    output : str
        Name of the tensor written.
    op : str
        TFLite name of the kind of operator.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    op: ClassVar[str] = ""

    def run(self, *arrays: np.ndarray) -> np.ndarray:
        """Compute the output.

        Parameters
        ----------
        *arrays : arrays with a leading batch dimension
            One per entry of `inputs`, channels last.
        """
        raise NotImplementedError

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the output shape for input shapes with a leading batch dimension."""
        raise NotImplementedError

    def macs(self, *shapes: Shape) -> int:
        """Return the multiply-accumulate operations per sample."""
        return 0

    @property
    def weight_count(self) -> int:
        """Number of weights, excluding biases."""
        return 0
