"""Drain alone: finished blocks leave as sums or as codes."""

import random
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
from tercet.golden.numerics.requantization import ROUNDINGS, requantize
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.cycle_model import READ_CLOCKS
from tercet.rtl.systolic.drain import Drain

CONFIGS = {
    "two chunks": SystolicConfig(rows=2, cols=3, acc_depth=4, requant_lanes=2),
    "one chunk": SystolicConfig(rows=2, cols=2, acc_depth=3, requant_lanes=2),
    "os": SystolicConfig(rows=3, cols=2, acc_depth=5, requant_lanes=1, dataflow="os"),
    "sums only": SystolicConfig(rows=2, cols=2, acc_depth=5, requant_lanes=0),
}


def random_commands(config, count, seed):
    """Return the settings and column tiles of each command; a tile has scales or None, and blocks of rows."""
    generator = random.Random(seed)
    commands = []
    for _ in range(count):
        requant = generator.getrandbits(1) if config.requant_lanes else 0
        qmin, qmax = sorted(generator.randrange(-128, 128) for _ in range(2))
        settings = {"requant": requant, "rounding": generator.randrange(3), "qmin": qmin, "qmax": qmax}
        settings["zero_point"] = generator.randrange(-128, 128)
        params = requant or generator.getrandbits(1)
        sizes = [config.block_rows] * generator.randrange(3) + [generator.randint(1, config.block_rows)]
        tiles = []
        for _ in range(generator.randint(1, 3)):
            scales = [(generator.randrange(2**30, 2**31), generator.randint(-15, -9)) for _ in range(config.cols)]
            blocks = [
                [[generator.randrange(-(2**20), 2**20) for _ in range(config.cols)] for _ in range(n)] for n in sizes
            ]
            tiles.append((scales if params else None, blocks))
        commands.append((settings, tiles))
    return commands


def ref_drain(config, commands):
    """Return the blocks as announced to the drain, and the expected beats of sums and of codes."""
    announced, sums, outs = [], [], []
    for settings, tiles in commands:
        for t, (scales, blocks) in enumerate(tiles):
            for b, rows in enumerate(blocks):
                last = b == len(blocks) - 1
                ends = int(last and t == len(tiles) - 1)
                flags = {"starts": int(t == b == 0), "ends": ends, "frees": int(last and scales is not None)}
                announced.append(({**settings, **flags, "rows": len(rows) - 1}, rows, b == 0 and scales is not None))
                width = config.cols
                if settings["requant"]:
                    multiplier, shift = np.array(scales).T
                    rounding = ROUNDINGS[settings["rounding"]]
                    output = {name: settings[name] for name in ("zero_point", "qmin", "qmax")}
                    rows = requantize(np.array(rows), multiplier, shift, **output, rounding=rounding).tolist()
                    width = config.requant_lanes
                beats = [row[column : column + width] for row in rows for column in range(0, config.cols, width)]
                (outs if settings["requant"] else sums).extend(
                    {"data": beat, "last": int(ends and number == len(beats) - 1)} for number, beat in enumerate(beats)
                )
    return announced, sums, outs


def load_scales(drain, tiles, state, generator):
    """Act as the parameter loader, with the scales of at most two tiles loaded."""

    async def bench(ctx):
        for number, scales in enumerate(tiles):
            while number - state.params_freed == 2:
                await ctx.tick()
            ctx.set(drain.params_slot, number % 2)
            for channel, (multiplier, shift) in enumerate(scales):
                ctx.set(drain.params, {"bias": 0, "multiplier": multiplier, "shift": shift})
                ctx.set(drain.params_channel, channel)
                ctx.set(drain.params_valid, 1)
                await ctx.tick()
                ctx.set(drain.params_valid, 0)
                while generator.getrandbits(1):
                    await ctx.tick()
            state.loaded += 1

    return bench


def gather(config, drain, announced, state, generator):
    """Act as the array and the accumulators: at most two blocks, which begin and are full later; delayed rows."""

    async def bench(ctx):
        banks, under_way, rows = [[], []], deque(), deque([None] * READ_CLOCKS)
        clock = started = freed = tiles = 0
        while freed < len(announced) or any(rows):
            # The array takes longer than two clocks.
            full = bool(under_way) and clock > under_way[0][0] + 1 and generator.random() < 0.3
            if full:
                number = under_way.popleft()[1]
                banks[number % 2] = announced[number][1]
            start = started < min(freed + 2, len(announced)) and generator.random() < 0.5
            block, _, begins_tile = announced[started] if start else announced[-1]
            start = start and (state.loaded > tiles or not begins_tile)
            if start:
                under_way.append((clock, started))
                started, tiles = started + 1, tiles + begins_tile
            ctx.set(drain.full, full)
            ctx.set(drain.block_start, start)
            ctx.set(drain.block, block)
            ctx.set(drain.row, rows.popleft() or [generator.randrange(2**20) for _ in range(config.cols)])
            read = drain.draining, drain.bank, drain.address, drain.freed, drain.params_freed
            _, _, draining, bank, address, bank_freed, params_freed = await ctx.tick().sample(*read)
            rows.append(banks[bank][address] if draining and address < len(banks[bank]) else None)
            if bank_freed:
                banks[bank] = []
            freed, state.params_freed = freed + bank_freed, state.params_freed + params_freed
            clock += 1
        ctx.set(drain.full, 0)

    return bench


@pytest.mark.parametrize("stall", [0.0, 0.7])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_drain(simulate, receive, config, stall):
    """Commands of both kinds, with and without parameters; all settings change between commands."""
    commands = random_commands(config, 12, seed=1)
    announced, sums, outs = ref_drain(config, commands)
    scales = [scales for _, tiles in commands for scales, _ in tiles if scales]
    drain = Drain(config=config)
    state = SimpleNamespace(loaded=0, params_freed=0)
    benches = [gather(config, drain, announced, state, random.Random(2))]
    benches += [receive(drain.sums, len(sums), stall, 3, after_valid=stall > 0)]
    watch = {"sums": drain.sums, "freed": drain.freed, "params_freed": drain.params_freed, "draining": drain.draining}
    if config.requant_lanes:
        benches += [receive(drain.outs, len(outs), stall, 4, after_valid=stall > 0)]
        benches += [load_scales(drain, scales, state, random.Random(5))]
        watch["outs"] = drain.outs
    else:
        state.loaded = len(scales)
    trace = simulate(drain, *benches, **watch)
    assert [beat for beat in trace.sums if beat] == sums
    assert sum(trace.freed) == len(announced)
    assert sum(trace.params_freed) == len(scales)
    if config.requant_lanes:
        # Columns beyond the last are undefined.
        columns = [len(beat["data"]) for beat in outs]
        codes = [{**beat, "data": beat["data"][:n]} for beat, n in zip(filter(None, trace.outs), columns, strict=True)]
        assert codes == outs
    if stall == 0:
        assert sum(trace.draining) == len(sums) + len(outs)
