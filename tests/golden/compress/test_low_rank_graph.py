"""Low-rank layers of int8 graphs: equal to the layer where its codes have that rank, and run by the NPU."""

from dataclasses import replace

import numpy as np
import pytest
from tercet.compiler import compile as compile_graph
from tercet.compiler import load
from tercet.golden.compress import factor
from tercet.golden.compress.low_rank_graph import low_rank_graph
from tercet.golden.networks.operators import Conv2D, DepthwiseConv2D, FullyConnected, Reshape, Window
from tercet.golden.npu import NpuConfig
from tercet.golden.numerics.requantization import Requant
from threadpoolctl import threadpool_limits

from ...compiler.models import MODELS, model
from .int8_graphs import RNG, chain, conv, dense, requant, samples


@pytest.fixture(autouse=True)
def one_thread():
    """Threads that wait for each other in small products are slower where tests run in parallel."""
    with threadpool_limits(1):
        yield


def planted(out, products, rank, seed=0):
    """Codes of a matrix of this rank, without rounding."""
    rng = RNG(seed)
    return (rng.integers(-5, 6, (out, rank)) @ rng.integers(-5, 6, (rank, products))).astype(np.int8)


def strided(weights):
    return Window(kernel=weights.shape[1:3], stride=(2, 1), dilation=(1, 2), padding=(1, 0, 2, 1))


CONV = planted(12, 3 * 3 * 4, 2).reshape(12, 3, 3, 4)
LAYERS = {
    "dense": ((40,), dense("l", "x", planted(24, 40, 3)), 3),
    "rows": ((5, 40), dense("l", "x", planted(24, 40, 3), keep_dims=True), 3),
    "convolution": ((9, 8, 4), conv("l", "x", CONV), 2),
    "strided": ((9, 8, 4), conv("l", "x", CONV, window=strided(CONV)), 2),
    "1x1": ((5, 6, 16), conv("l", "x", planted(12, 16, 2).reshape(12, 1, 1, 16), window=Window(kernel=(1, 1))), 2),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_this_rank_stay(name):
    """Two roundings instead of one: the samples are within a few codes of the layer, other inputs on average."""
    shape, layer, rank = LAYERS[name]
    graph, x = chain(shape, layer), samples(shape, 200, 0)
    done = low_rank_graph(graph, x, rank=rank)
    for inputs, most in ((x, 4), (samples(shape, 50, 1), 40)):
        want, found = graph.run(inputs)[0].astype(int), done.graph.run(inputs)[0].astype(int)
        assert want.std() > 10
        assert np.abs(found - want).max() <= most
        assert np.abs(found - want).mean() < 0.5
        assert abs((found - want).mean()) < 0.1
    [summary] = done.layers
    assert (summary.index, summary.name, summary.op, summary.rank) == (0, "l", layer.op, rank)
    assert summary.error < 1e-9
    first, second = done.graph.operators
    assert (first.name, second.name) == (summary.first, "l") == (f"l.rank{rank}", "l")
    codes = done.graph.tensors(x)[summary.first].reshape(-1, rank)
    # Each channel's range on the samples fills the codes.
    assert set(codes.min(axis=0)) <= {-128, -127, -126}
    assert set(codes.max(axis=0)) <= {126, 127}


@pytest.mark.parametrize("name", LAYERS)
def test_counts_and_npu(name):
    """Products and weights by hand; the golden machine equals the graph in every bit."""
    shape, layer, rank = LAYERS[name]
    graph = chain(shape, layer)
    done = low_rank_graph(graph, samples(shape, 20, 0), rank=rank).graph
    out, products = layer.channels, len(layer.columns)
    places = int(np.prod(graph.known["l"].shape)) // out
    assert [part.macs for part in done.layers] == [places * rank * products, places * rank * out]
    assert [part.weights for part in done.layers] == [rank * products, rank * out]
    x = samples(shape, 3, 2)
    program = compile_graph(done, NpuConfig(rows=8, cols=8), fold=False)
    np.testing.assert_array_equal(program.run(x)[0], done.run(x)[0])
    assert len(program.layers) == 2


def test_error_is_bounded_in_units_of_the_output():
    """Singular values of the codes times the multipliers, computed here; the rank is the smallest within the bound."""
    w = RNG(3).integers(-127, 128, (30, 50)).astype(np.int8)
    layer = dense("l", "x", w)
    assert layer.requant is not None
    real = w * np.reshape(layer.requant.multiplier * 2.0 ** (np.asarray(layer.requant.shift) - 31.0), (-1, 1))
    values = np.linalg.svd(real, compute_uv=False)
    for bound in (0.5, 0.7, 0.9):
        [summary] = low_rank_graph(chain((50,), layer), samples((50,), 9, 0), error=bound).layers
        errors = {r: np.sqrt((values[r:] ** 2).sum() / (values**2).sum()) for r in (summary.rank - 1, summary.rank)}
        assert errors[summary.rank] == pytest.approx(summary.error)
        assert errors[summary.rank] <= bound < errors[summary.rank - 1]


def test_activation_is_that_of_the_second():
    shape, layer, _ = LAYERS["convolution"]
    done = low_rank_graph(chain(shape, layer), samples(shape, 30, 0), rank=1)
    first, second = done.graph.operators
    assert (first.requant.qmin, first.requant.qmax) == (-128, 127)
    assert (second.requant.zero_point, second.requant.qmin) == (-20, -20)
    codes = done.graph.run(samples(shape, 30, 1))[0]
    assert codes.min() == -20
    assert codes.max() > 0


@pytest.mark.parametrize("bias", [0, 5000, -700, 2**30])
def test_channels_without_weights_keep_their_bias(bias):
    w = planted(24, 40, 3)
    layer = dense("l", "x", np.where(np.arange(24)[:, None] == 5, 0, w).astype(np.int8), requant=requant(w))
    layer = replace(layer, bias=np.where(np.arange(24) == 5, bias, layer.bias))
    graph = chain((40,), layer)
    x = samples((40,), 30, 1)
    done = low_rank_graph(graph, x, rank=3).graph
    assert (graph.run(x)[0][:, 5] == done.run(x)[0][:, 5]).all()


def test_bias_much_larger_than_the_weights():
    """In units of the second factor's sums it would overflow int32."""
    w = planted(24, 40, 3)
    w[5] = np.arange(40) == 0
    scale = np.where(np.arange(24) == 5, 50 / 2**28, 0.003)
    layer = dense("l", "x", w, requant=Requant.from_scale(scale, 0))
    layer = replace(layer, bias=np.where(np.arange(24) == 5, 2**28, layer.bias))
    graph, x = chain((40,), layer), samples((40,), 30, 1)
    done = low_rank_graph(graph, x, rank=3).graph
    np.testing.assert_array_equal(done.run(x)[0][:, 5], np.full(30, 50))
    assert np.abs(graph.run(x)[0].astype(int) - done.run(x)[0]).max() <= 4


def test_inputs_that_never_change():
    """A range of one value: the layer still computes it."""
    layer = dense("l", "x", planted(24, 40, 3))
    graph, x = chain((40,), layer), np.full((4, 40), 9, np.int8)
    done = low_rank_graph(graph, x, rank=3).graph
    assert np.abs(graph.run(x)[0].astype(int) - done.run(x)[0]).max() <= 2


def mixed():
    """Convolution, depthwise, grouped, flattened, two fully connected layers."""
    depthwise = DepthwiseConv2D(
        name="deep;b",
        inputs=("conv;a",),
        output="deep;b",
        weights=RNG(2).integers(-127, 128, (3, 3, 12)),
        bias=np.zeros(12),
        requant=Requant.from_scale(0.002, 0),
        input_zero_point=-20,
        window=Window(kernel=(3, 3)),
    )
    grouped = conv("grouped", "deep;b", RNG(4).integers(-127, 128, (8, 1, 1, 6)), groups=2, input_zero_point=0)
    grouped = replace(grouped, window=Window(kernel=(1, 1)))
    flat = Reshape(name="flat", inputs=("grouped",), output="flat", shape=(4 * 4 * 8,))
    wide = dense("wide", "flat", RNG(5).integers(-127, 128, (30, 128)).astype(np.int8), input_zero_point=-20)
    narrow = dense("narrow", "wide", RNG(6).integers(-127, 128, (4, 30)).astype(np.int8), input_zero_point=0)
    first = conv("conv;a", "x", CONV)
    return chain((6, 6, 4), first, depthwise, grouped, flat, wide, narrow)


def test_layers_are_chosen():
    graph, x = mixed(), samples((6, 6, 4), 10, 0)
    done = low_rank_graph(graph, x, rank=8)
    assert [(layer.name, layer.index, layer.first) for layer in done.layers] == [
        ("conv;a", 0, "conv.rank8;a"),
        ("wide", 4, "wide.rank8"),
    ]
    assert [operator.name for operator in done.graph.operators] == [
        *("conv.rank8;a", "conv;a", "deep;b", "grouped", "flat", "wide.rank8", "wide", "narrow")
    ]
    assert [layer.name for layer in low_rank_graph(graph, x, rank=3, layers=["narrow"]).layers] == ["narrow"]
    again = low_rank_graph(done.graph, x, rank=4, layers=["wide"])
    assert [layer.first for layer in again.layers] == ["wide.rank4"]


def test_names_are_new():
    layer = dense("l.rank3", "x", planted(40, 40, 3))
    behind = dense("l", "l.rank3", planted(40, 40, 3), input_zero_point=0)
    done = low_rank_graph(chain((40,), layer, behind), samples((40,), 9, 0), rank=3, layers=["l"])
    assert [operator.output for operator in done.graph.operators] == ["l.rank3", "l.rank3_", "l"]


def test_refuses():
    graph, x = mixed(), samples((6, 6, 4), 5, 0)
    named = {
        ("deep;b", 1): r"Layer 'deep;b' \(DEPTHWISE_CONV_2D\) cannot be factored: each channel has a window of its own",
        ("grouped", 1): "cannot be factored: its weights are in 2 groups",
        ("flat", 1): r"Layer 'flat' \(RESHAPE\) cannot be factored: it has no weights",
        ("narrow", 4): r"cannot be factored: rank 4 saves no products of a matrix of 4 x 30; use at most 3",
        ("narrow", 5): "rank 5 is beyond the 4 of a matrix of 4 x 30",
        ("none", 1): "There is no layer 'none'; use 'conv;a', 'deep;b'",
    }
    for (name, rank), message in named.items():
        with pytest.raises(ValueError, match=message):
            low_rank_graph(graph, x, rank=rank, layers=[name])
    with pytest.raises(ValueError, match="No layer can be factored: 'conv;a': rank 1000 is beyond the 12 of"):
        low_rank_graph(graph, x, rank=1000)
    with pytest.raises(ValueError, match="give one of them"):
        low_rank_graph(graph, x)
    with pytest.raises(ValueError, match="Error 1.5 is outside"):
        low_rank_graph(graph, x, error=1.5)
    with pytest.raises(ValueError, match=r"Input 'x' has shape \(5, 6, 6\)"):
        low_rank_graph(graph, x[..., 0], rank=1)
    sums = chain((40,), dense("l", "x", planted(24, 40, 3), requant=None))
    with pytest.raises(
        ValueError, match="No layer can be factored: 'l': it outputs INT32 sums, whose scale is unknown"
    ):
        low_rank_graph(sums, samples((40,), 3, 0), rank=2)


@pytest.mark.parametrize("name", MODELS)
def test_real_models(name):
    """Each layer's codes against its factors in float64; the golden machine equals the graph in every bit."""
    graph = load(model(name)).simplified()
    shape = graph.inputs[0].sample_shape
    x = samples(shape, 4, 0)
    done = low_rank_graph(graph, x, rank=4)
    layers, tensors = {operator.output: operator for operator in done.graph.operators}, graph.tensors(x)
    assert len(done.layers) >= 6
    for summary in done.layers:
        old = graph.operators[summary.index]
        assert isinstance(old, (Conv2D, FullyConnected))
        assert old.requant is not None
        acts = tensors[old.inputs[0]]
        rows = old.matrix(acts) if isinstance(old, Conv2D) else acts.reshape(-1, len(old.columns))
        scale = old.requant.multiplier * 2.0 ** (np.asarray(old.requant.shift) - 31.0)
        factors = factor(old.columns.T * np.reshape(scale, (-1, 1)), rank=4)
        real = (rows.astype(float) - old.input_zero_point) @ np.matmul(*factors).T + old.bias * scale
        want = np.clip(real + old.requant.zero_point, old.requant.qmin, old.requant.qmax)
        found = layers[old.output].run(layers[summary.first].run(acts)).reshape(want.shape)
        assert np.abs(found - want).mean() < 0.7, summary
    assert sum(layer.macs for layer in done.graph.layers) < 0.4 * sum(layer.macs for layer in graph.layers)
    program = compile_graph(done.graph, NpuConfig(rows=16, cols=8, weight_bytes=2**17, channels=4096))
    np.testing.assert_array_equal(program.run(x[:1])[0], done.graph.run(x[:1])[0])
