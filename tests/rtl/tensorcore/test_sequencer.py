"""The order of starts, clock by clock: as soon as everything is there, and never before."""

import random

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.sequencer import Sequencer

# Sizes of a block, fold, and the parts of its rows and its columns.
PARTS = [
    ({"fold": 1}, 1, 1),
    ({"fold": 2}, 2, 1),
    ({"fold": 8}, 4, 2),
    ({"fold": 16}, 4, 4),
    ({"m": 2, "n": 8, "fold": 4}, 2, 2),
    ({"m": 3, "n": 4, "fold": 2}, 1, 2),
]
# Tiles by their blocks down, across, and steps.
TILES = [(4, 8, 2), (1, 1, 1), (1, 1, 4), (2, 3, 3), (1, 1, 1), (4, 1, 1), (1, 1, 3), (1, 2, 2), (3, 5, 1), (2, 1, 3)]


def parts_of(tile, row_parts, col_parts):
    """Starts of a step, and in order all items of a tile, each with whether it ends a step, and a block."""
    rows, cols, steps = tile
    blocks = [(row, col) for row in range(rows) for col in range(cols)]
    parts = [(row_part, col_part) for row_part in range(row_parts) for col_part in range(col_parts)]
    items = []
    for step in range(steps):
        for row, col in blocks:
            for row_part, col_part in parts:
                whole = (row_part, col_part) == parts[-1]
                over = whole and (row, col) == blocks[-1]
                first, last = step == 0, step == steps - 1
                item = {"row": row, "col": col, "row_part": row_part, "col_part": col_part}
                items.append(({**item, "first": first, "last": last, "close": over and last}, over, whole))
    return len(blocks) * len(parts), items


def run(simulate, fields, tiles, latency, **chances):
    """All signals in each clock, until every part of all tiles has been started and is back."""
    component = Sequencer(config=TensorCoreConfig(**fields), under_way=latency)
    config = component.config
    total = sum(rows * cols * steps for rows, cols, steps in tiles) * config.fold
    generator = random.Random(latency)
    inputs = ("a_ready", "b_ready", "c_valid", "room")

    async def bench(ctx):
        way = [0] * latency  # starts of the last clocks
        left, started = list(tiles), 0
        offered = False
        while started < total or any(way):
            for name in inputs:
                ctx.set(getattr(component, name), generator.random() < chances.get(name, 1.0))
            offered = offered or (bool(left) and generator.random() < chances.get("command", 1.0))
            ctx.set(component.command.valid, offered)
            rows, cols, steps = left[0] if left else (1, 1, 1)
            # Where there is no command, anything is.
            if not offered:
                rows, cols, steps = generator.randint(1, 4), generator.randint(1, 8), generator.randint(1, 9)
            ctx.set(component.command.payload, {"rows": rows - 1, "cols": cols - 1, "steps": steps - 1})
            ctx.set(component.retire, way[0])
            _, _, issue, ready = await ctx.tick().sample(component.issue, component.command.ready)
            way = [*way[1:], issue]
            started += issue
            if offered and ready:
                left.pop(0)
                offered = False
        ctx.set(component.retire, 0)
        ctx.set(component.command.valid, 0)

    names = (*inputs, "release", "c_take", "issue", "item", "retire", "running", "operands", "addend", "sum")
    watched = {name: getattr(component, name) for name in names}
    watched |= {"valid": component.command.valid, "ready": component.command.ready}
    return simulate(component, bench, clocks=30_000, **watched)


def check(trace, tiles, row_parts, col_parts):
    """Follow all inputs, and say in which clocks something is started."""
    tiles = iter(tiles)
    items, starts, back, place = [], 0, [], 0
    under_way, clocks = [], []
    for clock, issue in enumerate(trace.issue):
        running = place < len(items)
        said = f"clock {clock}, part {place} of {len(items)}"
        assert trace.running[clock] == running, said
        go, over, whole = False, False, False
        if running:
            item, over, whole = items[place]
            # The same part of the step before has been back since an earlier clock.
            operands = bool(trace.a_ready[clock] and trace.b_ready[clock])
            addend = bool(trace.c_valid[clock] or not item["first"])
            there = item["first"] or len(back) > place - starts
            assert (trace.operands[clock], trace.addend[clock], trace.sum[clock]) == (operands, addend, there), said
            go = bool(operands and addend and there and (trace.room[clock] or not item["last"]))
        assert issue == go, said
        assert trace.release[clock] == (go and over), said
        assert trace.c_take[clock] == (go and item["first"]), said
        if go:
            assert trace.item[clock] == item, said
            under_way.append(items)
            clocks.append(clock)
            place += 1
        assert trace.ready[clock] == (place == len(items)), said
        if trace.retire[clock] and under_way.pop(0) is items:
            back.append(clock)
        if trace.valid[clock] and trace.ready[clock]:
            starts, items = parts_of(next(tiles), row_parts, col_parts)
            back, place = [], 0
    assert next(tiles, None) is None
    assert place == len(items)
    return clocks


@pytest.mark.parametrize("latency", [1, 6, 40])
@pytest.mark.parametrize(("fields", "row_parts", "col_parts"), PARTS, ids=str)
def test_nothing_stalls(simulate, fields, row_parts, col_parts, latency):
    """Tiles one after the other; those that are small wait for their own sums, and only for these."""
    trace = run(simulate, fields, TILES, latency)
    clocks = check(trace, TILES, row_parts, col_parts)
    waits = [later - clock - 1 for clock, later in zip(clocks, clocks[1:], strict=False)]
    # One block waits for its sums in each step, and the largest tile does if there is more under way.
    parts = row_parts * col_parts
    assert max(waits) == max(0, latency + 1 - parts)
    assert sum(waits[: 64 * parts - 1]) == max(0, latency + 1 - 32 * parts)


STALLS = [
    {"command": 0.1},
    {"a_ready": 0.5},
    {"b_ready": 0.5},
    {"c_valid": 0.3},
    {"room": 0.3},
    {"command": 0.5, "a_ready": 0.8, "b_ready": 0.8, "c_valid": 0.8, "room": 0.7},
]


@pytest.mark.parametrize("chances", STALLS, ids=str)
@pytest.mark.parametrize(("fields", "row_parts", "col_parts"), [PARTS[0], PARTS[2]], ids=str)
def test_stalls(simulate, fields, row_parts, col_parts, chances):
    """Each thing that a start waits for, alone and together."""
    trace = run(simulate, fields, TILES[1:], 9, **chances)
    check(trace, TILES[1:], row_parts, col_parts)


@pytest.mark.parametrize("latency", [2, 20])
def test_commands_back_to_back(simulate, latency):
    """A tile of one start each clock, and the first of the next tile in the clock after the last of one."""
    tiles = [(1, 1, 1)] * 50 + [(2, 2, 1)] * 20
    trace = run(simulate, {}, tiles, latency)
    clocks = check(trace, tiles, 1, 1)
    assert clocks == list(range(1, 1 + 50 + 80))


def test_many_steps(simulate):
    """The count of steps has 16 bits; none of them is lost."""
    tiles = [(1, 1, 520), (1, 2, 1)]
    check(run(simulate, {}, tiles, 1), tiles, 1, 1)
