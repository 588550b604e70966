"""Layers of int8 graphs on an EIE: exact fixed-point sums, pruning in real units, and graphs with such layers."""

import numpy as np
import pytest
from tercet.compiler import load
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.eie_section import EieSection, compress_layers, with_sections
from tercet.golden.compress.graph_layers import chain_break, graph_layers
from tercet.golden.networks.operators import Reshape, Window
from tercet.golden.numerics.requantization import Requant
from threadpoolctl import threadpool_limits

from ...compiler.models import MODELS, model
from .int8_graphs import RNG, chain, conv, dense, requant, samples


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def network():
    """A chain of two convolutions and, behind a reshape, a layer on each pixel."""
    codes = [RNG(n).integers(-127, 128, shape).astype(np.int8) for n, shape in enumerate([(20, 16), (8, 20), (5, 8)])]
    # Inputs behind a ReLU are smaller than the random codes that `requant` is for.
    requants = [
        Requant.from_scale(gain * requant(each).scales(len(each)), 3, low)
        for each, gain, low in zip(codes, (1, 3, 6), (3, 3, -128), strict=True)
    ]
    windows = [Window(kernel=(1, 1), stride=(2, 1)), Window(kernel=(1, 1))]
    first, second = (
        conv(name, x, weights.reshape(len(weights), 1, 1, -1), requant=scale, window=window)
        for name, x, weights, scale, window in zip("ab", "xa", codes[:2], requants[:2], windows, strict=True)
    )
    flat = Reshape(name="r", inputs=("b",), output="r", shape=(18, 8))
    last = dense("c", "r", codes[2], requant=requants[2], keep_dims=True)
    return chain((6, 6, 16), first, second, flat, last)


def section(graph, layers, **options):
    return EieSection.of(graph, layers, sized_layers(compress_layers(layers, **options), permute="balance"))


def by_hand(layer, small, encoded, x):
    """A layer from the definition of its numbers: products of rounded weights and activations, one rounding, codes."""
    acts = np.rint(layer.vectors(x) * 2.0**encoded.act_frac).astype(np.int64)
    weights = np.rint(small.centroids.astype(float) * 2.0**encoded.weight_frac).astype(np.int64)[small.codes]
    bias = np.rint(small.bias.astype(float) * 2.0 ** (encoded.act_frac + encoded.weight_frac)).astype(np.int64)
    out = np.clip(np.rint((acts @ weights.T + bias) / 2.0**encoded.shift), -32768, 32767)
    real = out / 2.0**encoded.out_frac
    codes = np.clip(np.trunc(real / 0.5 + np.copysign(0.5, real)) + 3, -128, 127)
    return np.maximum(codes, layer.operator.requant.qmin)


@pytest.mark.parametrize(("density", "bits"), [(0.3, 4), (1.0, 8), (0.0, 2), (0.6, 1)])
def test_each_layer_is_the_exact_product(density, bits):
    graph = network()
    x = graph.tensors(samples((6, 6, 16), 4, 1))
    for layer in graph_layers(graph):
        [small] = compress_layers([layer], density=density, code_bits=bits)
        part = section(graph, [layer], density=density, code_bits=bits)
        found = part.run(x[layer.operator.inputs[0]])
        assert found.dtype == np.int8
        assert found.shape == x[layer.operator.output].shape
        want = by_hand(layer, small, part.encoded[0], x[layer.operator.inputs[0]])
        np.testing.assert_array_equal(found.reshape(want.shape), want)
        assert np.count_nonzero(small.codes) <= round(density * small.codes.size) + 1


def test_dense_with_many_shared_values_is_the_graph():
    """255 values per layer and all weights: within one code a layer; the clamps of codes apply between layers only."""
    graph = network()
    layers, x = graph_layers(graph), samples((6, 6, 16), 30, 1)
    want = graph.run(x)[0].astype(int)
    whole = with_sections(graph, [section(graph, layers, density=1, code_bits=8)])
    parts = with_sections(graph, [section(graph, [layer], density=1, code_bits=8) for layer in layers])
    assert [operator.op for operator in whole.operators] == ["EIE"]
    assert [operator.op for operator in parts.operators] == ["EIE", "EIE", "RESHAPE", "EIE"]
    inside = (graph.tensors(x)["a"] < 127).all(axis=(1, 2, 3)) & (graph.tensors(x)["b"] < 127).all(axis=(1, 2, 3))
    assert inside.sum() > 3
    for other, chosen in ((whole, inside), (parts, slice(None))):
        difference = np.abs(other.run(x)[0].astype(int) - want)[chosen]
        assert difference.max() <= 3
        assert difference.mean() < 0.5
    pruned = with_sections(graph, [section(graph, layers, density=0.3)]).run(x)[0].astype(int)
    assert np.abs(pruned - want).mean() > 3


@pytest.mark.parametrize("name", MODELS)
def test_layers_of_real_models(name):
    graph = load(model(name)).simplified()
    edge = graph.inputs[0]
    tensors = graph.tensors(RNG(0).integers(-128, 128, (2, *edge.sample_shape)).astype(np.int8))
    for layer in graph_layers(graph):
        found = section(graph, [layer], density=1, code_bits=8).run(tensors[layer.operator.inputs[0]]).astype(int)
        difference = np.abs(found - tensors[layer.operator.output])
        # Per channel, 255 values are not enough for all weights.
        assert difference.max() <= (1 if name == "ad01_int8" else 6)
        assert difference.mean() < 0.4
    assert bool(chain_break(graph, graph_layers(graph))) == (name != "ad01_int8")


def test_prunes_by_real_magnitude():
    """Channels whose codes are large but whose scale is small lose their weights first."""
    codes = np.array([[100, 90, 80, 70], [7, 6, 5, 4]], np.int8)
    scales = Requant.from_scale(np.array([0.0001, 0.01]), 3)
    [layer] = graph_layers(chain((4,), dense("l", "x", codes, requant=scales)))
    [small] = compress_layers([layer], density=0.5)
    np.testing.assert_array_equal(small.codes > 0, [[False] * 4, [True] * 4])
    np.testing.assert_allclose(small.weights[1], 0.01 * codes[1], rtol=1e-6)
    assert (small.act_range, small.out_range) == (0.5 * 131, 0.5 * 131)
    layers = graph_layers(network())
    kept = compress_layers(layers, density=[0.1, 0.5, 1.0], code_bits=3, index_bits=5)
    assert [np.count_nonzero(each.codes) for each in kept[:2]] == [32, 80]
    assert {(each.code_bits, each.index_bits) for each in kept} == {(3, 5)}
    with pytest.raises(ValueError, match="There are 2 densities for 3 layers"):
        compress_layers(layers, density=[0.1, 0.5])
    with pytest.raises(ValueError, match=r"Density 1.5 is outside \[0, 1\]"):
        compress_layers(layers, density=1.5)


def test_corrected_biases():
    """The mean of each output on the samples is that before, and so the outputs are closer on others."""
    graph = network()
    layers, tensors = graph_layers(graph), graph.tensors(samples((6, 6, 16), 20, 1))
    plain, corrected = (compress_layers(layers, density=0.3, tensors=each) for each in (None, tensors))
    for layer, small, other in zip(layers, corrected, plain, strict=True):
        vectors = layer.vectors(tensors[layer.operator.inputs[0]])
        want = (vectors @ layer.weights.T + layer.bias).mean(axis=0)
        np.testing.assert_allclose((vectors @ small.weights.T + small.bias).mean(axis=0), want, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(small.codes, other.codes)
        np.testing.assert_allclose(other.bias, layer.bias, rtol=1e-6)
    x = samples((6, 6, 16), 20, 2)
    errors = []
    for compressed in (plain, corrected):
        encoded = [EieSection.of(graph, [a], sized_layers([b])) for a, b in zip(layers, compressed, strict=True)]
        errors.append(np.abs(with_sections(graph, encoded).run(x)[0].astype(int) - graph.run(x)[0]).mean())
    assert errors[1] < 0.95 * errors[0]
