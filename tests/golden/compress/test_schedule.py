"""Pruning in steps: densities by hand, nested masks, counts of weights and epochs, and one step as pruning at once."""

import itertools
from typing import Any

import numpy as np
import pytest
from tercet.golden.compress import prune, schedule, share_weights
from tercet.golden.compress.pipeline import Data, compress
from tercet.golden.compress.retrain import Dense, Masked, Shared, train
from tercet.golden.compress.schedule import density_schedule, layer_schedule, prune_at_once, prune_iteratively
from tercet.golden.networks.mlp import Mlp

from .test_retrain import blobs


@pytest.fixture(scope="module")
def network():
    start = Mlp.random((8, 24, 4), seed=2)
    return train([Dense(w) for w in start.weights], start.biases, *blobs(), epochs=10)


def test_densities_by_hand():
    """Sparsities of Zhu and Gupta from 0 to 0.9 in 4 steps: 0.9 - 0.9 * (0.75, 0.5, 0.25, 0)**3."""
    sparsities = [0.5203125, 0.7875, 0.8859375, 0.9]
    np.testing.assert_allclose(density_schedule(0.1, 4), [1 - s for s in sparsities], rtol=0, atol=1e-15)
    np.testing.assert_allclose(density_schedule(0.2, 4, spacing="linear"), [0.8, 0.6, 0.4, 0.2])
    np.testing.assert_allclose(density_schedule(0.0625, 4, spacing="geometric"), [0.5, 0.25, 0.125, 0.0625])
    np.testing.assert_allclose(density_schedule(0.1, 2, initial=0.5), [0.1 + 0.4 / 8, 0.1])
    for spacing in schedule.SPACINGS:
        assert density_schedule(0.07, 13, spacing=spacing)[-1] == 0.07
        assert density_schedule(0.3, 1, spacing=spacing) == [0.3]


def test_a_layer_may_stay_as_it_is(network):
    assert layer_schedule(network, [0.5, [0.5, 0.2]]) == [(0.5, 0.5), (0.5, 0.2)]
    assert layer_schedule(network, [(1, 0.5)]) == [(1.0, 0.5)]


def test_masks_are_nested_and_counted(network):
    densities = [[0.7, 0.9], [0.31, 0.5], [0.123, 0.26]]
    steps = prune_iteratively(network, densities, *blobs(), epochs=7)
    for step, wanted in zip(steps, densities, strict=True):
        for w, mask, density in zip(step.mlp.weights, step.masks, wanted, strict=True):
            assert mask.sum() == int(density * mask.size + 0.5)
            assert not w[~mask].any()
            assert (w[mask] != 0).all()
    for before, after in itertools.pairwise(steps):
        for old, new in zip(before.masks, after.masks, strict=True):
            assert (old | ~new).all()
            assert (old & ~new).any()
        # Each step prunes the smallest weights of the retrained network.
        np.testing.assert_array_equal(after.masks[0], prune(before.mlp.weights[0], density=after.densities[0]))


def test_masks_follow_the_retraining(network):
    """Otherwise steps were the same as pruning at once."""
    steps = prune_iteratively(network, [0.5, 0.1], *blobs(), epochs=40, rate=0.5)
    assert (steps[-1].masks[0] != prune(network.weights[0], density=0.1)).any()


def test_epochs_are_those_of_pruning_at_once(network):
    for densities, want in ([0.4], [11]), ([0.8, 0.4, 0.2], [3, 4, 4]), ([0.8, 0.4], [5, 6]):
        count = []
        steps = prune_iteratively(network, densities, *blobs(), epochs=11, progress=lambda: count.append(1))  # noqa: B023
        assert [step.epochs for step in steps] == want
        assert len(count) == 11


def test_each_step_is_a_training_of_its_own(network):
    """Two steps, written out: the second has the next seed, and starts from the weights and biases of the first."""
    mlp = network
    for density, epochs, seed in ((0.5, 2, 3), (0.2, 3, 4)):
        parts = [Masked(w, prune(w, density=density)) for w in mlp.weights]
        mlp = train(parts, mlp.biases, *blobs(), epochs=epochs, rate=0.07, seed=seed)
    found = prune_iteratively(network, [0.5, 0.2], *blobs(), epochs=5, rate=0.07, seed=3)[-1].mlp
    for one, other in zip(mlp.weights + mlp.biases, found.weights + found.biases, strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_step_is_pruning_at_once(network):
    """The whole pipeline with one density, written out, and as a schedule of one step: every bit."""
    masks = [prune(w, density=0.3) for w in network.weights]
    parts = [Masked(w, mask) for w, mask in zip(network.weights, masks, strict=True)]
    pruned = train(parts, network.biases, *blobs(), epochs=6, rate=0.05, seed=1)
    shared = [Shared(*share_weights(w, mask, 3)) for w, mask in zip(pruned.weights, masks, strict=True)]
    tuned = train(shared, pruned.biases, *blobs(), epochs=2, rate=0.0005, seed=1)
    data = Data(*blobs(), *blobs(1))
    ways: list[dict[str, Any]] = [{"density": 0.3}, {"schedule": [0.3]}]
    for options in ways:
        done = compress(network, code_bits=3, data=data, epochs=6, seed=1, **options)
        for layer, part, bias in zip(done.layers, shared, tuned.biases, strict=True):
            np.testing.assert_array_equal(layer.codes, part.codes.T)
            np.testing.assert_array_equal(layer.centroids, part.centroids.astype(np.float32))
            np.testing.assert_array_equal(layer.bias, bias.astype(np.float32))
        assert done.accuracy["pruned"] == pruned.accuracy(*blobs(1))


def test_steps_keep_more_than_pruning_at_once(network):
    """At a density where the order matters, over five seeds."""
    pairs = []
    for seed in range(5):
        runs = [
            prune_iteratively(network, densities, *blobs(), epochs=20, seed=seed)[-1].mlp
            for densities in ([0.06], density_schedule(0.06, 5))
        ]
        pairs.append([run.accuracy(*blobs(1)) for run in runs])
    at_once, in_steps = np.mean(pairs, axis=0)
    assert in_steps > at_once


def test_at_once_without_retraining(network):
    step = prune_at_once(network, (0.5, 0.25))
    assert [mask.sum() for mask in step.masks] == [96, 24]
    np.testing.assert_array_equal(step.mlp.weights[0], network.weights[0] * step.masks[0])
    assert step.epochs == 0


def test_refuses(network):
    mistakes = {
        (): "The schedule has no step",
        (0.5, 1.5): r"Density 1.5 is outside \[0, 1\]",
        (0.5, float("nan")): r"Density nan is outside",
        (0.2, 0.5): "Density 0.5 of step 2 is not below the 0.2 before",
        (0.5, 0.3, 0.3): "Density 0.3 of step 3 is not below the 0.3 before",
        ((0.5, 0.2), (0.2, 0.3)): "Density 0.3 of step 2 is not below the 0.2 before",
        ((0.5,),): "There are 1 densities for 2 layers",
    }
    for densities, message in mistakes.items():
        with pytest.raises(ValueError, match=message):
            prune_iteratively(network, densities, *blobs(), epochs=9)
    with pytest.raises(TypeError, match="Density 'a' is not a number"):
        layer_schedule(network, ["a", 0.1])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="Epochs 1 are fewer than the 2 steps"):
        prune_iteratively(network, [0.5, 0.2], *blobs(), epochs=1)
    with pytest.raises(ValueError, match="Layer 0 is linear"):
        layer_schedule(Mlp([np.ones((2, 2))] * 2, [np.zeros(2)] * 2, (0,)), [0.5])
    for arguments, message in {
        (0.5, 0): r"Steps 0 is outside \[1, 1000\]",
        (1.0, 2): "Density 1.0 is not below the 1.0 before the first step",
        (-0.1, 2): "Density -0.1 is outside",
    }.items():
        with pytest.raises(ValueError, match=message):
            density_schedule(*arguments)
    with pytest.raises(ValueError, match="Spacing 'log' is unknown; use cubic, linear, geometric"):
        density_schedule(0.1, 2, spacing="log")
    with pytest.raises(ValueError, match="Density 0 has no geometric schedule"):
        density_schedule(0, 2, spacing="geometric")
    with pytest.raises(ValueError, match="Density is 0.1 and there is a schedule"):
        compress(network, density=0.1, schedule=[0.5, 0.1])
    with pytest.raises(ValueError, match="A schedule retrains after each step, which needs data"):
        compress(network, schedule=[0.5, 0.1])
