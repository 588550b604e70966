"""Write-back alone, bit-exact: every shift, halves, and both sides of every limit."""

import random
from fractions import Fraction

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.eie.writeback import Writeback

WIDTHS = (24, 36, 48)
INTEGERS = (0, 1, 2, -1, -2, 1000, -1001, 32766, 32767, 32768, -32767, -32768, -32769, -32770, 65535, 65536, -65537)


def accumulators(width, shift, generator):
    """Return values near halves and integers around each limit, the ends of the range, and all magnitudes."""
    limit = 2 ** (width - 1)
    half = 2**shift // 2
    near = [(n << shift) + offset for n in INTEGERS for offset in {0, -1, half - 1, half, half + 1}]
    # A half plus a single bit anywhere below it.
    near += [n + half + 2**bit for n in (0, 4 << shift, -4 << shift) for bit in range(shift - 1)]
    ends = [limit - 1, -limit, limit - 1 - half, -limit + half]
    some = [generator.randrange(-limit, limit) >> generator.randrange(width) for _ in range(30)]
    values = [acc for acc in near if -limit <= acc < limit] + ends + some
    generator.shuffle(values)
    return values


def ref_result(acc, shift, relu):
    """Round half to even, saturate and rectify by exact fractions; also return the `saturated` flag."""
    exact = Fraction(acc, 2**shift)
    saturated = exact >= 2**15 - Fraction(1, 2) or (exact < -(2**15) and not relu)
    return min(max(round(exact), 0 if relu else -(2**15)), 2**15 - 1), int(saturated)


def run(simulate, pipeline, width, jobs, gaps=0.0):
    """Return activations and `saturated` flags of jobs (shift, relu, accumulators).

    Settings only change while nothing is in flight.
    """
    component = Writeback(config=pipeline(EieConfig(acc_width=width)))
    generator = random.Random(width)

    async def bench(ctx):
        for shift, relu, accs in jobs:
            ctx.set(component.shift, shift)
            ctx.set(component.relu, relu)
            for acc in accs:
                while generator.random() < gaps:
                    ctx.set(component.acc, generator.randrange(-(2 ** (width - 1)), 2 ** (width - 1)))
                    await ctx.tick()
                ctx.set(component.acc, acc)
                ctx.set(component.valid, 1)
                await ctx.tick()
                ctx.set(component.valid, 0)
            await ctx.tick().repeat(component.latency)

    watched = {"valid": component.valid, "o_valid": component.o_valid, "act": component.act}
    watched["saturated"] = component.saturated
    trace = simulate(component, bench, clocks=50_000, **watched)
    assert [0] * component.latency + trace.valid[: -component.latency] == trace.o_valid
    found = zip(trace.act, trace.saturated, trace.o_valid, strict=True)
    return [(act, saturated) for act, saturated, valid in found if valid]


@pytest.mark.parametrize("relu", [0, 1])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_shift(simulate, pipeline, width, relu):
    generator = random.Random(width)
    jobs = [(shift, relu, accumulators(width, shift, generator)) for shift in range(width)]
    want = [ref_result(acc, shift, relu) for shift, relu, accs in jobs for acc in accs]
    # The reference covers all limits.
    assert {(0, 0), (1, 0), (2, 0), (32766, 0), (32767, 0), (32767, 1)} <= set(want)
    assert relu or {(-1, 0), (-32767, 0), (-32768, 0), (-32768, 1)} <= set(want)
    assert run(simulate, pipeline, width, jobs) == want


@pytest.mark.parametrize("width", WIDTHS)
def test_gaps(simulate, pipeline, width):
    """Invalid inputs have no effect."""
    generator = random.Random(width)
    jobs = [(shift, shift % 2, accumulators(width, shift, generator)[:30]) for shift in (0, 5, 12, 17, width - 1)]
    want = [ref_result(acc, shift, relu) for shift, relu, accs in jobs for acc in accs]
    assert run(simulate, pipeline, width, jobs, gaps=0.5) == want


def test_small_accumulators_exhaustively(simulate, pipeline):
    """All 10-bit values around 0, with every shift from 1 to 10."""
    accs = list(range(-512, 512))
    jobs = [(shift, 0, accs) for shift in range(1, 11)]
    want = [ref_result(acc, shift, 0) for shift, _, accs in jobs for acc in accs]
    assert run(simulate, pipeline, 24, jobs) == want
