"""Column issue alone: tokens to broadcast columns, with addresses, end flag, groups of zeros and full queues."""

import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.eie.issue import Issue

CONFIGS = {
    "1 PE": EieConfig(n_pe=1, act_depth=64, pointer_depth=256),
    "4 PEs": EieConfig(n_pe=4, act_depth=64, pointer_depth=1024),
    "5 PEs": EieConfig(n_pe=5, act_depth=64, pointer_depth=600),
    "16 PEs": EieConfig(n_pe=16, act_depth=100, pointer_depth=2000),
}
FIELDS = ("item", "end", "act", "address", "next_address")
# Clocks from a token to its column.
LATENCY = 1


def random_groups(config, count, seed, density=None):
    """Return the tokens of each group: its non-zeros in order of PEs, or one token without an item."""
    generator = random.Random(seed)
    groups = []
    for _ in range(count):
        chance = generator.choice([0, 0, 0.2, 0.6, 1]) if density is None else density
        pes = [pe for pe in range(config.n_pe) if generator.random() < chance]
        acts = [generator.choice([1, -1, -(2**15), 2**15 - 1, generator.randrange(1, 2**15)]) for _ in pes]
        tokens = [{"act": act, "item": 1, "close": 0, "index": pe} for act, pe in zip(acts, pes, strict=True)]
        tokens = tokens or [{"act": 0, "item": 0, "close": 1, "index": generator.randrange(config.n_pe)}]
        tokens[-1]["close"] = 1
        groups.append(tokens)
    return groups


def ref_columns(config, groups, pointers):
    """Return the columns broadcast for a step, by the number of their token."""
    columns, number = {}, 0
    for g, tokens in enumerate(groups):
        for token in tokens:
            end = int(g == len(groups) - 1 and token["close"])
            if token["item"] or end:
                address = pointers + g * config.n_pe + token["index"]
                fields = (token["item"], end, token["act"], address, address + 1)
                columns[number] = dict(zip(FIELDS, fields, strict=True))
            number += 1
    return columns


def random_steps(config, seed, sizes):
    """Return groups and address of the first pointer of each step."""
    generator = random.Random(seed)
    steps = []
    for size in sizes:
        pointers = generator.randrange(config.pointer_depth - size * config.n_pe)
        steps.append((random_groups(config, size, generator.randrange(2**32)), pointers))
    return steps


async def step(ctx, issue, tokens, count, gaps, fulls, generator):
    """Start a step, and offer tokens until no more are taken and `count` columns have been sent."""
    ctx.set(issue.start, 1)
    offered = iter(tokens)
    token, left, quiet = None, 0, 0
    while quiet < 6 or left < count:
        if token is None and generator.random() >= gaps:
            token = next(offered, None)
        ctx.set(issue.tokens.valid, token is not None)
        ctx.set(issue.tokens.payload, token or {"act": 9, "item": 1, "close": 1, "index": 0})
        ctx.set(issue.full, generator.random() < fulls)
        _, _, ready, column = await ctx.tick().sample(issue.tokens.ready, issue.broadcast.column)
        ctx.set(issue.start, 0)
        ctx.set(issue.groups, generator.randrange(1, issue.config.act_depth))
        ctx.set(issue.pointers, generator.randrange(issue.config.pointer_depth))
        left += column
        quiet = 0 if token is not None and ready else quiet + 1
        token = None if ready else token
    ctx.set(issue.tokens.valid, 0)
    ctx.set(issue.full, 0)


def run(simulate, config, steps, gaps=0.0, fulls=0.0, seed=0):
    """Run all steps, each with extra tokens after its end, as the tree delivers until it is cleared."""
    issue = Issue(config=config)
    generator = random.Random(seed)

    async def bench(ctx):
        for groups, pointers in steps:
            ctx.set(issue.groups, len(groups))
            ctx.set(issue.pointers, pointers)
            tokens = [token for group in groups for token in group]
            more = [{"act": 5, "item": 1, "close": 1, "index": 0}] * 3
            await step(ctx, issue, tokens + more, len(ref_columns(config, groups, pointers)), gaps, fulls, generator)

    watch = {name: getattr(issue.broadcast, name) for name in ("column", *FIELDS)}
    watch |= {"valid": issue.tokens.valid, "ready": issue.tokens.ready}
    watch |= {"full": issue.full, "stalled": issue.stalled, "start": issue.start}
    trace = simulate(issue, bench, clocks=20_000, **watch)
    trace.taken = [clock for clock, both in enumerate(zip(trace.valid, trace.ready, strict=True)) if all(both)]
    trace.out = {
        clock: dict(zip(FIELDS, values, strict=True))
        for clock, (column, *values) in enumerate(zip(trace.column, *(getattr(trace, n) for n in FIELDS), strict=True))
        if column
    }
    return trace


SIZES = {"1 PE": [1, 2, 60, 64], "4 PEs": [1, 2, 30, 64, 1], "5 PEs": [1, 40, 3], "16 PEs": [50, 1, 5]}


@pytest.mark.parametrize(("gaps", "fulls"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4), (0.0, 0.8)])
@pytest.mark.parametrize("name", CONFIGS)
def test_columns(simulate, name, gaps, fulls):
    """All fields of all columns in order; none while a queue is full."""
    config = CONFIGS[name]
    steps = random_steps(config, len(name), SIZES[name])
    trace = run(simulate, config, steps, gaps, fulls, seed=2)
    want, tokens, at = [], 0, []
    for groups, pointers in steps:
        columns = ref_columns(config, groups, pointers)
        want += columns.values()
        at += [tokens + number for number in columns]
        tokens += sum(map(len, groups))
    assert list(trace.out.values()) == want
    assert len(trace.taken) == tokens
    assert not any(trace.full[clock] for clock in trace.out)
    # It is stalled while a column has arrived and cannot leave.
    come, gone = [trace.taken[number] for number in at], list(trace.out)
    waits = [clock for a, b in zip(come, gone, strict=True) for clock in range(a + LATENCY, b)]
    assert {clock for clock, stalled in enumerate(trace.stalled) if stalled} == {c for c in waits if trace.full[c]}


@pytest.mark.parametrize("density", [None, 0, 1])
@pytest.mark.parametrize("name", CONFIGS)
def test_clocks(simulate, name, density):
    """One token per clock from the clock after the start on; each column follows its token by `LATENCY` clocks."""
    config = CONFIGS[name]
    groups = random_groups(config, 40, seed=3, density=density)
    trace = run(simulate, config, [(groups, 7)])
    start = trace.start.index(1)
    assert trace.taken == list(range(start + 1, start + 1 + sum(map(len, groups))))
    columns = ref_columns(config, groups, 7)
    assert trace.out == {start + 1 + number + LATENCY: column for number, column in columns.items()}
    assert not any(trace.stalled)


def test_stall(simulate):
    """Two columns wait while a queue is full, then leave in sequence; `stalled` is 1 in each such clock."""
    config = CONFIGS["4 PEs"]
    issue = Issue(config=config)
    full = range(5, 12)

    async def bench(ctx):
        ctx.set(issue.groups, 10)
        ctx.set(issue.tokens.valid, 1)
        ctx.set(issue.tokens.payload, {"act": 3, "item": 1, "close": 0, "index": 2})
        for clock in range(20):
            ctx.set(issue.start, clock == 0)
            ctx.set(issue.full, clock in full)
            await ctx.tick()
        ctx.set(issue.tokens.valid, 0)

    watch = {"ready": issue.tokens.ready, "stalled": issue.stalled, "column": issue.broadcast.column}
    trace = simulate(issue, bench, **watch)
    assert [clock for clock, stalled in enumerate(trace.stalled) if stalled] == list(full)
    assert [clock for clock, column in enumerate(trace.column[:20]) if column] == [2, 3, 4, *range(12, 20)]
    # The register slice takes one more token in the first such clock, then none.
    assert [clock for clock, ready in enumerate(trace.ready[:20]) if not ready] == [0, *range(6, 13)]
