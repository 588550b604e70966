"""Random layers for the EIE engine: they fit it, and cover the cases to test it with."""

import numpy as np
import pytest
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import decode
from tercet.golden.eie.product import spmv
from tercet.golden.eie.program import link
from tercet.golden.eie.stimuli import layer_jobs, random_acts, random_codes, random_layer

CONFIGS = {
    "default": EieConfig(),
    "one": EieConfig(n_pe=1, act_depth=2, matrix_depth=3, pointer_depth=9, word_width=16),
    "wide": EieConfig(n_pe=6, code_bits=8, index_bits=8, acc_width=48, act_depth=1024, constant_depth=2048),
    "narrow": EieConfig(n_pe=13, code_bits=2, index_bits=2, acc_width=24, act_depth=9, constant_depth=6),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_jobs_fit_the_engine(config):
    """Encoding checks the accumulators, linking the memories."""
    for layer, acts in layer_jobs(config, 60, seed=1):
        link(config, [layer])
        assert spmv(layer, acts).shape == (len(acts), layer.shape[0])


def test_jobs_are_of_every_kind():
    jobs = layer_jobs(CONFIGS["default"], 100, seed=2)
    layers = [layer for layer, _ in jobs]
    codes = [decode(layer) for layer in layers]
    used = [np.count_nonzero(acts) / acts.size for _, acts in jobs]
    kept = [np.count_nonzero(c) / c.size for c in codes]
    assert {0.0, 1.0} <= set(kept)
    assert {0.0, 1.0} <= set(used)
    assert sum(layer.fillers > 10 for layer in layers) >= 10
    for flags in (
        [layer.bias is None for layer in layers],
        [layer.relu for layer in layers],
        [[r.tolist() for r in layer.rows] != [list(range(k, layer.shape[0], 4)) for k in range(4)] for layer in layers],
        [bool((c == 0).all(axis=0).any() and (c == 0).all(axis=1).any()) for c in codes],
        [len(acts) == 1 for _, acts in jobs],
    ):
        assert 10 < sum(flags) < 90
    assert len({layer.shift for layer in layers}) > 10
    outs = np.concatenate([spmv(layer, acts).ravel() for layer, acts in jobs])
    assert {-(2**15), 0, 2**15 - 1} <= set(outs.tolist())
    assert len(np.unique(outs)) > 1000


def test_vectors_longer_than_the_buffers():
    config = CONFIGS["one"]
    assert max(layer.shape[1] for layer, _ in layer_jobs(config, 20, seed=3)) > config.act_depth * config.n_pe


def test_the_same_seed_gives_the_same():
    config = CONFIGS["default"]
    one, two, other = (layer_jobs(config, 5, seed) for seed in (4, 4, 5))
    for (layer, acts), (again, acts_again) in zip(one, two, strict=True):
        assert layer == again
        np.testing.assert_array_equal(acts, acts_again)
    assert one[0][0] != other[0][0]


def test_acts():
    rng = np.random.default_rng(6)
    acts = random_acts(rng, 1000, 0.4, 20)
    assert acts.shape == (20, 1000)
    assert acts.dtype == np.int16
    assert abs(np.count_nonzero(acts) / acts.size - 0.4) < 0.02
    assert {-(2**15), 2**15 - 1, -1, 1} <= set(acts.ravel().tolist())
    assert 0.4 < (acts < 0).sum() / np.count_nonzero(acts) < 0.6
    assert random_acts(rng, 50, 1.0).all()
    assert not random_acts(rng, 50, 0.0).any()
    assert set(np.abs(random_acts(rng, 100, 1.0, act_max=1)).tolist()) == {1}


def test_codes_and_layers():
    rng = np.random.default_rng(7)
    codes = random_codes(rng, (300, 200), 0.09, 3)
    assert codes.dtype == np.uint8
    assert abs(np.count_nonzero(codes) / codes.size - 0.09) < 0.01
    assert set(np.unique(codes).tolist()) == set(range(8))
    assert random_codes(rng, (20, 20), 1.0).all()
    layer = random_layer(rng, EieConfig(), 30, 40, 0.5, empty=0.4, shift=3, relu=True, act_max=77)
    assert (layer.shape, layer.shift, layer.relu, layer.act_max) == ((30, 40), 3, True, 77)
    assert layer.bias is None
