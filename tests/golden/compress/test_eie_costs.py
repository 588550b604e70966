"""Clocks and bytes of pruned layers, and the density at which they meet a limit."""

import functools

import numpy as np
import pytest
from tercet.golden.compress.eie import sized_layers
from tercet.golden.compress.eie_costs import break_even, held_bytes, pruned_cycles, pruned_layer
from tercet.golden.compress.model import CompressedLayer
from tercet.golden.compress.prune import prune
from tercet.golden.compress.share import share_weights
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import cycles
from tercet.golden.eie.stimuli import random_acts

CONFIG = EieConfig(n_pe=4, pointer_depth=64)
# Depths as small as the layer permits.
SMALL = EieConfig(n_pe=4, matrix_depth=1, pointer_depth=2, act_depth=10, constant_depth=16, program_depth=2)
WEIGHTS = np.random.default_rng(0).normal(size=(24, 40))
ACTS = random_acts(np.random.default_rng(1), 40, 0.5, 3)


@pytest.mark.parametrize("density", [0.0, 0.05, 0.3, 1.0])
def test_clocks_are_those_of_the_compressed_layer(density):
    codes, centroids = share_weights(WEIGHTS, prune(WEIGHTS, density=density), 4)
    layer = CompressedLayer(codes, centroids, np.ones(24), 4, 1.0, 30.0)
    [encoded] = sized_layers([layer], {"n_pe": 4}, permute="balance")
    assert pruned_cycles(WEIGHTS, density, ACTS, CONFIG) == cycles(encoded, ACTS).total
    assert held_bytes([pruned_layer(WEIGHTS, density, SMALL)]) == held_bytes([encoded])


def test_break_even_of_a_layer():
    """The density found is below the limit and the next is not; it grows with the limit."""

    @functools.cache
    def clocks(density):
        return pruned_cycles(WEIGHTS, density, ACTS[:1], CONFIG)

    least, most = clocks(0.0), clocks(1.0)
    limits = np.linspace(least + 1, most - 1, 6).astype(int)
    found = [break_even(clocks, limit) for limit in limits]
    for limit, density in zip(limits, found, strict=True):
        assert clocks(density) < limit <= clocks(density + 1 / 256)
    assert found == sorted(found)
    assert len({*found}) == 6
    assert break_even(clocks, least) == 0
    assert break_even(clocks, most) < 1
    assert break_even(clocks, most + 1) == 1


def test_break_even_of_a_line():
    assert break_even(lambda density: 100 * density, 30) == 76 / 256
    assert break_even(lambda density: 100 * density, 25) == 63 / 256


def test_held_bytes():
    """Two PEs: 6 and 2 entries of 8 bits in words of 16, 3 pointers each, a codebook of 16, biases of 3 rows."""
    codes = np.array([[1, 2], [1, 0], [2, 2], [0, 3], [1, 1]], np.uint8)
    layer = CompressedLayer(codes, np.array([0, 0.5, 1, 2]), np.ones(5), 4, 1.0, 10.0)
    fields = {"n_pe": 2, "code_bits": 4, "word_width": 16, "acc_width": 40}
    [encoded] = sized_layers([layer], fields)
    assert [values.size for values in encoded.values] == [6, 2]
    pointer = encoded.config.pointer_width
    bits = 16 * (3 + 1) + 2 * 3 * pointer + 2 * (16 + 3) * 40
    assert held_bytes([encoded]) == -(-bits // 8)
