"""Blocks from their parts: every fold, every shape of a block, with stalls on either side."""

import random

import pytest
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.rtl.tensorcore.assemble import Assemble

# Rows and columns of a part.
SHAPES = [
    ({"fold": 1}, 4, 4),
    ({"fold": 2}, 2, 4),
    ({"fold": 4}, 1, 4),
    ({"fold": 8}, 1, 2),
    ({"fold": 16}, 1, 1),
    ({"fold": 16, "out_format": "fp16"}, 1, 1),
    ({"m": 3, "n": 4, "fold": 4}, 3, 1),
    ({"m": 2, "n": 8, "fold": 8}, 1, 2),
    ({"m": 6, "n": 2, "fold": 2, "a_format": "int8"}, 3, 2),
    ({"m": 1, "n": 4, "fold": 2}, 1, 2),
]


def cut(block, rows, cols, width):
    """Parts of a block, from the left to the right and then down, each row by row."""
    parts = []
    for top in range(0, len(block), rows):
        for left in range(0, len(block[0]), cols):
            elements = [block[top + row][left + col] for row in range(rows) for col in range(cols)]
            parts.append(sum(element << width * n for n, element in enumerate(elements)))
    return parts


def blocks_of(config, count, seed):
    width = 16 if config.out_format == "fp16" else 32
    generator = random.Random(seed)
    blocks = [[[generator.getrandbits(width) for _ in range(config.n)] for _ in range(config.m)] for _ in range(count)]
    return [(block, generator.getrandbits(1)) for block in blocks], width


@pytest.mark.parametrize(("gaps", "pauses"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3)])
@pytest.mark.parametrize(("fields", "rows", "cols"), SHAPES, ids=str)
def test_blocks(simulate, send, receive, fields, rows, cols, gaps, pauses):
    config = TensorCoreConfig(**fields)
    component = Assemble(config=config)
    blocks, width = blocks_of(config, 20, seed=rows)
    parts = []
    for block, last in blocks:
        some = cut(block, rows, cols, width)
        assert len(some) == config.fold
        parts += [{"data": part, "last": last and n == config.fold - 1} for n, part in enumerate(some)]
    benches = (
        send(component.i, parts, stall=gaps, seed=1),
        receive(component.o, len(blocks), stall=pauses, seed=2),
    )
    trace = simulate(component, *benches, i=component.i, o=component.o)
    assert [item for item in trace.o if item is not None] == [{"data": block, "last": last} for block, last in blocks]
    # A block goes in the clock of its last part.
    clocks = [clock for clock, part in enumerate(trace.i) if part is not None]
    assert [clock for clock, item in enumerate(trace.o) if item is not None] == clocks[config.fold - 1 :: config.fold]
    if not gaps and not pauses:
        assert clocks == list(range(clocks[0], clocks[0] + len(parts)))


def test_nobody_waits_for_parts(simulate, send):
    """All parts but the last one are taken although nobody takes blocks."""
    config = TensorCoreConfig(fold=4)
    component = Assemble(config=config)

    async def wait(ctx):
        await ctx.tick().repeat(20)

    parts = [{"data": n, "last": 0} for n in range(8)]
    trace = simulate(component, wait, beside=(send(component.i, parts),), i=component.i, valid=component.o.valid)
    assert [part["data"] for part in trace.i if part is not None] == [0, 1, 2]
    assert trace.valid.index(1) == 3
