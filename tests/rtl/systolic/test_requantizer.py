"""Requantiser RTL against the golden model: corners of all inputs, and many random values."""

import itertools
import re

import numpy as np
import pytest
from tercet.golden.numerics.requantization import ROUNDINGS
from tercet.golden.numerics.requantization import requantize as golden_requantize
from tercet.rtl.systolic.requantizer import Requantizer
from tercet.sim import simulators
from tercet.sim.requantizer import RequantJob, requantize
from tercet.sim.stimuli import requant_corners as corners
from tercet.sim.stimuli import requant_job as random_job

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
SIMULATORS = [found.name for found in simulators.available() if found.simulator is not None]


def ref_requantize(job):
    acc, *rest = job
    return golden_requantize(np.asarray(acc)[None, :], *rest)[0]


def thinned(job: RequantJob) -> RequantJob:
    acc, multiplier, shift, zero_point, qmin, qmax, rounding = job
    return acc[::7], np.asarray(multiplier)[::7], np.asarray(shift)[::7], zero_point, qmin, qmax, rounding


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("mac", ["infer", "ecp5"])
def test_corners(mac, simulator):
    jobs = [corners(rounding) for rounding in ROUNDINGS]
    if simulator == "icarus":
        jobs = [thinned(job) for job in jobs]
    for job, out in zip(jobs, requantize(jobs, mac=mac, simulator=simulator), strict=True):
        np.testing.assert_array_equal(out, ref_requantize(job))


def test_random():
    """More than a million values, with 42 settings of zero point and clamp."""
    jobs = [random_job(25_000, seed, ROUNDINGS[seed % 3]) for seed in range(42)]
    for job, out in zip(jobs, requantize(jobs), strict=True):
        np.testing.assert_array_equal(out, ref_requantize(job))


def test_every_small_sum():
    """All 8-bit sums with coarse multipliers: a third of the results are ties or differ between roundings."""
    acc, multiplier, shift = (
        grid.ravel() for grid in np.meshgrid(range(-128, 128), range(0, 2**31, 2**28), range(-6, 4), indexing="ij")
    )
    jobs: list[RequantJob] = [(acc, multiplier, shift, 0, -128, 127, rounding) for rounding in ROUNDINGS]
    found = requantize(jobs)
    for job, out in zip(jobs, found, strict=True):
        np.testing.assert_array_equal(out, ref_requantize(job))
    for one, other in itertools.combinations(found, 2):
        assert (one != other).sum() > 100


def test_saturation_of_every_zero_point():
    """The largest and smallest sums are clamped at any zero point."""
    acc = np.array([INT32_MIN, INT32_MAX, 300, -300, 0])
    jobs: list[RequantJob] = [
        (acc, 2**31 - 1, shift, zero, -128, 127, "double") for zero in (-128, 0, 127) for shift in (0, 30)
    ]
    for job, out in zip(jobs, requantize(jobs), strict=True):
        np.testing.assert_array_equal(out, ref_requantize(job))


@pytest.mark.parametrize(
    ("rounding", "pattern", "replacement"),
    [
        ("double", r"\$signed\(p7_right\) >", "$signed(p7_right) >="),
        ("double", r"\$signed\(v14\) \+", "$signed(v14) -"),
        # The product of a negative sum is not decremented; a borrow from its upper half is lost.
        ("away", r"p5_ll - p5_lower", "p5_ll"),
        ("away", r"\$signed\(p6_low\[32:16\]\)", "p6_low[31:16]"),
    ],
)
def test_broken_rtl_is_caught(rounding, pattern, replacement):
    def edit(text):
        broken, changes = re.subn(pattern, replacement, text)
        assert changes
        return broken

    job = corners(rounding)
    out = requantize([job], edit=edit)[0]
    assert (out != ref_requantize(job)).any()


def test_refuses():
    with pytest.raises(ValueError, match="mac 'asic' is unknown; use one of infer, ecp5, ecp5-dual, ice40"):
        Requantizer(mac="asic")
