"""Latencies in the golden model's timing against the RTL."""

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.signed_multiplier import SignedMultiplier
from tercet.rtl.eie.activations import Activations
from tercet.rtl.eie.lnzd import Node
from tercet.rtl.eie.pe import Pe
from tercet.rtl.eie.pointers import PointerRead
from tercet.rtl.eie.queue import ActivationQueue
from tercet.rtl.eie.shallow_activations import ShallowActivations
from tercet.rtl.eie.writeback import Writeback

CONFIG = EieConfig(act_depth=8, matrix_depth=4, pointer_depth=8, constant_depth=32)
# Clocks from a column at the queue's output to its first entry.
TAKEN = 1


def test_properties(pipeline):
    config = pipeline(CONFIG)
    assert PointerRead(config=config).latency == config.timing.pointers
    assert Writeback(config=config).latency == config.timing.writeback
    activations = (ShallowActivations if config.shallow else Activations)(config=config)
    assert activations.scan_latency == config.timing.scan
    nodes = [Node(level=level, shallow=config.shallow) for level in range(1, 5)]
    assert [node.latency for node in nodes] == [config.timing.node] * 4
    assert SignedMultiplier().latency == 3


def clocks_of(values):
    return [clock for clock, value in enumerate(values) if value]


@pytest.mark.parametrize("depth", [1, 8])
def test_queue(simulate, pipeline, depth):
    """Clocks from the end of a column's pointer read until the column can be taken."""
    config = pipeline(EieConfig(fifo_depth=depth))
    queue = ActivationQueue(config=config)

    async def bench(ctx):
        await ctx.tick()
        ctx.set(queue.keep, 1)
        await ctx.tick()
        ctx.set(queue.keep, 0)
        await ctx.tick().repeat(4)

    trace = simulate(queue, bench, valid=queue.o.valid)
    assert clocks_of(trace.valid)[0] == 1 + config.timing.queue


async def fill(ctx, pe):
    """Load a column 0 with a single entry, code 1 (weight 3) in row 0."""
    words = {"matrix": [1], "pointers": [0, 1], "constants": [0, 3]}
    for name, contents in words.items():
        ctx.set(pe.load[name], 1)
        for address, word in enumerate(contents):
            ctx.set(pe.load.address, address)
            ctx.set(pe.broadcast.address, address)
            ctx.set(pe.load.data, word)
            await ctx.tick()
        ctx.set(pe.load[name], 0)


async def column(ctx, pe, act):
    """Broadcast column 0 for one clock, with other addresses before and after that would miss its entry."""
    ctx.set(pe.setup.scan, 1)
    other = {"column": 0, "item": 0, "end": 0, "act": 7, "address": 4, "next_address": 5}
    for values in (other, {"column": 1, "item": 1, "end": 1, "act": act, "address": 0, "next_address": 1}, other):
        for name, value in values.items():
            ctx.set(pe.broadcast[name], value)
        await ctx.tick()


async def sweep(ctx, pe, rows):
    for row in range(rows):
        ctx.set(pe.broadcast.sweep, 1)
        ctx.set(pe.broadcast.first, int(row == 0))
        await ctx.tick()
    ctx.set(pe.broadcast.sweep, 0)
    await ctx.tick().repeat(10)


def run_pe(simulate, config, wait):
    """Send a column to a PE, and sweep it `wait` clocks after `done`."""
    pe = Pe(config=config)

    async def bench(ctx):
        await fill(ctx, pe)
        await column(ctx, pe, act=100)
        while not ctx.get(pe.done):
            await ctx.tick()
        await ctx.tick().repeat(wait)
        ctx.set(pe.setup.scan, 0)
        await sweep(ctx, pe, 4)

    watch = {"column": pe.broadcast.column, "busy": pe.busy, "done": pe.done, "sweep": pe.broadcast.sweep}
    trace = simulate(pe, bench, **watch, total=pe.total, valid=pe.total_valid)
    swept = clocks_of(trace.sweep)
    assert clocks_of(trace.valid) == [clock + pe.sweep_latency for clock in swept]
    return trace, [trace.total[clock + pe.sweep_latency] for clock in swept]


def test_pe(simulate, pipeline):
    """Clocks from a column to its first entry and from a swept row to its sum, as in the golden model."""
    config = pipeline(CONFIG)
    trace, totals = run_pe(simulate, config, wait=10)
    (sent,) = clocks_of(trace.column)
    taken = sent + config.timing.pointers + config.timing.queue
    assert clocks_of(trace.busy) == [taken + TAKEN]
    assert clocks_of(trace.done)[0] == taken + TAKEN + 1
    assert totals == [300, 0, 0, 0]


@pytest.mark.parametrize("n_pe", [1, 4, 5, 16, 17, 64, 65, 256])
def test_drain_and_settle(simulate, pipeline, n_pe):
    """The control's waits are as long as needed for trees of every height."""
    config = pipeline(EieConfig(n_pe=n_pe))
    hops = config.tree_clocks
    assert config.settle_clocks == hops + Pe(config=config).sweep_latency + Writeback(config=config).latency
    # `done` travels up the tree, and its clock is part of the scan; the first swept row travels down.
    wait = hops + 1 + config.drain_clocks + hops
    _, totals = run_pe(simulate, pipeline(CONFIG), wait)
    assert totals == [300, 0, 0, 0]


def test_no_sooner(simulate, pipeline):
    """One clock earlier than the smallest tree allows, the first row would be read during its write."""
    config = pipeline(EieConfig(n_pe=1))
    _, totals = run_pe(simulate, pipeline(CONFIG), 2 * config.tree_clocks + config.drain_clocks)
    assert totals == [0, 0, 0, 0]
