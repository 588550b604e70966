"""Graphs from ``.onnx`` files against onnxruntime: each layer alone at most one code away."""

from typing import Any

import numpy as np
import pytest
from tercet.compiler.onnx import load_onnx
from tercet.golden.numerics.requantization import ROUNDINGS, Rounding

from ...source_folders import ROOT
from .networks import Builder, quantised
from .oracle import Difference, differing_share, layer_differences, runtime
from .random_networks import random_network

RNG = np.random.default_rng(24)
SEEDS = 40


def samples(*shape, count=8):
    return RNG.normal(size=(count, *shape)).astype(np.float32)


def check(data, x, *, share=0.05, **options):
    """The graph of a file, once each of its layers is within one code of onnxruntime's and few codes differ."""
    differences = layer_differences(data, x, **options)
    assert differences
    assert max(each.largest for each in differences) <= 1
    assert differing_share(differences)["all"][1] <= share
    graph = load_onnx(data)
    for got, wanted in zip(graph.run(x), runtime(data, x, []).values(), strict=True):
        assert got.shape == wanted.shape
        assert got.dtype == wanted.dtype
        # What differs by one code goes through all layers behind it.
        assert np.abs(got.astype(float) - wanted).max() <= 0.04 * np.ptp(wanted.astype(float))
    return graph


def operators(graph):
    return [operator.op for operator in graph.operators]


def picture_network():
    net = Builder((1, 3, 12, 10))
    x = net.add("Relu", net.conv("input", 3, 8, pads=[1, 1, 1, 1], strides=[2, 2]))
    y = net.add("Relu", net.conv(x, 8, 8, groups=8, pads=[1, 1, 1, 1]))
    x = net.add("MaxPool", net.add("Add", x, y), kernel_shape=[2, 2], strides=[2, 2])
    bounds = (net.constant(np.float32(bound)) for bound in (0, 6))
    x = net.add("Clip", net.conv(x, 8, 6, (1, 1)), *bounds)
    return net.model(net.add("Softmax", net.gemm(net.add("Flatten", x), 36, 10)))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("qdq", [False, True])
def test_picture_network(qdq, unsigned, per_channel):
    """No operator but those of the network is left: no Transpose, Reshape or activation."""
    x = samples(3, 12, 10)
    data = quantised(picture_network(), x, qdq=qdq, unsigned=unsigned, per_channel=per_channel)
    found = operators(check(data, x))
    assert found[:7] == ["QUANTIZE", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MAX_POOL_2D", "CONV_2D", "FULLY_CONNECTED"]
    # The Softmax of TFLite has another scale than that of onnxruntime's QDQ graphs.
    assert found[7:] == ["SOFTMAX", *(["QUANTIZE"] if qdq else []), "DEQUANTIZE"]


def measured(seeds) -> dict[Rounding, list[Difference]]:
    """Each layer of random networks alone, by rounding; the graphs have no Transpose, and the shapes of onnxruntime."""
    found: dict[Rounding, list[Difference]] = {"double": [], "single": []}
    for seed in seeds:
        qdq = seed % 2 == 0
        model, x = random_network(seed, qdq=qdq)
        options: dict[str, Any] = {"unsigned": seed // 2 % 2 == 0, "per_channel": seed // 4 % 2 == 0}
        if qdq:
            options["op_types_to_quantize"] = sorted({node.op_type for node in model.graph.node} - {"Shape", "Gather"})
        # Optimised, a QDQ network runs on the same integer kernels as the other format.
        options["reduce_range"] = options["unsigned"]
        data = quantised(model, x, qdq=qdq, **options)
        for rounding, differences in found.items():
            differences += layer_differences(data, x, rounding=rounding, optimised=seed % 3 == 0)
        graph = load_onnx(data)
        assert "TRANSPOSE" not in operators(graph), seed
        assert graph.run(x)[0].shape == next(iter(runtime(data, x, []).values())).shape
    for differences in found.values():
        assert [each for each in differences if each.largest > 1] == []
    return found


def test_random_networks():
    """Every operator in all formats; shares are those of the default rounding and of the one nearest to float."""
    found = measured(range(SEEDS))
    double, single = (differing_share(found[rounding]) for rounding in ("double", "single"))
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD", "SUB", "MUL", "MEAN"} <= {*double}
    assert {"AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION", "PAD", "STRIDED_SLICE", "SOFTMAX"} <= {*double}
    assert double["all"][1] < 0.015
    assert double["CONV_2D"][1] < 0.02
    assert single["CONV_2D"][1] < 0.002
    # Averages of two or four codes often lie half-way, and onnxruntime rounds to the even one.
    assert double["AVERAGE_POOL_2D"][1] < 0.2
    for moved in ("MAX_POOL_2D", "CONCATENATION", "PAD", "STRIDED_SLICE"):
        assert double[moved][1] == 0


@pytest.mark.long
def test_shares_of_300_networks():
    """Writes the shares by operator, which docs/models.md quotes, to build/bench/onnx_shares.md."""
    found = measured(range(200, 500))
    rows = ["| operator | codes | differ, double | differ, single |", "| --- | --- | --- | --- |"]
    double, single = (differing_share(found[rounding]) for rounding in ("double", "single"))
    rows += [f"| {op} | {count} | {share:.3%} | {single[op][1]:.3%} |" for op, (count, share) in double.items()]
    path = ROOT / "build" / "bench" / "onnx_shares.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    assert double["all"][1] < 0.01


@pytest.mark.parametrize("opset", [10, 11, 12, 13, 15, 18, 21, 22])
def test_operator_sets(opset):
    """Bounds, axes and shapes move from attributes to inputs."""
    net = Builder((1, 2, 9, 9), opset=opset)
    x = net.conv("input", 2, 4)
    if opset < 11:
        x = net.add("Clip", x, min=0.0, max=1.0)
    else:
        x = net.add("Clip", x, net.constant(np.float32(0)), net.constant(np.float32(1)))
    x = net.add("Flatten", net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    x = net.add("Softmax", net.gemm(x, 36, 5), axis=1)
    given = samples(2, 9, 9)
    graph = check(quantised(net.model(x), given, qdq=opset > 11), given)
    assert operators(graph)[:4] == ["QUANTIZE", "CONV_2D", "MAX_POOL_2D", "FULLY_CONNECTED"]


def test_channels_last_input():
    """A file of another framework transposes at both ends; neither Transpose is left."""
    net = Builder((1, 9, 8, 3))
    x = net.conv(net.add("Transpose", "input", perm=[0, 3, 1, 2]), 3, 4, pads=[1, 1, 1, 1])
    x = net.add("Reshape", net.add("Transpose", x, perm=[0, 2, 3, 1]), net.constant(np.array([-1, 288], np.int64)))
    given = samples(9, 8, 3)
    graph = check(quantised(net.model(net.gemm(x, 288, 5)), given), given)
    assert operators(graph) == ["QUANTIZE", "CONV_2D", "FULLY_CONNECTED", "DEQUANTIZE"]
    assert graph.inputs[0].order == ()


def test_signal():
    net = Builder((1, 3, 20))
    x = net.add("Relu", net.conv("input", 3, 4, (3,), pads=[1, 2]))
    x = net.add("MaxPool", x, kernel_shape=[2], strides=[2])
    x = net.add("AveragePool", net.conv(x, 4, 4, (4,), 4, dilations=[2]), kernel_shape=[2])
    given = samples(3, 20)
    graph = check(quantised(net.model(net.gemm(net.add("Flatten", x), 12, 3)), given), given)
    found = operators(graph)
    assert found.count("RESHAPE") == 1
    assert "TRANSPOSE" not in found


def test_reshape_to_a_picture_of_one_channel():
    net = Builder((1, 490))
    x = net.conv(net.add("Reshape", "input", net.constant(np.array([-1, 1, 49, 10], np.int64))), 1, 4, strides=[2, 2])
    x = net.add("Squeeze", net.add("GlobalAveragePool", x), net.constant(np.array([2, 3], np.int64)))
    given = samples(490)
    graph = check(quantised(net.model(net.gemm(x, 4, 12)), given), given)
    assert operators(graph) == ["QUANTIZE", "RESHAPE", "CONV_2D", "MEAN", "FULLY_CONNECTED", "DEQUANTIZE"]


def test_channel_shuffle_moves_codes_once():
    net = Builder((1, 4, 4, 5))
    x = net.add("Reshape", net.conv("input", 4, 8, (1, 1)), net.constant(np.array([-1, 2, 4, 4, 5], np.int64)))
    x = net.add("Transpose", x, perm=[0, 2, 1, 3, 4])
    x = net.conv(net.add("Reshape", x, net.constant(np.array([-1, 8, 4, 5], np.int64))), 8, 3)
    given = samples(4, 4, 5)
    assert operators(check(quantised(net.model(x), given), given)).count("TRANSPOSE") == 1


def test_tokens():
    """A product over the last of three axes, which the channels already are inside."""
    net = Builder((1, 4, 4, 5))
    x = net.add("Reshape", net.conv("input", 4, 8, (1, 1)), net.constant(np.array([-1, 8, 20], np.int64)))
    x = net.add("MatMul", net.add("Transpose", x, perm=[0, 2, 1]), net.weights(8, 5))
    given = samples(4, 4, 5)
    graph = check(quantised(net.model(net.add("Softmax", x, axis=-1)), given), given)
    assert "TRANSPOSE" not in operators(graph)
    assert graph.outputs[0].shape == (1, 20, 5)


def test_two_outputs_and_a_batch():
    net = Builder((8, 12))
    x = net.add("Relu", net.gemm("input", 12, 8, transB=1))
    other = net.add("Reshape", net.gemm(x, 8, 6), net.constant(np.array([8, 3, 2], np.int64)))
    given = samples(12)
    graph = check(quantised(net.model(net.gemm(x, 8, 4, alpha=0.5, beta=2.0), other, batch=8), given), given)
    assert [edge.shape for edge in graph.outputs] == [(8, 4), (8, 3, 2)]
    assert graph.run(given[0])[1].shape == (3, 2)


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh", "Relu"])
def test_function_at_the_end(op):
    net = Builder((1, 12))
    x = net.add(op, net.gemm("input", 12, 8))
    given = samples(12)
    check(quantised(net.model(x), given, op_types_to_quantize=["Gemm", "Relu"]), given)


@pytest.mark.parametrize("attributes", [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 2], "strides": [3, 3], "pads": [1, 1, 1, 1]},
])  # fmt: skip
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_ceil_mode(op, attributes):
    net = Builder((1, 2, 11, 12))
    given = samples(2, 11, 12)
    check(
        quantised(net.model(net.add(op, net.conv("input", 2, 3), ceil_mode=1, **attributes)), given), given, share=0.2
    )


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_rounding_reaches_every_operator(rounding):
    found = load_onnx(quantised(picture_network(), samples(3, 12, 10)), rounding=rounding)
    assert {op.requant.rounding for op in found.operators if hasattr(op, "requant")} == {rounding}
