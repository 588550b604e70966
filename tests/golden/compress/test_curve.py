"""Accuracy against density: each figure against the pipeline that it stands for."""

from typing import Any

import pytest
from tercet.golden.compress import prune
from tercet.golden.compress.curve import curve_epochs, pruning_curve
from tercet.golden.compress.pipeline import Data, compress
from tercet.golden.compress.retrain import Dense, train
from tercet.golden.compress.schedule import density_schedule
from tercet.golden.networks.mlp import Mlp

from .test_retrain import blobs


def test_figures_are_those_of_the_pipeline():
    start = Mlp.random((8, 24, 4), seed=2)
    network = train([Dense(w) for w in start.weights], start.biases, *blobs(), epochs=10)
    data, count = Data(*blobs(), *blobs(1)), []
    options: dict[str, Any] = {"epochs": 6, "seed": 1, "code_bits": 2}
    points = pruning_curve(network, data, [1, 0.1], steps=3, progress=lambda: count.append(1), **options)
    assert len(count) == curve_epochs(6, [1, 0.1]) == 2 * (6 + 6 + 2)
    for point, density, schedule in zip(points, (1, 0.1), ([1], density_schedule(0.1, 3)), strict=True):
        once, steps = (
            compress(network, density=density, data=data, **options),
            compress(network, schedule=schedule, data=data, **options),
        )
        masked = Mlp([w * prune(w, density=density) for w in network.weights], network.biases)
        assert point.density == density
        assert point.weights == int(192 * density + 0.5) + int(96 * density + 0.5)
        assert point.untrained == masked.accuracy(*blobs(1))
        assert point.once == once.accuracy["pruned"]
        assert point.iterative == steps.accuracy["pruned"]
        assert point.shared == pytest.approx(steps.accuracy["shared"])
        assert point.size == steps.sizes["huffman"]
    assert points[0].once == points[0].iterative
    for densities, message in ([0.5, 1.5], "Density 1.5 is outside"), ([0.5, -1], "Density -1 is outside"):
        with pytest.raises(ValueError, match=message):
            pruning_curve(network, data, densities, epochs=0)
    with pytest.raises(ValueError, match="Epochs 2 are fewer than the 5 steps"):
        pruning_curve(network, data, [0.5], epochs=2)
