"""Ranges of a compressed network, and the fraction bits that follow."""

import dataclasses

import numpy as np
import pytest
from tercet.golden.compress.eie import eie_layers
from tercet.golden.compress.model import CompressedLayer, to_mlp
from tercet.golden.compress.ranges import Fractions, bound, fraction_bits, measure, most_fraction_bits
from tercet.golden.eie.config import EieConfig

from .test_eie import network

CONFIG = EieConfig(n_pe=4)


def layer(centroids, bias=0.0, shape=(2, 2), **ranges):
    return CompressedLayer(np.ones(shape, np.uint8), np.array([0.0, centroids]), np.full(shape[0], bias), **ranges)


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [
        (0.0, 1.0, 14),
        (-1.0, 0.0, 15),
        (0.0, 32767 / 2**15, 15),
        (0.0, 0.99999, 14),
        (0.0, 32767.0, 0),
        (0.0, 32768.0, -1),
        (-32768.0, 5.0, 0),
        (0.0, 1e-4, 28),
        (0.0, 0.0, 48),
        (0.0, 1e30, -48),
    ],
)
def test_most_fraction_bits(low, high, bits):
    assert most_fraction_bits(low, high) == bits


def test_measured():
    layers = network()
    x = np.random.default_rng(1).uniform(-3, 2, (20, 30))
    found = measure(layers, x)
    values = [np.abs(v).max() for v in to_mlp(layers).activations(x)]
    assert [one.act_range for one in found] == values[:3]
    assert [one.out_range for one in found] == values[1:]
    assert [dataclasses.replace(one, act_range=None, out_range=None) for one in found] == layers
    assert measure(layers, x[0])[0].act_range == np.abs(x[0]).max()
    with pytest.raises(ValueError, match=r"Inputs have shape \(0, 30\); every size must be at least 1"):
        measure(layers, x[:0])


def test_bounds_are_never_passed_and_reached_in_one_layer():
    layers = network()
    found = bound(layers, 2.0)
    rng = np.random.default_rng(2)
    x = rng.choice([-2.0, 2.0, 0.3], (500, 30))
    for value, one in zip(to_mlp(layers).activations(x)[1:], found, strict=True):
        assert np.abs(value).max() <= one.out_range
    row = np.abs(layers[0].weights @ np.ones(30)).argmax()
    sums = 2.0 * np.abs(layers[0].weights).sum(axis=1) + np.array([1, 1])[0] * layers[0].bias
    assert found[0].out_range == pytest.approx(np.maximum(sums, 0).max())
    assert found[0].act_range == 2.0
    assert row >= 0
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="The largest input is .*; use a number above 0"):
            bound(layers, wrong)


def test_without_ranges_they_are_the_configs():
    assert fraction_bits(network(), CONFIG) == [Fractions(8, 12, 8)] * 3
    # A range of 0 counts as unknown.
    assert fraction_bits([layer(1.0, act_range=0.0, out_range=0.0)], CONFIG) == [Fractions(8, 12, 8)]


def test_one_bit_is_kept_free():
    layers = [layer(1.0, act_range=100.0, out_range=200.0), layer(0.5, act_range=200.0, out_range=100.0)]
    assert fraction_bits(layers, CONFIG) == [Fractions(7, 14, 6), Fractions(6, 15, 7)]
    # 1, not 2, is the largest range that leaves room for twice as much, save an LSB.
    assert fraction_bits([layer(1.0, act_range=1.0, out_range=1.0001)], CONFIG) == [Fractions(14, 14, 13)]
    small = [layer(1e-3, act_range=1e-3, out_range=1e-6)]
    (found,) = fraction_bits(small, CONFIG)
    assert (found.act, found.weight) == (23, 24)
    assert found.out == 33
    large = [layer(1e6, act_range=1e6, out_range=2e12)]
    assert fraction_bits(large, CONFIG) == [Fractions(-6, -5, -27)]


@pytest.mark.parametrize("acc_width", [24, 32, 36])
def test_weights_have_what_the_proof_leaves(acc_width):
    """Weights get as many bits as can be encoded, and not one more."""
    config = EieConfig(n_pe=4, acc_width=acc_width)
    layers = measure(network(), np.random.default_rng(3).uniform(-1, 1, (20, 30)))
    encoded = eie_layers(layers, config)
    for one, its, bits in zip(layers, encoded, fraction_bits(layers, config), strict=True):
        assert (its.act_frac, its.weight_frac, its.out_frac) == (bits.act, bits.weight, bits.out)
        assert its.shift == bits.act + bits.weight - bits.out
        fixed = np.rint(one.centroids.astype(float) * 2.0 ** (bits.weight + 1))
        fits = np.abs(fixed).max() < 2**15
        sums = (np.abs(fixed)[one.codes].sum(axis=1) + 1) * 2**15 + np.abs(one.bias) * 2.0 ** (
            bits.act + bits.weight + 1
        )
        assert not fits or sums.max() > 2 ** (acc_width - 1)


def test_a_large_bias_takes_bits_from_the_activations():
    """Otherwise the bias would leave the weights no bits in narrow accumulators."""
    config = EieConfig(n_pe=4, acc_width=24)
    (bits,) = fraction_bits([layer(0.5, bias=1000.0, act_range=0.01, out_range=1000.0)], config)
    alone = most_fraction_bits(0.0, 0.02)
    assert bits.act < alone
    assert min(0.5 * 2.0**bits.weight, 0.01 * 2.0**bits.act) >= 4
    encoded = eie_layers([layer(0.5, bias=1000.0, act_range=0.01, out_range=1000.0)], config)
    assert encoded[0].codebook[1] == 0.5 * 2.0**bits.weight
