"""Order of issues, clock by clock: as soon as all inputs are available, and never before."""

import random

import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.sequencer import Sequencer

# Block size and fold; parts by rows and by columns.
PARTS = [
    ({"fold": 1}, 1, 1),
    ({"fold": 2}, 2, 1),
    ({"fold": 8}, 4, 2),
    ({"fold": 16}, 4, 4),
    ({"m": 2, "n": 8, "fold": 4}, 2, 2),
    ({"m": 3, "n": 4, "fold": 2}, 1, 2),
]
# Tiles: blocks down, blocks across, steps.
TILES = [(4, 8, 2), (1, 1, 1), (1, 1, 4), (2, 3, 3), (1, 1, 1), (4, 1, 1), (1, 1, 3), (1, 2, 2), (3, 5, 1), (2, 1, 3)]


def parts_of(tile, row_parts, col_parts):
    """Issues per step, and all items of a tile in order, each with flags for the end of a step and of a block."""
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
    """Trace of all signals, until every part of all tiles has been issued and has retired."""
    component = Sequencer(config=TensorCoreConfig(**fields), under_way=latency)
    config = component.config
    total = sum(rows * cols * steps for rows, cols, steps in tiles) * config.fold
    generator = random.Random(latency)
    inputs = ("a_ready", "b_ready", "c_valid", "room")

    async def bench(ctx):
        in_flight = [0] * latency  # issues of the last clocks
        left, started = list(tiles), 0
        offered = False
        while started < total or any(in_flight):
            for name in inputs:
                ctx.set(getattr(component, name), generator.random() < chances.get(name, 1.0))
            offered = offered or (bool(left) and generator.random() < chances.get("command", 1.0))
            ctx.set(component.command.valid, offered)
            rows, cols, steps = left[0] if left else (1, 1, 1)
            # Without a valid command, the payload is random.
            if not offered:
                rows, cols, steps = generator.randint(1, 4), generator.randint(1, 8), generator.randint(1, 9)
            ctx.set(component.command.payload, {"rows": rows - 1, "cols": cols - 1, "steps": steps - 1})
            ctx.set(component.retire, in_flight[0])
            _, _, issue, ready = await ctx.tick().sample(component.issue, component.command.ready)
            in_flight = [*in_flight[1:], issue]
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
    """Check a trace against its inputs; return the clocks with an issue."""
    tiles = iter(tiles)
    items, starts, back, index = [], 0, [], 0
    under_way, clocks = [], []
    for clock, issue in enumerate(trace.issue):
        running = index < len(items)
        where = f"clock {clock}, part {index} of {len(items)}"
        assert trace.running[clock] == running, where
        go, over, whole = False, False, False
        if running:
            item, over, whole = items[index]
            # The same part of the previous step must have retired in an earlier clock.
            operands = bool(trace.a_ready[clock] and trace.b_ready[clock])
            addend = bool(trace.c_valid[clock] or not item["first"])
            has_sum = item["first"] or len(back) > index - starts
            assert (trace.operands[clock], trace.addend[clock], trace.sum[clock]) == (operands, addend, has_sum), where
            go = bool(operands and addend and has_sum and (trace.room[clock] or not item["last"]))
        assert issue == go, where
        assert trace.release[clock] == (go and over), where
        assert trace.c_take[clock] == (go and item["first"]), where
        if go:
            assert trace.item[clock] == item, where
            under_way.append(items)
            clocks.append(clock)
            index += 1
        assert trace.ready[clock] == (index == len(items)), where
        if trace.retire[clock] and under_way.pop(0) is items:
            back.append(clock)
        if trace.valid[clock] and trace.ready[clock]:
            starts, items = parts_of(next(tiles), row_parts, col_parts)
            back, index = [], 0
    assert next(tiles, None) is None
    assert index == len(items)
    return clocks


@pytest.mark.parametrize("latency", [1, 6, 40])
@pytest.mark.parametrize(("fields", "row_parts", "col_parts"), PARTS, ids=str)
def test_nothing_stalls(simulate, fields, row_parts, col_parts, latency):
    """Tiles in sequence; small ones wait for their own sums, and for nothing else."""
    trace = run(simulate, fields, TILES, latency)
    clocks = check(trace, TILES, row_parts, col_parts)
    waits = [later - clock - 1 for clock, later in zip(clocks, clocks[1:], strict=False)]
    # A single block waits for its sums in each step; the largest tile does so if more parts are in flight.
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
    """Stalls for each cause, alone and together."""
    trace = run(simulate, fields, TILES[1:], 9, **chances)
    check(trace, TILES[1:], row_parts, col_parts)


@pytest.mark.parametrize("latency", [2, 20])
def test_commands_back_to_back(simulate, latency):
    """Tiles of a single part issue every clock; a tile starts in the clock after the previous one ends."""
    tiles = [(1, 1, 1)] * 50 + [(2, 2, 1)] * 20
    trace = run(simulate, {}, tiles, latency)
    clocks = check(trace, tiles, 1, 1)
    assert clocks == list(range(1, 1 + 50 + 80))


def test_many_steps(simulate):
    """A tile with more steps than fit eight bits."""
    tiles = [(1, 1, 520), (1, 2, 1)]
    check(run(simulate, {}, tiles, 1), tiles, 1, 1)
