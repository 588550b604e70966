"""Queue of C: every part comes out once and in order, two clocks after it was taken."""

import random

import pytest
from tercet.rtl.tensorcore.addends import Addends


def take_all(component, count, got, *, pauses=0.0, late=0):
    """Bench that takes parts, with random pauses, from clock `late` on; `got` receives each with its clock."""

    async def bench(ctx):
        generator = random.Random(1)
        taken = [False] * component.latency
        clock = 0
        while len(got) < count:
            take = clock >= late and bool(ctx.get(component.valid)) and generator.random() >= pauses
            ctx.set(component.take, take)
            _, _, part = await ctx.tick().sample(component.part)
            taken.append(take)
            if taken.pop(0):
                got.append((clock, part))
            clock += 1

    return bench


@pytest.mark.parametrize(
    ("gaps", "pauses"), [(0.0, 0.0), (0.0, 0.7), (0.6, 0.0), (0.3, 0.3)], ids=["none", "reader", "writer", "both"]
)
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_order(simulate, send, family, gaps, pauses):
    """All parts arrive, with the queue mostly full, mostly empty, or in between; without pauses one in each clock."""
    component = Addends(rows=2, width=20, family=family)
    generator = random.Random(1)
    parts = [generator.getrandbits(40) for _ in range(300)]
    got = []
    simulate(component, send(component.c, parts, stall=gaps), take_all(component, len(parts), got, pauses=pauses))
    assert [part for _, part in got] == parts
    if not gaps and not pauses:
        assert got[-1][0] - got[0][0] == len(parts) - 1


@pytest.mark.parametrize("late", [20, 60])
def test_parts_wait(simulate, send, late):
    """Before any is taken, parts are accepted as long as there are places; none is lost."""
    component = Addends(rows=1, width=8, family="ecp5")
    parts, got = list(range(1, 60)), []
    benches = (send(component.c, parts), take_all(component, len(parts), got, late=late))
    trace = simulate(component, *benches, c=component.c)
    assert [part for _, part in got] == parts
    accepted = sum(part is not None for part in trace.c[:late])
    assert 8 <= accepted <= 16
