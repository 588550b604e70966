"""Layers of int8 graphs in real numbers: equal to the integer operators; others are refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from tercet.golden.compress.graph_layers import chain_break, chain_graph, graph_layers
from tercet.golden.networks.graph import Tensor
from tercet.golden.networks.operators import DepthwiseConv2D, Reshape, Window
from tercet.golden.numerics.quantization import QuantParams

from .int8_graphs import RNG, chain, conv, dense, requant, samples


def weights(*shape, seed=0):
    return RNG(seed).integers(-127, 128, shape).astype(np.int8)


def layer(make, codes, low=-128, **given):
    """Layer ``l`` on ``x`` whose output has the zero point of the graph's tensors."""
    return make("l", "x", codes, requant=requant(codes, zero_point=3, low=low), **given)


POINT = Window(kernel=(1, 1))
STRIDED = Window(kernel=(1, 1), stride=(2, 1), padding=(0, 1, 1, 0))
LAYERS = {
    "dense": ((40,), layer(dense, weights(24, 40))),
    "rows": ((5, 40), layer(dense, weights(24, 40), keep_dims=True)),
    "1x1": ((5, 6, 16), layer(conv, weights(12, 1, 1, 16), window=POINT, low=3)),
    "strided": ((5, 6, 16), layer(conv, weights(12, 1, 1, 16), window=STRIDED, low=-20)),
    "folded": ((40,), layer(dense, weights(24, 40), input_zero_point=0)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_real_layer_is_the_integer_layer(name):
    """Real sums are the integer ones in the output's scale; the codes of the real sums are those of the operator."""
    shape, operator = LAYERS[name]
    graph, x = chain(shape, operator), samples(shape, 7, 1)
    [layer] = graph_layers(graph)
    vectors = layer.vectors(x)
    real = vectors @ layer.weights.T + layer.bias
    scales = operator.requant.scales(operator.channels)
    np.testing.assert_allclose(real, operator.sums(x, None).reshape(real.shape) * scales * 0.5, rtol=1e-9, atol=1e-9)
    want = operator.run(x).reshape(real.shape)
    found = layer.codes(real)
    assert found.dtype == np.int8
    assert np.abs(found.astype(int) - want).max() <= 1
    assert (found != want).mean() < 0.01
    assert layer.act_range == 0.5 * 131
    assert layer.out_range == 0.5 * (124 if name in ("1x1", "strided") else 131)
    assert layer.relu == (name == "1x1")


def test_sums_and_tensors_without_a_scale():
    """Their unit is a sum, or a code, around the zero point that the layer before gives."""
    first = dense("a", "x", weights(8, 40), requant=requant(weights(8, 40), zero_point=-20, low=-20))
    last = dense("b", "a", weights(4, 8, seed=1), requant=None, input_zero_point=-20)
    graph = chain((40,), first, last)
    known = {**graph.known, "a": Tensor((1, 8), None), "b": Tensor((1, 4), None, "int32")}
    graph = graph.replaced(graph.operators, known)
    hidden, sums = graph_layers(graph)
    assert hidden.after == QuantParams(1.0, -20)
    assert sums.before == QuantParams(1.0, -20)
    assert (hidden.relu, sums.relu) == (True, False)
    codes = samples((8,), 9, 2)
    want = last.run(codes)
    real = sums.vectors(codes) @ sums.weights.T + sums.bias
    np.testing.assert_array_equal(sums.codes(real), want)
    assert sums.codes(real).dtype == np.int32
    most = np.abs(last.weights.astype(int)).sum(axis=0) * 147
    assert sums.out_range >= (most - np.abs(sums.bias)).max()
    assert sums.out_range <= (most + np.abs(sums.bias)).max()
    lost = graph.replaced([replace(last, inputs=("x",))], {**known, "x": Tensor((1, 8), None)})
    with pytest.raises(ValueError, match="Tensor 'x' has no scale, and no layer that tells its zero point writes it"):
        graph_layers(lost)


def test_refusals():
    depthwise = DepthwiseConv2D(
        name="d", inputs=("x",), output="d", weights=weights(1, 1, 16), bias=np.zeros(16, int),
        requant=requant(weights(16, 1)), input_zero_point=3, window=POINT,
    )  # fmt: skip
    wide = conv("w", "x", weights(12, 3, 2, 16), window=Window(kernel=(3, 2)))
    grouped = conv("g", "x", weights(12, 1, 1, 8), window=POINT, groups=2)
    kept = conv("k", "x", weights(12, 1, 1, 16), window=POINT)
    shape = Reshape(name="s", inputs=("k",), output="s", shape=(30, 12))
    graph = chain((5, 6, 16), depthwise, wide, grouped, kept, shape)
    assert [layer.name for layer in graph_layers(graph)] == ["k"]
    assert [layer.index for layer in graph_layers(graph, ["k"])] == [3]
    takes = "; it takes fully connected layers and 1x1 convolutions"
    wrong = {
        "d": r"'d' \(DEPTHWISE_CONV_2D\) cannot run on an EIE: each channel has a window of its own",
        "w": r"'w' \(CONV_2D\) cannot run on an EIE: its window is 3 x 2",
        "g": r"'g' \(CONV_2D\) cannot run on an EIE: its weights are in 2 groups",
        "s": r"'s' \(RESHAPE\) cannot run on an EIE: it has no weights",
    }
    for name, message in wrong.items():
        with pytest.raises(ValueError, match=message + takes):
            graph_layers(graph, ["k", name])
    with pytest.raises(ValueError, match="There is no layer 'z'; use 'd', 'w', 'g', 'k', 's'"):
        graph_layers(graph, ["z"])
    reason = r"no 1x1 convolution, all that an EIE takes \('d': each channel has a window of its own, and 2 more\)$"
    with pytest.raises(ValueError, match=reason):
        graph_layers(chain((5, 6, 16), depthwise, wide, grouped))
    with pytest.raises(ValueError, match="all that an EIE takes$"):
        graph_layers(chain((5, 6), replace(shape, inputs=("x",), shape=(30,))))


def pixels(name, x, shape, low=3, top=127, **given):
    """A 1x1 convolution that ends in a ReLU, unless other clamps are given."""
    codes = weights(*shape)
    clamp = replace(requant(codes, zero_point=3, low=low), qmax=top)
    return conv(name, x, codes, requant=clamp, **{"window": POINT, **given})


def test_chains():
    """Convolutions and a layer behind a reshape that keeps the pixels, and everything that breaks a chain."""
    first, second = pixels("a", "x", (12, 1, 1, 16), window=STRIDED), pixels("b", "a", (8, 1, 1, 12))
    flat = Reshape(name="r", inputs=("b",), output="r", shape=(28, 8))
    last = dense("c", "r", weights(4, 8), keep_dims=True)
    graph = chain((6, 6, 16), first, second, flat, last)
    layers = graph_layers(graph)
    assert chain_break(graph, layers) == ""
    x = samples((6, 6, 16), 3, 0)
    np.testing.assert_array_equal(chain_graph(graph, layers[1:]).run(graph.tensors(x)["a"])[0], graph.run(x)[0])
    assert [operator.name for operator in chain_graph(graph, layers[:2]).operators] == ["a", "b"]
    strided = chain((6, 6, 16), first, replace(second, window=STRIDED))
    forked = chain((6, 6, 16), first, second, replace(flat, inputs=("a",), shape=(336,)))
    linear = chain((6, 6, 16), first, pixels("b", "a", (8, 1, 1, 12), low=-128), flat, last)
    clamped = chain((6, 6, 16), pixels("a", "x", (12, 1, 1, 16), window=STRIDED, top=100), second)
    assert chain_break(graph, [layers[0], layers[2]]) == "layer 'c' does not read 'a'"
    assert chain_break(strided, graph_layers(strided)) == "layer 'b' regroups the outputs of 'a'"
    assert chain_break(forked, graph_layers(forked)) == "layer 'b' is not all that reads 'a'"
    assert chain_break(linear, graph_layers(linear)) == "layer 'b' does not end in a plain ReLU"
    assert chain_break(clamped, graph_layers(clamped)) == "layer 'a' does not end in a plain ReLU"
    edges = replace(graph, outputs=(*graph.outputs, replace(graph.outputs[0], tensor="b")))
    assert chain_break(edges, layers) == "layer 'c' is not all that reads 'b'"
    wide = dense("c", "r", weights(4, 32))
    pooled = chain((6, 6, 16), first, second, replace(flat, shape=(7, 32)), replace(wide, keep_dims=True))
    assert chain_break(pooled, graph_layers(pooled)) == "layer 'c' regroups the outputs of 'b'"
