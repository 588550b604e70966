"""Row tags alone: from one set of flags per block to one per row."""

import random

import pytest
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.systolic.row_tags import RowTags


def schedule(rows, sizes, seed, gaps):
    """Return the clocks in which blocks begin and in which their flags arrive, delayed by random `gaps`."""
    generator = random.Random(seed)
    starts, marks = [], []
    for number in range(len(sizes)):
        # At most one other block is in flight, and the array keeps blocks apart.
        start = max(starts[-1] if starts else 0, marks[-2] if number > 1 else 0) + 1 + generator.choice(gaps)
        mark = max(start + 1, marks[-1] + 2 * rows - 1 if marks else 0) + generator.choice(gaps)
        starts.append(start)
        marks.append(mark)
    return starts, marks


def ref_marks(sizes, marks, flags):
    """Return the expected flags: one row every second clock, from the block's flags on."""
    return {
        clock + 2 * row: {
            "valid": 1,
            "begin": int(row == 0),
            "first": 1,
            "end": int(row == size - 1),
            "tile": int(row == 0 and tile),
            # Undefined for further rows.
            "params": params if row == 0 else None,
        }
        for clock, size, (tile, params) in zip(marks, sizes, flags, strict=True)
        for row in range(size)
    }


@pytest.mark.parametrize("gaps", [(0,), (0, 0, 1, 2, 9)], ids=["dense", "gaps"])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_row_marks(simulate, rows, gaps):
    """Blocks of all sizes in sequence, from one row on."""
    generator = random.Random(rows)
    sizes = [*range(1, rows + 1), *range(rows, 0, -1), *(generator.randint(1, rows) for _ in range(60))]
    starts, marks = schedule(rows, sizes, 1, gaps)
    flags = [(generator.getrandbits(1), generator.getrandbits(1)) for _ in sizes]
    component = RowTags(config=SystolicConfig(rows=rows, cols=2, acc_depth=8, dataflow="os"))

    async def bench(ctx):
        sizes_of, flags_of = dict(zip(starts, sizes, strict=True)), dict(zip(marks, flags, strict=True))
        for clock in range(marks[-1] + 2 * rows):
            # Flags are random unless valid.
            tile, params = flags_of.get(clock, (generator.getrandbits(1), generator.getrandbits(1)))
            ctx.set(component.block_start, clock in sizes_of)
            ctx.set(component.block, {"rows": sizes_of.get(clock, generator.randint(1, rows)) - 1})
            valid = clock in flags_of
            ctx.set(component.i, {"valid": valid, "begin": 1, "first": 1, "tile": tile, "params": params})
            await ctx.tick()
        ctx.set(component.i, {})

    trace = simulate(component, bench, o=component.o)
    seen = {clock: mark for clock, mark in enumerate(trace.o) if mark["valid"]}
    for mark in seen.values():
        mark["params"] = mark["params"] if mark["begin"] else None
    assert seen == ref_marks(sizes, marks, flags)
