"""Rows of units of any length: each unit is wired to its own slice and to its neighbour."""

import random

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.side_by_side import SideBySide


class Keep(wiring.Component):
    """Store `i` on `shift`; output the stored value plus the unit's own input plus the common one."""

    def __init__(self, *, width):
        super().__init__(
            {
                "shift": In(1),
                "all": In(signed(width)),
                "own": In(signed(width)),
                "total": Out(signed(width + 2)),
                "i": In(signed(width)),
                "o": Out(signed(width)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        with m.If(self.shift):
            m.d.sync += self.o.eq(self.i)
        m.d.comb += self.total.eq(self.all + self.own + self.o)
        return m


class Chained(SideBySide):
    """Stored values move on by one unit."""

    unit = Keep
    split = frozenset({"own", "total"})
    chain = ("i", "o")


class Apart(SideBySide):
    """Each unit stores its own input."""

    unit = Keep
    split = frozenset({"own", "total", "i", "o"})


def pack(values, width):
    return sum((value & (2**width - 1)) << (n * width) for n, value in enumerate(values))


def ref_row(row, kept, i):
    """Values stored in the units after a shift."""
    return [*kept[1:], i[-1]] if row is Chained else i


@pytest.mark.parametrize("count", [1, 3, 16, 17, 40])
@pytest.mark.parametrize("row", [Chained, Apart])
def test_row(simulate, row, count):
    width = 5
    generator = random.Random(count)
    units = row(count=count, width=width)
    want = []

    def number():
        return generator.randrange(-(2 ** (width - 1)), 2 ** (width - 1))

    async def bench(ctx):
        kept = [0] * count
        for _ in range(3 * count + 20):
            shift, every = generator.random() < 0.7, number()
            own, i = [number() for _ in range(count)], [number() for _ in range(count)]
            ctx.set(units.shift, shift)
            ctx.set(units.all, every)
            ctx.set(units.own, pack(own, width))
            ctx.set(units.i, pack(i, width) if row is Apart else i[-1])
            totals = pack([every + mine + keep for mine, keep in zip(own, kept, strict=True)], width + 2)
            want.append((totals, pack(kept, width) if row is Apart else kept[0]))
            if shift:
                kept = ref_row(row, kept, i)
            await ctx.tick()

    trace = simulate(units, bench, total=units.total, o=units.o)
    assert list(zip(trace.total, trace.o, strict=True))[: len(want)] == want


def test_members():
    """Common members have a unit's shape, split ones are `count` times as wide."""
    members = Chained(count=40, width=5).signature.members
    assert members["all"].shape == members["i"].shape == members["o"].shape == signed(5)
    assert (members["own"].shape, members["total"].shape, members["shift"].shape) == (200, 280, 1)


def test_refuses():
    with pytest.raises(ValueError, match="Row of 0 units; use at least 1"):
        Chained(count=0, width=5)
