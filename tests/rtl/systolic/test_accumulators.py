"""Accumulators alone: blocks of sums accumulate in one bank while the other is read."""

import random
from types import SimpleNamespace

import pytest
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.cycle_model import ACCUMULATE_CLOCKS, READ_CLOCKS
from tercet.rtl.systolic.accumulators import Accumulators

# Clocks from the flags of a row to its sums, to the use of its tile's biases, and to its block being full.
SUM, BIAS, FULL = 4, 2, 5
CONFIGS = {
    "3 columns": SystolicConfig(rows=4, cols=3, acc_depth=6),
    "1 column": SystolicConfig(rows=1, cols=1, acc_depth=7),
    # Sums of 9 bits are accumulated in 9 bits, and wrap.
    "wraps": SystolicConfig(rows=2, cols=2, acc_depth=5, act_width=4, weight_width=4, acc_width=9),
}
LUT_RAM = {"LUT RAM": SystolicConfig(rows=2, cols=2, acc_depth=40, mac="ecp5")}


def vector(generator, width, count):
    limit = 2 ** (width - 1)
    return [generator.choice((-limit, limit - 1, generator.randrange(-limit, limit))) for _ in range(count)]


def random_tiles(config, seed):
    """Return column tiles, each with biases or None and its blocks; a block is one to four planes of rows of sums."""
    generator = random.Random(seed)
    tiles = []
    for number in range(12):
        blocks = [(generator.randint(1, config.acc_depth), generator.randint(1, 4)) for _ in range(1 + number % 3)]
        sums = [
            [[vector(generator, config.sum_width, config.cols) for _ in range(rows)] for _ in range(planes)]
            for rows, planes in blocks
        ]
        tiles.append((vector(generator, config.acc_width, config.cols) if number % 4 != 2 else None, sums))
    return tiles


def ref_block(planes, bias, width):
    """Return the rows of a finished block: the sums of all planes and the bias, modulo 2**width."""
    half = 2 ** (width - 1)
    rows = [[sum(column) + b for *column, b in zip(*row, bias, strict=True)] for row in zip(*planes, strict=True)]
    return [[(total + half) % (2 * half) - half for total in row] for row in rows]


def schedule(config, tiles, seed, gaps):
    """Return inputs and expected outputs by clock, each as early as permitted plus random gaps."""
    generator = random.Random(seed)
    plan = SimpleNamespace(marks={}, sums={}, shifts={}, reads={}, full=[], bias_taken=[], drained={})

    def shift(bias, clock):
        for value in bias:
            plan.shifts[clock] = value
            clock += 1 + generator.choice(gaps)
        return clock

    biases = iter([bias for bias, _ in tiles if bias])
    clock, loaded = 0, shift(next(biases), 0)
    freed = [0, 0]
    bank = 0
    for bias, blocks in tiles:
        for index, planes in enumerate(blocks):
            clock = max(clock, freed[bank] + 1, loaded if bias and index == 0 else 0)
            reached = [clock - ACCUMULATE_CLOCKS] * len(planes[0])
            for k, plane in enumerate(planes):
                for row, sums in enumerate(plane):
                    clock = max(clock + generator.choice(gaps), reached[row] + ACCUMULATE_CLOCKS)
                    end = k == len(planes) - 1 and row == len(plane) - 1
                    flags = {"valid": 1, "begin": row == 0, "first": k == 0, "end": end, "params": bias is not None}
                    plan.marks[clock] = {**flags, "tile": index == k == row == 0}
                    plan.sums[clock + SUM] = sums
                    if index == k == row == 0 and bias:
                        plan.bias_taken.append(clock + BIAS)
                        loaded = shift(next(biases, ()), clock + BIAS + 1)
                    reached[row] = clock
                    clock += 1
            plan.full.append(clock - 1 + FULL)
            # One bank is read at a time.
            read = max(plan.full[-1], *freed) + 1
            for row, values in enumerate(ref_block(planes, bias or [0] * config.cols, config.acc_width)):
                plan.reads[read] = bank, row
                plan.drained[read + READ_CLOCKS] = values
                freed[bank] = read
                read += 1 + generator.choice(gaps)
            bank = 1 - bank
    return plan


@pytest.mark.parametrize("gaps", [(0,), (0, 0, 0, 1, 6)], ids=["dense", "gaps"])
@pytest.mark.parametrize("config", (CONFIGS | LUT_RAM).values(), ids=CONFIGS | LUT_RAM)
def test_accumulators(simulate, config, gaps):
    """Several blocks, planes and biases; all inputs are random in clocks in which they must be ignored."""
    plan = schedule(config, random_tiles(config, seed=1), 2, gaps)
    accumulators = Accumulators(config=config, lut_ram=config.mac == "ecp5")

    async def bench(ctx):
        generator = random.Random(3)
        for clock in range(max(plan.drained)):
            garbage = {name: generator.getrandbits(1) for name in ("begin", "first", "end", "tile", "params")}
            ctx.set(accumulators.mark, plan.marks.get(clock, {**garbage, "valid": 0}))
            ctx.set(accumulators.sums, plan.sums.get(clock, vector(generator, config.sum_width, config.cols)))
            ctx.set(accumulators.bias_shift, clock in plan.shifts)
            ctx.set(accumulators.bias, plan.shifts.get(clock, generator.randrange(100)))
            ctx.set(accumulators.draining, clock in plan.reads)
            bank, row = plan.reads.get(clock, (generator.getrandbits(1), generator.randrange(config.acc_depth)))
            ctx.set(accumulators.drain_bank, bank)
            ctx.set(accumulators.drain_address, row)
            await ctx.tick()

    watch = {name: getattr(accumulators, name) for name in ("full", "bias_taken", "drained")}
    trace = simulate(accumulators, bench, **watch)
    assert [clock for clock, full in enumerate(trace.full) if full] == plan.full
    assert [clock for clock, taken in enumerate(trace.bias_taken) if taken] == plan.bias_taken
    assert {clock: trace.drained[clock] for clock in plan.drained} == plan.drained
