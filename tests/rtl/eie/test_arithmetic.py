"""Multiply-accumulate alone: forwarding of sums in flight at every distance, and sweeps."""

import itertools
import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.eie.arithmetic import Arithmetic
from tercet.rtl.eie.shallow_arithmetic import ShallowArithmetic

NOTHING: tuple = ("nothing",)


@pytest.fixture
def config_of(pipeline):
    """``config_of(width, depth)`` returns a config with `depth` accumulators of `width` bits."""
    return lambda width=36, depth=8: pipeline(EieConfig(acc_width=width, act_depth=depth))


def clocks_of(config):
    """Return the clocks from a swept row to its bias and to its total, and from an entry to a read without bypass."""
    return (2, 2, 2) if config.shallow else (3, 4, 5)


def wrapped(value, width):
    return (value + (1 << (width - 1))) % (1 << width) - (1 << (width - 1))


def int16(generator):
    return generator.choice([generator.randrange(-(2**15), 2**15), -(2**15), 2**15 - 1, 1, -1])


def entry(generator, row):
    return ("entry", row, int16(generator), int16(generator))


def filler(row):
    return ("filler", row)


def sweep(generator, config):
    """Sweep all rows with new biases, with idle clocks until every sum is written and, after it, every bias read."""
    limit = 1 << (config.acc_width - 1)
    corners = (-limit, limit - 1, generator.randrange(-limit, limit))
    swept = [("sweep", row, generator.choice(corners)) for row in range(config.act_depth)]
    _, total, settled = clocks_of(config)
    return [NOTHING] * (settled - 1) + swept + [NOTHING] * total


def ref_totals(config, clocks):
    """Return the sums in the order of the swept rows; rows are initially 0."""
    sums = dict.fromkeys(range(config.act_depth), 0)
    totals = []
    for kind, *rest in clocks:
        if kind == "entry":
            row, act, weight = rest
            sums[row] = wrapped(sums[row] + act * weight, config.acc_width)
        elif kind == "sweep":
            row, bias = rest
            totals.append(sums[row])
            sums[row] = bias
    return totals


def rtl_totals(simulate, config, clocks):
    """Return the RTL's sums, each checked for its clock; inputs without meaning in a clock are random."""
    arithmetic = (ShallowArithmetic if config.shallow else Arithmetic)(config=config)
    bias, total, _ = clocks_of(config)
    generator = random.Random(0)
    constants = {}  # by clock
    for clock, (kind, *rest) in enumerate(clocks):
        if kind == "entry":
            assert constants.setdefault(clock, rest[2]) == rest[2]
        elif kind == "sweep":
            constants[clock + bias] = rest[1]

    async def bench(ctx):
        for clock, (kind, *rest) in enumerate(clocks):
            ctx.set(arithmetic.act, rest[1] if kind == "entry" else generator.randrange(-(2**15), 2**15))
            ctx.set(arithmetic.constant, constants.get(clock, generator.randrange(-(2**15), 2**15)))
            ctx.set(arithmetic.row, rest[0] if rest else generator.randrange(config.act_depth))
            ctx.set(arithmetic.write, kind in ("entry", "sweep"))
            ctx.set(arithmetic.swept, kind == "sweep")
            await ctx.tick()
        ctx.set(arithmetic.write, 0)
        ctx.set(arithmetic.swept, 0)

    trace = simulate(arithmetic, bench, clocks=50_000, total=arithmetic.total, valid=arithmetic.total_valid)
    swept = [clock + total for clock, (kind, *_) in enumerate(clocks) if kind == "sweep"]
    assert [clock for clock, valid in enumerate(trace.valid) if valid] == swept
    return [trace.total[clock] for clock in swept]


def run(simulate, config, clocks):
    assert rtl_totals(simulate, config, clocks) == ref_totals(config, clocks)


@pytest.mark.parametrize("between", ["nothing", "fillers", "fillers of the row", "others", "others and fillers"])
@pytest.mark.parametrize("distance", range(1, 9))
def test_distance(simulate, config_of, distance, between):
    """Repeat a row at one distance, with clocks that must not affect it in between."""
    config, generator = config_of(), random.Random(distance)
    others = itertools.cycle(range(1, config.act_depth))
    fill = {
        "nothing": lambda n: NOTHING,
        "fillers": lambda n: filler(next(others)),
        "fillers of the row": lambda n: filler(0),
        "others": lambda n: entry(generator, next(others)),
        "others and fillers": lambda n: entry(generator, next(others)) if n % 2 else filler(0),
    }[between]
    clocks = sweep(generator, config)
    for again in (1, 2, 9):
        for _ in range(again):
            clocks += [entry(generator, 0), *map(fill, range(distance - 1))]
        clocks += sweep(generator, config)
    run(simulate, config, clocks)


def test_every_pattern(simulate, config_of):
    """All sequences over five clocks of entries and fillers of one row, entries of another, and idle clocks."""
    config, generator = config_of(depth=2), random.Random(1)
    clocks = sweep(generator, config)
    for number, pattern in enumerate(itertools.product(range(4), repeat=5)):
        make = (lambda: entry(generator, 0), lambda: filler(0), lambda: entry(generator, 1), lambda: NOTHING)
        clocks += [make[kind]() for kind in pattern]
        if number % 100 == 99:
            clocks += sweep(generator, config)
    clocks += sweep(generator, config)
    run(simulate, config, clocks)


@pytest.mark.parametrize("width", [24, 32, 36, 48])
@pytest.mark.parametrize("depth", [1, 2, 3, 5, 40])
def test_random_rows(simulate, config_of, width, depth):
    """With few rows nearly all sums are in flight; sums wrap."""
    config, generator = config_of(width, depth), random.Random(width * depth)
    clocks = sweep(generator, config)
    for _ in range(4):
        for _ in range(80):
            row = generator.randrange(depth)
            clocks.append(generator.choice([entry(generator, row), entry(generator, row), filler(row), NOTHING]))
        clocks += sweep(generator, config)
    run(simulate, config, clocks)


@pytest.mark.parametrize("gap", range(1, 8))
def test_entries_behind_a_sweep(simulate, config_of, gap):
    """A bias in flight is forwarded like a sum: the last swept rows are added to as soon as the memory is free."""
    config, generator = config_of(), random.Random(gap)
    clocks = sweep(generator, config)
    for row in reversed(range(config.act_depth)):
        clocks += [NOTHING] * (gap - 1) + [entry(generator, row), entry(generator, row)] + sweep(generator, config)
    run(simulate, config, clocks)


def test_sweeps_alone(simulate, config_of):
    """Biases are output unchanged."""
    config, generator = config_of(depth=5), random.Random(2)
    clocks = [NOTHING]
    for _ in range(4):
        clocks += sweep(generator, config)
    run(simulate, config, clocks)
