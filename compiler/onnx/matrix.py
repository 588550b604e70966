"""Matrix operators Conv, Gemm, MatMul, and their quantised forms."""

from dataclasses import dataclass, replace

import numpy as np
from tercet.golden.networks.operators import Conv2D, DepthwiseConv2D, FullyConnected
from tercet.golden.numerics.quantization import QuantParams

from .context import Node
from .layout import View
from .quantisation import dequantised
from .values import Constant, Pending, Quantised, Real
from .windows import window_of

__all__ = ["CONVERSIONS"]


@dataclass(frozen=True, eq=False)
class _Linear:
    """Weights and biases, with channels on axis 0 of the weights.

    Attributes
    ----------
    weights : int8 or int16 array (channels, ...)
        Codes with zero point 0; int16 once a factor has changed their sign.
    scale : float64 array () or (channels,)
        Scale of the weights.
    bias : float64 array (channels,)
        Bias in units of the sums, not rounded.
    unit : float
        Scale of the input.
    """

    weights: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    unit: float

    def affine(self, factor: np.ndarray, offset: np.ndarray) -> "_Linear":
        """Fold ``factor * sums + offset`` in; exact except for the rounding of the bias."""
        magnitude = np.where(factor == 0, 1.0, np.abs(factor))
        sign = np.sign(factor).astype(np.int16)
        weights = self.weights * sign.reshape(-1, *[1] * (self.weights.ndim - 1))
        scale = self.scale * magnitude
        return replace(self, weights=weights, scale=scale, bias=self.bias * sign + offset / (scale * self.unit))

    def rounded_bias(self) -> np.ndarray:
        """Return the bias rounded to int64."""
        bias = np.rint(self.bias)
        if not (np.abs(bias) < 2**31).all():
            raise ValueError("a bias is beyond int32 in units of input scale times weight scale; use larger scales")
        return bias.astype(np.int64)

    def output_scale(self, params: QuantParams) -> float | np.ndarray:
        """Return the scale from sums to output codes."""
        scale = self.scale * self.unit / float(params.scale)
        return scale if scale.ndim else float(scale)


def _weights(node: Node, value: Constant, what: str, axis: int) -> Quantised:
    """Return constant weights re-centred to zero point 0; per-channel scales must be along `axis`."""
    found = value.quantised
    if found is None:
        raise node.refuse(f"its {what} are float32, not quantised", "quantise weights too, with quantize_static")
    if found.dtype not in ("int8", "uint8"):
        raise node.refuse(f"its {what} are {found.dtype}", "use weight_type=QuantType.QInt8")
    if found.scale.ndim and found.axis != axis:
        raise node.refuse(
            f"its {what} have a scale for each index of axis {found.axis}", f"use axis {axis}, or one scale"
        )
    codes = found.centred
    if codes.size and (codes.min() < -128 or codes.max() > 127):
        zero = int(found.zero_point.ravel()[0])
        raise node.refuse(
            f"its {found.dtype} {what} have zero point {zero} and reach [{codes.min()}, {codes.max()}], beyond int8",
            "use weight_type=QuantType.QInt8, or extra_options={'WeightSymmetric': True}",
        )
    return replace(found, codes=codes.astype(np.int8), zero_point=np.zeros_like(found.zero_point))


def _linear(node: Node, x: Real, weights: np.ndarray, scale: np.ndarray, bias: Constant | None) -> _Linear:
    """Combine weights, channels on axis 0, with the bias converted to units of the sums."""
    unit = float(x.params.scale)
    channels = len(weights)
    found = np.zeros(channels)
    if bias is not None:
        real = bias.array if bias.quantised is None else bias.quantised.real
        try:
            found = np.broadcast_to(np.asarray(real, np.float64), (1, channels)).reshape(channels)
        except ValueError:
            raise node.refuse(f"its biases have shape {bias.shape}", f"use ({channels},)") from None
        found = found / (unit * scale)
    if not np.isfinite(found).all():
        raise node.refuse("a bias is not finite in units of input scale times weight scale", "export the model again")
    return _Linear(weights, scale, found, unit)


def _convolution(node: Node, x: Real, weights: Constant, bias: Constant | None) -> Pending:
    """Convert a Conv of dequantised codes."""
    found = _weights(node, weights, "weights", 0)
    codes = found.codes
    signal = codes.ndim == 3
    if signal:
        codes = codes[:, :, None]
    if codes.ndim != 4:
        raise node.refuse(f"its weights have shape {weights.shape}", "use 1D or 2D convolutions")
    view = node.graph.picture(x.view)
    channels, groups = view.shape[1], node.attribute("group", 1)
    if not 1 <= groups <= channels or channels != groups * codes.shape[1] or not len(codes) or len(codes) % groups:
        raise node.refuse(
            f"{groups} groups of {channels} channels do not fit weights {weights.shape}", "export the model again"
        )
    window, size = window_of(node, view.shape[1:], codes.shape[2:], signal=signal)
    shape = (view.shape[0], len(codes), *size)
    linear = _linear(node, x, codes, found.scale, bias)
    depthwise = groups == channels and groups > 1

    def pending(linear: _Linear) -> Pending:
        def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
            output = node.fresh(name, shape, params, (0, 2, 3, 1))
            common = {
                "name": node.name,
                "inputs": (view.tensor,),
                "output": output.tensor,
                "bias": linear.rounded_bias(),
                "requant": node.graph.requant_to(linear.output_scale(params), params, qmin, qmax),
                "input_zero_point": x.params.zero_point,
                "window": window,
            }
            if depthwise:
                stacked = _int8(linear.weights)[:, 0].transpose(1, 2, 0)
                node.graph.append(DepthwiseConv2D(weights=stacked, multiplier=len(codes) // channels, **common))
            else:
                node.graph.append(Conv2D(weights=_int8(linear.weights).transpose(0, 2, 3, 1), groups=groups, **common))
            return output.reshaped((*shape[:2], shape[3])) if signal else output

        return Pending(
            node.file.label,
            node.op,
            (*shape[:2], shape[3]) if signal else shape,
            emit,
            affine=lambda factor, offset: pending(linear.affine(factor, offset)),
        )

    return pending(linear)


def _int8(weights: np.ndarray) -> np.ndarray:
    """Narrow weights to int8 after possible sign changes."""
    if weights.size and weights.max() > 127:
        raise ValueError(
            "a weight of -128 in a channel with a negative factor becomes 128; fold the factor before quantisation"
        )
    return weights.astype(np.int8)


def _product(node: Node, x: Real, weights: Quantised, bias: Constant | None, alpha: float = 1.0) -> Pending:
    """Convert a matrix product with weights (in, out)."""
    codes = weights.codes
    if codes.ndim != 2:
        raise node.refuse(f"its weights have shape {codes.shape}", "use a matrix")
    depth = x.shape[len(x.shape) - 1]
    if len(x.shape) < 2 or depth != len(codes) or not codes.size:
        raise node.refuse(f"its weights have shape {codes.shape}", f"use {depth} rows")
    if alpha <= 0 or not np.isfinite(alpha):
        raise node.refuse(f"alpha is {alpha}", "use a positive, finite alpha")
    flat = len(x.shape) == 2
    # A flattened feature map is read in graph order; the rows of the weights are permuted to match.
    view = x.view if flat else node.graph.settled(x.view)
    if not flat:
        last = len(view.shape) - 1
        view = node.graph.ordered(view, (*(n for n in view.order if n != last), last))
    order = view.rows() if flat else np.arange(len(codes))
    shape = (*x.shape[:-1], codes.shape[1])

    def pending(linear: _Linear) -> Pending:
        def emit(name: str, params: QuantParams, qmin: int, qmax: int) -> View:
            output = node.fresh(name, shape, params, None if flat else view.order)
            node.graph.append(
                FullyConnected(
                    name=node.name,
                    inputs=(view.tensor,),
                    output=output.tensor,
                    weights=_int8(linear.weights).T[order],
                    bias=linear.rounded_bias(),
                    requant=node.graph.requant_to(linear.output_scale(params), params, qmin, qmax),
                    input_zero_point=x.params.zero_point,
                    keep_dims=not flat,
                )
            )
            return output

        return Pending(
            node.file.label,
            node.op,
            shape,
            emit,
            affine=lambda factor, offset: pending(linear.affine(factor, offset)),
            channels=len(shape) - 1,
        )

    return pending(_linear(node, x, codes.T, weights.scale * alpha, bias))


def conv(node: Node) -> None:
    """Conv."""
    bias = node.constant(2, "bias") if node.given(2) else None
    node.set(_convolution(node, node.real(), node.constant(1, "weights"), bias))


def matmul(node: Node) -> None:
    """MatMul with constant weights on the right."""
    x, weights = node.value(0), node.value(1)
    if not isinstance(weights, Constant) or isinstance(x, Constant):
        raise node.refuse("its second operand is computed by the network", "use constant weights on the right")
    node.set(_product(node, node.real(), _weights(node, weights, "weights", 1), None))


def gemm(node: Node) -> None:
    """Gemm with constant weights."""
    x, bias = node.real(), node.constant(2, "bias") if node.given(2) else None
    beta = node.attribute("beta", 1.0)
    if bias is not None and beta != 1:
        bias = Constant(bias.array * np.float32(beta))
    weights = _oriented(node, node.constant(1, "weights"))
    node.set(_product(node, x, weights, bias, node.attribute("alpha", 1.0)))


def _oriented(node: Node, value: Constant) -> Quantised:
    """Return the weights of a Gemm as (in, out)."""
    if node.attribute("transA", 0):
        raise node.refuse("transA is set", "transpose the activations first, or use transB")
    if not node.attribute("transB", 0):
        return _weights(node, value, "weights", 1)
    found = _weights(node, value, "weights", 0)
    return replace(found, codes=found.codes.T, axis=1)


def _bias(node: Node, n: int, x: Real, weights: Quantised, alpha: float = 1.0) -> Constant | None:
    """Return the bias of an operator on codes: int32, in units of the sums."""
    if not node.given(n):
        return None
    codes = node.constant(n, "bias").array
    if codes.dtype != np.int32:
        raise node.refuse(f"its bias is {codes.dtype}", "use int32")
    return Constant(codes * (weights.scale * float(x.params.scale) * alpha))


def qlinear_conv(node: Node) -> None:
    """QLinearConv."""
    x, weights = _operands(node, 0, 3, 0)
    bias = _bias(node, 8, x, _weights(node, weights, "weights", 0))
    node.set_quantised(_convolution(node, x, weights, bias), *node.output_params(6))


def qlinear_matmul(node: Node) -> None:
    """QLinearMatMul with constant weights on the right."""
    x, weights = _operands(node, 0, 3, 1)
    node.set_quantised(_product(node, x, _weights(node, weights, "weights", 1), None), *node.output_params(6))


def qgemm(node: Node) -> None:
    """onnxruntime's QGemm."""
    x, value = _operands(node, 0, 3, 0 if node.attribute("transB", 0) else 1)
    weights, alpha = _oriented(node, value), node.attribute("alpha", 1.0)
    found = _product(node, x, weights, _bias(node, 6, x, weights, alpha), alpha)
    if node.given(7):
        node.set_quantised(found, *node.output_params(7))
    else:
        node.set(found)


def _operands(node: Node, first: int, second: int, axis: int) -> tuple[Real, Constant]:
    """Return activations and constant weights of an operator on codes; scale and zero point follow each input."""
    weights = node.value(second)
    if not isinstance(weights, Constant):
        raise node.refuse("its weights are computed by the network", "use constant weights")
    x = node.dequantised(dequantised(node, first, first + 1, first + 2), node.file.inputs[first])
    found = dequantised(node, second, second + 1, second + 2, axis)
    assert isinstance(found, Constant)  # for type checkers
    return x, found


CONVERSIONS = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "com.microsoft.QGemm": qgemm,
}
