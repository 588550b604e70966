"""Winograd convolutions of int8 layers: equal to direct ones for all inputs, or refused by name."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import correlate
from tercet.compiler import load
from tercet.golden.networks.operators import Conv2D, DepthwiseConv2D, FullyConnected, Window
from tercet.golden.numerics.requantization import Requant
from tercet.golden.systolic import SystolicConfig, matmul
from tercet.golden.winograd import WinogradConvolution, refusal
from tercet.golden.winograd.transforms import operand_widths

from ...compiler.models import model

RNG = np.random.default_rng


def layer(weights, bias=None, *, zero_point=0, requant=None, **fields):
    """A layer with weights (N, 3, 3, C)."""
    window = Window(kernel=(3, 3), **fields)
    bias = np.zeros(len(weights), np.int32) if bias is None else bias
    return Conv2D(
        name="layer",
        inputs=("x",),
        output="y",
        weights=weights,
        bias=bias,
        requant=requant,
        input_zero_point=zero_point,
        window=window,
    )


def codes(rng, shape):
    """Random codes, half of them extreme."""
    return np.where(rng.random(shape) < 0.5, rng.integers(-128, 128, shape), rng.choice([-128, 127], shape)).astype(
        np.int8
    )


def reference(operator, x):
    """Sums by correlation of whole numbers, from inputs less their zero point."""
    top, bottom, left, right = operator.window.padding
    real = x.astype(np.int64) - operator.input_zero_point
    real = np.pad(real, ((0, 0), (top, bottom), (left, right), (0, 0)))
    weights = operator.weights.astype(np.int64)
    sums = [[correlate(sample, kernel, "valid", "direct")[..., 0] for kernel in weights] for sample in real]
    return np.array(sums).transpose(0, 2, 3, 1) + operator.bias


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 2, 0)])
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (5, 8), (6, 3), (7, 7)])
def test_every_shape(size, padding):
    rng = RNG(sum(size) + padding[2])
    for batch, depth, channels, zero_point in ((1, 1, 1, 0), (2, 3, 5, -128), (1, 9, 2, 127)):
        weights = codes(rng, (channels, 3, 3, depth))
        bias = rng.integers(-(2**20), 2**20, channels)
        operator = layer(weights, bias, zero_point=zero_point, padding=padding)
        x = codes(rng, (batch, *size, depth))
        found = WinogradConvolution(operator).sums(x)
        np.testing.assert_array_equal(found, reference(operator, x))
        np.testing.assert_array_equal(found, operator.run(x))
        assert found.dtype == np.int32


def test_requantised():
    rng = RNG(1)
    requant = Requant.from_scale(np.array([0.002, 0.004]), 3, -100, 100)
    operator = layer(codes(rng, (2, 3, 3, 4)), requant=requant, zero_point=5, padding=(1, 1, 1, 1))
    x = codes(rng, (2, 5, 5, 4))
    found = WinogradConvolution(operator).run(x)
    np.testing.assert_array_equal(found, operator.run(x))
    assert found.dtype == np.int8
    assert len(np.unique(found)) > 20


def test_the_operands_need_the_derived_widths():
    """Extreme inputs and weights: products that the systolic engine's model takes at these widths, and no narrower."""
    acts, weights = operand_widths()
    config = SystolicConfig(act_width=acts, weight_width=weights)
    operator = layer(np.full((1, 3, 3, 2), -128, np.int8))
    x = np.full((1, 4, 4, 2), -128, np.int8)
    convolution = WinogradConvolution(operator)
    found = convolution.sums(x, lambda a, w, b: matmul(a, w, b, config))
    np.testing.assert_array_equal(found, np.full((1, 2, 2, 1), 9 * 2 * 128 * 128))
    assert (convolution.inputs(x).min(), convolution.weights.min()) == (-512, -1152)
    for narrow in (replace(config, act_width=acts - 1), replace(config, weight_width=weights - 1)):
        with pytest.raises(ValueError, match="use operands of"):
            convolution.sums(x, lambda a, w, b, narrow=narrow: matmul(a, w, b, narrow))


def test_overflow_is_refused():
    """With the largest weights 3640 channels fit; the convolution itself would take four times as many."""
    most = layer(np.full((1, 3, 3, 3640), -128, np.int8))
    x = np.full((1, 3, 3, 3640), -128, np.int8)
    assert WinogradConvolution(most).sums(x)[0, 0, 0, 0] == 9 * 3640 * 2**14
    more = layer(np.full((1, 3, 3, 3641), -128, np.int8))
    with pytest.raises(ValueError, match=r"'layer': channel 0 of product \(1, 1\) can reach .*, 2147549184\].*int32"):
        WinogradConvolution(more)
    biased = layer(np.zeros((2, 3, 3, 1), np.int8), np.array([0, 2**29], np.int32))
    with pytest.raises(ValueError, match=r"channel 1 of product \(1, 1\).*bias 2147483648, beyond int32"):
        WinogradConvolution(biased)
    assert WinogradConvolution(replace(biased, bias=biased.bias - 1)).bias[5, 1] == 2**31 - 4


def test_other_layers_are_refused():
    weights = np.ones((4, 3, 3, 2), np.int8)
    plain = layer(weights)
    shared = {"name": "layer", "inputs": ("x",), "output": "y", "requant": None, "input_zero_point": 0}
    for operator, reason in (
        (
            replace(plain, weights=np.ones((4, 1, 3, 2), np.int8), window=Window(kernel=(1, 3))),
            "kernel is 1x3, not 3x3",
        ),
        (layer(weights, stride=(2, 1)), r"stride is \(2, 1\)"),
        (layer(weights, dilation=(2, 2)), r"dilation is \(2, 2\)"),
        (replace(plain, groups=2), "in 2 groups"),
        (
            DepthwiseConv2D(
                weights=weights[0, :, :, :], bias=np.zeros(2, np.int32), window=Window(kernel=(3, 3)), **shared
            ),
            "a window of its own",
        ),
        (FullyConnected(weights=weights.reshape(-1, 4), bias=np.zeros(4, np.int32), **shared), "not a convolution"),
    ):
        with pytest.raises(ValueError, match=f"Layer 'layer' has no Winograd form: .*{reason}"):
            WinogradConvolution(operator)  # pyright: ignore[reportArgumentType]
    assert refusal(plain) == ""
    with pytest.raises(TypeError, match="'weights' has no Winograd form: it is not a convolution"):
        WinogradConvolution("weights")  # pyright: ignore[reportArgumentType]


def test_wrong_inputs():
    convolution = WinogradConvolution(layer(np.ones((1, 3, 3, 2), np.int8)))
    for x in (np.zeros((1, 4, 4, 3), np.int8), np.zeros((4, 4, 2), np.int8), np.zeros((1, 4, 4, 2), np.int16)):
        with pytest.raises(ValueError, match=r"use int8 \(batch, height, width, 2\)"):
            convolution.sums(x)
    with pytest.raises(ValueError, match="less than a window"):
        convolution.sums(np.zeros((1, 2, 4, 2), np.int8))


def test_layers_of_a_model():
    """All 3x3 convolutions of stride 1 of image classification, on the tensors of the graph."""
    graph = load(model("ic_resnet8_int8")).simplified()
    tensors = graph.tensors(codes(RNG(2), (2, *graph.inputs[0].sample_shape)))
    layers = [operator for operator in graph.operators if not refusal(operator)]
    assert len(layers) == 5
    for operator in layers:
        assert isinstance(operator, Conv2D)
        found = WinogradConvolution(operator).run(tensors[operator.inputs[0]])
        np.testing.assert_array_equal(found, tensors[operator.output])
