"""Pointer read alone: first entry and number of entries of a column, at every address in both banks."""

import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.eie.pointers import PointerRead

# Entries per word and the widths that give them: powers of two, whose pointers are linear indices, and others.
WIDTHS = {
    8: {},
    16: {"code_bits": 2, "index_bits": 2},
    1: {"code_bits": 8, "index_bits": 8, "word_width": 16},
    7: {"index_bits": 5},
    5: {"code_bits": 6, "index_bits": 6},
}
CONFIGS = {
    count: EieConfig(act_depth=40, matrix_depth=-(-2000 // count), pointer_depth=151, constant_depth=256, **widths)
    for count, widths in WIDTHS.items()
}


def random_places(config, seed):
    """Return the first entry of every column, then the end of a completely full memory."""
    generator = random.Random(seed)
    size = config.matrix_depth * config.entries_per_word
    places = [size]
    while len(places) < config.pointer_depth:
        left = config.pointer_depth - len(places)
        most = min(config.act_depth, places[-1])
        count = generator.choice([0, 1, most, generator.randrange(most + 1)])
        places.append(places[-1] - min(count, places[-1] if left > 1 else 0))
    return places[::-1]


def pointer(config, place):
    word, offset = divmod(place, config.entries_per_word)
    return word << config.offset_width | offset


def ref_column(config, places, inputs):
    """Return the column, and whether it is to be queued."""
    j = inputs["address"]
    more = places[j + 1] - places[j] - 1 if inputs["item"] else -1
    column = {"act": inputs["act"], "begin": pointer(config, places[j]), "more": more, "end": inputs["end"]}
    return column, more >= 0 or inputs["end"]


def random_inputs(config, count, gaps, seed):
    generator = random.Random(seed)
    most = config.pointer_depth - 2
    every = list(range(most + 1))
    generator.shuffle(every)
    clocks = []
    while len(clocks) < count:
        j = every.pop() if every else generator.randrange(most + 1)
        clocks.append(
            {
                "column": int(generator.random() >= gaps),
                "item": int(generator.random() < 0.8),
                "end": int(generator.random() < 0.2),
                "act": generator.randrange(-(2**15), 2**15),
                "address": j,
                "next_address": j + 1,
            }
        )
    return clocks


async def load(ctx, reader, places):
    ctx.set(reader.load, 1)
    for address, place in enumerate(places):
        ctx.set(reader.address, address)
        ctx.set(reader.load_data, pointer(reader.config, place))
        await ctx.tick()
    ctx.set(reader.load, 0)


@pytest.mark.parametrize("gaps", [0.0, 0.5])
@pytest.mark.parametrize("count", WIDTHS)
def test_columns(simulate, pipeline, count, gaps):
    """Every column of a full memory, `latency` clocks later, with and without gaps."""
    config = pipeline(CONFIGS[count])
    assert config.entries_per_word == count
    reader = PointerRead(config=config)
    places = random_places(config, seed=count)
    counts = {after - before for before, after in zip(places, places[1:], strict=False)}
    assert {0, 1, config.act_depth} <= counts
    clocks = random_inputs(config, 400, gaps, seed=count)
    start = len(places)

    async def bench(ctx):
        await load(ctx, reader, places)
        for inputs in clocks:
            for name, value in inputs.items():
                ctx.set(getattr(reader, name), value)
            await ctx.tick()
        ctx.set(reader.column, 0)

    trace = simulate(reader, bench, o=reader.o, keep=reader.keep, drop=reader.drop)
    assert reader.latency == config.timing.pointers
    assert not any(trace.keep[: start + reader.latency] + trace.drop[: start + reader.latency])
    for clock, inputs in enumerate(clocks, start + reader.latency):
        column, keep = ref_column(config, places, inputs)
        assert (trace.keep[clock], trace.drop[clock]) == ((int(keep), int(not keep)) if inputs["column"] else (0, 0)), (
            inputs
        )
        if inputs["column"] and inputs["item"]:
            assert trace.o[clock] == column
        elif inputs["column"] and keep:
            # `begin` is undefined for an empty column.
            assert {**trace.o[clock], "begin": column["begin"]} == column
    after = start + reader.latency + len(clocks)
    assert not any(trace.keep[after:] + trace.drop[after:])


@pytest.mark.parametrize("count", WIDTHS)
def test_latency(simulate, pipeline, count):
    """A single column is valid exactly `config.timing.pointers` clocks later."""
    config = pipeline(CONFIGS[count])
    reader = PointerRead(config=config)
    places = random_places(config, seed=1)
    (j,) = random.Random(2).sample([j for j in range(len(places) - 1) if places[j] < places[j + 1]], 1)

    async def bench(ctx):
        await load(ctx, reader, places)
        ctx.set(reader.address, j)
        ctx.set(reader.next_address, j + 1)
        ctx.set(reader.item, 1)
        ctx.set(reader.column, 1)
        await ctx.tick()
        ctx.set(reader.column, 0)
        await ctx.tick().repeat(8)

    trace = simulate(reader, bench, keep=reader.keep)
    assert [clock for clock, keep in enumerate(trace.keep) if keep] == [len(places) + config.timing.pointers]
