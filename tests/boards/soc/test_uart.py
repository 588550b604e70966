"""UART receiver and transmitter, with lines driven and sampled as by the far end."""

import random
from types import SimpleNamespace

import pytest
from tercet.boards.soc.uart import UartReceiver, UartTransmitter

RATIOS = {"4": (4, 1), "4.3": (43, 10), "8": (8, 1), "8.33": (833, 100), "10.4": (52, 5), "100": (100, 1)}
"""Clock and rate by clocks per bit."""

RATIO = pytest.mark.parametrize("ratio", RATIOS)


def some_bytes(ratio, seed):
    more = 0 if ratio == "100" else 15
    return [0x00, 0xFF, 0x55, 0xAA, 0x80, *random.Random(seed).randbytes(more)]


def symbols(byte, stop=1):
    return [0, *(byte >> n & 1 for n in range(8)), stop]


def line(levels, bit, begin=0.0):
    """Return the line per clock: `levels` of `bit` clocks each, starting at time `begin`, between idle levels."""
    clocks = range(int(begin + bit * len(levels)) + 1)
    levels = [*levels, 1]
    return [1 if clock < begin else levels[int((clock - begin) / bit)] for clock in clocks]


def receive_line(simulate, ratio, *parts):
    """Receive the parts of a line; return bytes, their clocks and the number of errors. `ready` stays low."""
    clock_hz, baud = RATIOS[ratio]
    component = UartReceiver(clock_hz=clock_hz, baud=baud)
    levels = [level for part in parts for level in part]

    async def bench(ctx):
        ctx.set(component.rx, 1)
        await ctx.tick().repeat(3)
        for level in levels:
            ctx.set(component.rx, level)
            await ctx.tick()
        ctx.set(component.rx, 1)
        await ctx.tick().repeat(int(2 * clock_hz / baud) + 8)

    watch = {"valid": component.o.valid, "payload": component.o.payload, "error": component.error}
    trace = simulate(component, bench, clocks=len(levels) + 1000, **watch)
    clocks = [clock for clock, valid in enumerate(trace.valid) if valid]
    return SimpleNamespace(
        bytes=[trace.payload[clock] for clock in clocks], clocks=[c - 3 for c in clocks], errors=sum(trace.error)
    )


def transmit(simulate, send, ratio, sent, stall=0.0):
    """Return the transmitted line per clock."""
    clock_hz, baud = RATIOS[ratio]
    component = UartTransmitter(clock_hz=clock_hz, baud=baud)
    bit = clock_hz / baud

    async def until_sent(ctx):
        await send(component.i, sent, stall, seed=1)(ctx)
        await ctx.tick().repeat(int(11 * bit))

    return simulate(component, until_sent, clocks=100_000, tx=component.tx).tx


@RATIO
@pytest.mark.parametrize("off", [-0.015, 0.0, 0.015])
def test_receives(simulate, ratio, off):
    """Back-to-back bytes, from a far end whose clock is off by up to 1.5 percent."""
    clock_hz, baud = RATIOS[ratio]
    bit = clock_hz / baud * (1 + off)
    sent = some_bytes(ratio, seed=1)
    levels = [level for byte in sent for level in symbols(byte)]
    for begin in (0.0, 0.3, 0.6, 0.9) if bit < 50 else (0.3,):
        got = receive_line(simulate, ratio, line(levels, bit, begin))
        assert got.bytes == sent
        assert not got.errors
        for n, clock in enumerate(got.clocks):
            assert abs(clock - 3 - (begin + bit * (10 * n + 9.5))) <= 1.1 + 9.5 * abs(off) * bit + 0.01 * bit


@RATIO
def test_receives_with_pauses(simulate, ratio):
    clock_hz, baud = RATIOS[ratio]
    generator = random.Random(2)
    sent = some_bytes(ratio, seed=3)
    parts = [line(symbols(byte), clock_hz / baud, generator.uniform(0, 30)) for byte in sent]
    got = receive_line(simulate, ratio, *parts)
    assert got.bytes == sent
    assert not got.errors


@RATIO
def test_noise(simulate, ratio):
    """Pulses shorter than half a start bit are ignored and do not disturb a byte right after them."""
    clock_hz, baud = RATIOS[ratio]
    bit = clock_hz / baud
    for width in {1, int(bit / 2) - 1}:
        pulse = [*[0] * width, *[1] * (int(bit / 2) + 2 - width)]
        got = receive_line(simulate, ratio, pulse, pulse, pulse, line(symbols(0x00), bit), line(symbols(0xC3), bit))
        assert got.bytes == [0x00, 0xC3]
        assert not got.errors


@RATIO
def test_no_stop_bit(simulate, ratio):
    """A byte without a stop bit is lost, and the next one starts once the line has been 1."""
    clock_hz, baud = RATIOS[ratio]
    bit = clock_hz / baud
    for held in (0, 1, 25):
        levels = [*symbols(0x12), *symbols(0x34, stop=0), *[0] * held, 1, *symbols(0x56)]
        got = receive_line(simulate, ratio, line(levels, bit))
        assert got.bytes == [0x12, 0x56]
        assert got.errors == 1


@RATIO
@pytest.mark.parametrize("stall", [0.0, 0.98])
def test_transmits(simulate, send, ratio, stall):
    """Correct levels with each edge within a clock, and no gap between bytes."""
    clock_hz, baud = RATIOS[ratio]
    bit = clock_hz / baud
    sent = some_bytes(ratio, seed=4)
    tx = transmit(simulate, send, ratio, sent, stall)
    starts = []
    clock = 0
    for byte in sent:
        while tx[clock]:
            clock += 1
        starts.append(clock)
        for n, level in enumerate(symbols(byte)):
            # Clocks that are certainly within the bit.
            first, last = clock + n * bit + 1.05, clock + (n + 1) * bit - 1.05
            assert {tx[c] for c in range(int(first) + 1, int(last) + 1)} <= {level}
        clock = int(clock + 9.5 * bit)
    if not stall:
        assert abs(starts[-1] - starts[0] - 10 * bit * (len(sent) - 1)) <= 1 + 0.001 * starts[-1]
    assert all(tx[int(clock + bit) :])


@pytest.mark.parametrize("ratio", ["4", "8", "8.33", "10.4", "100"])
@pytest.mark.parametrize("off", [-0.015, 0.015])
def test_to_each_other(simulate, send, ratio, off):
    """The transmitter's clock is off by 1.5 percent."""
    sent = some_bytes(ratio, seed=5)
    tx = transmit(simulate, send, ratio, sent)
    seen = [tx[int(clock * (1 + off) + 0.4)] for clock in range(int((len(tx) - 1) / (1 + off)))]
    got = receive_line(simulate, ratio, seen)
    assert got.bytes == sent
    assert not got.errors


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
@pytest.mark.parametrize("baud", [0, -1, 300_001])
def test_refuses(component, baud):
    with pytest.raises(ValueError, match=f"Baud {baud} at a clock of 1200000 Hz; use at most a quarter"):
        component(clock_hz=1_200_000, baud=baud)
