"""Operators between hand-written QuantizeLinear and DequantizeLinear, each against onnxruntime."""

import numpy as np
import pytest
from tercet.compiler.onnx import load_onnx

from .networks import Builder
from .oracle import layer_differences

RNG = np.random.default_rng(28)
SHAPE = (1, 4, 6, 5)


def ints(*values):
    return np.array(values, np.int64)


def compare(net, x, wanted, share=0.0):
    """Operators between the edges, once no code differs by more than one and no more than a share by one."""
    data = net.model(x).SerializeToString()
    given = RNG.normal(size=(6, *net.shape[1:])).astype(np.float32) * 2
    differences = layer_differences(data, given, rounding="single")
    assert max(each.largest for each in differences) <= 1
    assert sum(each.differing for each in differences) <= share * sum(each.count for each in differences)
    graph = load_onnx(data)
    found = [operator.op for operator in graph.operators]
    assert found[0] == "QUANTIZE"
    assert found[-1] == "DEQUANTIZE"
    assert found[1:-1] == wanted
    assert graph.run(given)[0].dtype == np.float32
    return graph


def picture(net):
    """An input of scale 0.03 and zero point 100 whose layout a pooling window decides."""
    return net.add("MaxPool", net.qdq("input", 0.03, 100), kernel_shape=[1, 1])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("constant_first", [False, True])
@pytest.mark.parametrize(("shape", "op", "wanted"), [
    ((), "Add", "LOOKUP"),
    ((1, 4, 1, 1), "Sub", "LOOKUP"),
    ((4, 1, 1), "Mul", "LOOKUP"),
    ((6, 5), "Add", "ADD"),
    ((1, 1, 6, 5), "Sub", "SUB"),
    ((1, 4, 6, 1), "Mul", "MUL"),
])  # fmt: skip
def test_binary_with_a_constant(shape, op, wanted, constant_first, dtype):
    """A function of one code, or an operator with constant codes in the layout inside."""
    net = Builder(SHAPE)
    info = np.iinfo(dtype)
    constant = net.codes(RNG.integers(info.min, info.max + 1, shape).astype(dtype), 0.01, info.max - 124)
    operands = [picture(net), constant]
    x = net.add(op, *(reversed(operands) if constant_first else operands))
    compare(net, net.qdq(x, 0.037, 120), ["MAX_POOL_2D", wanted], share=0.01)


@pytest.mark.parametrize(("op", "wanted"), [("Add", "ADD"), ("Sub", "SUB"), ("Mul", "MUL")])
def test_binary_of_tensors(op, wanted):
    """The second operand has another scale, and broadcasts."""
    net = Builder(SHAPE)
    x = net.qdq("input", 0.03, 100)
    other = net.qdq(net.add("ReduceMean", x, axes=[2, 3]), 0.011, 90)
    compare(net, net.qdq(net.add(op, x, other), 0.041, 120), ["MEAN", wanted], share=0.01)


@pytest.mark.parametrize("scale", [0.03, 0.041])
@pytest.mark.parametrize("op", ["Max", "Min"])
def test_extremum(op, scale):
    """Codes are compared; a scale of its own comes behind."""
    net = Builder(SHAPE)
    x = net.qdq("input", 0.03, 100)
    other = net.qdq(net.add("Sigmoid", x), 0.03, 100)
    wanted = ["LOGISTIC", {"Max": "MAXIMUM", "Min": "MINIMUM"}[op], *(["LOOKUP"] if scale != 0.03 else [])]
    compare(net, net.qdq(net.add(op, x, other), scale, 100), wanted)


def swish(net, x):
    return net.add("Mul", x, net.add("Sigmoid", x))


def hard_swish(net, x):
    inner = net.add("Add", x, net.constant(np.float32(3)))
    inner = net.add("Clip", inner, net.constant(np.float32(0)), net.constant(np.float32(6)))
    return net.add("Div", net.add("Mul", x, inner), net.constant(np.float32(6)))


def prelu(net, x):
    return net.add("PRelu", x, net.constant(np.array([0.1, 0.2, -0.3, 0.5], np.float32).reshape(4, 1, 1)))


def two_normalizations(net, x):
    vectors = [net.constant(np.array(v, np.float32)) for v in ([1, 2, -1, 0.5], [0, 1, 0, -1], [0.5] * 4, [1, 2, 1, 1])]
    return net.add("BatchNormalization", net.add("Relu", net.add("BatchNormalization", x, *vectors)), *vectors)


@pytest.mark.parametrize("build", [swish, hard_swish, prelu, two_normalizations])
def test_functions_of_one_code(build):
    """However many operators between two quantisations: one table, rounded once."""
    net = Builder(SHAPE)
    compare(net, net.qdq(build(net, net.qdq("input", 0.03, 100)), 0.041, 60), ["LOOKUP"])


@pytest.mark.parametrize(("op", "inputs", "attributes", "wanted"), [
    ("Slice", [ints(3), ints(-7), ints(2), ints(-2)], {}, ["STRIDED_SLICE"]),
    ("Slice", [ints(1, 1), ints(3, 5), ints(1, -1)], {}, ["STRIDED_SLICE"]),
    ("Gather", [ints(3, 1)], {"axis": 1}, ["STRIDED_SLICE"]),
    ("Gather", [np.array(2, np.int64)], {"axis": 2}, ["STRIDED_SLICE", "RESHAPE"]),
    ("Pad", [ints(0, 1, 2, 0, 0, 0, 1, 3), np.float32(0.6)], {}, ["PAD"]),
    ("ReduceMax", [], {"axes": [1], "keepdims": 0}, ["REDUCE_MAX", "RESHAPE"]),
    ("GlobalMaxPool", [], {}, ["REDUCE_MAX"]),
    ("Unsqueeze", [ints(1)], {}, ["RESHAPE"]),
    ("Identity", [], {}, []),
    ("Dropout", [], {}, []),
    ("Cast", [], {"to": 1}, []),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}, []),
    ("Flatten", [], {}, ["RESHAPE"]),
])  # fmt: skip
def test_movement(op, inputs, attributes, wanted):
    """Codes keep their scale; every element stays what it is."""
    net = Builder(SHAPE)
    x = net.add(op, picture(net), *(net.constant(each) for each in inputs), **attributes)
    moved = ["TRANSPOSE"] if op == "Flatten" else []
    compare(net, net.qdq(x, 0.03, 100), ["MAX_POOL_2D", *moved, *wanted])


def test_sum_over_an_axis():
    net = Builder(SHAPE)
    x = net.add("ReduceSum", net.qdq("input", 0.03, 100), net.constant(ints(1)), keepdims=1)
    compare(net, net.qdq(x, 0.05, 100), ["MEAN"], share=0.01)


def test_split_of_three_sizes():
    net = Builder(SHAPE)
    parts = net.add("Split", net.qdq("input", 0.03, 100), net.constant(ints(1, 2, 3)), axis=2, outputs=3)
    x = net.add("Concat", *reversed(parts), axis=2)
    compare(net, net.qdq(x, 0.03, 100), ["STRIDED_SLICE"] * 3 + ["CONCATENATION"])


def test_concatenation_of_layouts_and_scales():
    """A picture with channels last inside, and one from a product, in the file's order."""
    net = Builder(SHAPE)
    x = picture(net)
    weights = net.codes(RNG.integers(-127, 128, (120, 60)).astype(np.int8), 0.001)
    product = net.qdq(net.add("MatMul", net.add("Flatten", x), weights), 0.02, 90)
    other = net.add("Reshape", product, net.constant(ints(-1, 2, 6, 5)))
    x = net.add("Concat", x, other, x, axis=1)
    compare(net, net.qdq(x, 0.03, 100), ["MAX_POOL_2D", "FULLY_CONNECTED", "QUANTIZE", "RESHAPE", "TRANSPOSE",
                                         "CONCATENATION"], share=0.01)  # fmt: skip


def test_codes_that_are_read_by_another_scale_have_it():
    """Padding is the real number 0 of whoever reads, and so is the scale of the edge."""
    net = Builder(SHAPE)
    x = net.dequantize(net.quantize("input", 0.03, 128), 0.05, 100)
    x = net.add("Pad", x, net.constant(ints(0, 0, 1, 1, 0, 0, 1, 1)))
    graph = compare(net, net.qdq(x, 0.05, 100), ["LOOKUP", "PAD"])
    assert graph.operators[2].fill == 100 - 128
    net = Builder(SHAPE)
    x = net.dequantize(net.quantize("input", 0.03, 128), 0.05, 100)
    graph = load_onnx(net.model(net.quantize(x, 0.05, 100), out_dtype="UINT8").SerializeToString())
    assert graph.outputs[0].scale == pytest.approx(0.05)
    assert graph.outputs[0].zero_point == 100


@pytest.mark.parametrize("op", ["Softmax", "Flatten"])
def test_softmax_over_channels(op):
    """The axis of a Softmax is the last one inside."""
    net = Builder(SHAPE)
    x = net.add("Softmax", net.qdq("input", 0.03, 100), axis=1)
    if op == "Flatten":
        x = net.add("Flatten", x)
    found = load_onnx(net.model(net.qdq(x, 1 / 256, 0)).SerializeToString())
    assert [operator.op for operator in found.operators][1:3] == ["TRANSPOSE", "SOFTMAX"]
    given = RNG.normal(size=(6, *SHAPE[1:])).astype(np.float32) * 2
    differences = layer_differences(net.model(net.qdq(x, 1 / 256, 0)).SerializeToString(), given)
    assert max(each.largest for each in differences) <= 1
