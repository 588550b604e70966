"""Sequencer alone: commands to passes."""

import itertools
import random

import pytest
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.systolic.sequencer import Sequencer

CONFIGS = {
    "ws": SystolicConfig(rows=3, cols=2, acc_depth=5),
    "ws-small": SystolicConfig(rows=1, cols=1, acc_depth=2),
    "os": SystolicConfig(rows=4, cols=2, acc_depth=4, dataflow="os"),
    "os-small": SystolicConfig(rows=1, cols=2, acc_depth=2, dataflow="os"),
}


def output_fields(generator):
    signed = {name: generator.randrange(-128, 128) for name in ("zero_point", "qmin", "qmax")}
    return {"requant": generator.getrandbits(1), "rounding": generator.getrandbits(2), **signed}


def commands(config, seed):
    """Return commands of M around one and two blocks, one to three passes along K, and one to three column tiles."""
    generator = random.Random(seed)
    rows = config.block_rows
    sizes = list(
        itertools.product(sorted({1, rows - 1, rows, rows + 1, 2 * rows, 2 * rows + 1} - {0}), (1, 2, 3), (1, 2, 3))
    )
    generator.shuffle(sizes)
    return [
        {"m": m, "k_steps": k, "n_tiles": n, "params": generator.getrandbits(1), **output_fields(generator)}
        for m, k, n in sizes
    ]


def ref_passes(config, command):
    """Return the passes column tile by column tile, block of M by block, with K innermost."""
    m, k_steps, n_tiles, params = (command[name] for name in ("m", "k_steps", "n_tiles", "params"))
    blocks = [min(config.block_rows, m - start) for start in range(0, m, config.block_rows)]
    passes = []
    for tile, (number, rows) in itertools.product(range(n_tiles), enumerate(blocks)):
        is_last = number == len(blocks) - 1
        block = {name: command[name] for name in ("requant", "rounding", "zero_point", "qmin", "qmax")}
        block |= {
            "rows": rows - 1,
            "starts": int(tile == number == 0),
            "ends": int(is_last and tile == n_tiles - 1),
            "frees": int(is_last and params),
        }
        along_k = [(rows, k) for k in range(k_steps)] if config.dataflow == "ws" else [(k_steps, 0)]
        for steps, k in along_k:
            flags = {"first": int(k == 0), "last": int(k == len(along_k) - 1), "tile": int(number == k == 0)}
            passes.append({"steps": steps - 1, **flags, "params": params, "block": block})
    return passes


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_passes(simulate, send, receive, config, stall):
    """Commands back to back, every field of every pass."""
    jobs = commands(config, seed=1)
    want = [run for job in jobs for run in ref_passes(config, job)]
    sequencer = Sequencer(config=config)
    commands_in = send(sequencer.commands, jobs, stall, 2)
    passes_out = receive(sequencer.passes, len(want), stall, 3, after_valid=stall > 0)
    passes = sequencer.passes
    watch = {"passes": passes, "valid": passes.valid, "shown": passes.payload, "coming": sequencer.coming}
    trace = simulate(sequencer, commands_in, passes_out, **watch)
    assert [run for run in trace.passes if run is not None] == want
    # The feeder needs the fields that it waits for a clock before a block.
    for clock, (before, now) in enumerate(itertools.pairwise(trace.valid)):
        assert trace.coming[clock] == (now or trace.passes[clock] is not None)
        if now and not before:
            ahead, run = trace.shown[clock : clock + 2]
            assert all(ahead[name] == run[name] for name in ("first", "tile", "params"))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_clocks(simulate, send, receive, config):
    """One pass per clock within a block; two idle clocks between blocks, three between tiles and after a command."""
    jobs = commands(config, seed=4)
    want = [run for job in jobs for run in ref_passes(config, job)]
    sequencer = Sequencer(config=config)
    benches = send(sequencer.commands, jobs), receive(sequencer.passes, len(want))
    trace = simulate(sequencer, *benches, commands=sequencer.commands, passes=sequencer.passes)
    taken = iter([clock for clock, job in enumerate(trace.commands) if job is not None])
    expected, clock = [], 0
    for run in want:
        if run["block"]["starts"] and run["tile"]:
            clock = next(taken)
        clock += 4 if run["tile"] else 3 if run["first"] else 1
        expected.append(clock)
    assert [clock for clock, run in enumerate(trace.passes) if run is not None] == expected
