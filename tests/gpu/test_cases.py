"""Tiles for a GPU: shapes, types and count, and reproducible seeds."""

import numpy as np
import pytest
from tercet.gpu.cases import tiles
from tercet.gpu.verify import checks

RUNS = [
    *checks((7, 0), "volta"),
    *checks((7, 5), "turing"),
    *checks((8, 0), "ampere"),
    *checks((8, 9), "ada", ["e4m3"])[:2],
    *checks((9, 0), "hopper", ["e4m3"])[:8],
]


@pytest.mark.parametrize("check", RUNS, ids=lambda check: f"{check.instruction.ptx}-{check.zero_addend}")
def test_tiles_are_what_the_golden_model_takes(check):
    instruction = check.instruction
    count = 100_000
    size = instruction.m * instruction.n
    blocks = list(tiles(np.random.default_rng(0), instruction, check.config, count, zero_addend=check.zero_addend))
    assert sum(c.size for _, _, c in blocks) == -(-count // size) * size
    for a, b, c in blocks:
        assert (a.shape[1:], b.shape[1:], c.shape[1:]) == (
            (instruction.m, instruction.k),
            (instruction.k, instruction.n),
            (instruction.m, instruction.n),
        )
        assert a.itemsize * 8 == b.itemsize * 8 == instruction.operand_width
        assert c.itemsize * 8 == instruction.out_width
        assert not (check.zero_addend and c.any())


def test_seeds_repeat():
    check = RUNS[2]
    first, again, other = (
        list(tiles(np.random.default_rng(seed), check.instruction, check.config, 10_000, zero_addend=False))[0][0]
        for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()
