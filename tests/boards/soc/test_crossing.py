"""Crossings between link and engine, at unrelated clocks: commands, levels, counters, and resets in the middle."""

import random

import pytest
from amaranth import *
from amaranth.sim import Simulator
from tercet.boards.soc.crossing import ControlCrossing, ResetHandshake

STREAMS, BITS = 3, 9
# Period of the engine's clock in clocks of the link, and its phase.
CLOCKS = {"alike": (1.0, 0.37), "3:2": (0.6673, 0.11), "5:1": (0.2003, 0.05), "1:5": (4.9871, 0.9)}

both = pytest.mark.parametrize("clocks", CLOCKS)


class Island(Elaboratable):
    """Crossing and reset, connected as on a board; the reset input of the link is `rst`."""

    def __init__(self):
        self.crossing, self.reset = ControlCrossing(streams=STREAMS, count_bits=BITS), ResetHandshake()
        self.rst, self.pending, self.engine_clk = Signal(), Signal(), Signal()

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = sync = ClockDomain()
        m.domains.island = island = ClockDomain()
        m.domains.far = far = ClockDomain(reset_less=True)
        m.domains.engine = engine = ClockDomain()
        # Clocks pass through the same number of assignments, as one of each pair must not be late.
        m.d.comb += [
            sync.rst.eq(self.rst),
            island.clk.eq(sync.clk),
            island.rst.eq(self.reset.link),
            engine.clk.eq(far.clk),
            engine.rst.eq(self.reset.engine),
            self.reset.engine_clk.eq(far.clk),
            self.pending.eq(self.crossing.pending | self.reset.pending),
        ]
        m.submodules.reset = self.reset
        m.submodules.crossing = DomainRenamer({"sync": "island"})(self.crossing)
        return m


class Engine:
    """Model of the engine: `commands` received, runs of `length` clocks, and `bytes` for a request of the counters."""

    def __init__(self, dut, seed):
        self.control, self.dut, self.generator = dut.crossing.engine, dut, random.Random(seed)
        self.commands, self.bytes, self.length, self.running, self.error = [], b"", 10, False, 0

    async def bench(self, ctx):
        control, left, sending = self.control, 0, b""
        inputs = (control.set, control.count, control.start, control.clear_counters, control.read_counters)
        outputs = (self.dut.reset.engine, control.counters.ready, control.counters.valid)
        while True:
            _, _, *sampled = await ctx.tick("far").sample(*inputs, *outputs)
            which, count, start, clear, read, reset, ready, valid = sampled
            if valid and ready:
                sending = sending[1:]
            if reset:
                left, sending = 0, b""
            elif which or start or clear or read:
                name = ("start", "clear", "read")[[start, clear, read, 1].index(1) % 3]
                self.commands.append((which, count) if which else name)
                left = self.length if start else left
                sending = self.bytes if read else sending
            left = max(0, left - 1)
            self.running = left > 0
            ctx.set(control.running, self.running)
            ctx.set(control.refused, self.error)
            give = bool(sending) and ((valid and not ready) or self.generator.random() < 0.6)
            ctx.set(control.counters.valid, give)
            if give:
                ctx.set(control.counters.payload, {"byte": sending[0], "last": len(sending) == 1})


class Link:
    """The link's end of the crossing: one strobe per clock."""

    def __init__(self, ctx, dut, seed):
        self.ctx, self.dut, self.control, self.generator = ctx, dut, dut.crossing.link, random.Random(seed)

    async def strobe(self, command):
        ctx, control = self.ctx, self.control
        if isinstance(command, str):
            name = {"start": "start", "clear": "clear_counters", "read": "read_counters"}[command]
            signal, value = getattr(control, name), 1
        else:
            signal, value = control.set, command[0]
            ctx.set(control.count, command[1])
        ctx.set(signal, value)
        await ctx.tick()
        ctx.set(signal, 0)

    async def settled(self):
        for _ in range(500):
            if not self.ctx.get(self.dut.pending):
                return
            await self.ctx.tick()
        raise AssertionError("pending for ever")

    async def receive(self):
        """Take the bytes of the counters."""
        taken, control = [], self.control
        while not (taken and taken[-1][1]):
            self.ctx.set(control.counters.ready, self.generator.random() < 0.6)
            sample = (control.counters.valid, control.counters.ready, control.counters.payload)
            _, _, valid, ready, payload = await self.ctx.tick().sample(*sample)
            if valid and ready:
                taken.append((payload.byte, payload.last))
        self.ctx.set(control.counters.ready, 0)
        return bytes(byte for byte, _ in taken)

    def request(self):
        """Commands of a run: as many as ever follow each other without a pause."""
        counts = [(1 << n, self.generator.randrange(1 << BITS)) for n in range(STREAMS)]
        return [*counts, "start"]

    async def press(self, signal, clocks):
        self.ctx.set(signal, 1)
        for _ in range(clocks):
            await self.ctx.tick()
        self.ctx.set(signal, 0)


def simulate(clocks, bench, seed=0):
    """Run ``bench(link, engine)`` against a model of the engine."""
    dut = Island()
    engine = Engine(dut, seed)

    async def run(ctx):
        link = Link(ctx, dut, seed)
        await ctx.tick()
        await link.settled()
        engine.commands.clear()
        await bench(link, engine)

    simulator = Simulator(dut)
    period, phase = CLOCKS[clocks]
    simulator.add_clock(1e-6)
    simulator.add_clock(period * 1e-6, phase=phase * 1e-6, domain="far")
    simulator.add_testbench(engine.bench, background=True)
    simulator.add_testbench(run)
    simulator.run()


@both
def test_commands_arrive_once_and_in_order(clocks):
    async def bench(link, engine):
        engine.length = 3
        for _ in range(20):
            sent = link.generator.choice((link.request(), link.request(), link.request()[:2], ["clear"]))
            for command in sent:
                await link.strobe(command)
            await link.settled()
            assert engine.commands == sent
            engine.commands.clear()

    simulate(clocks, bench)


@both
@pytest.mark.parametrize("length", [1, 2, 40])
def test_a_run_is_seen_at_once(clocks, length):
    """From a start until the end of the run, the link never sees that nothing is pending or running."""

    async def bench(link, engine):
        engine.length, seen = length, 0
        for turn in range(20):
            for command in link.request():
                await link.strobe(command)
            idle = clocks_passed = 0
            while not idle:
                clocks_passed += 1
                assert clocks_passed < 1000
                idle = not link.ctx.get(link.dut.pending) and not link.ctx.get(link.control.running)
                seen += bool(link.ctx.get(link.control.running) and not link.ctx.get(link.dut.pending))
                if idle:
                    assert engine.commands[-1:] == ["start"]
                    assert len(engine.commands) == (STREAMS + 1) * (turn + 1)
                    assert not engine.running
                await link.ctx.tick()
        # The level is seen, rather than a request held up until a run is over.
        assert length < 40 or seen > 20

    simulate(clocks, bench)


@both
def test_levels(clocks):
    async def bench(link, engine):
        for level in (1, 0, 1):
            engine.error = level
            await link.ctx.tick().repeat(20)
            assert link.ctx.get(link.control.refused) == level

    simulate(clocks, bench)


@both
def test_counters(clocks):
    async def bench(link, engine):
        for size in (1, 2, 16, 33):
            engine.bytes = random.Random(size).randbytes(size)
            await link.strobe("read")
            assert await link.receive() == engine.bytes
            await link.settled()

    simulate(clocks, bench)


@both
@pytest.mark.parametrize("which", ["request", "link"])
def test_reset_at_any_moment(clocks, which):
    """Whatever was under way, nothing of it appears later, and all works afterwards."""

    async def bench(link, engine):
        ctx, dut, generator = link.ctx, link.dut, link.generator
        signal = dut.rst if which == "link" else dut.reset.request
        for turn in range(40):
            engine.bytes = bytes(20)
            engine.length = 60
            for command in (["read"], link.request(), link.request()[: generator.randrange(4)], [])[turn % 4]:
                await link.strobe(command)
            ctx.set(link.control.counters.ready, generator.randrange(2))
            await ctx.tick().repeat(generator.randrange(1, 40))
            await link.press(signal, 1)
            # Once more in the middle of the reset.
            if turn % 3:
                await ctx.tick().repeat(generator.randrange(1, 25))
                await link.press(signal, generator.choice((1, 1, 30)))
            ctx.set(link.control.counters.ready, 0)
            await link.settled()
            assert not ctx.get(link.control.running)
            assert not ctx.get(link.control.counters.valid)
            engine.commands.clear()
            engine.bytes, engine.length = generator.randbytes(6), 2
            sent = link.request()
            for command in sent:
                await link.strobe(command)
            await link.settled()
            await link.strobe("read")
            assert await link.receive() == engine.bytes
            assert engine.commands == [*sent, "read"]
            await link.settled()

    simulate(clocks, bench, seed=1)
