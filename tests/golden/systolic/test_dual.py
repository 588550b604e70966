"""The two products of a multiplier are exact for all weights and activations, and a weight of -128 is refused."""

import re

import numpy as np
import pytest
from tercet.engines.systolic import SPEC
from tercet.golden.systolic import dual
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.model import matmul
from tercet.golden.systolic.operands import MatmulOperands, bind, job

CONFIG = SystolicConfig(rows=4, cols=4, mac="ecp5-dual")


def test_all_products():
    """255 x 255 weights and 256 activations, and the ranges of the parts."""
    w0, x = np.arange(-127, 128)[:, None], np.arange(-128, 128)
    for w1 in range(-127, 128):
        packed = dual.pack(w0, np.array(w1))
        assert packed.min() >= -(2**17)
        assert packed.max() < 2**17
        low, h0, high = dual.split(packed * x, np.array(w1), x)
        first, second = dual.join(low, h0, high)
        assert (first == w0 * x).all()
        assert (second == w1 * x).all()
        assert (low.min(), h0.min(), h0.max()) == (0, -16, 15)
        assert low.max() <= 1023
        assert high.min() >= -16272
        assert high.max() <= 16271


def test_minus_128_is_outside_the_identity():
    """A lower weight of -128 has a product whose upper part does not fit; the range is not stricter than needed."""
    low, h0, high = dual.split(dual.pack(np.array(-128), np.array(0)) * -128, np.array(0), np.array(-128))
    assert dual.join(low, h0, high)[0] != 128 * 128


def test_sums_of_parts_join():
    rng = np.random.default_rng(1)
    w0, w1 = rng.integers(-127, 128, (2, 50))
    x = rng.integers(-128, 128, (30, 50))
    parts = dual.split(dual.pack(w0, w1) * x, w1, x)
    first, second = dual.join(*(part.sum(axis=1) for part in parts))
    assert (first == x @ w0).all()
    assert (second == x @ w1).all()


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"cols": 3}, "cols 3 is odd; a MULT18X18D holds two columns of 8 bits, use an even number"),
        ({"act_width": 7}, "act_width is 7, but mac 'ecp5-dual' is for 8 bits; use 8 or 'ecp5'"),
        ({"weight_width": 9}, "weight_width is 9, but mac 'ecp5-dual' is for 8 bits; use 8 or 'ecp5'"),
        ({"dataflow": "os"}, "dataflow is 'os', but mac 'ecp5-dual' is weight stationary; use dataflow 'ws'"),
    ],
)
def test_config_refuses(fields, match):
    with pytest.raises(ValueError, match=match):
        SystolicConfig(mac="ecp5-dual", **fields)


def test_weight_of_minus_128_is_refused():
    """Where weights enter: golden model, operands of a simulation or a board, beats of a job."""
    acts, weights = np.full((2, 3), -128, np.int8), np.full((3, 4), -127, np.int8)
    assert (matmul(acts, weights, None, CONFIG) == 3 * 127 * 128).all()
    weights[2, 1] = -128
    product = MatmulOperands(acts, weights)
    message = re.escape("Weights -128 at index (2, 1) is outside [-127, 127]; mac 'ecp5-dual' needs weights")
    for call in (
        lambda: matmul(acts, weights, None, CONFIG),
        lambda: bind(CONFIG, product),
        lambda: job(CONFIG, product),
        lambda: SPEC.model.operands(CONFIG, acts, weights),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert (matmul(acts, weights) == acts.astype(int) @ weights).all()


def test_random_operands_are_valid():
    product = SPEC.model.random(CONFIG, np.random.default_rng(0), (2, 100, 100))
    assert product.weights.min() == -127
    assert product.acts.min() == -128


def test_family():
    assert SPEC.model.family(CONFIG) == "ecp5"
    assert not SPEC.model.infers_blocks(CONFIG)
    assert SPEC.model.family(SystolicConfig()) == "any"


def test_utilisation_of_16x16():
    config = SystolicConfig(rows=16, cols=16, mac="ecp5-dual")
    assert 256**3 / 256 / config.cycles(256, 256, 256) >= 0.99
