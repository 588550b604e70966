"""Entry decoder alone: entries and swept rows to weights, biases and rows."""

import random

import pytest
from tercet.golden.eie.config import EieConfig
from tercet.rtl.eie.decode import Decode

CONFIGS = {
    "paper": EieConfig(act_depth=60, constant_depth=128),
    "ternary": EieConfig(code_bits=2, index_bits=6, act_depth=64, constant_depth=100, acc_width=24),
    "wide": EieConfig(code_bits=8, index_bits=2, act_depth=33, constant_depth=300, acc_width=48),
    "one row": EieConfig(act_depth=1, constant_depth=16),
}
IDLE = dict.fromkeys(("valid", "first", "value", "zeros", "sweep", "sweep_first"), 0)


def column(config, generator):
    """Entries of a column without gaps, up to the last row."""
    row, entries = -1, []
    while True:
        zeros = generator.choice([0, 0, 1, 2**config.index_bits - 1, generator.getrandbits(config.index_bits)])
        row += zeros + 1
        if row >= config.act_depth or len(entries) > 20:
            return entries
        value = generator.choice([0, generator.getrandbits(config.code_bits), 2**config.code_bits - 1])
        entries.append({**IDLE, "valid": 1, "first": int(not entries), "value": value, "zeros": zeros})


def nothing(config, generator, clocks):
    return [{**IDLE, "first": generator.getrandbits(1)} for _ in range(clocks)]


def random_clocks(config, seed):
    """Columns with gaps between them, and sweeps; the memory is idle for the biases after a sweep."""
    generator = random.Random(seed)
    clocks = []
    for number in range(6):
        for _ in range(8):
            clocks += column(config, generator) + nothing(config, generator, generator.choice([0, 0, 1, 5]))
        rows = config.act_depth if number == 0 else generator.randrange(1, config.act_depth + 1)
        clocks += [{**IDLE, "sweep": 1, "sweep_first": int(n == 0)} for n in range(rows)]
        clocks += nothing(config, generator, config.timing.bias + generator.randrange(3))
    return clocks


def ref_rows(clocks):
    """Return the row of each clock, None without an entry or a sweep."""
    rows, row = [], 0
    for clock in clocks:
        first = clock["sweep_first"] if clock["sweep"] else clock["first"]
        row = clock["zeros"] if first else row + 1 + clock["zeros"]
        rows.append(row if clock["valid"] or clock["sweep"] else None)
    return rows


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_decode(simulate, pipeline, config):
    config = pipeline(config)
    decode = Decode(config=config)
    # Clocks from an entry to its filler flag, to its row and weight, and from a swept row to its bias.
    filler, latency, bias_latency = 1, decode.latency, config.timing.bias + decode.latency
    generator = random.Random(5)
    constants = [generator.getrandbits(decode.constant_width) for _ in range(config.constant_depth)]
    clocks = random_clocks(config, seed=6) + nothing(config, generator, 6)
    codebooks = config.constant_depth >> config.code_bits
    codebook, books = 0, []
    for clock in clocks:
        # Change the codebook only while nothing is looked up.
        codebook = codebook if clock["valid"] else generator.randrange(codebooks)
        books.append(codebook)
    biases = [generator.randrange(config.constant_depth) for _ in clocks]

    async def bench(ctx):
        ctx.set(decode.load, 1)
        for address, constant in enumerate(constants):
            ctx.set(decode.load_address, address)
            ctx.set(decode.load_data, constant)
            await ctx.tick()
        ctx.set(decode.load, 0)
        for number, clock in enumerate(clocks):
            for name, value in clock.items():
                ctx.set(getattr(decode, name), value)
            ctx.set(decode.codebook, books[number])
            ctx.set(decode.bias_address, biases[number])
            await ctx.tick()

    names = ("constant", "row", "write", "swept", "filler")
    trace = simulate(decode, bench, **{name: getattr(decode, name) for name in names})
    start = len(constants)
    sign = 1 << (decode.constant_width - 1)
    rows = ref_rows(clocks)
    assert set(range(config.act_depth)) == {row for row in rows if row is not None}
    for number, (clock, row) in enumerate(zip(clocks, rows, strict=True)):
        if number + bias_latency >= len(clocks):
            break
        at = start + number
        some = clock["valid"] and clock["value"] != 0
        assert trace.filler[at + filler] == (clock["valid"] and not clock["value"])
        assert trace.write[at + latency] == int(some or clock["sweep"])
        assert trace.swept[at + latency] == clock["sweep"]
        if row is not None:
            assert trace.row[at + latency] == row
        if clock["valid"]:
            weight = constants[books[number] << config.code_bits | clock["value"]]
            assert trace.constant[at + latency] == (weight ^ sign) - sign
        if clock["sweep"]:
            bias = constants[biases[number + config.timing.bias]]
            assert trace.constant[at + bias_latency] == (bias ^ sign) - sign
