"""Rotation of lanes by all amounts, and selection of one lane for all lanes."""

import random

import pytest
from tercet.rtl.npu.rotator import Rotator


def ref_rotate(lanes, amount, splat):
    count = len(lanes)
    return [lanes[(amount + (0 if splat else n)) % count] for n in range(count)]


@pytest.mark.parametrize("width", [1, 9])
@pytest.mark.parametrize("lanes", [4, 8, 16, 32, 64])
def test_rotator(simulate, lanes, width):
    """A new vector and amount in every clock."""
    generator = random.Random(lanes)
    cases = [(amount, splat) for amount in range(lanes) for splat in (0, 1)] * 2
    generator.shuffle(cases)
    vectors = [[generator.getrandbits(width) for _ in range(lanes)] for _ in cases]
    rotator = Rotator(lanes=lanes, width=width)

    async def bench(ctx):
        for (amount, splat), vector in zip([*cases, (0, 0)], [[0] * lanes, *vectors], strict=True):
            ctx.set(rotator.amount, amount)
            ctx.set(rotator.splat, splat)
            ctx.set(rotator.i, sum(lane << n * width for n, lane in enumerate(vector)))
            await ctx.tick()

    trace = simulate(rotator, bench, o=rotator.o)
    outputs = trace.o[1 + rotator.latency :][: len(cases)]
    found = [[output >> n * width & (1 << width) - 1 for n in range(lanes)] for output in outputs]
    assert found == [ref_rotate(vector, *case) for vector, case in zip(vectors, cases, strict=True)]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lanes": 2}, "2 lanes; use a power of two from 4 to 64"),
        ({"lanes": 12}, "12 lanes"),
        ({"lanes": 128}, "128 lanes"),
        ({"lanes": 4, "width": 0}, "width 0; use at least 1"),
    ],
)
def test_refuses(params, message):
    with pytest.raises(ValueError, match=message):
        Rotator(**params)
