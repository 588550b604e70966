"""Errors for unsupported `.tflite` files: one line with node, operator, version, shape and fix."""

import numpy as np
import pytest
from tercet.compiler import load
from tercet.compiler.tflite import load_tflite

from .tflite_files import Network, write

RNG = np.random.default_rng(0)
WEIGHTS = RNG.integers(-127, 128, (4, 3)).astype(np.int8)


def refusal(data, match):
    """Return the one-line message for a rejected file."""
    with pytest.raises(ValueError, match=match) as caught:
        load_tflite(data)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def layer(
    *, weights: np.ndarray = WEIGHTS, weight=None, activation=None, bias=None, signature=(), version=1, outputs=1
):
    """A FULLY_CONNECTED layer of 3 inputs and 4 outputs with something wrong."""
    net = Network()
    activation = {"scale": 0.5, "type": "INT8"} | (activation or {})
    net.input((1, 3), signature=signature, **activation)
    w = net.constant(weights, dtype=weights.dtype, **({"scale": 0.01} | (weight or {})))
    inputs = ["t0", w] if bias is None else ["t0", w, net.constant(bias, dtype=bias.dtype, scale=0.005)]
    net.outputs = [net.tensor((1, 4), name="scores", **activation) for _ in range(outputs)][:1]
    net.add("FULLY_CONNECTED", inputs, "scores", version=version)
    return net


def one_operator(kind, *, inputs=1, outputs=1, shape=(1, 4, 4, 2), version=1, **fields):
    """A file of a single operator on int8 activations."""
    net = Network()
    names = [net.input(shape, 0.5) for _ in range(inputs)]
    net.outputs = [net.tensor(shape, 0.5, name=f"out{n}") for n in range(outputs)]
    net.add(kind, names, *net.outputs, version=version, **fields)
    return net


def test_the_layer_without_fault_is_read():
    graph = load_tflite(layer(bias=np.arange(4, dtype=np.int32)).file())
    assert [each.op for each in graph.layers] == ["FULLY_CONNECTED"]


FLOAT = {"scale": None, "type": "FLOAT32"}
FLOAT_WEIGHTS = WEIGHTS.astype(np.float32)


@pytest.mark.parametrize(
    ("net", "match"),
    [
        (layer(weights=FLOAT_WEIGHTS, weight={"scale": None}, activation=FLOAT), "'t0' is FLOAT32; quantise the whole"),
        (layer(activation=FLOAT), "FLOAT32 with int8 weights .dynamic range.; give the converter a representative"),
        (layer(weights=WEIGHTS.view(np.uint8)), "weights 't1' are UINT8; quantise to int8"),
        (layer(weights=WEIGHTS.astype(np.int16)), "weights 't1' are INT16; "),
        (layer(weight={"zero_point": 3}), "weights 't1' have the zero point 3; use symmetric weights"),
        (layer(weight={"scale": [0.1, 0.2, 0.3]}), "3 scales for 4 channels; use one scale or one per channel"),
        (layer(weight={"scale": [0.1] * 4, "axis": 1}), "for each index of axis 1; use axis 0"),
        (layer(weight={"scale": -0.1}), "a scale below 0 or not finite"),
        (layer(weight={"scale": float("nan")}), "a scale below 0 or not finite"),
        (layer(weight={"sparse": True}), "weights 't1' are stored sparsely; convert without sparsity"),
        (layer(bias=np.zeros(3, np.int32)), r"biases have shape \(3,\); use \(4,\)"),
        (layer(bias=np.zeros(4, np.int64)), "biases 't2' are INT64; use INT32"),
        (layer(activation={"scale": 0.0}), "scale"),
        (layer(activation={"scale": [0.1, 0.2]}), "has 2 scales; quantise it with one"),
        (layer(activation={"scale": None}), "has 0 scales; quantise it with one"),
        (layer(activation={"zero_point": 200}), "[Zz]ero point 200"),
        (layer(bias=np.full(4, 2**31 - 1, np.int32)), "beyond int32; use smaller weights or a smaller bias"),
    ],
    ids=range(17),
)
def test_layers(net, match):
    message = refusal(net.file(), match)
    if "input 't0'" not in message:
        assert "node 0 'scores' (FULLY_CONNECTED version 1)" in message


@pytest.mark.parametrize("version", [1, 7])
def test_version_and_shape_are_named(version):
    net = layer(activation=FLOAT, version=version)
    message = refusal(net.file(), f"FULLY_CONNECTED version {version}")
    assert "of shape (1, 3)" in message


def test_int16_activations():
    net = layer(activation={"type": "INT16"})
    refusal(net.file(), r"input 't0' of shape \(1, 3\) is INT16; use int8")
    net = one_operator("RELU")
    y = net.tensor((1, 4, 4, 2), 0.5, type="INT16", name="wide")
    net.add("RELU", ["out0"], y)
    net.outputs = [y]
    refusal(
        net.file(), r"node 1 'wide' .RELU version 1. of shape \(1, 4, 4, 2\): 'wide' is INT16; use int8 activations"
    )


def test_uint8_inside():
    net = one_operator("RELU")
    y = net.tensor((1, 4, 4, 2), 0.5, type="UINT8", name="old")
    net.add("RELU", ["out0"], y)
    net.outputs = [y]
    refusal(net.file(), "'old' is UINT8; quantise to int8")


def test_uint8_input_of_an_operator():
    net = Network()
    x, y = net.input((1, 4), 0.5, 128, type="UINT8"), net.tensor((1, 4), 0.5, type="UINT8")
    net.add("RELU", [x], y)
    net.outputs = [y]
    refusal(net.file(), "is UINT8; quantise to int8")


@pytest.mark.parametrize(("signature", "match"), [((-1, -1), "dynamic shape"), ((1, -1), "dynamic shape")])
def test_dynamic_shapes(signature, match):
    message = refusal(layer(signature=signature).file(), match)
    assert str(signature) in message


def test_dynamic_batch_is_read():
    graph = load_tflite(layer(signature=(-1, 3)).file())
    assert graph.run(np.zeros((7, 3), np.int8))[0].shape == (7, 4)


def test_dynamic_shape_inside():
    net = Network()
    x, y = net.input((1, 4, 4, 2), 0.5), net.tensor((1, 4, 4, 2), 0.5, signature=(-1, -1, 4, 2))
    net.add("RELU", [x], y)
    net.outputs = [y]
    refusal(net.file(), r"dynamic shape \(-1, -1, 4, 2\); fix all dimensions but the batch")


def test_batch_of_more_than_one():
    refusal(one_operator("RELU", shape=(2, 3)).file(), r"shape \(2, 3\); use a leading batch of 1")


@pytest.mark.parametrize(
    ("kind", "inputs", "fields", "cure"),
    [
        ("IF", 2, {"ThenSubgraphIndex": 1, "ElseSubgraphIndex": 1}, "without control flow"),
        ("WHILE", 1, {"CondSubgraphIndex": 1, "BodySubgraphIndex": 1}, "without control flow"),
        ("CALL", 1, {"Subgraph": 1}, "without control flow"),
    ],
)
def test_control_flow_and_further_subgraphs(kind, inputs, fields, cure):
    data = write([one_operator(kind, inputs=inputs, **fields), one_operator("RELU")])
    message = refusal(data, f"node 0 'out0' .{kind} version 1. of shape .*: this operator is not supported; .*{cure}")
    assert "(1, 4, 4, 2)" in message


def test_custom_operators():
    data = one_operator("CUSTOM", custom="TFLite_Detection").file()
    refusal(data, "CUSTOM 'TFLite_Detection' version 1.*not supported; convert without custom operators")


@pytest.mark.parametrize("kind", ["SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"])
def test_state(kind):
    refusal(one_operator(kind).file(), f"{kind} version 1.*not supported; use a network without state")


@pytest.mark.parametrize("codes", ["both", "new", "deprecated"])
def test_operators_that_are_known_but_not_supported(codes):
    refusal(
        one_operator("LOCAL_RESPONSE_NORMALIZATION", version=2).file(codes), "LOCAL_RESPONSE_NORMALIZATION version 2"
    )


@pytest.mark.parametrize("kind", [210, 1000])
def test_operators_beyond_the_schema(kind):
    refusal(one_operator(kind).file("new"), rf"node 0 'out0' .*{kind} version 1.*not supported")


def test_weights_that_are_computed():
    net = Network()
    x = net.input((1, 4, 4, 3), 0.5)
    w, y = net.input((1, 1, 1, 3), 0.01), net.tensor((1, 4, 4, 1), 0.5, name="scores")
    net.add("CONV_2D", [x, w], y, StrideH=1, StrideW=1)
    net.outputs = [y]
    refusal(net.file(), "CONV_2D version 1.*weights 't1' are not constant; make them constant")


@pytest.mark.parametrize(
    ("kind", "output", "fields", "match"),
    [
        ("TANH", (0.5, 0), {}, r"TANH.*not 0\.0078125 and 0"),
        ("LOGISTIC", (1 / 256, 0), {}, r"LOGISTIC.*not 0\.00390625 and -128"),
        ("SOFTMAX", (0.5, 0), {"Beta": 1.0}, r"SOFTMAX.*not 0\.00390625 and -128"),
        ("RELU6", (0.25, 0), {}, "RELU6.*differ in scale or zero point; quantise them alike"),
        ("HARD_SWISH", (2.0**-9, 0), {}, "HARD_SWISH.*not above 1/128 of the input's"),
        ("QUANTIZE", (2.0**-27, 0), {}, "QUANTIZE.*beyond int32; use a larger output scale"),
        ("ELU", (2.0**-27, 0), {}, "ELU.*overflow int32; use a larger one"),
    ],
)
def test_scales_that_a_kernel_does_not_take(kind, output, fields, match):
    net = Network()
    x, y = net.input((1, 6), 0.5), net.tensor((1, 6), *output)
    net.add(kind, [x], y, **fields)
    net.outputs = [y]
    refusal(net.file(), match)


def test_softmax_of_a_tiny_scale():
    net = Network()
    x, y = net.input((1, 6), 2.0**-27), net.tensor((1, 6), 1 / 256, -128)
    net.add("SOFTMAX", [x], y, Beta=1.0)
    net.outputs = [y]
    refusal(net.file(), r"SOFTMAX.*use more than 2\*\*-26")


@pytest.mark.parametrize(("kind", "scale"), [("ADD", 2.0**-22), ("SUB", 2.0**-22), ("MUL", 2.0**-18)])
def test_output_scales_that_are_too_small(kind, scale):
    net = Network()
    x, other = net.input((1, 6), 0.5), net.input((1, 6), 0.5)
    y = net.tensor((1, 6), scale)
    net.add(kind, [x, other], y)
    net.outputs = [y]
    refusal(net.file(), f"{kind} version 1.*larger")


@pytest.mark.parametrize(
    ("activation", "match"),
    [
        ("RELU6", "too small for RELU6: its codes overflow int32; use a larger one"),
        ("TANH", "fused activation TANH is not"),
    ],
)
def test_fused_activations(activation, match):
    net = Network()
    x, y = net.input((1, 4, 4, 1), 1e-9), net.tensor((1, 2, 2, 1), 1e-9)
    fields = {"StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2}
    net.add("MAX_POOL_2D", [x], y, FusedActivationFunction=activation, **fields)
    net.outputs = [y]
    refusal(net.file(), match)


def test_options_that_move_the_batch():
    net = Network()
    x, y = net.input((1, 4), 0.5), net.tensor((4, 1), 0.5)
    net.add("TRANSPOSE", [x, net.constant([1, 0])], y)
    net.outputs = [y]
    refusal(net.file(), "TRANSPOSE.*batch")


def test_strided_slice_with_an_ellipsis():
    net = Network()
    x, y = net.input((1, 4), 0.5), net.tensor((1, 4), 0.5)
    net.add("STRIDED_SLICE", [x, *(net.constant(v) for v in ([0, 0], [1, 4], [1, 1]))], y, EllipsisMask=1)
    net.outputs = [y]
    refusal(net.file(), "ellipsis, new axes and offsets are not supported; give bounds for each axis")


def test_load_names_the_file(tmp_path):
    path = tmp_path / "net.tflite"
    path.write_bytes(layer(activation=FLOAT).file())
    with pytest.raises(ValueError, match=r"net\.tflite.*node 0 'scores'.*dynamic range"):
        load(path)
