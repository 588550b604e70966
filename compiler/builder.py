"""Graph builder shared by the front ends: derives integer operators from scales with TFLite's scale arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tercet.golden.networks.graph import Edge, Graph, Tensor
from tercet.golden.networks.operators import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    FullyConnected,
    Lookup,
    Mul,
    Operator,
    Sub,
    Window,
)
from tercet.golden.networks.operators.base import Shape
from tercet.golden.networks.operators.elementwise import add_parameters
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import Requant, Rounding

__all__ = ["ACTIVATIONS", "GraphBuilder", "Operand", "activation_range", "binary_operands"]

ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {
    "NONE": (None, None),
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
"""Real-valued bounds of each fused activation: (minimum, maximum), None if unbounded."""


def activation_range(activation: str, params: QuantParams) -> tuple[int, int]:
    """Return the clamp on output codes equivalent to a fused activation.

    Source: ``CalculateActivationRangeQuantized`` of TFLite.
    """
    bounds = []
    for value, end in zip(ACTIVATIONS[activation], (-128, 127), strict=True):
        if value is None:
            bounds.append(end)
            continue
        quotient = float(np.float32(value) / np.float32(params.scale))
        if abs(quotient) > 2**30:
            raise ValueError(
                f"scale {params.scale} is too small for {activation}: its codes overflow int32; use a larger one"
            )
        code = params.zero_point + int(np.trunc(quotient + np.copysign(0.5, quotient)))
        bounds.append(min(max(code, -128), 127))
    return bounds[0], bounds[1]


@dataclass(frozen=True, eq=False)
class Operand:
    """Operand of a binary operator: a graph tensor, or constant codes that broadcast against a sample."""

    params: QuantParams
    tensor: str = ""
    codes: np.ndarray | None = None


@dataclass
class GraphBuilder:
    """Collects tensors and operators.

    Attributes
    ----------
    source : str
        Name of the model, for reports.
    rounding : "double", "single" or "away"
        Rounding of every operator added.
    """

    source: str
    rounding: Rounding = "double"
    known: dict[str, Tensor] = field(default_factory=dict)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[Edge] = field(default_factory=list)
    outputs: list[Edge] = field(default_factory=list)

    def graph(self) -> Graph:
        """Return the finished graph."""
        if not self.inputs or not self.outputs:
            raise ValueError(
                f"the network has {len(self.inputs)} inputs and {len(self.outputs)} outputs; it needs one of each"
            )
        return Graph(tuple(self.inputs), tuple(self.outputs), tuple(self.operators), self.known, self.source)

    def tensor(self, name: str, shape: Sequence[int], params: QuantParams | None, dtype: str = "int8") -> None:
        """Declare a tensor, channels last, with a leading batch of 1."""
        shape = tuple(int(n) for n in shape)
        if min(shape, default=1) < 1:
            raise ValueError(f"tensor {name!r} has shape {shape}; use lengths of at least 1")
        self.known[name] = Tensor(shape, params, dtype)

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor."""
        return self.known[name].shape

    def params(self, name: str) -> QuantParams:
        """Return the scale and zero point of an int8 tensor."""
        params = self.known[name].params
        if params is None:
            raise ValueError(f"tensor {name!r} is {self.known[name].dtype}, not int8")
        return params

    def scale(self, name: str) -> float:
        """Return the scale of an int8 tensor."""
        return float(self.params(name).scale)

    def append(self, operator: Operator) -> None:
        """Append an operator; its output must be declared already."""
        self.operators.append(operator)

    def requant(self, scale: float | np.ndarray, output: str, activation: str = "NONE") -> Requant:
        """Return the requantisation to the output's zero point, clamped by a fused activation."""
        params = self.params(output)
        return Requant.from_scale(scale, params.zero_point, *activation_range(activation, params), self.rounding)

    def _matrix_scale(self, x: str, y: str, weight_scale: np.ndarray) -> float | np.ndarray:
        """Scale from sums to output codes, in double precision as in TFLite's convolution kernels."""
        scale = self.scale(x) * np.asarray(weight_scale, np.float64) / self.scale(y)
        return float(scale.reshape(())) if scale.size == 1 else scale.reshape(-1)

    def _matrix(
        self, x: str, y: str, channels: int, weight_scale: np.ndarray, bias: np.ndarray | None, activation: str
    ) -> dict:
        """Arguments that all matrix operators share, but for the weights."""
        return {
            "inputs": (x,),
            "output": y,
            "bias": np.zeros(channels, np.int32) if bias is None else bias,
            "requant": self.requant(self._matrix_scale(x, y, weight_scale), y, activation),
            "input_zero_point": self.params(x).zero_point,
        }

    def conv2d(
        self,
        name: str,
        x: str,
        y: str,
        weights: np.ndarray,
        weight_scale: np.ndarray,
        bias: np.ndarray | None,
        window: Window,
        activation: str = "NONE",
        groups: int = 1,
    ) -> None:
        """Append a convolution.

        Weights are int8 (out, kernel rows, kernel columns, in / groups), with one scale or one per channel.
        """
        self.append(
            Conv2D(
                name=name,
                weights=weights,
                **self._matrix(x, y, len(weights), weight_scale, bias, activation),
                window=window,
                groups=groups,
            )
        )

    def depthwise(
        self,
        name: str,
        x: str,
        y: str,
        weights: np.ndarray,
        weight_scale: np.ndarray,
        bias: np.ndarray | None,
        window: Window,
        activation: str = "NONE",
    ) -> None:
        """Append a depthwise convolution; weights are int8 (kernel rows, kernel columns, channels * multiplier)."""
        channels = weights.shape[2]
        self.append(
            DepthwiseConv2D(
                name=name,
                weights=weights,
                **self._matrix(x, y, channels, weight_scale, bias, activation),
                window=window,
                multiplier=channels // self.shape(x)[3],
            )
        )

    def fully_connected(
        self,
        name: str,
        x: str,
        y: str,
        weights: np.ndarray,
        weight_scale: np.ndarray,
        bias: np.ndarray | None,
        activation: str = "NONE",
        *,
        keep_dims: bool = False,
    ) -> None:
        """Append a fully connected layer; weights are int8 (in, out), with one scale or one per channel."""
        self.append(
            FullyConnected(
                name=name,
                weights=weights,
                **self._matrix(x, y, weights.shape[1], weight_scale, bias, activation),
                keep_dims=keep_dims,
            )
        )

    def add(
        self, name: str, first: Operand, second: Operand, y: str, activation: str = "NONE", *, subtract: bool = False
    ) -> None:
        """Append the sum or difference of two operands."""
        params = self.params(y)
        low, high = activation_range(activation, params)
        scales = float(first.params.scale), float(second.params.scale)
        addends, requant = add_parameters(scales, float(params.scale), params.zero_point, low, high)
        requant = Requant(requant.multiplier, requant.shift, requant.zero_point, low, high, self.rounding)
        kind = Sub if subtract else Add
        self.append(
            kind(
                name=name,
                **binary_operands(first, second),
                output=y,
                zero_points=(first.params.zero_point, second.params.zero_point),
                addends=addends,
                requant=requant,
                rounding=self.rounding,
            )
        )

    def multiply(self, name: str, first: Operand, second: Operand, y: str, activation: str = "NONE") -> None:
        """Append the product of two operands."""
        scale = float(first.params.scale) * float(second.params.scale) / self.scale(y)
        self.append(
            Mul(
                name=name,
                **binary_operands(first, second),
                output=y,
                zero_points=(first.params.zero_point, second.params.zero_point),
                requant=self.requant(scale, y, activation),
            )
        )

    def lookup(self, name: str, op: str, x: str, y: str, table: np.ndarray) -> None:
        """Append a function of one code, as a lookup table."""
        self.append(Lookup(name=name, inputs=(x,), output=y, table=table, op=op))


def binary_operands(first: Operand, second: Operand) -> dict:
    """Return the operand-related arguments of a `Binary` operator."""
    if first.codes is None and second.codes is None:
        return {"inputs": (first.tensor, second.tensor)}
    constant = first if first.codes is not None else second
    other = second if first.codes is not None else first
    return {"inputs": (other.tensor,), "constant": constant.codes, "constant_first": first.codes is not None}
