"""Random networks: every tensor on the way has TFLite Micro's bits, in single samples and in batches."""

from collections import Counter

import numpy as np
import pytest
from tercet.compiler.tflite import load_tflite

from .micro import Micro
from .random_networks import KINDS, random_file


def compare(seeds):
    """Every tensor of these networks; the kinds of their operators, and the share of codes inside the range."""
    kinds, inside = Counter(), []
    for seed in seeds:
        file = random_file(seed)
        found = load_tflite(file.data).tensors(file.inputs)
        want = Micro(file.data).tensors(*file.inputs)
        assert set(want) == set(found)
        for name, array in want.items():
            np.testing.assert_array_equal(found[name], array, err_msg=f"seed {seed}, tensor {name}", strict=True)
            inside.append(np.mean((array > -128) & (array < 127)))
        kinds += file.kinds
    return kinds, float(np.mean(inside))


def test_every_tensor_of_100_graphs():
    kinds, inside = compare(range(100))
    assert not KINDS - set(kinds)
    assert inside > 0.6


@pytest.mark.long
@pytest.mark.parametrize("start", range(1000, 2000, 100))
def test_every_tensor_of_1000_graphs(start):
    kinds, inside = compare(range(start, start + 100))
    assert not KINDS - set(kinds)
    assert inside > 0.6


@pytest.mark.parametrize("seed", range(10))
def test_a_batch_equals_single_runs(seed):
    file = random_file(seed)
    graph = load_tflite(file.data)
    batch = file.batch(np.random.default_rng(seed), 5)
    together = graph.run(batch)
    for n in range(5):
        for one, many in zip(graph.run([x[n] for x in batch]), together, strict=True):
            np.testing.assert_array_equal(one, many[n], strict=True)


def test_samples_of_a_batch_are_tflite_micros():
    """Batches larger than one chunk of `Graph.run`, against single invocations."""
    file = random_file(3)
    batch = file.batch(np.random.default_rng(3), 2000)
    together = load_tflite(file.data).run(batch)
    micro = Micro(file.data)
    for n in range(0, 2000, 97):
        for one, many in zip(micro.run(*(x[n : n + 1] for x in batch)), together, strict=True):
            np.testing.assert_array_equal(one[0], many[n])
