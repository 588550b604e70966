"""Small int8 graphs for the tests of compressed layers."""

import numpy as np
from tercet.golden.networks.graph import Edge, Graph, Tensor
from tercet.golden.networks.operators import Conv2D, FullyConnected, Window
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import Requant

__all__ = ["RNG", "chain", "conv", "dense", "requant", "samples"]

RNG = np.random.default_rng


def requant(weights, *, zero_point=0, low=-128):
    """Requantisation with a multiplier per channel, so that random inputs span about 100 codes."""
    spread = np.sqrt((weights.reshape(len(weights), -1).astype(float) ** 2).sum(axis=1)) * 74
    scale = 30 / np.maximum(spread, 1) * np.linspace(0.3, 1.0, len(weights))
    return Requant.from_scale(scale, zero_point, low)


def chain(shape, *operators, outputs=None):
    """Graph of operators that each read the one before; the first reads ``x``."""
    params = QuantParams(0.5, 3)
    known = {"x": Tensor((1, *shape), params)}
    for operator in operators:
        known[operator.output] = Tensor(operator.output_shape(known[operator.inputs[0]].shape), params)
    last = operators[-1].output
    out = Edge("y", known[last].shape, "int8", 0.5, 3, last)
    return Graph((Edge("x", (1, *shape), "int8", 0.5, 3, "x"),), (out,), operators, known, "chain")


def dense(name, x, weights, **given):
    """Fully connected layer of weights (out, in)."""
    options = {"requant": requant(weights), "input_zero_point": 3, "keep_dims": False, **given}
    bias = RNG(7).integers(-4000, 4000, len(weights))
    return FullyConnected(name=name, inputs=(x,), output=name, weights=weights.T, bias=bias, **options)


def conv(name, x, weights, **given):
    options = {"requant": requant(weights, zero_point=-20, low=-20), "input_zero_point": 3, **given}
    window = options.pop("window", Window(kernel=weights.shape[1:3], padding=(1, 1, 1, 1)))
    bias = RNG(7).integers(-4000, 4000, len(weights))
    return Conv2D(name=name, inputs=(x,), output=name, weights=weights, bias=bias, window=window, **options)


def samples(shape, count, seed):
    return RNG(seed).integers(-128, 128, (count, *shape)).astype(np.int8)
