"""A compressed network and its inputs in an engine's fixed-point numbers."""

import dataclasses

import numpy as np
import pytest
from tercet.golden.compress.fixed_network import accuracy, fixed_network
from tercet.golden.compress.model import CompressedLayer, to_mlp
from tercet.golden.compress.ranges import bound, measure
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import network_cycles

from .test_eie import network

CONFIG = EieConfig(n_pe=4)


def saturating():
    """Two sums of two inputs, then half of each: an intermediate 200 does not fit with 8 fraction bits."""
    ones, eye = np.ones((2, 2), np.uint8), np.eye(2, dtype=np.uint8)
    return [
        CompressedLayer(ones, np.array([0.0, 1.0]), np.zeros(2)),
        CompressedLayer(eye, np.array([0.0, 0.5]), np.zeros(2)),
    ]


def test_what_saturates_is_counted():
    x = np.array([100.0, 100.0])
    fixed = fixed_network(saturating(), x, CONFIG, ranges=False)
    result = fixed.run()
    assert (result.saturated, fixed.real(result.out).tolist()) == ((2, 0), [64.0, 64.0])
    error = fixed.error(result.out)
    assert (error.largest, error.rms, error.span) == (36.0, 36.0, 100.0)
    assert not fixed.measured


@pytest.mark.parametrize("ranges", ["these inputs", "other inputs", "bounds"])
def test_ranges_keep_it_from_saturating(ranges):
    layers, x = saturating(), np.array([[100.0, 100.0], [3.25, -1.0]])
    if ranges == "other inputs":
        layers = measure(layers, np.array([[80.0, 90.0], [1.0, 2.0]]))
    elif ranges == "bounds":
        layers = bound(layers, 100.0)
    fixed = fixed_network(layers, x, CONFIG)
    assert fixed.measured == (ranges == "these inputs")
    result = fixed.run()
    assert result.saturated == (0, 0)
    np.testing.assert_array_equal(fixed.real(result.out), [[100.0, 100.0], [1.125, 1.125]])
    assert fixed.error(result.out).largest == 0.0


@pytest.mark.parametrize("acc_width", [32, 36])
def test_errors_are_small_and_right(acc_width):
    config = EieConfig(n_pe=4, acc_width=acc_width)
    layers, x = network(), np.random.default_rng(1).uniform(-1, 1, (50, 30))
    fixed = fixed_network(layers, x, config, permute="balance")
    result = fixed.run()
    want = to_mlp(layers).activations(x)[-1]
    labels = want.argmax(axis=1)
    labels[:5] = (labels[:5] + 1) % 5
    error = fixed.error(result.out, labels)
    difference = fixed.real(result.out) - want
    assert error.largest == np.abs(difference).max()
    assert error.rms == pytest.approx(np.linalg.norm(difference) / np.sqrt(difference.size))
    assert error.float_accuracy == 0.9
    assert error.accuracy == pytest.approx(0.9, abs=0.05)
    assert error.largest < error.span * 2 ** (-8 if acc_width == 36 else -6)
    # The cycle count is as with other fraction bits, except for activations that round to 0.
    assert network_cycles(fixed.layers, fixed.acts).total > 0


def test_codes_as_inputs():
    """Int16 inputs have the config's fraction bits without ranges, and those that follow from the ranges with."""
    x = np.array([100.0, 50.0])
    fixed = fixed_network(saturating(), (x * 2**8).astype(np.int16), CONFIG)
    assert fixed.layers[0].act_frac == 8
    np.testing.assert_array_equal(fixed.inputs, x)
    assert fixed.real(fixed.run().out).tolist() == [75.0, 75.0]
    fixed = fixed_network(measure(saturating(), x), (x * 2**7).astype(np.int16), CONFIG)
    assert fixed.layers[0].act_frac == 7
    assert fixed.real(fixed.run().out).tolist() == [75.0, 75.0]


def test_refusals():
    layers = measure(saturating(), np.array([100.0, 100.0]))
    with pytest.raises(ValueError, match=r"Inputs reach 300 but .* up to 100, with room up to 255.*; compress it with"):
        fixed_network(layers, np.array([300.0, 0.0]), CONFIG)
    assert fixed_network(layers, np.array([-250.0, 255.0]), CONFIG).run().saturated == (0, 0)
    with pytest.raises(
        ValueError, match=r"Inputs have shape \(3,\) but the network takes 2; use \(2,\) or \(batch, 2\)"
    ):
        fixed_network(layers, np.zeros(3), CONFIG)
    with pytest.raises(ValueError, match=r"Inputs have shape \(0, 2\); every size must be at least 1"):
        fixed_network(layers, np.zeros((0, 2)), CONFIG)
    with pytest.raises(TypeError, match="Inputs have dtype int64; use float32 or float64"):
        fixed_network(layers, np.zeros(2, np.int64), CONFIG)
    with pytest.raises(ValueError, match="1 of 2 values not finite"):
        fixed_network(layers, np.array([0.0, np.nan]), CONFIG)
    with pytest.raises(ValueError, match="There is no layer"):
        fixed_network([], np.zeros(2), CONFIG)
    fixed = fixed_network(layers, np.zeros((3, 2)), CONFIG)
    out = fixed.run().out
    with pytest.raises(ValueError, match=r"Labels 2 at index \(1,\) is outside \[0, 1\]; the network has 2 outputs"):
        fixed.error(out, np.array([0, 2, 1]))
    with pytest.raises(ValueError, match=r"Labels have shape \(2,\) but there are 3 vectors; use \(3,\)"):
        fixed.error(out, np.array([0, 1]))
    with pytest.raises(TypeError, match="Labels has dtype float64"):
        accuracy(np.zeros((3, 2)), np.zeros(3))


def test_only_some_ranges():
    """A layer alone may be measured: its neighbours have the engine's fraction bits."""
    first, second = measure(saturating(), np.array([100.0, 100.0]))
    layers = [dataclasses.replace(first, act_range=None, out_range=None), second]
    fixed = fixed_network(layers, np.array([100.0, 50.0]), CONFIG)
    assert [(one.act_frac, one.weight_frac, one.out_frac) for one in fixed.layers] == [(8, 12, 6), (6, 15, 7)]
    assert fixed.real(fixed.run().out).tolist() == [75.0, 75.0]
