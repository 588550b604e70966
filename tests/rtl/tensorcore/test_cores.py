"""Cores in lockstep: each core's columns are those of a single core that is given the same rows of A."""

import dataclasses
import random

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.core import Core
from tercet.rtl.tensorcore.cores import Cores

CONFIGS = {
    "2x2": TensorCoreConfig(l=2, m=2, n=2, pipeline=5, cores=2),
    "a part of 1x2, FP16": TensorCoreConfig(l=2, m=2, n=2, fold=2, pipeline=4, out_format="fp16", cores=2),
    "int8": TensorCoreConfig(a_format="int8", l=2, m=2, n=1, pipeline=5, cores=2),
}


def columns_of(number, rows, cols, width, core):
    """Cut one core's columns out of rows that hold those of two."""
    mask = (1 << cols * width) - 1
    parts = [number >> (2 * row + core) * cols * width & mask for row in range(rows)]
    return sum(part << row * cols * width for row, part in enumerate(parts))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_columns(through, config):
    cores, single = Cores(config=config), dataclasses.replace(config, cores=1)
    core, (rows, cols), generator = Core(config=single), Core.size(config), random.Random(5)
    assert (cores.latency, cores.under_way) == (core.latency, core.under_way)
    sizes = {name: len(getattr(cores, name)) for name in "abc"}
    inputs = [
        {
            "issue": int(generator.random() < 0.8),
            "item": generator.getrandbits(cores.item.shape().size),
            **{name: generator.getrandbits(size) for name, size in sizes.items()},
        }
        for _ in range(200)
    ]
    flags = dict.fromkeys(("arrive", "close", "d"), cores.latency)
    both = through(cores, inputs, {"a": 2, "b": 2, "c": 2}, retire=cores.under_way, **flags)
    width = len(core.c) // (rows * cols)
    for n in range(2):
        own = [
            case
            | {
                "b": case["b"] >> n * len(core.b) & (1 << len(core.b)) - 1,
                "c": columns_of(case["c"], rows, cols, width, n),
            }
            for case in inputs
        ]
        alone = through(Core(config=single), own, {"a": 2, "b": 2, "c": 2}, retire=core.under_way, **flags)
        assert [columns_of(d, rows, cols, width, n) for d in both.d] == alone.d
        assert (both.arrive, both.close, both.retire) == (alone.arrive, alone.close, alone.retire)
        assert len(set(alone.d)) > 100
