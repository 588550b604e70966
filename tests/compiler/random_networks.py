"""Random int8 networks as `.tflite` files: every operator and option that the compiler takes, in small shapes.

Scales are chosen so that codes spread over the int8 range: saturated networks would agree whatever they compute.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .random_movement import MOVEMENTS
from .random_values import RandomGraph, Value
from .tflite_files import Codes

__all__ = ["KINDS", "RandomFile", "random_file"]

_ACTIVATIONS = ("NONE", "NONE", "RELU", "RELU6", "RELU_N1_TO_1")
_FIXED = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}


@dataclass(frozen=True, eq=False)
class RandomFile:
    """A file, one sample for its inputs, and how many operators of each kind it has."""

    data: bytes
    inputs: list[np.ndarray]
    kinds: Counter
    graph: RandomGraph

    def batch(self, rng: np.random.Generator, count: int) -> list[np.ndarray]:
        """Samples for each input."""
        return [rng.integers(-128, 128, (count, *x.shape[1:])).astype(np.int8) for x in self.inputs]


def _filter(g: RandomGraph, x: Value, shape: tuple[int, ...], axis: int, products: int) -> tuple[str, str, float]:
    """Weights with one scale or one per channel, biases or none, and the size of a sum in units of the input."""
    channels = shape[axis]
    per_channel = bool(g.rng.integers(2))
    scale = g.scales(channels) if per_channel else g.scales(1)
    weights = g.codes(shape)
    if per_channel and not g.rng.integers(4):
        np.moveaxis(weights, axis, 0)[g.rng.integers(channels)] = 0
    if g.dead:
        np.moveaxis(weights, axis, 0)[g.rng.random(channels) < g.dead] = 0
        weights[g.rng.random(shape) < g.dead] = 0
    name = g.net.constant(weights, scale, 0, np.int8, axis=axis if per_channel else 0)
    size = float(np.mean(scale)) * np.sqrt(products) * 70 * 70
    if g.rng.integers(4) == 0:
        return name, "", size
    bias_scale = (np.float32(x.scale) * scale).astype(np.float32)
    bias = g.rng.normal(0, 30 * np.sqrt(products) * 70, channels).astype(np.int32)
    if g.dead:
        # Nothing, or so large that codes saturate.
        bias *= g.rng.choice([0, 1, 100], channels).astype(np.int32)
    return name, g.net.constant(bias, bias_scale, 0, np.int32), size


def _window(g: RandomGraph, size: Sequence[int], dilated: bool) -> tuple[dict, tuple[int, ...], tuple[int, ...]]:
    """Options of a window that fits, its kernel, and the output's size."""
    kernel, stride = g.integers(1, 4, 2), g.integers(1, 3, 2)
    dilation = g.integers(1, 2, 2) if dilated else (1, 1)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    same = bool(g.rng.integers(2)) or any(e > n for e, n in zip(extent, size, strict=True))
    ends = zip(size, extent, stride, strict=True)
    rows, cols = (-(-n // s) if same else (n - e) // s + 1 for n, e, s in ends)
    fields = {"Padding": "SAME" if same else "VALID", "StrideH": stride[0], "StrideW": stride[1]}
    if dilated:
        fields |= {"DilationHFactor": dilation[0], "DilationWFactor": dilation[1]}
    return fields, kernel, (rows, cols)


def conv2d(g: RandomGraph) -> None:
    x = g.picture()
    channels = x.shape[3]
    groups = int(g.rng.choice([n for n in range(1, channels + 1) if channels % n == 0]))
    out = groups * int(g.rng.integers(1, 2 + 8 // groups))
    fields, kernel, size = _window(g, x.shape[1:3], dilated=True)
    _convolve(g, x, "CONV_2D", (out, *kernel, channels // groups), 0, size, fields)


def depthwise(g: RandomGraph) -> None:
    x = g.picture()
    multiplier = int(g.rng.integers(1, 4))
    fields, kernel, size = _window(g, x.shape[1:3], dilated=True)
    fields["DepthMultiplier"] = multiplier
    _convolve(g, x, "DEPTHWISE_CONV_2D", (1, *kernel, x.shape[3] * multiplier), 3, size, fields)


def _convolve(
    g: RandomGraph, x: Value, kind: str, shape: tuple[int, ...], axis: int, size: Sequence[int], fields: dict
) -> Value:
    products = int(np.prod(shape)) // shape[axis]
    weights, bias, spread = _filter(g, x, shape, axis, products)
    y = g.value((1, *size, shape[axis]), x.scale * spread / 50)
    inputs = (x.name, weights, bias) if bias else (x.name, weights)
    return g.add(
        kind, inputs, y, version=int(g.rng.integers(1, 4)), FusedActivationFunction=g.one(_ACTIVATIONS), **fields
    )


def residual(g: RandomGraph) -> None:
    x = g.picture()
    shape = (x.shape[3], *g.integers(1, 3, 2), x.shape[3])
    fields = {"Padding": "SAME", "StrideH": 1, "StrideW": 1}
    y = _convolve(g, x, "CONV_2D", shape, 0, x.shape[1:3], fields)
    _binary(g, g.one(("ADD", "SUB")), [(x.name, x.scale), (y.name, y.scale)], x.shape)


def fully_connected(g: RandomGraph) -> None:
    keep = bool(g.rng.integers(2))
    x = g.any(lambda v: v.size <= 300)
    depth = x.shape[-1] if keep else x.size
    out = int(g.rng.integers(1, 12))
    weights, bias, spread = _filter(g, x, (out, depth), 0, depth)
    y = g.value((*x.shape[:-1], out) if keep else (1, out), x.scale * spread / 50)
    # The optional bias is left out, or there as tensor -1.
    inputs = (x.name, weights, bias) if bias or g.rng.integers(2) else (x.name, weights)
    g.add("FULLY_CONNECTED", inputs, y, FusedActivationFunction=g.one(_ACTIVATIONS), KeepNumDims=keep)


def _binary(g: RandomGraph, kind: str, operands: list[tuple[str, float]], shape: tuple[int, ...]) -> None:
    first, second = (scale for _, scale in operands)
    scale = first * second * 60 if kind == "MUL" else max(first, second) * g.rng.uniform(0.4, 2)
    y = g.value(shape, scale)
    g.add(kind, [name for name, _ in operands], y, FusedActivationFunction=g.one(_ACTIVATIONS))


def binary(g: RandomGraph) -> None:
    kind = str(g.one(("ADD", "SUB", "MUL")))
    x = g.any()
    if g.rng.integers(2):
        other = g.any(lambda v: _broadcasts(x.shape, v.shape))
        other = other if _broadcasts(x.shape, other.shape) else x
        pair, shape = [(x.name, x.scale), (other.name, other.scale)], np.broadcast_shapes(x.shape, other.shape)
    else:
        scale = float(x.scale * 2.0 ** g.rng.uniform(-2, 2))
        constant = g.net.constant(g.codes(g.broadcast_shape(x.shape)), scale, g.zero_point(), np.int8)
        pair, shape = [(x.name, x.scale), (constant, scale)], x.shape
    if g.rng.integers(2):
        pair.reverse()
    _binary(g, kind, pair, shape)


def _broadcasts(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    return all(1 in pair or pair[0] == pair[1] for pair in zip(first[::-1], second[::-1], strict=False))


def extremum(g: RandomGraph) -> None:
    x = g.any()
    kind = str(g.one(("MAXIMUM", "MINIMUM")))
    constant = g.net.constant(g.codes(g.broadcast_shape(x.shape)), x.scale, x.zero_point, np.int8)
    pair = [x.name, constant]
    if g.rng.integers(2):
        pair.reverse()
    g.add(kind, pair, g.like(x))


def pool(g: RandomGraph) -> None:
    x = g.picture()
    fields, kernel, size = _window(g, x.shape[1:3], dilated=False)
    fields |= {"FilterHeight": kernel[0], "FilterWidth": kernel[1], "FusedActivationFunction": g.one(_ACTIVATIONS)}
    g.add(str(g.one(("AVERAGE_POOL_2D", "MAX_POOL_2D"))), [x.name], g.like(x, (1, *size, x.shape[3])), **fields)


def mean(g: RandomGraph) -> None:
    x = g.any()
    rank = len(x.shape)
    axes = g.rng.permutation(np.arange(1, rank))[: g.rng.integers(1, rank)]
    keep = bool(g.rng.integers(2))
    shape = [1 if n in axes else length for n, length in enumerate(x.shape) if keep or n not in axes]
    y = g.value(shape, x.scale * g.rng.uniform(0.3, 1.5))
    if g.rng.integers(2):
        axes = axes - rank
    g.add("MEAN", [x.name, g.net.constant(axes)], y, KeepDims=keep)


def function(g: RandomGraph) -> None:
    kind = str(g.one(("RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "ELU", "QUANTIZE")))
    x = g.any()
    if kind in _FIXED:
        scale, zero_point = _FIXED[kind]
        y = g.value(x.shape, scale, zero_point)
    else:
        y = g.like(x) if kind == "RELU6" else g.value(x.shape, x.scale * g.rng.uniform(0.5, 2))
    g.add(kind, [x.name], y, **({"Alpha": float(g.rng.uniform(0, 0.5))} if kind == "LEAKY_RELU" else {}))


def softmax(g: RandomGraph) -> None:
    """The classifier's end: flattened, fully connected, SOFTMAX."""
    x = g.any(lambda v: v.size <= 300)
    flat = g.add("RESHAPE", [x.name, g.net.constant([1, -1])], g.like(x, (1, x.size)))
    weights, bias, spread = _filter(g, flat, (10, x.size), 0, x.size)
    y = g.add("FULLY_CONNECTED", (flat.name, weights, bias), g.value((1, 10), x.scale * spread / 50))
    g.add("SOFTMAX", [y.name], g.value(y.shape, 1 / 256, -128), Beta=float(g.one((1.0, 0.5))))


_STEPS: tuple[Callable[[RandomGraph], None], ...] = (
    *(conv2d, conv2d, depthwise, fully_connected, residual, binary, binary, binary, extremum, pool, mean, function),
    *(function, *MOVEMENTS),
)
KINDS = frozenset(
    {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "AVERAGE_POOL_2D"}
    | {"MAX_POOL_2D", "MEAN", "RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "ELU", "QUANTIZE"}
    | {"SOFTMAX", "PAD", "PADV2", "CONCATENATION", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "STRIDED_SLICE"}
    | {"SLICE", "SPLIT", "SPLIT_V"}
)
"""Operators that random files have."""


def random_file(seed: int, dead: float = 0.0) -> RandomFile:
    """A file, the same for the same seed; this share of the channels, and of the other weights, is zero."""
    g = RandomGraph(np.random.default_rng(seed), dead=dead)
    for _ in range(int(g.rng.integers(4, 13))):
        _STEPS[g.rng.integers(len(_STEPS))](g)
    if g.rng.integers(3) == 0:
        softmax(g)
    g.finish()
    codes: Codes = g.one(("both", "deprecated", "new"))
    kinds = Counter(str(operator.kind) for operator in g.net.operators)
    return RandomFile(g.net.file(codes), [g.codes(value.shape) for value in g.inputs], kinds, g)
