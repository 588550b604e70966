"""Host port alone: commands to writes, reads and runs."""

import random

import pytest
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.commands import Command, Memory, beats_per_word
from tercet.golden.npu.latencies import READ_CLOCKS
from tercet.rtl.npu.host import HostPort, capacities

CONFIGS = {
    "4x3": NpuConfig(rows=4, cols=3, weight_rows=4, buffer_bytes=1000, weight_bytes=600, channels=40, operators=3),
    "2x2-no-tables": NpuConfig(rows=2, cols=2, weight_rows=1, buffer_bytes=256, weight_bytes=256, tables=0),
}
KINDS = [*(("write", memory) for memory in Memory), ("read", 0), ("read", 0), ("run", 0)]


def random_commands(config, generator, *, malformed=False):
    """Commands that reach up to the end of their memory, or if `malformed` beyond it, or are unknown."""
    found = []
    for kind, memory in generator.sample(KINDS, len(KINDS)) * 3:
        size = capacities(config)[memory] if kind != "run" else capacities(config)[Memory.INSTRUCTIONS]
        command, count = Command[kind.upper()], generator.choice((0, 1, 2, 5, 30, 200))
        if kind == "run":
            address, count = generator.randrange(size), 0
        elif count > size:
            continue
        else:
            address = generator.choice((0, size - count, generator.randint(0, size - count)))
        if malformed:
            count = max(count, 1)
            address = generator.choice((size - count + 1, 2**24 - count))
            unknown = generator.random() < 0.5
            if unknown and kind == "write":
                memory, address = generator.randrange(len(Memory), 8), 0
            elif unknown and kind == "read":
                command, address = 3, 0
            elif kind == "run":
                address, count = generator.choice((size, 2**24 - 1)), 0
        found.append({"command": int(command), "memory": int(memory), "address": address, "count": count})
    return found


class Surroundings:
    """Buffer of random bytes, and a machine that runs for random clocks."""

    def __init__(self, host, config, seed):
        self.host = host
        self.generator = random.Random(seed)
        self.bytes = self.generator.randbytes(config.buffer_bytes)

    def four(self, address):
        return int.from_bytes(bytes(self.bytes[(address + n) % len(self.bytes)] for n in range(4)), "little")

    async def buffer(self, ctx):
        # One of the clocks is the tick itself.
        queue = [0] * READ_CLOCKS
        while True:
            _, _, address = await ctx.tick().sample(self.host.read_address)
            queue.append(self.four(address))
            ctx.set(self.host.read_data, queue.pop(0))

    async def machine(self, ctx):
        while True:
            _, _, start = await ctx.tick().sample(self.host.start)
            if start:
                for _ in range(self.generator.randrange(5)):
                    await ctx.tick()
                ctx.set(self.host.done, 1)
                await ctx.tick()
                ctx.set(self.host.done, 0)


def ref_writes(config, command, values):
    """Take the values of a WRITE; return what is written."""
    address, count, memory = (command[name] for name in ("address", "count", "memory"))
    if memory == Memory.BUFFER:
        return [(1, address + n, 0, next(values), min(4, count - n)) for n in range(0, count, 4)]
    beats = beats_per_word(config, Memory(memory)) if memory < len(Memory) else 1
    to = 1 << memory if memory < len(Memory) else 0
    return [(to, address + n, beat, next(values), 0) for n in range(count) for beat in range(beats)]


def check(simulate, send, receive, config, commands, stall):
    generator, host = random.Random(2), HostPort(config=config)
    around = Surroundings(host, config, 3)
    values = [generator.getrandbits(32) for _ in range(800 * len(commands))]
    writes, results, runs, rest = [], [], [], iter(values)
    for command in commands:
        count = command["count"]
        if command["command"] == Command.WRITE:
            writes += ref_writes(config, command, rest)
        elif command["command"] == Command.RUN:
            runs += [command["address"]] if command["address"] < capacities(config)[Memory.INSTRUCTIONS] else []
        else:
            addresses = range(command["address"], command["address"] + count, 4)
            results += [{"data": around.four(a), "last": int(a + 4 >= addresses.stop)} for a in addresses]
    used = len(values) - len(list(rest))
    names = ("write", "address", "beat", "value", "count", "start", "first", "error", "loading", "unloading", "running")
    trace = simulate(
        host,
        send(host.commands, commands, stall, 4),
        send(host.data, values[:used], stall, 5),
        receive(host.results, len(results), stall, 6),
        beside=[around.buffer, around.machine],
        clocks=20_000,
        **{name: getattr(host, name) for name in names},
        results=host.results,
    )
    written = zip(trace.write, trace.address, trace.beat, trace.value, trace.count, strict=True)
    assert [each for each in written if each[0]] == [each for each in writes if each[0]]
    assert all(write == 1 for write, count in zip(trace.write, trace.count, strict=True) if count)
    assert [beat for beat in trace.results if beat] == results
    assert [first for start, first in zip(trace.start, trace.first, strict=True) if start] == runs
    # The buffer's read port is the host's until the last result has left.
    assert all(trace.unloading[clock] for clock, beat in enumerate(trace.results) if beat)
    states = list(zip(trace.loading, trace.unloading, trace.running, strict=True))
    assert max(map(sum, states)) == 1
    if not stall:
        assert sum(trace.loading) == used
    return sum(trace.error)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_commands(simulate, send, receive, config, stall):
    commands = random_commands(config, random.Random(0))
    assert {command["command"] for command in commands} == set(Command)
    assert check(simulate, send, receive, config, commands, stall) == 0


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_malformed(simulate, send, receive, config):
    """Each is reported, and takes its data or gives its results, so that those that follow are not disturbed."""
    generator = random.Random(1)
    malformed = random_commands(config, generator, malformed=True)
    assert {command["command"] for command in malformed} == {*Command, 3}
    commands = [one for both in zip(malformed, random_commands(config, generator), strict=False) for one in both]
    assert check(simulate, send, receive, config, commands, 0.2) == len(commands) // 2
