"""Exact simplification: the same codes on random inputs, and what each pass must find."""

import numpy as np
import pytest
from tercet.compiler.builder import GraphBuilder, Operand
from tercet.compiler.report import totals
from tercet.compiler.tflite import load_tflite
from tercet.golden.networks.graph import Edge
from tercet.golden.networks.intervals import intervals
from tercet.golden.networks.operators import Pad, Reshape, Window
from tercet.golden.numerics.quantization import QuantParams

from .random_networks import random_file

UNIT = QuantParams(0.5, -3)
RNG = np.random.default_rng(7)


class Net:
    """A chain of operators on one tensor after the other."""

    def __init__(self, *shape, params=UNIT):
        self.build = GraphBuilder("test")
        self.build.tensor("x", (1, *shape), params)
        self.build.inputs.append(Edge("x", (1, *shape), "int8", float(params.scale), params.zero_point, "x"))
        self.last, self.count = "x", 0

    def new(self, *shape, params=UNIT):
        self.count += 1
        self.last = f"t{self.count}"
        self.build.tensor(self.last, (1, *shape), params)
        return self.last

    def conv(self, weights, bias=None, padding=(0, 0, 0, 0), params=UNIT, activation="NONE"):
        before = self.last
        _, height, width, _ = self.build.shape(before)
        window = Window(kernel=weights.shape[1:3], padding=padding)
        y = self.new(*window.output_size(height, width), len(weights), params=params)
        self.build.conv2d(y, before, y, weights, np.array([0.02]), bias, window, activation)
        return self

    def depthwise(self, weights, bias=None, padding=(0, 0, 0, 0)):
        before = self.last
        _, height, width, channels = self.build.shape(before)
        window = Window(kernel=weights.shape[:2], padding=padding)
        y = self.new(*window.output_size(height, width), channels)
        self.build.depthwise(y, before, y, weights, np.array([0.02]), bias, window)
        return self

    def dense(self, weights, bias=None):
        before, y = self.last, self.new(weights.shape[1])
        self.build.fully_connected(y, before, y, weights, np.array([0.02]), bias)
        return self

    def reshape(self, *shape):
        before, y = self.last, self.new(*shape)
        self.build.append(Reshape(name=y, inputs=(before,), output=y, shape=shape))
        return self

    def add_constant(self, codes):
        before, y = self.last, self.new(*self.build.shape(self.last)[1:])
        self.build.add(y, Operand(UNIT, before), Operand(UNIT, codes=codes), y)
        return self

    def graph(self):
        shape = self.build.shape(self.last)
        params = self.build.params(self.last)
        self.build.outputs.append(Edge("y", shape, "int8", float(params.scale), params.zero_point, self.last))
        return self.build.graph()


def weights(*shape):
    return RNG.integers(-90, 91, shape).astype(np.int8)


def same(graph, count=40):
    """Simplify; both give the same codes for random inputs."""
    found = graph.simplified()
    x = [RNG.integers(-128, 128, (count, *edge.sample_shape)).astype(np.int8) for edge in graph.inputs]
    for one, other in zip(graph.run(x), found.run(x), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    return found


@pytest.mark.parametrize("start", range(0, 100, 25))
def test_random_graphs(start):
    saved = 0
    for seed in range(start, start + 25):
        graph = load_tflite(random_file(seed).data)
        saved += totals(graph).operators - totals(same(graph, 20)).operators
    assert saved > 0


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 1, 1)])
@pytest.mark.parametrize("bias", [0, 40_000])
def test_a_constant_channel(padding, bias):
    """One whose weights are zero is folded into the bias behind, but not where padding reads as another code."""
    first, biases = weights(5, 3, 3, 4), np.zeros(5, np.int32)
    first[2], biases[2] = 0, bias
    graph = Net(8, 8, 4).conv(first, biases).conv(weights(3, 3, 3, 5), None, padding).graph()
    found = same(graph)
    goes = bias == 0 or not any(padding)
    assert [layer.shape[3] for layer in found.layers] == [5 - goes, 3]
    assert totals(graph).weights - totals(found).weights == goes * (4 + 3) * 9


def test_a_saturated_channel_is_constant():
    """Its bias alone leaves the range, whatever the input is."""
    biases = np.array([0, 30_000_000, 0], np.int32)
    found = same(Net(4, 4, 2).conv(weights(3, 1, 1, 2), biases).conv(weights(2, 1, 1, 3)).graph())
    assert [layer.shape[3] for layer in found.layers] == [2, 2]


def test_a_channel_that_nobody_reads():
    """Through a depthwise convolution, and of its input too."""
    last = weights(3, 1, 1, 6)
    last[..., 4] = 0
    net = Net(6, 6, 2).conv(weights(6, 1, 1, 2)).depthwise(weights(3, 3, 6), None, (1, 1, 1, 1)).conv(last)
    assert [layer.shape[3] for layer in same(net.graph()).layers] == [5, 5, 3]


def test_channels_behind_a_flatten():
    first = weights(4, 1, 1, 2)
    first[1] = 0
    graph = Net(3, 2, 2).conv(first, np.full(4, 900, np.int32)).reshape(24).dense(weights(24, 5)).graph()
    found = same(graph)
    assert [layer.shape for layer in found.layers] == [(1, 3, 2, 3), (1, 18), (1, 5)]


def test_it_repeats():
    """What folds away makes the next layer's channel constant."""
    first, second = weights(2, 1, 1, 3), weights(3, 1, 1, 2)
    first[0], second[1, ..., 1] = 0, 0
    found = same(Net(4, 4, 3).conv(first).conv(second).conv(weights(2, 1, 1, 3)).graph())
    assert [layer.shape[3] for layer in found.layers] == [1, 2, 2]


def test_one_channel_stays():
    found = same(Net(4, 4, 3).conv(np.zeros((2, 1, 1, 3), np.int8)).conv(weights(2, 1, 1, 2)).graph())
    assert [layer.shape[3] for layer in found.layers] == [1, 2]


def test_channels_of_an_output_stay():
    found = same(Net(4, 4, 3).conv(np.zeros((2, 1, 1, 3), np.int8)).graph())
    assert [layer.shape[3] for layer in found.layers] == [2]


def test_pad_moves_into_the_convolution():
    def padded(fill):
        net = Net(5, 5, 2)
        before, y = net.last, net.new(8, 6, 2)
        widths = ((0, 0), (1, 2), (0, 1), (0, 0))
        net.build.append(Pad(name=y, inputs=(before,), output=y, widths=widths, fill=fill))
        return same(net.conv(weights(2, 3, 3, 2), None, (0, 1, 0, 0)).graph())

    assert [layer.op for layer in padded(UNIT.zero_point).layers] == ["CONV_2D"]
    assert [layer.op for layer in padded(5).layers] == ["PAD", "CONV_2D"]


def test_reshapes():
    chain = Net(4, 3).reshape(2, 6).reshape(12).dense(weights(12, 2)).graph()
    assert [layer.op for layer in same(chain).layers] == ["RESHAPE", "FULLY_CONNECTED"]
    nothing = Net(12).reshape(12).dense(weights(12, 2)).graph()
    assert [layer.op for layer in same(nothing).layers] == ["FULLY_CONNECTED"]


@pytest.mark.parametrize(
    ("codes", "ops"), [(np.int8(9), ["ADD"]), (weights(3), ["ADD"]), (weights(4, 1, 3), ["ADD", "ADD"])]
)
def test_a_constant_addend_is_a_table(codes, ops):
    """One code, or one per channel; not one per pixel. Two tables become one."""
    graph = Net(4, 4, 3).add_constant(np.asarray(codes)).add_constant(np.asarray(np.int8(3))).graph()
    assert [layer.op for layer in same(graph).layers] == ops


def test_dead_ends():
    net = Net(4, 4, 3).conv(weights(2, 1, 1, 3))
    kept = net.last
    net.conv(weights(5, 1, 1, 2))
    net.last = kept
    assert len(same(net.graph()).layers) == 1


def test_intervals_hold():
    """No code of any tensor leaves its interval, and some intervals are narrower than int8."""
    narrow = 0
    for seed in range(40):
        file = random_file(seed)
        graph = load_tflite(file.data)
        values = graph.tensors(file.batch(RNG, 30))
        for name, (low, high) in intervals(graph).items():
            rows = values[name].reshape(-1, len(low))
            assert (rows >= low).all(), (seed, name)
            assert (rows <= high).all(), (seed, name)
            narrow += int(((low > -128) | (high < 127)).sum())
    assert narrow > 100
