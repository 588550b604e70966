"""Vector unit: blocks of every operation, with steps and table writes as close together as permitted."""

import random

import pytest
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.latencies import VECTOR_CLOCKS
from tercet.golden.systolic.cycle_model import ACCUMULATE_CLOCKS
from tercet.rtl.npu.vector import VectorOperation, VectorUnit

from .unit_bench import joined, run_unit

CONFIGS = {
    "2 columns": NpuConfig(rows=2, cols=2, acc_depth=2),
    "5 columns": NpuConfig(rows=4, cols=5, acc_depth=9),
    "18 columns": NpuConfig(rows=4, cols=18, acc_depth=6, mac="ice40"),
    "no tables": NpuConfig(rows=3, cols=3, acc_depth=7, tables=0),
    "ecp5": NpuConfig(rows=4, cols=4, acc_depth=40, mac="ecp5"),
    "ecp5, logic cells": NpuConfig(rows=4, cols=3, acc_depth=12, mac="ecp5"),
    "ecp5, no tables": NpuConfig(rows=4, cols=2, acc_depth=64, mac="ecp5", tables=0),
}
EXTREME = (-128, -127, -1, 0, 1, 126, 127)


class Schedule:
    """Inputs by clock, and the values expected of each step."""

    def __init__(self, config, seed, gaps):
        self.config, self.gaps = config, gaps
        self.generator = random.Random(seed)
        self.clock = 0
        self.given, self.expected = {}, {}
        self.tables = [0] * 512

    def gap(self):
        self.clock += self.generator.choice(self.gaps)

    def write(self, address):
        """Write a random word of the tables."""
        self.tables[address] = self.generator.randrange(-(2**31), 2**31)
        word = {"table_write": 1, "table_address": address, "table_data": self.tables[address] & 0xFFFFFFFF}
        self.given[self.clock] = word
        self.clock += 1

    def code(self):
        return self.generator.choice((self.generator.choice(EXTREME), self.generator.randrange(-128, 128)))

    def step(self, codes, values, **flags):
        self.given[self.clock] = {**flags, "step": 1, "bytes": joined(codes, 8)}
        self.expected[self.clock] = joined(values, 32)
        self.clock += 1

    def block(self, operation):
        """Run a block: one to four passes of up to `acc_depth` steps, a table written in the clock before a pass."""
        passes, steps = self.generator.randint(1, 4), self.generator.randint(1, self.config.acc_depth)
        held, reached = {}, {}
        for number in range(passes):
            flags = {"operation": operation, "first": number == 0, "last": number == passes - 1}
            flags |= {"second": self.generator.getrandbits(1), "zero": self.code()}
            written = self.code()
            if operation == VectorOperation.TABLE and self.generator.random() < 0.5:
                self.write(256 * flags["second"] + written + 128)
            for index in range(steps):
                self.gap()
                self.clock = max(self.clock, reached.get(index, -ACCUMULATE_CLOCKS) + ACCUMULATE_CLOCKS)
                reached[index] = self.clock
                codes = [self.code() for _ in range(self.config.cols)]
                if index == 0:
                    codes[-1] = written
                values = self.values(codes, held, index, **flags)
                self.step(codes, values, start=index == 0, **flags)

    def values(self, codes, held, index, *, operation, first, last, second, zero):
        if operation == VectorOperation.TABLE:
            return [self.tables[256 * second + code + 128] if self.config.tables else 0 for code in codes]
        if operation == VectorOperation.FACTOR:
            return [(code - zero) << 9 if second else (code - zero) & 0x1FF for code in codes]
        held[index] = codes if first else list(map(max, held[index], codes))
        return held[index] if last else [0] * len(codes)

    def clocks(self):
        """Return the inputs of every clock, random in clocks in which they must be ignored."""
        random_inputs = {
            "bytes": 8 * self.config.cols,
            **dict.fromkeys(("start", "second", "first", "last"), 1),
            "operation": 2,
            "zero": 8,
            "table_address": 9,
            "table_data": 32,
        }
        return [
            {
                **{name: self.generator.getrandbits(width) for name, width in random_inputs.items()},
                "step": 0,
                "table_write": 0,
                **self.given.get(clock, {}),
            }
            for clock in range(self.clock)
        ]


@pytest.mark.parametrize("gaps", [(0,), (0, 0, 0, 1, 6)], ids=["dense", "gaps"])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_blocks(through, config, gaps):
    """Blocks of all operations in random order, after both tables have been written."""
    plan = Schedule(config, 1, gaps)
    for address in plan.generator.sample(range(512), 512):
        plan.write(address)
    for _ in range(50):
        plan.block(plan.generator.choice(list(VectorOperation)))
    unit = VectorUnit(config=config)
    assert unit.latency == VECTOR_CLOCKS
    clocks = plan.clocks()
    values = run_unit(through, unit, clocks, events=("step", "table_write"), output="values", family=config.family)
    assert values == [plan.expected.get(clock) for clock in range(len(clocks))]


@pytest.mark.parametrize("mac", ["infer", "ecp5"])
def test_every_code(through, mac):
    """Every code through both tables, as factors of extreme zero points, and against extreme maxima."""
    config = NpuConfig(rows=2, cols=2, acc_depth=256, mac=mac)
    plan = Schedule(config, 2, (0,))
    for address in range(512):
        plan.write(address)
    pairs = [[code, -1 - code] for code in range(-128, 128)]
    passes = [(VectorOperation.TABLE, 0), *((VectorOperation.FACTOR, zero) for zero in EXTREME)]
    for operation, zero in passes:
        for second in range(2):
            flags = {"operation": operation, "second": second, "zero": zero, "first": not second, "last": second}
            for n, codes in enumerate(pairs):
                plan.step(codes, plan.values(codes, {}, n, **flags), start=n == 0, **flags)
    for most in EXTREME:
        held = {}
        for last in range(2):
            flags = {"operation": VectorOperation.LARGEST, "second": 0, "zero": 0, "first": not last, "last": last}
            for n, codes in enumerate(pairs):
                codes = codes if last else [most] * 2
                plan.step(codes, plan.values(codes, held, n, **flags), start=n == 0, **flags)
    unit = VectorUnit(config=config)
    clocks = plan.clocks()
    values = run_unit(through, unit, clocks, events=("step", "table_write"), output="values", family=config.family)
    assert values == [plan.expected.get(clock) for clock in range(len(clocks))]
