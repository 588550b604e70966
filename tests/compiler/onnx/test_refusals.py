"""Errors for unsupported ONNX files: one line with node, operator, opset, shape and fix."""

import numpy as np
import pytest
from tercet.compiler.errors import Unsupported
from tercet.compiler.onnx import load_onnx

from .networks import Builder, onnx, quantised, quantization

RNG = np.random.default_rng(27)
SHAPE = (1, 2, 6, 6)


def refused(model, match):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    with pytest.raises(Unsupported, match=match) as caught:
        load_onnx(data)
    assert len(str(caught.value).splitlines()) == 1


def codes(*shape, dtype=np.int8):
    return RNG.integers(-100, 101, shape).astype(dtype)


def start(**options):
    net = Builder(SHAPE, **options)
    return net, net.qdq("input", 0.03, 128)


def finished(net, x):
    return net.model(net.qdq(x, 0.05, 128))


def test_float_model():
    net = Builder(SHAPE)
    match = (
        r"the model is not quantised \(node 'conv0' \(Conv, opset 13\) computes with float32\); use onnxruntime.quant"
    )
    refused(net.model(net.conv("input", 2, 3)), match)


def test_dynamic_quantisation(tmp_path):
    net = Builder((1, 12))
    onnx.save_model(net.model(net.gemm("input", 12, 4)), tmp_path / "a.onnx")
    quantization.quantize_dynamic(tmp_path / "a.onnx", tmp_path / "b.onnx")
    match = r"\(DynamicQuantizeLinear, opset \d+\): scales are computed at run time \(dynamic quantisation\); use onnxr"
    refused((tmp_path / "b.onnx").read_bytes(), match)


@pytest.mark.parametrize("kind", ["QInt16", "QUInt16"])
def test_wide_codes(kind):
    net = Builder(SHAPE)
    types = {"activation_type": quantization.QuantType[kind], "weight_type": quantization.QuantType.QInt8}
    given = RNG.normal(size=(4, *SHAPE[1:])).astype(np.float32)
    data = quantised(net.model(net.conv("input", 2, 3)), given, types=types)
    refused(data, r"\(QuantizeLinear, opset 21\): the constant 'input_zero_point' has type U?INT16; use float32, int8")


@pytest.mark.parametrize("kind", ["INT4", "UINT4", "FLOAT8E4M3FN"])
def test_narrow_weights(kind):
    net, x = start(opset=21)
    code = onnx.TensorProto.DataType.Value(kind)
    raw = b"\1" if "INT4" in kind else b"\1\1"
    net.constants.append(onnx.helper.make_tensor("w", code, (1, 2, 1, 1), raw, raw=True))
    weights = net.add("DequantizeLinear", "w", net.constant(np.float32(0.1)))
    match = rf"node 'dequantizelinear\d' \(DequantizeLinear, opset 21\): the constant 'w' has type {kind}; use float32"
    refused(finished(net, net.add("Conv", x, weights)), match)


def test_control_flow():
    net, x = start()
    branch = onnx.helper.make_graph([], "branch", [], [])
    x = net.add("If", net.constant(np.array(True)), then_branch=branch, else_branch=branch)
    refused(finished(net, x), r"node 'if\d' \(If, opset 13\): control flow is not supported; export the model without")


def test_custom_operator():
    net, x = start()
    match = r"node 'magic\d' \(org.example.Magic, opset 1\): this custom operator is not supported; use standard ONNX"
    refused(finished(net, net.add("Magic", x, domain="org.example")), match)


@pytest.mark.parametrize(
    ("dims", "match"),
    [
        (
            ["batch", 2, "height", 6],
            r"'input' has the dynamic shape \(\?, 2, \?, 6\); fix all dimensions but the batch",
        ),
        (None, "the input 'input' has an unknown shape; fix all dimensions"),
        ([], "the input 'input' is a scalar; use inputs with a leading batch"),
    ],
)
def test_dynamic_shapes(dims, match):
    net, x = start()
    model = finished(net, x)
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, dims))
    refused(model, match)


def test_batches_of_inputs():
    net = Builder((3, 4))
    other = onnx.helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [2, 4])
    x = net.add("Concat", net.qdq("input", 0.1, 128), net.qdq("other", 0.1, 128), axis=1)
    refused(net.model(x, batch=3, rest=[other]), r"the inputs have batches of \[2, 3\]; use the same batch for all")


def test_input_type():
    net, _ = start()
    refused(net.model(net.qdq("input", 0.1, 128), dtype="INT32"), "the input 'input' has type INT32; use float32, int8")


def ints(*values):
    return np.array(values, np.int64)


def real(value):
    return np.array(value, np.float32)


# Operator, inputs with "x" for the quantised input of shape (1, 2, 6, 6), attributes, and the expected message.
NODES = [
    ("LSTM", ["x"], {}, r"\(LSTM, opset 13\) of shape \(1, 2, 6, 6\): this operator is not supported; replace it"),
    ("Ceil", ["x"], {}, "its input is computed by the network; use it on constants only"),
    ("Pad", ["x", ints(*[0] * 8)], {"mode": "reflect"}, "its mode is 'reflect'; use 'constant'"),
    ("Pad", ["x", ints(1, *[0] * 7)], {}, r"it pads the batch by \(1, 0\); pad other axes"),
    ("Pad", ["x", ints(0, 0, -1, *[0] * 5)], {}, r"its pads are .*; use 8 numbers of at least 0"),
    ("Transpose", ["x"], {"perm": [1, 0, 2, 3]}, r"perm is \(1, 0, 2, 3\); keep the batch as the first axis"),
    ("Reshape", ["x", ints(2, 36)], {}, r"it gives shape \(2, 36\), without the leading batch"),
    ("Reshape", ["x", ints(-1, -1)], {}, r"its shape is \(-1, -1\); export the model again"),
    ("Reshape", ["x", "x"], {}, r"its shape '.*' is computed by the network; use a constant"),
    ("Concat", ["x", "x"], {"axis": 0}, r"it joins .* along axis 0; join equal shapes along an axis after the batch"),
    ("Split", ["x", ints(3)], {"axis": 1}, r"it splits 2 of axis 1 into \(3,\); use sizes with that sum"),
    ("Slice", ["x", ints(1), ints(2), ints(0)], {}, "it cuts the batch; cut other axes"),
    ("Slice", ["x", ints(4), ints(2), ints(2)], {}, r"it gives shape \(1, 2, 0, 6\); keep at least one element"),
    ("Gather", ["x", ints(0, 1, 1)], {"axis": 1}, r"its indices are \[0, 1, 1\] of 2; use equidistant indices"),
    ("MaxPool", ["x"], {"kernel_shape": [2, 2], "pads": [3, 0, 0, 0]}, r"its padding \(3, 0, 0, 0\) is as large"),
    ("MaxPool", ["x"], {"kernel_shape": [7, 7]}, "its window spans 7 of 6; use a smaller kernel"),
    (
        "MaxPool",
        ["x"],
        {"kernel_shape": [2, 2], "strides": [0, 1]},
        r"strides is \(0, 1\); use 2 numbers in \[1, 65536\]",
    ),
    ("MaxPool", ["x"], {"kernel_shape": [2, 2], "auto_pad": "BOTH"}, "auto_pad is 'BOTH'; use NOTSET"),
    (
        "AveragePool",
        ["x"],
        {"kernel_shape": [2, 2], "ceil_mode": 1, "count_include_pad": 1},
        "it has both ceil_mode and",
    ),
    ("ReduceMean", ["x"], {"axes": [0, 1]}, r"it reduces the axes \(0, 1\); reduce axes after the batch"),
    ("Softmax", ["x"], {"axis": 0}, "it runs over the batch; use another axis"),
    ("Clip", ["x", real(2), real(1)], {}, "its bounds are 2.0 and 1.0; use a minimum below"),
    ("Cast", ["x"], {"to": 7}, "it changes the type of activations; remove it"),
    ("MatMul", ["x", "x"], {}, r"its second operand is computed by the network; use constant weights"),
    ("Conv", ["x", np.zeros((3, 2, 3, 3), np.float32)], {}, "its weights are float32, not quantised; quantise weights"),
    ("BatchNormalization", ["x", *[np.ones(3, np.float32)] * 4], {}, "its parameters are not 2 finite numbers each"),
    ("Mul", ["x", np.ones((1, 1, 6, 6), np.float32)], {}, r"its constant of shape \(1, 1, 6, 6\) is float32"),
]


@pytest.mark.parametrize(("op", "inputs", "attributes", "match"), NODES)
def test_node(op, inputs, attributes, match):
    net, x = start()
    found = [x if isinstance(each, str) else net.constant(each) for each in inputs]
    refused(finished(net, net.add(op, *found, **attributes)), match)


def convolution(net, x, shape=(3, 2, 3, 3), **attributes):
    return net.add("Conv", x, net.codes(codes(*shape), 0.01), **attributes)


@pytest.mark.parametrize(
    ("shape", "attributes", "match"),
    [
        ((3, 2, 3, 3), {"group": 3}, "3 groups of 2 channels do not fit weights"),
        ((3, 2, 3, 3), {"kernel_shape": [2, 2]}, r"kernel_shape is \(2, 2\) but the weights have \(3, 3\)"),
        ((3, 2, 3, 3, 3), {}, "use 1D or 2D convolutions"),
        (
            (3, 2, 3, 3),
            {"pads": [1 << 15] * 4, "strides": [1 << 14] * 2},
            r"its padded input has \d+ elements; use at most",
        ),
    ],
)
def test_convolution(shape, attributes, match):
    net, x = start()
    refused(finished(net, convolution(net, x, shape, **attributes)), match)


def test_sums_beyond_int32():
    """The error of an operator names its own node, though its output's scale stands in the next one."""
    net, x = start()
    bias = net.codes(np.array([2**31 - 1], np.int32), np.float32(0.03) * np.float32(0.01))
    x = net.add("Conv", x, net.codes(np.full((1, 2, 3, 3), 127, np.int8), 0.01), bias)
    refused(
        finished(net, x), r"node 'conv\d' \(Conv, opset 13\) of shape \(1, 1, 4, 4\): channel 0 can reach .* int32; use"
    )


def test_operands_without_scales():
    """Two tensors that only a lookup cannot combine, and results that are not quantised in between."""
    net, x = start()
    other = net.qdq(net.add("Sigmoid", x), 0.004, 0)
    refused(finished(net, net.add("Div", x, other)), "both operands are computed by the network; use a constant second")
    net, x = start()
    match = (
        r"'conv\d_0' is the result of node 'conv\d' \(Conv, opset 13\), not quantised; quantise it too: quant_format="
    )
    refused(finished(net, net.add("MaxPool", convolution(net, x), kernel_shape=[2, 2])), match)
    net, x = start()
    match = "is the result of Sigmoid, not quantised; .*, and op_types_to_quantize with 'Sigmoid' in it"
    refused(finished(net, convolution(net, net.add("Sigmoid", x))), match)


def test_float_island_behind_batch_normalization():
    net, x = start()
    x = net.add("BatchNormalization", x, *(net.constant(np.ones(2, np.float32)) for _ in range(4)))
    match = "is the result of BatchNormalization, not quantised; fold it before quantisation: .*quant_pre_process"
    refused(finished(net, net.add("ReduceMean", x)), match)


def test_output_without_quantisation():
    net, x = start()
    match = (
        r"node 'conv\d' \(Conv, opset 13\) of shape \(1, 3, 4, 4\): the output 'conv\d_0' is not quantised; quantise"
    )
    refused(net.model(convolution(net, x)), match)


def test_activations_with_a_scale_per_channel():
    net, x = start()
    scale, zero = net.constant(np.ones(2, np.float32)), net.constant(np.zeros(2, np.uint8))
    refused(
        net.model(net.add("QuantizeLinear", x, scale, zero, axis=1)), "activations have 2 scales; quantise activations"
    )


def test_channels_last_pooling():
    net, _ = start()
    one, zero = net.constant(np.float32(1)), net.constant(np.uint8(0))
    x = net.add("QLinearGlobalAveragePool", net.quantize("input", 1, 0), one, zero, one, zero, domain="com.microsoft",
                channels_last=1)  # fmt: skip
    refused(
        net.model(x),
        r"\(com.microsoft.QLinearGlobalAveragePool, opset 1\) of shape \(1, 2, 6, 6\): channels_last is set",
    )


def test_average_with_padding_and_a_finer_scale():
    """Two roundings could be two codes away."""
    net, x = start()
    x = net.add("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    refused(
        net.model(net.qdq(x, 0.01, 128)), "less than half of the input's, and padding; use quant_format=QuantFormat.QDQ"
    )


def test_input_of_codes_without_a_scale():
    net = Builder(SHAPE)
    x = net.add("MaxPool", "input", kernel_shape=[2, 2])
    match = r"\(MaxPool, opset 13\) of shape \(1, 2, 6, 6\): its input has no scale; quantise the input"
    refused(net.model(net.dequantize(x, 0.1, 0), dtype="UINT8"), match)


def test_written_twice_and_read_before():
    net, x = start()
    model = finished(net, net.add("Relu", x))
    model.graph.node[2].output[0] = model.graph.node[1].output[0]
    model.graph.node[3].input[0] = model.graph.node[1].output[0]
    refused(model, "is written twice; export the model again")
    net, x = start()
    model = finished(net, net.add("Relu", x))
    first = type(model.graph.node[0])()
    first.CopyFrom(model.graph.node[0])
    del model.graph.node[0]
    model.graph.node.append(first)
    refused(model, "is read before it is written; sort the nodes topologically")
