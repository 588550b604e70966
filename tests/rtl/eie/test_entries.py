"""Sparse-matrix read alone: columns to entries, one per clock, with one memory read per word."""

import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.ram import Ram
from tercet.rtl.eie import entries
from tercet.rtl.eie.entries import EntryRead

# Entries per word, powers of two and others, and the widths that give them.
WIDTHS = {
    8: {},
    16: {"code_bits": 2, "index_bits": 2},
    1: {"code_bits": 8, "index_bits": 8, "word_width": 16},
    2: {"word_width": 16},
    3: {"word_width": 24, "code_bits": 3, "index_bits": 5},
    7: {"index_bits": 5},
    5: {"code_bits": 6, "index_bits": 6},
}
CONFIGS = {
    count: EieConfig(act_depth=40, matrix_depth=max(60, -(-240 // count)), constant_depth=256, **widths)
    for count, widths in WIDTHS.items()
}


def made(monkeypatch, config):
    """Return the component and its matrix memory, created beforehand to make its ports observable."""
    latency = 1 if config.shallow else 2
    given = {"width": config.word_width, "depth": config.matrix_depth, "family": "any", "exclusive": True}
    ram = Ram(**given, latency=latency)

    def the_ram(**params):
        assert params == {**given, "latency": latency}
        return ram

    monkeypatch.setattr(entries, "Ram", the_ram)
    return EntryRead(config=config), ram


def random_memory(config, seed):
    """Return the entries of a full memory as (value, zeros)."""
    generator = random.Random(seed)
    count = config.matrix_depth * config.entries_per_word
    return [(generator.getrandbits(config.code_bits), generator.getrandbits(config.index_bits)) for _ in range(count)]


def random_columns(config, count, seed, sizes=None):
    """Return columns as (first entry, entries, activation), some adjacent, some ending at the memory's end."""
    generator = random.Random(seed)
    size = config.matrix_depth * config.entries_per_word
    columns, place = [], 0
    for number in range(count):
        entries = generator.choice(sizes or [0, 1, 1, 2, 3, generator.randrange(41), generator.randrange(41), 40])
        if number % 7 == 6:
            place = size - entries
        elif place + entries > size or generator.random() < 0.4:
            place = generator.randrange(size - entries + 1)
        columns.append((place, entries, generator.randrange(-(2**15), 2**15)))
        place += entries
    return columns


def payloads(config, columns):
    per_word, last = config.entries_per_word, len(columns) - 1
    return [
        {
            "act": act,
            "begin": place // per_word << config.offset_width | place % per_word,
            "more": count - 1,
            "end": number == last,
        }
        for number, (place, count, act) in enumerate(columns)
    ]


def ref_entries(memory, columns):
    """Return value, zeros, activation and first-of-column flag of every entry."""
    return [(*memory[place + n], act, int(n == 0)) for place, count, act in columns for n in range(count)]


def ref_reads(config, columns):
    """Return the address of the word read for each entry, or None."""
    places = [(place + n, n == 0) for place, count, _ in columns for n in range(count)]
    per_word = config.entries_per_word
    return [place // per_word if first or place % per_word == 0 else None for place, first in places]


async def load(ctx, component, memory):
    config = component.config
    ctx.set(component.load, 1)
    for address in range(config.matrix_depth):
        word = 0
        for n in range(config.entries_per_word):
            value, zeros = memory[address * config.entries_per_word + n]
            word |= (value | zeros << config.code_bits) << (n * config.entry_width)
        ctx.set(component.load_address, address)
        ctx.set(component.load_data, word)
        await ctx.tick()
    ctx.set(component.load, 0)


def run(simulate, send, monkeypatch, config, runs, gaps=0.0, seed=0):
    """Read the columns of each run, from `scan` to `done`; return a trace from the first clock of `scan` on."""
    component, ram = made(monkeypatch, config)
    memory = random_memory(config, seed)

    async def bench(ctx):
        await load(ctx, component, memory)
        for number, columns in enumerate(runs):
            ctx.set(component.scan, 1)
            await send(component.columns, payloads(config, columns), gaps, seed + number)(ctx)
            while not ctx.get(component.done):
                await ctx.tick()
            await ctx.tick().repeat(2)
            assert ctx.get(component.done)
            ctx.set(component.scan, 0)
            await ctx.tick()
            assert not ctx.get(component.done)
            await ctx.tick().repeat(3)

    names = ("scan", "columns", "valid", "first", "value", "zeros", "act", "busy", "done")
    watch = {name: getattr(component, name) for name in names}
    trace = simulate(component, bench, read=ram.read_enable, address=ram.read_address, clocks=20_000, **watch)
    for name, values in vars(trace).items():
        assert not any(values[: config.matrix_depth]) or name in ("first", "address", "columns"), name
        setattr(trace, name, values[config.matrix_depth :])
    return trace, memory


def check(config, trace, memory, columns):
    """Check the entries, their clocks, and the memory reads for them."""
    fields = list(zip(trace.valid, trace.value, trace.zeros, trace.act, trace.first, strict=True))
    assert [tuple(entry) for valid, *entry in fields if valid] == ref_entries(memory, columns)
    # Without an entry, value and zeros are 0.
    assert not any(value or zeros for valid, value, zeros, *_ in fields if not valid)
    latency = EntryRead(config=config).latency
    assert trace.valid == [0] * latency + trace.busy[:-latency]
    reads = iter(ref_reads(config, columns))
    for busy, read, address in zip(trace.busy, trace.read, trace.address, strict=True):
        word = next(reads) if busy else None
        assert (address if read else None) == word


@pytest.mark.parametrize("gaps", [0.5, 0.9])
@pytest.mark.parametrize("count", WIDTHS)
def test_entries(simulate, pipeline, send, monkeypatch, count, gaps):
    config = pipeline(CONFIGS[count])
    assert config.entries_per_word == count
    columns = random_columns(config, 40, seed=count)
    trace, memory = run(simulate, send, monkeypatch, config, [columns], gaps)
    check(config, trace, memory, columns)


@pytest.mark.parametrize("sizes", [[1], [1, 2], [0, 1], [40, 3], [0], None], ids=str)
@pytest.mark.parametrize("count", WIDTHS)
def test_clocks(simulate, pipeline, send, monkeypatch, count, sizes):
    """Waiting columns follow each other without a bubble; one without entries takes one clock."""
    config = pipeline(CONFIGS[count])
    columns = random_columns(config, 30, seed=count, sizes=sizes)
    trace, memory = run(simulate, send, monkeypatch, config, [columns])
    check(config, trace, memory, columns)
    want, clock, busy = [], 0, []
    for _, size, _ in columns:
        want.append(clock)
        clock += max(size, 1)
        busy += [1] * size or [0]
    assert [at for at, column in enumerate(trace.columns) if column is not None] == want
    assert trace.busy[1 : 1 + clock] == busy
    # The last entry is at s0 in this clock; `done` is 1 from the next to the end of the scan.
    assert trace.done[: clock + 1] == [0] * (clock + 1)
    assert trace.done[clock + 1 : clock + 4] == [1] * 3


@pytest.mark.parametrize("count", [8, 7])
def test_every_size_and_place(simulate, pipeline, send, monkeypatch, count):
    """Short and long columns, from every offset in a word to every other."""
    config = pipeline(CONFIGS[count])
    generator = random.Random(count)
    columns = [(count * 3 + offset, size, size + 1) for size in (*range(20), 39, 40) for offset in range(count)]
    generator.shuffle(columns)
    trace, memory = run(simulate, send, monkeypatch, config, [columns])
    check(config, trace, memory, columns)


@pytest.mark.parametrize("last", [0, 1, 2, 9])
def test_one_run_after_the_other(simulate, pipeline, send, monkeypatch, last):
    """`done` belongs to the last column of each run, however many entries it has."""
    config = pipeline(CONFIGS[8])
    runs = [[*random_columns(config, 10, seed), (30, last, seed)] for seed in range(3)]
    trace, memory = run(simulate, send, monkeypatch, config, runs, gaps=0.4)
    check(config, trace, memory, [column for columns in runs for column in columns])
    ends = [clock for clock, column in enumerate(trace.columns) if column is not None and column["end"]]
    rises = [clock for clock in range(1, len(trace.done)) if trace.done[clock] and not trace.done[clock - 1]]
    assert rises == [clock + 1 + max(last, 1) for clock in ends]
