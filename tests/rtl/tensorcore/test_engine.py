"""Engine against the golden model: every fold, tiles of many shapes, stalls on each stream."""

import random

import numpy as np
import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import block_parts, tile_cycles
from tercet.golden.tensorcore.model import mma
from tercet.rtl.tensorcore.engine import Engine

# Blocks down, blocks across, steps: some large enough to hide the latency of sums, some so small that each step waits.
TILES = [(2, 2, 2), (1, 1, 1), (1, 1, 2), (4, 1, 1), (1, 5, 1), (1, 2, 3), (1, 1, 1)]
STREAMS = ("commands", "a", "b", "c", "d")
WAITS = ("operand_wait", "addend_wait", "sum_wait", "room_wait")


def patterns(format, shape, generator):
    """Random patterns: mostly numbers near 1 of either sign, some zeros and others; or integers."""
    if format in ("int8", "int32"):
        bits = 8 if format == "int8" else 32
        values = [generator.randrange(-(2 ** (bits - 1)), 2 ** (bits - 1)) for _ in range(shape[0] * shape[1])]
        return np.array(values, f"int{bits}").reshape(shape)
    form = FORMATS[format]
    spare = form.width - 1 - form.exponent_bits - form.fraction_bits
    values = []
    for _ in range(shape[0] * shape[1]):
        exponent = form.bias + generator.randint(-4, 4)
        near = exponent << form.fraction_bits | generator.getrandbits(form.fraction_bits)
        any_number = generator.randrange((2**form.exponent_bits - 1) << form.fraction_bits)
        value = generator.choices((near, 0, any_number), (20, 1, 1))[0]
        values.append(generator.getrandbits(1) << form.width - 1 | value << spare)
    return np.array(values, form.dtype).reshape(shape)


def unsigned(values):
    """Patterns of a matrix, as lists of integers."""
    return np.ascontiguousarray(values).view(f"uint{8 * values.dtype.itemsize}").tolist()


def cut(whole, rows, cols):
    """Cut a matrix into blocks, left to right, then down; each block is a list of rows."""
    return [
        [line[left : left + cols] for line in whole[top : top + rows]]
        for top in range(0, len(whole), rows)
        for left in range(0, len(whole[0]), cols)
    ]


def parts_of(matrix, rows, cols, part_rows, part_cols):
    """Cut a matrix into blocks, and each block into parts."""
    return [part for block in cut(unsigned(matrix), rows, cols) for part in cut(block, part_rows, part_cols)]


def jobs(config, tiles, seed=0):
    """Payloads of all streams."""
    m, n, l = config.m, config.columns, config.l  # noqa: E741
    by_rows, by_cols = block_parts(config)
    rows_of, cols_of = m // by_rows, n // by_cols
    generator = random.Random(seed)
    payloads = {name: [] for name in STREAMS}
    for rows, cols, steps in tiles:
        a = patterns(config.a_format, (rows * m, steps * l), generator)
        b = patterns(config.b_format, (steps * l, cols * n), generator)
        c = patterns(config.out_format, (rows * m, cols * n), generator)
        payloads["commands"].append({"rows": rows - 1, "cols": cols - 1, "steps": steps - 1})
        for k in range(0, steps * l, l):
            payloads["a"] += parts_of(a[:, k : k + l], m, l, rows_of, l)
            payloads["b"] += parts_of(b[k : k + l].T, n, l, cols_of, l)
        payloads["c"] += parts_of(c, m, n, rows_of, cols_of)
        results = parts_of(mma(a, b, c, config), m, n, rows_of, cols_of)
        payloads["d"] += [{"data": part, "last": n == len(results) - 1} for n, part in enumerate(results)]
    return payloads


def run(simulate, send, receive, config, tiles, stalls=None, seed=0):
    """Run tiles and compare all results; return a trace of all streams and counters."""
    engine = Engine(config=config)
    payloads, stalls = jobs(config, tiles, seed), stalls or {}
    benches = [
        send(getattr(engine, name), payloads[name], stall=stalls.get(name, 0.0), seed=n)
        for n, name in enumerate(STREAMS[:-1])
    ]
    benches.append(receive(engine.d, len(payloads["d"]), stall=stalls.get("d", 0.0), seed=9))
    watched = {name: getattr(engine, name) for name in (*STREAMS, "running")}
    watched |= {name: engine.counters[name] for name in (*WAITS, "busy")}
    trace = simulate(engine, *benches, **watched)
    assert [item for item in trace.d if item is not None] == payloads["d"]
    for name in STREAMS[1:-1]:
        assert sum(item is not None for item in getattr(trace, name)) == len(payloads[name])
    assert trace.busy[-1] == sum(rows * cols * steps for rows, cols, steps in tiles) * config.fold
    assert not trace.running[-1]
    return trace


def clocks_of(stream):
    return [clock for clock, item in enumerate(stream) if item is not None]


@pytest.mark.parametrize("stalls", [{}, dict.fromkeys(STREAMS, 0.3)], ids=["no stalls", "stalls"])
@pytest.mark.parametrize(
    ("fold", "m", "n", "cores"),
    [(1, 2, 2, 1), (1, 2, 2, 2), (2, 4, 2, 1), (4, 4, 2, 1), (4, 2, 4, 2), (8, 4, 4, 1), (16, 4, 4, 1)],
)
def test_every_fold(simulate, send, receive, fold, m, n, cores, stalls):
    config = TensorCoreConfig(l=2, m=m, n=n, fold=fold, cores=cores, pipeline=6)
    trace = run(simulate, send, receive, config, TILES, stalls, seed=fold)
    if not stalls:
        # From the first command to the last result, as the cycle model says.
        clocks = clocks_of(trace.d)[-1] - clocks_of(trace.commands)[0] + 1
        assert clocks == tile_cycles(config, TILES)


@pytest.mark.parametrize(
    ("name", "wait"),
    [("commands", None), ("a", "operand_wait"), ("b", "operand_wait"), ("c", "addend_wait"), ("d", "room_wait")],
)
def test_one_stream_stalls(simulate, send, receive, name, wait):
    """All others wait for one stream, and the counters attribute the clocks to it."""
    config = TensorCoreConfig(l=2, m=2, n=1, fold=2, pipeline=5)
    trace = run(simulate, send, receive, config, TILES, {name: 0.85})
    counts = {counter: getattr(trace, counter)[-1] for counter in WAITS}
    if wait:
        assert counts[wait] > 20
        assert max(counts.values()) == counts[wait]


CONFIGS = {
    "volta": TensorCoreConfig.volta(fold=16),
    "volta to FP16": TensorCoreConfig.volta(fold=8, out_format="fp16", m=2, n=4, pipeline=14),
    "ampere TF32": TensorCoreConfig.ampere(a_format="tf32", fold=4, m=2, n=2),
    "mixed FP8": TensorCoreConfig(a_format="e4m3", b_format="e5m2", fraction_bits=13, fold=2, m=1, n=4),
    "wide blocks": TensorCoreConfig(l=2, m=3, n=4, fold=4, pipeline=4),
    "high blocks": TensorCoreConfig(l=2, m=8, n=1, fold=2, pipeline=7),
    "int8": TensorCoreConfig(a_format="int8", l=4, fold=4, pipeline=7),
    "int8, saturated": TensorCoreConfig(a_format="int8", l=2, m=2, n=2, overflow="saturate", pipeline=4),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_configs(simulate, send, receive, config):
    """Formats, non-square blocks, short and long pipelines."""
    tiles = [(1, 2, 2), (2, 1, 1), (1, 1, 3)]
    trace = run(simulate, send, receive, config, tiles)
    assert clocks_of(trace.d)[-1] - clocks_of(trace.commands)[0] + 1 == tile_cycles(config, tiles)


def test_largest_tile(simulate, send, receive):
    """Maximum tile with more steps than the ring holds: one issue per clock once the first step is loaded."""
    config = TensorCoreConfig(l=2, m=1, n=2, pipeline=8)
    tiles = [(4, 8, 6), (4, 8, 1)]
    trace = run(simulate, send, receive, config, tiles)
    clocks = clocks_of(trace.d)
    assert clocks == [*range(clocks[0], clocks[0] + 64)]
    assert clocks[-1] - clocks_of(trace.commands)[0] + 1 == tile_cycles(config, tiles)


def test_tiles_back_to_back(simulate, send, receive):
    """Tiles of a single part follow each other without a gap."""
    config = TensorCoreConfig(l=2, m=1, n=2, pipeline=8)
    trace = run(simulate, send, receive, config, [(1, 1, 1)] * 30)
    clocks = clocks_of(trace.d)
    assert clocks == [*range(clocks[0], clocks[0] + 30)]


def test_running(simulate, send, receive):
    """`running` is high from a command to its last result, and low until the next; counters are cleared in between."""
    config = TensorCoreConfig(l=2, m=2, n=1, fold=2, pipeline=5)
    engine = Engine(config=config)
    tiles = [(2, 2, 2), (1, 1, 3)]
    payloads = jobs(config, tiles)

    async def commands(ctx):
        await ctx.tick().repeat(3)
        for command in payloads["commands"]:
            await send(engine.commands, [command])(ctx)
            await ctx.tick().until(engine.running)
            await ctx.tick().until(~engine.running)
            ctx.set(engine.clear, command is payloads["commands"][0])
            await ctx.tick()
            ctx.set(engine.clear, 0)

    benches = [send(getattr(engine, name), payloads[name]) for name in ("a", "b", "c")]
    benches.append(receive(engine.d, len(payloads["d"]), stall=0.5))
    watched = {name: getattr(engine, name) for name in ("commands", "c", "d", "running")} | {
        "busy": engine.counters.busy
    }
    trace = simulate(engine, commands, *benches, **watched)
    assert [item for item in trace.d if item is not None] == payloads["d"]
    begins = [clock for clock, command in enumerate(trace.commands) if command is not None]
    ends = [clocks_of(trace.d)[2 * 4 - 1], clocks_of(trace.d)[2 * 5 - 1]]
    running = {clock for begin, end in zip(begins, ends, strict=True) for clock in range(begin + 1, end + 1)}
    assert [clock for clock, value in enumerate(trace.running) if value] == sorted(running)
    assert trace.busy[begins[1]] == 0
    assert max(trace.busy) == 2 * 2 * 2 * config.fold
    assert trace.busy[-1] == 3 * config.fold


def test_results_wait(simulate, send):
    """No result is lost while the sink is not ready; all arrive once it is."""
    config = TensorCoreConfig(l=2, m=1, n=2, pipeline=5)
    engine = Engine(config=config)
    tiles = [(4, 8, 2), (4, 8, 1)]
    payloads = jobs(config, tiles)

    async def late(ctx):
        await ctx.tick().repeat(200)
        ctx.set(engine.d.ready, 1)
        await ctx.tick().repeat(120)

    benches = [send(getattr(engine, name), payloads[name]) for name in STREAMS[:-1]]
    trace = simulate(engine, late, beside=benches, c=engine.c, d=engine.d, running=engine.running)
    assert [item for item in trace.d if item is not None] == payloads["d"]
    assert min(clocks_of(trace.d)) == 200
    # Back-pressure has held some parts back.
    assert trace.running[199]
    assert sum(clock < 200 for clock in clocks_of(trace.c)) < len(payloads["c"])
    assert not trace.running[-1]
