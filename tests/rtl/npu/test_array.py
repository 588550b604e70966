"""Systolic array with several rows of weights per clock: a plane is loaded while the one before multiplies."""

import numpy as np
import pytest
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.systolic.array import SystolicArray

from .feed_forward import simulate_verilog, split
from .unit_bench import joined


def schedule(config, weight_rows, passes, seed):
    """Return inputs by clock and expected rows of sums by clock.

    Each pass, of at least one row of activations, begins as soon as its plane is loaded: the next plane's load begins
    in the clock of the swap.
    """
    rng = np.random.default_rng(seed)
    height = config.rows // weight_rows
    low, high = config.weight_range
    planes = rng.integers(low, high + 1, (len(passes), config.rows, config.cols))
    clocks = height + sum(max(rows, height) for rows in passes)
    acts = rng.integers(-128, 128, (clocks, config.rows))  # random in clocks without a pass too
    weights = rng.integers(-128, 128, (clocks, weight_rows, config.cols))
    load, swap = np.zeros(clocks, int), np.zeros(clocks, int)
    expected, start, busy = {}, 0, 0
    for plane, rows in zip(planes, passes, strict=True):
        for word in range(height):
            weights[start + word] = plane[word::height]
            load[start + word] = sum(1 << row for row in range(word, config.rows, height))
        first = max(start + height, busy)
        swap[first] = 1
        for clock in range(first, first + rows):
            expected[clock] = (acts[clock] @ plane).tolist()
        start, busy = first, first + rows
    steps = [
        {"acts": joined(a, 8), "weights": joined(w.ravel(), 8), "load": flags, "swap": s}
        for a, w, flags, s in zip(acts, weights, load, swap, strict=True)
    ]
    return steps, expected


def sums(array, steps, edit=None):
    config = array.config
    words = simulate_verilog(array, steps, "sums", array.latency, edit)
    return [split(word, config.sum_width, config.cols) for word in words]


@pytest.mark.parametrize("passes", [[1] * 40, [5, 1, 1, 9, 2, 3, 1, 1, 4]], ids=["one row each", "mixed"])
@pytest.mark.parametrize(
    ("mac", "rows", "cols", "weight_rows"),
    [
        ("infer", 6, 3, 3),
        ("infer", 4, 2, 4),
        ("infer", 5, 2, 1),
        ("ecp5", 6, 3, 2),
        ("ecp5-dual", 6, 4, 2),
        ("ice40", 8, 4, 4),
    ],
)
def test_planes_follow_each_other(mac, rows, cols, weight_rows, passes):
    config = SystolicConfig(rows=rows, cols=cols, mac=mac)
    steps, expected = schedule(config, weight_rows, passes, seed=rows)
    found = sums(SystolicArray(config=config, weight_rows=weight_rows), steps)
    assert {clock: found[clock] for clock in expected} == expected


def test_a_missing_delay_is_caught():
    config = SystolicConfig(rows=6, cols=3)
    steps, expected = schedule(config, 3, [1] * 20, seed=1)
    found = sums(SystolicArray(config=config, weight_rows=3), steps, (r"\bs2 <= s1;", "s2 <= i;"))
    assert {clock: found[clock] for clock in expected} != expected


@pytest.mark.parametrize(
    ("weight_rows", "dataflow", "message"),
    [
        (3, "ws", "weight_rows 3 does not divide rows 4; use a divisor"),
        (0, "ws", "weight_rows 0 does not divide rows 4; use a divisor"),
        (2, "os", "weight_rows is 2 in an output-stationary array; use 1"),
    ],
)
def test_refuses(weight_rows, dataflow, message):
    with pytest.raises(ValueError, match=message):
        SystolicArray(config=SystolicConfig(rows=4, cols=2, dataflow=dataflow), weight_rows=weight_rows)
