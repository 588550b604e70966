"""Addends of a unit: C or the stored sum, with the right timing."""

import random

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import TILE
from tercet.rtl.tensorcore.partial_sum_memory import PartialSumMemory

CONFIGS = {
    "fold 1": TensorCoreConfig(),
    "fold 1, registers of ECP5": TensorCoreConfig(family="ecp5"),
    "fold 4, FP16": TensorCoreConfig(fold=4, out_format="fp16"),
    "fold 16, iCE40": TensorCoreConfig(fold=16, family="ice40"),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_addends(through, config):
    component = PartialSumMemory(config=config)
    generator = random.Random(config.fold)
    width, depth = len(component.c), TILE[0] * TILE[1] * config.fold
    # Few addresses, so that they recur soon.
    addresses = [0, depth - 1, *generator.sample(range(1, depth - 1), 6)]
    cases = [
        {
            "place": generator.choice(addresses),
            "first": generator.random() < 0.3,
            "addend": generator.getrandbits(width),
            "write": generator.random() < 0.5,
            "write_place": generator.choice(addresses),
            "value": generator.getrandbits(width),
        }
        for _ in range(500)
    ]
    late = {"first": 1, "addend": 2, "value": 1}
    got = through(component, cases, late, c=component.latency).c
    words = dict.fromkeys(range(depth), 0)
    compared = 0
    for clock, case in enumerate(cases):
        # The result of a read during a write of the same address is undefined.
        collides = case["write"] and case["write_place"] == case["place"]
        if case["first"]:
            assert got[clock] == case["addend"]
        elif not collides:
            assert got[clock] == words[case["place"]]
            compared += 1
        if case["write"]:
            words[case["write_place"]] = case["value"]
    assert compared > 200
