"""Shapes and weights that nodes compute from constants."""

import numpy as np
import pytest
from tercet.compiler.errors import Unsupported
from tercet.compiler.onnx import load_onnx

from .networks import Builder, onnx
from .oracle import layer_differences

RNG = np.random.default_rng(29)


def ints(*values):
    return np.array(values, np.int64)


def plain(net, shape):
    return net.constant(ints(-1, 120))


def of_parts(net, shape):
    """(batch, rows * columns * channels): Slice, Mul, Gather, Concat, Cast."""
    rest = net.add("Slice", shape, net.constant(ints(2)), net.constant(ints(4)), net.constant(ints(0)))
    first, second = (net.add("Gather", rest, net.constant(np.array(n, np.int64))) for n in (0, 1))
    product = net.add("Mul", net.add("Mul", first, second), net.constant(np.array(4, np.int64)))
    batch = net.add(
        "Neg", net.add("ConstantOfShape", net.constant(ints(1)), value=onnx.helper.make_tensor("v", 7, [1], [1]))
    )
    length = net.add("Unsqueeze", net.add("Cast", product, to=7), net.constant(ints(0)))
    return net.add("Concat", batch, length, axis=0)


def of_a_division(net, shape):
    """Div of integers rounds towards 0, and Sub makes the batch."""
    length = net.add("Div", net.constant(ints(241)), net.constant(ints(2)))
    return net.add("Concat", net.add("Sub", net.constant(ints(1)), net.constant(ints(2))), length, axis=0)


@pytest.mark.parametrize("build", [plain, of_parts, of_a_division])
def test_computed_shape(build):
    net = Builder((1, 4, 6, 5))
    x = net.add("MaxPool", net.qdq("input", 0.03, 100), kernel_shape=[1, 1])
    x = net.add("Reshape", x, build(net, net.add("Shape", x)))
    x = net.add("MatMul", x, net.codes(RNG.integers(-127, 128, (120, 3)).astype(np.int8), 0.001))
    data = net.model(net.qdq(x, 0.03, 100)).SerializeToString()
    graph = load_onnx(data)
    assert [op.op for op in graph.operators] == ["QUANTIZE", "MAX_POOL_2D", "FULLY_CONNECTED", "DEQUANTIZE"]
    given = RNG.normal(size=(6, 4, 6, 5)).astype(np.float32)
    assert max(each.largest for each in layer_differences(data, given)) <= 1


def test_part_of_a_shape():
    net = Builder((2, 4, 6), opset=15)
    x = net.qdq("input", 0.03, 100)
    batch = net.add("Shape", x, start=0, end=1)
    shape = net.add("Concat", batch, net.add("Shape", x, start=-1), net.add("Shape", x, start=1, end=2), axis=0)
    data = net.model(net.add("Reshape", x, shape), batch=2).SerializeToString()
    assert load_onnx(data).outputs[0].shape == (2, 6, 4)


@pytest.mark.parametrize("per_channel", [False, True])
def test_moved_weights(per_channel):
    """A Transpose moves codes and the axis of their scales."""
    net = Builder((1, 6))
    scale = np.linspace(0.01, 0.04, 4) if per_channel else 0.01
    weights = net.codes(RNG.integers(-127, 128, (4, 6)).astype(np.int8), scale)
    x = net.add("MatMul", net.qdq("input", 0.03, 100), net.add("Transpose", net.add("Identity", weights), perm=[1, 0]))
    data = net.model(net.qdq(x, 0.05, 100)).SerializeToString()
    differences = layer_differences(data, RNG.normal(size=(6, 6)).astype(np.float32), rounding="single")
    assert [each.differing for each in differences] == [0, 0]


def test_weights_that_the_file_quantises():
    """Real weights with a QuantizeLinear of their own."""
    net = Builder((1, 2, 6, 6))
    scale, zero = net.constant(np.array([0.01, 0.02, 0.03], np.float32)), net.constant(np.zeros(3, np.int8))
    weights = net.add("QuantizeLinear", net.weights(3, 2, 3, 3), scale, zero, axis=0)
    weights = net.add("DequantizeLinear", weights, scale, zero, axis=0)
    x = net.add("Conv", net.qdq("input", 0.03, 100), weights)
    data = net.model(net.qdq(x, 0.02, 100)).SerializeToString()
    differences = layer_differences(data, RNG.normal(size=(6, 2, 6, 6)).astype(np.float32), rounding="single")
    assert max(each.largest for each in differences) <= 1
    assert sum(each.differing for each in differences) <= 2


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "match"),
    [
        ("ConstantOfShape", [ints(1 << 20, 1 << 20)], {}, "use at most 1048576 elements"),
        ("ConstantOfShape", [ints(-1)], {}, r"it fills shape \(-1,\)"),
        ("Add", [np.zeros((1 << 11, 1), np.int64), np.zeros(1 << 11, np.int64)], {}, "it computes too many elements"),
        ("Gather", [ints(1, 2), ints(5)], {}, r"\(Gather, opset 13\): index 5 is out of bounds"),
        ("Div", [ints(1), ints(0)], {}, r"\(Div, opset 13\): it divides by 0"),
        ("Cast", [ints(1)], {"to": 8}, "it casts to element type 8"),
        ("Unsqueeze", [ints(1), ints(3)], {}, r"axis 3 is outside \[-2, 1\]"),
    ],
)
def test_refused(op, inputs, attributes, match):
    net = Builder((1, 6))
    shape = net.add(op, *(net.constant(each) for each in inputs), **attributes)
    x = net.add("Reshape", net.qdq("input", 0.03, 100), shape)
    with pytest.raises(Unsupported, match=match):
        load_onnx(net.model(x).SerializeToString())
