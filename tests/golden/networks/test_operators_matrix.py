"""Convolutions and fully connected layers at their extremes; random networks have the plain cases."""

import numpy as np
import pytest
from tercet.compiler.builder import GraphBuilder
from tercet.compiler.tflite import load_tflite
from tercet.golden.networks.operators import FullyConnected, MatrixOperator, Window
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import Requant

from ...compiler.micro import run_micro
from ...compiler.tflite_files import Network
from .operator_cases import random_codes

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def layer(kind, weights, bias, scale, *, zero_points=(0, 0), ends=(1.0, 1.0)):
    """A layer of one pixel, weights (out, in) of `scale`, one or one per channel; `ends` are the other scales."""
    out, depth = weights.shape
    net = Network()
    inner = () if kind == "FULLY_CONNECTED" else (1, 1)
    x = net.input((1, *inner, depth), ends[0], zero_points[0])
    y = net.tensor((1, *inner, out), ends[1], zero_points[1])
    shape = {"CONV_2D": (out, 1, 1, depth), "DEPTHWISE_CONV_2D": (1, 1, 1, out), "FULLY_CONNECTED": (out, depth)}[kind]
    axis = 3 if kind == "DEPTHWISE_CONV_2D" else 0
    w = net.constant(weights.reshape(shape), scale, dtype=np.int8, axis=axis)
    fields = {} if kind == "FULLY_CONNECTED" else {"StrideH": 1, "StrideW": 1}
    if kind == "DEPTHWISE_CONV_2D":
        fields["DepthMultiplier"] = out // depth
    net.add(kind, [x, w, net.constant(bias, np.float32(ends[0]) * np.float32(scale))], y, **fields)
    net.outputs = [y]
    return net.file()


def same_codes(kind, weights, bias, scale, zero_points=(0, 0), count=20):
    data = layer(kind, weights, bias, scale, zero_points=zero_points)
    graph = load_tflite(data)
    rng = np.random.default_rng(0)
    for _ in range(count):
        x = random_codes(rng, graph.inputs[0].shape)
        np.testing.assert_array_equal(graph.run(x)[0], run_micro(data, x))


def depth_of(kind):
    return 1 if kind == "DEPTHWISE_CONV_2D" else 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("zero_points", [(0, 0), (-128, 127), (127, -128), (5, -7)])
def test_biases_of_30_bits(kind, zero_points):
    rng = np.random.default_rng(1)
    weights = rng.integers(-128, 128, (6, depth_of(kind)))
    bias = np.array([2**30, -(2**30), 2**30 - 1, 12345678, -7, 2**31 - 2**20])
    scale = np.array([2.0**-24, 2.0**-25, 1.7e-7, 1e-5, 0.01, 2.0**-30])
    same_codes(kind, weights, bias, scale, zero_points)
    same_codes(kind, weights, bias, 2.0**-24, zero_points)


@pytest.mark.parametrize("kind", KINDS)
def test_shifts_to_both_sides(kind):
    """Scales from 2**-33, which are 0, to ones that shift left."""
    rng = np.random.default_rng(2)
    exponents = np.arange(-34, 8)
    weights = rng.integers(-2, 3, (len(exponents), depth_of(kind)))
    bias = np.where(exponents < -3, 2.0 ** np.minimum(5 - exponents, 30), 3).astype(np.int64)
    for factor in (1.0, 1.37):
        same_codes(kind, weights, bias, factor * 2.0**exponents, (3, -5), 5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_channel", [False, True])
def test_scales_to_the_last_bit(kind, per_channel):
    """Sums of 2**30 near ties: a multiplier computed in single precision would be seen."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first, second = rng.uniform(0.001, 0.01, 2).astype(np.float32)
        target = float(np.float32(float(first) * float(second) * rng.uniform(1, 2) * 2**23))
        ties = (rng.integers(-100, 100, 200) + 0.5) * target / (float(first) * float(second))
        bias = np.rint(ties).astype(np.int64) + rng.integers(-60, 60, 200)
        weights = np.ones((200, 1))
        scale = np.full(200, second) if per_channel else second
        data = layer(kind, weights, bias, scale, ends=(float(first), target))
        x = np.zeros(load_tflite(data).inputs[0].shape, np.int8)
        np.testing.assert_array_equal(load_tflite(data).run(x)[0], run_micro(data, x))


@pytest.mark.parametrize("kind", KINDS)
def test_scale_of_0_gives_the_zero_point(kind):
    rng = np.random.default_rng(3)
    weights = rng.integers(-128, 128, (3, depth_of(kind)))
    same_codes(kind, weights, np.array([1, 2, 3]), np.array([0.0, 0.01, 0.0]), (3, -5), 5)


@pytest.mark.parametrize(
    ("bias", "scale", "match"),
    [
        (2**31 - 1, 0.5, "beyond int32; use smaller weights or a smaller bias"),
        (-(2**31), 0.5, "beyond int32; use smaller weights or a smaller bias"),
        (2**29, 3.0, "shifts left by 2 bits, beyond int32; use a larger output scale"),
    ],
)
def test_sums_that_leave_int32_are_refused(bias, scale, match):
    data = layer("FULLY_CONNECTED", np.full((1, 2), 127), np.array([bias]), scale)
    with pytest.raises(ValueError, match=match):
        load_tflite(data)


def test_folded_bias_that_leaves_int32_is_refused():
    """The sum fits, but the bias with the zero point folded in is not a word."""
    with pytest.raises(ValueError, match="folded bias"):
        FullyConnected(
            name="n",
            inputs=("x",),
            output="y",
            weights=np.full((64, 1), 127, np.int8),
            bias=np.array([2**31 - 1 - 2**19]),
            requant=Requant(2**30, 0, 0),
            input_zero_point=-128,
        )


def test_a_product_takes_the_matrix_products():
    """CONV_2D, its groups, and FULLY_CONNECTED through ``on``: int8 operands, the folded bias, the same outputs."""
    rng = np.random.default_rng(4)
    builder = GraphBuilder("test")
    params = QuantParams(0.1, -9)
    for name, shape in {"x": (1, 6, 6, 4), "c": (1, 6, 6, 6), "y": (1, 3)}.items():
        builder.tensor(name, shape, params)
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    weights = random_codes(rng, (6, 3, 3, 2))
    builder.conv2d("c", "x", "c", weights, np.array([0.01]), rng.integers(-999, 999, 6), window, groups=2)
    builder.fully_connected("y", "c", "y", random_codes(rng, (216, 3)), np.array([0.001]), None)
    x = random_codes(rng, (2, 6, 6, 4))
    seen = []

    def product(acts, weights, bias):
        assert (acts.dtype, weights.dtype, bias.dtype) == (np.int8, np.int8, np.int32)
        seen.append((acts.shape, weights.shape))
        return (acts.astype(np.int64) @ weights + bias).astype(np.int32)

    conv, dense = builder.operators
    assert isinstance(conv, MatrixOperator)
    assert isinstance(dense, MatrixOperator)
    middle = conv.run(x)
    np.testing.assert_array_equal(conv.run(x, product=product), middle)
    np.testing.assert_array_equal(dense.run(middle, product=product), dense.run(middle))
    assert seen == [((72, 18), (18, 3))] * 2 + [((2, 216), (216, 3))]


def test_a_product_of_another_type_is_refused():
    node = FullyConnected(
        name="n",
        inputs=("x",),
        output="y",
        weights=np.ones((2, 1), np.int8),
        bias=np.zeros(1),
        requant=Requant(2**30, 0, 0),
        input_zero_point=0,
    )
    with pytest.raises(TypeError, match=r"The product gave int64 \(1, 1\); use one that returns int32"):
        node.run(np.ones((1, 2), np.int8), product=lambda a, w, b: np.zeros((1, 1), np.int64))
