"""Units with partial sums: chains of steps at the shortest distance, and the timing of results and flags."""

import random

import numpy as np
import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot
from tercet.rtl.tensorcore.core import Core

from .dot_cases import make_cases

CONFIGS = {
    "fold 1": TensorCoreConfig(l=2, m=2, n=2, pipeline=5),
    "fold 4": TensorCoreConfig(l=2, m=2, n=2, fold=4, pipeline=4),
    "fold 2, FP16": TensorCoreConfig(l=2, m=2, n=1, fold=2, pipeline=7, out_format="fp16"),
}


def flat(values, width):
    return sum(int(value) << width * n for n, value in enumerate(np.ravel(values)))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_chains(through, config):
    """Enough chains to fill the pipeline: each step is issued in the clock after its sum retires."""
    core = Core(config=config)
    generator = random.Random(3)
    (rows, cols), form = core.size(config), config.result
    steps, chains = 4, core.under_way + 1
    parts = [(row, col) for row in range(config.m // rows) for col in range(config.n // cols)]
    addresses = [(n // 8 % 4, n % 8, *parts[n // 32]) for n in range(32 * len(parts))]
    chosen = generator.sample(addresses, chains)
    numbers = iter(make_cases(config, steps * chains * rows * cols, seed=1))
    inputs, want, sums = [], [], {}
    for step in range(steps):
        for address in chosen:
            dots = [next(numbers) for _ in range(rows * cols)]
            a = np.array([dots[row * cols][0] for row in range(rows)], np.uint16)
            b = np.array([dots[col][1] for col in range(cols)], np.uint16)
            c = np.array([c for _, _, c in dots], form.dtype).reshape(rows, cols)
            item = dict(zip(("row", "col", "row_part", "col_part"), address, strict=True))
            item |= {"first": step == 0, "last": step == steps - 1 or generator.random() < 0.3, "close": step == 1}
            number = 0
            for name, field in core.item.shape():
                number |= int(item[name]) << field.offset
            inputs.append({"issue": 1, "item": number, "a": flat(a, 16), "b": flat(b, 16), "c": flat(c, form.width)})
            left, right = (np.broadcast_to(factor, (rows, cols, 2)) for factor in (a[:, None], b[None]))
            addend = c if step == 0 else sums[address]
            sums[address] = dot(left, right, addend, config).view(form.dtype)
            want.append((int(item["last"]), int(item["close"]), flat(sums[address], form.width)))
    latency = dict.fromkeys(("arrive", "close", "d"), core.latency)
    got = through(core, inputs, {"a": 2, "b": 2, "c": 2}, retire=core.under_way, **latency)
    assert list(zip(got.arrive, got.close, got.d, strict=True)) == want
    assert got.retire == [1] * len(inputs)


def test_nothing_arrives_that_was_not_started(through):
    core = Core(config=CONFIGS["fold 1"])
    generator = random.Random(4)
    inputs = [
        {"issue": generator.getrandbits(1), "item": generator.getrandbits(core.item.shape().size)} for _ in range(200)
    ]
    last = core.item.shape()["last"].offset
    got = through(core, inputs, retire=core.under_way, arrive=core.latency)
    assert got.retire == [case["issue"] for case in inputs]
    assert got.arrive == [case["issue"] & case["item"] >> last & 1 for case in inputs]
