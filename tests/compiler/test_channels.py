"""Channels that go: what is constant or unread, through every operator that keeps channels apart; and intervals."""

import numpy as np
import pytest
from tercet.compiler.report import totals
from tercet.compiler.tflite import load_tflite
from tercet.golden.networks.intervals import intervals
from tercet.golden.networks.operators import AveragePool2D, Mean, Pad, ReduceMax, Slice, Transpose, Window

from .chains import RNG, UNIT, Net, same, weights
from .random_networks import random_file


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


def behind(net: Net, *, last: int = 4) -> list[int]:
    """Channels of each operator once it is simplified, a pointwise convolution behind it."""
    channels = net.build.shape(net.last)[3]
    return [layer.shape[-1] for layer in same(net.conv(weights(last, 1, 1, channels)).graph()).layers]


def dead(count: int, *channels: int, bias: int = 900, shape=(5, 6, 2)) -> Net:
    """A pointwise convolution, some of whose channels are constant, and not the zero point."""
    first = weights(count, 1, 1, shape[-1])
    first[list(channels)] = 0
    return Net(*shape).conv(first, np.full(count, bias))


def test_a_constant_channel_before_depthwise_weights_of_zero():
    """Whatever its padding reads; here another code than the constant."""
    kernel = weights(3, 3, 4)
    kernel[:, :, 1] = 0
    assert behind(dead(4, 1).depthwise(kernel, None, (1, 1, 1, 1))) == [3, 3, 4]


def test_a_constant_channel_that_a_padded_depthwise_keeps():
    assert behind(dead(4, 1).depthwise(weights(3, 3, 4), None, (1, 1, 1, 1))) == [4, 4, 4]


def test_a_constant_channel_saturates_at_every_position():
    """Some of its products are positive, but no window of the picture has these alone."""
    kernel = weights(3, 3, 4)
    kernel[:, :, 1] = 30
    kernel[1, 1, 1] = -128
    kernel[0, 0, 1] = kernel[2, 2, 1] = -100
    net = dead(4, 1, bias=9000).depthwise(kernel, np.array([0, -9000, 0, 0]), (1, 1, 1, 1))
    assert behind(net) == [3, 3, 4]


def test_weights_that_no_padding_meets():
    last = weights(3, 3, 3, 4)
    last[:, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2], 1] = 0
    found = same(dead(4, 1, 2).conv(last, None, (1, 1, 1, 1)).graph())
    assert [layer.shape[3] for layer in found.layers] == [3, 3]
    # The same weights, moved by one pixel.
    last = np.roll(last, 1, axis=1)
    assert len(same(dead(4, 1, 2).conv(last, None, (1, 1, 1, 1)).graph()).operators[0].bias) == 4


def test_depth_multiplier():
    """The channels of one input channel go together."""
    net = dead(3, 1).depthwise(weights(2, 2, 6))
    assert behind(net) == [2, 4, 4]


def test_fully_connected_on_pixels():
    """Without a RESHAPE before it, or with one that keeps the channels."""
    for net in (dead(4, 1), dead(4, 1).reshape(30, 4), dead(4, 1).reshape(5, 24), dead(4, 1).reshape(1, 1, 120)):
        found = same(net.dense(weights(120, 3)).graph())
        assert found.layers[-1].weights == 3 * 90
        assert found.layers[0].shape[3] == 3


def test_a_row_that_becomes_pixels():
    """A channel goes when it is dead in every pixel."""
    first = weights(2, 12)
    first[:, [1, 4, 7, 10, 5]] = 0
    net = Net(2).dense(first).reshape(2, 2, 3)
    assert behind(net) == [8, 2, 4]


@pytest.mark.parametrize("kind", ["transpose", "maximum", "pad", "channels", "slice", "rows", "mean"])
def test_channels_pass(kind):
    net = dead(6, 1, 2)
    if kind == "transpose":
        net.op(Transpose, (6, 5, 6), order=(0, 2, 1, 3))
    elif kind == "maximum":
        net.op(ReduceMax, (1, 6, 6), axes=(1,), keep_dims=True)
    elif kind == "mean":
        mean = Mean.of("m", "x", "y", (1,), net.build.shape(net.last), UNIT, UNIT, keep_dims=True)
        net.op(Mean, (1, 6, 6), **{f: getattr(mean, f) for f in ("axes", "input_zero_point", "requant", "keep_dims")})
    elif kind == "pad":
        net.op(Pad, (7, 6, 6), widths=((0, 0), (1, 1), (0, 0), (0, 0)), fill=5)
        # The constant is another one.
        assert behind(net) == [6, 6, 4]
        return
    elif kind == "channels":
        # Those that are added are constant as well.
        net.op(Pad, (5, 6, 9), widths=((0, 0), (0, 0), (0, 0), (1, 2)), fill=5)
    elif kind == "slice":
        # Channels 0 and 5 are not read.
        net.op(Slice, (5, 6, 4), slices=((0, 5, 1), (0, 6, 1), (1, 5, 1)), shape=(5, 6, 4))
        assert behind(net) == [2, 4]
        return
    else:
        net.op(Slice, (2, 6, 6), slices=((3, 0, -2), (0, 6, 1), (0, 6, 1)), shape=(2, 6, 6))
    assert behind(net) == ([4, 4] if kind == "channels" else [4, 4, 4])


def test_a_constant_channel_of_an_output_reads_nothing():
    """What it alone would read goes."""
    last = np.zeros((3, 1, 1, 4), np.int8)
    last[0, ..., :3], last[1], last[2, ..., 3] = 50, 50, 90
    found = same(Net(4, 4, 2).conv(weights(4, 1, 1, 2)).conv(last, np.array([0, 9_000_000, -9_000_000])).graph())
    assert [layer.shape[3] for layer in found.layers] == [3, 3]
    assert found.operators[1].weights[:, 0, 0].any(axis=1).tolist() == [True, False, False]


def test_mobile_networks_lose_their_dead_channels():
    """Pointwise and depthwise layers by turns: products of pointwise layers fall by the square."""
    net, channels = Net(12, 12, 8), 8
    for count in (20, 20, 40):
        first = weights(count, 1, 1, channels)
        bias = RNG.integers(-2000, 2000, count)
        first[count * 2 // 5 :] = 0
        bias[count * 2 // 5 :] = 0
        net.conv(first, bias).depthwise(weights(3, 3, count), np.zeros(count, np.int32), (1, 1, 1, 1))
        channels = count
    graph = net.op(AveragePool2D, (1, 1, 40), window=Window(kernel=(12, 12))).reshape(40).dense(weights(40, 2)).graph()
    found = same(graph)
    assert [layer.shape[-1] for layer in found.layers] == [8, 8, 8, 8, 16, 16, 16, 16, 2]
    assert [found.layers[n].weights for n in (2, 4)] == [8 * 8, 16 * 8]


def test_intervals_hold():
    """No code of any tensor leaves its interval, and some intervals are narrower than int8."""
    narrow = 0
    for seed in range(80):
        file = random_file(seed, dead=0.5 * (seed % 2))
        graph = load_tflite(file.data)
        values = graph.tensors(file.batch(RNG, 30))
        for name, (low, high) in intervals(graph).items():
            rows = values[name].reshape(-1, len(low))
            assert (rows >= low).all(), (seed, name)
            assert (rows <= high).all(), (seed, name)
            narrow += int(((low > -128) | (high < 127)).sum())
    assert narrow > 300
