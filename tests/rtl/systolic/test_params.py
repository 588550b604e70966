"""Parameter loader alone: tiles in order, never more than two ahead of the drain."""

import random

import pytest
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.systolic.params import ParamLoader

CONFIGS = {
    "3 columns": SystolicConfig(rows=2, cols=3, acc_depth=4),
    "1 column": SystolicConfig(rows=2, cols=1, acc_depth=4, requant_lanes=1),
    "biases only": SystolicConfig(rows=2, cols=4, acc_depth=4, requant_lanes=0),
}
# Column tiles of each command.
COMMANDS = (1, 2, 1, 5, 1, 1, 3, 8)


def random_params(config, seed):
    generator = random.Random(seed)
    params = []
    for _ in range(sum(COMMANDS) * config.cols):
        requant = {"multiplier": generator.getrandbits(31), "shift": generator.randint(-31, 30)}
        params.append({"bias": generator.randrange(-(2**31), 2**31), **(requant if config.requant_lanes else {})})
    return params


def clocks_of(events):
    return [clock for clock, event in enumerate(events) if event not in (None, 0)]


def ref_earliest(trace):
    """Return the clock of each tile's first parameter: two after its request, the use of the previous tile's biases
    and a free slot.
    """
    requests = [clock for clock, tiles in zip(clocks_of(trace.request), COMMANDS, strict=True) for _ in range(tiles)]
    biases, freed = [-2, *clocks_of(trace.bias_taken)], [-2, -2, *clocks_of(trace.freed)]
    return [max(events) + 2 for events in zip(requests, biases, freed, strict=False)]


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("speed", [1.0, 0.2])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_params(simulate, send, config, speed, stall):
    """Load tiles for an engine that uses them immediately or with delays."""
    cols, tiles = config.cols, sum(COMMANDS)
    params = random_params(config, seed=1)
    loader = ParamLoader(config=config)

    async def engine(ctx):
        generator = random.Random(2)
        commands = list(COMMANDS)
        requested = beats = taken = biased = freed = 0
        while freed < tiles:
            chance = [generator.random() < speed for _ in range(4)]
            # Each event follows the previous one by at least one clock.
            free = chance[0] and freed < biased
            bias = chance[1] and biased < taken
            take = chance[2] and bool(ctx.get(loader.ready))
            request = chance[3] and bool(commands) and beats >= (requested - 1) * cols
            ctx.set(loader.freed, free)
            ctx.set(loader.bias_taken, bias)
            ctx.set(loader.taken, take)
            ctx.set(loader.request, request)
            ctx.set(loader.tiles, commands[0] if request else generator.randrange(9))
            freed, biased, taken = freed + free, biased + bias, taken + take
            requested += commands.pop(0) if request else 0
            beats += (await ctx.tick().sample(loader.i.valid & loader.i.ready))[2]
        ctx.set(loader.freed, 0)

    names = ("request", "ready", "taken", "bias_taken", "freed", "o", "o_valid", "slot", "channel", "i")
    watch = {name: getattr(loader, name) for name in names}
    trace = simulate(loader, engine, send(loader.i, params, stall, 3), **watch)
    beats = clocks_of(trace.i)
    out = [clock for clock, valid in enumerate(trace.o_valid) if valid]
    assert out == [clock + 1 for clock in beats]
    want = [(param, n // cols % 2, n % cols) for n, param in enumerate(params)]
    assert [(trace.o[clock], trace.slot[clock], trace.channel[clock]) for clock in out] == want
    firsts, lasts, earliest = beats[::cols], beats[cols - 1 :: cols], ref_earliest(trace)
    assert firsts == earliest if stall == 0 else all(a >= b for a, b in zip(firsts, earliest, strict=True))
    # Ready from the clock after a tile's last parameter to that in which it is taken.
    ready = [
        clock for last, taken in zip(lasts, clocks_of(trace.taken), strict=True) for clock in range(last + 1, taken + 1)
    ]
    assert clocks_of(trace.ready) == ready


def test_two_tiles_are_held(simulate, send):
    """A third tile is not taken until a slot is freed."""
    loader = ParamLoader(config=CONFIGS["3 columns"])

    async def engine(ctx):
        ctx.set(loader.tiles, 5)
        for clock in range(60):
            ctx.set(loader.request, clock == 0)
            ctx.set(loader.taken, ctx.get(loader.ready))
            ctx.set(loader.bias_taken, clock % 20 == 19)
            await ctx.tick()

    trace = simulate(loader, engine, beside=[send(loader.i, random_params(CONFIGS["3 columns"], 4))], i=loader.i)
    assert len(clocks_of(trace.i)) == 2 * 3
