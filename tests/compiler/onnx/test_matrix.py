"""Convolutions and products from files that are written by hand: what other tools than onnxruntime leave in them."""

from typing import Any

import numpy as np
import pytest
from tercet.compiler.errors import Unsupported
from tercet.compiler.onnx import load_onnx
from tercet.golden.networks.operators import Conv2D

from .networks import Builder, quantised
from .oracle import layer_differences

RNG = np.random.default_rng(25)


def codes(*shape, low=-127, high=128, dtype: Any = np.int8):
    return RNG.integers(low, high, shape).astype(dtype)


def batch_norm(net, x, channels, scale=None):
    scale = RNG.uniform(0.5, 2, channels) if scale is None else scale
    vectors = (scale, RNG.normal(size=channels), RNG.normal(size=channels), RNG.uniform(0.5, 2, channels))
    return net.add("BatchNormalization", x, *(net.constant(v.astype(np.float32)) for v in vectors))


def single(net, x, **options):
    """The graph of a model whose every layer is within one code, with the rounding nearest to floating point."""
    data = net.model(x).SerializeToString()
    given = RNG.normal(size=(4, *net.shape[1:])).astype(np.float32)
    differences = layer_differences(data, given, rounding="single", **options)
    assert max(each.largest for each in differences) <= 1
    assert sum(each.differing for each in differences if each.op == "CONV_2D") <= 2
    return load_onnx(data)


@pytest.mark.parametrize("scale", [0.01, [0.01, 0.02, 0.005]])
def test_batch_normalization_is_folded(scale):
    """A negative factor turns the weights of its channel; a factor of 0 makes the channel constant."""
    net = Builder((1, 2, 6, 6))
    weights = net.codes(codes(3, 2, 3, 3), scale)
    x = net.add("Conv", net.qdq("input", 0.03, 128), weights, kernel_shape=[3, 3])
    x = net.add("Relu", batch_norm(net, x, 3, np.array([1.5, -0.7, 0.0])))
    graph = single(net, net.qdq(x, 0.02, 3))
    assert [op.op for op in graph.operators] == ["QUANTIZE", "CONV_2D", "DEQUANTIZE"]
    conv = graph.operators[1]
    assert isinstance(conv, Conv2D)
    assert not conv.weights[2].any()
    assert conv.requant is not None
    assert conv.requant.qmin == 3 - 128


def test_batch_normalization_behind_a_quantised_convolution_is_a_table_per_channel():
    net = Builder((1, 2, 6, 6))
    x = net.add("Conv", net.qdq("input", 0.03, 128), net.codes(codes(3, 2, 3, 3), 0.01), kernel_shape=[3, 3])
    graph = single(net, net.qdq(batch_norm(net, net.qdq(x, 0.02, 100), 3), 0.03, 90))
    assert [op.op for op in graph.operators] == ["QUANTIZE", "CONV_2D", "LOOKUP", "DEQUANTIZE"]


def test_constants_behind_a_product_are_folded():
    net = Builder((1, 6))
    x = net.add("MatMul", net.qdq("input", 0.03, 128), net.codes(codes(6, 4), [0.01, 0.02, 0.03, 0.01], axis=1))
    x = net.add("Add", net.constant(RNG.normal(size=4).astype(np.float32)), x)
    x = net.add("Div", x, net.constant(np.float32(2)))
    x = net.add("Sub", net.constant(np.float32(0.25)), x)
    graph = single(net, net.qdq(x, 0.02, 128))
    assert [op.op for op in graph.operators] == ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"]


@pytest.mark.parametrize("zero_point", [128, 120])
def test_unsigned_weights(zero_point):
    """Exact wherever codes minus zero point fit int8."""
    net = Builder((1, 2, 6, 6))
    weights = net.codes(
        codes(3, 2, 3, 3, low=zero_point - 120, high=zero_point + 121, dtype=np.uint8), 0.01, zero_point
    )
    x = net.add("Conv", net.qdq("input", 0.03, 128), weights, kernel_shape=[3, 3])
    single(net, net.qdq(x, 0.05, 128))


@pytest.mark.parametrize("qdq", [False, True])
def test_unsigned_symmetric_weights_of_onnxruntime(qdq):
    net = Builder((1, 2, 6, 6))
    given = RNG.normal(size=(4, 2, 6, 6)).astype(np.float32)
    model = net.model(net.conv("input", 2, 3))
    data = quantised(model, given, qdq=qdq, weights="QUInt8", extra_options={"WeightSymmetric": True})
    assert max(each.largest for each in layer_differences(data, given)) <= 1


def test_unsigned_asymmetric_weights_are_refused():
    net = Builder((1, 2, 6, 6))
    weights = net.codes(np.array([0, 255], np.uint8).reshape(1, 2, 1, 1), 0.01, 100)
    x = net.add("Conv", net.qdq("input", 0.03, 128), weights)
    model = net.model(net.qdq(x, 0.05, 128))
    with pytest.raises(Unsupported, match=r"\(Conv, opset 13\) of shape \(1, 2, 6, 6\): its uint8 weights have zero "
                       r"point 100 and reach \[-100, 155\], beyond int8; use weight_type=QuantType.QInt8"):  # fmt: skip
        load_onnx(model.SerializeToString())


def test_bias_of_another_scale_and_of_floats():
    net = Builder((1, 2, 6, 6))
    x = net.qdq("input", 0.03, 128)
    weights = net.codes(codes(3, 2, 3, 3), 0.01)
    bias = net.codes(codes(3, low=-1000, high=1000, dtype=np.int32), 0.001)
    first = net.qdq(net.add("Conv", x, weights, bias), 0.02, 128)
    real = net.constant(np.array([0.5, -0.25, 1], np.float32))
    single(net, net.qdq(net.add("Add", first, net.qdq(net.add("Conv", x, weights, real), 0.02, 128)), 0.05, 128))


def test_codes_are_read_by_another_scale():
    """What writes codes and what reads them may disagree; the file is taken at its word."""
    net = Builder((1, 2, 6, 6))
    x = net.dequantize(net.quantize("input", 0.03, 128), 0.05, 100)
    x = net.add("Conv", x, net.codes(codes(3, 2, 3, 3), 0.01))
    single(net, net.qdq(x, 0.05, 128))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_edges_of_codes(dtype):
    """The graph takes and returns the file's own types, uint8 with the zero points of the file."""
    net = Builder((1, 2, 6, 6))
    zero = 7 if dtype is np.int8 else 130
    x = net.add("Conv", net.dequantize("input", 0.03, zero, dtype), net.codes(codes(3, 2, 3, 3), 0.01))
    x = net.quantize(net.add("Transpose", x, perm=[0, 1, 3, 2]), 0.05, zero, dtype)
    name = np.dtype(dtype).name
    data = net.model(x, dtype=name.upper(), out_dtype=name.upper()).SerializeToString()
    info = np.iinfo(dtype)
    given = RNG.integers(info.min, info.max + 1, (4, 2, 6, 6)).astype(dtype)
    assert max(each.largest for each in layer_differences(data, given)) <= 1
    graph = load_onnx(data)
    assert (graph.inputs[0].dtype, graph.inputs[0].zero_point) == (name, zero)
    assert graph.inputs[0].scale == pytest.approx(0.03)
    assert graph.run(given)[0].dtype == dtype
    assert graph.run(given)[0].shape == (4, 3, 4, 4)
