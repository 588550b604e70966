"""UART with 8 data bits, no parity and 1 stop bit.

The clock need not be a multiple of the rate: a phase accumulator adds the fraction of a bit per clock, and its carry
marks the next bit. No edge is off by more than a clock, and errors do not accumulate.
"""

import itertools

from amaranth import *
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]

_PARTS = 1000  # reciprocal of the largest relative rate error


def _rate(clock_hz: int, baud: int) -> tuple[int, int]:
    """Return the smallest sufficient width of the phase accumulator in bits, and its increment per clock."""
    if not 0 < baud <= clock_hz / 4:
        raise ValueError(f"Baud {baud} at a clock of {clock_hz} Hz; use at most a quarter of the clock")
    for bits in itertools.count(2):
        exact = baud * 2**bits
        step = round(exact / clock_hz)
        if abs(step * clock_hz - exact) * _PARTS <= exact:
            break
    return bits, step


class UartReceiver(wiring.Component):
    """UART receiver; samples each bit in its middle::

        idle --+       +----+---- ... --+----+------+-- idle
               | start | d0 | d1        | d7 | stop |
               +-------+----+---- ... --+----+
                   ^     ^    ^           ^     ^

    A start bit that is 1 in its middle is treated as noise. A byte is valid 3 clocks after the middle of its stop bit,
    within one clock. The rates of both sides may differ by 2 percent with 4 clocks per bit, by 5 percent with many.

    Parameters
    ----------
    clock_hz : int
        Clock frequency.
    baud : int
        Bits per second, at most a quarter of the clock.

    Members
    -------
    rx : In(1)
        Line, asynchronous; 1 when idle.
    o : Out(stream.Signature(8))
        Bytes. Each is valid for one clock, regardless of `o.ready`: there is no flow control.
    error : Out(1)
        A byte without a stop bit was lost. The next one can start once the line has been 1.

    Raises
    ------
    ValueError
        If `baud` is out of range.
    """

    def __init__(self, *, clock_hz: int, baud: int):
        self._bits, self._step = _rate(clock_hz, baud)
        super().__init__({"rx": In(1), "o": Out(stream.Signature(8)), "error": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        line = Signal()
        m.submodules.synchroniser = cdc.FFSynchronizer(self.rx, line, init=1)
        phase = Signal(self._bits + 1)
        sample = phase[-1]
        byte = self.o.payload
        m.d.sync += [phase.eq(phase[:-1] + self._step), self.o.valid.eq(0), self.error.eq(0)]
        with m.FSM():
            with m.State("IDLE"):
                # Start at half a bit plus two clocks: one for this clock, on average half a clock since the edge, and
                # half a clock because carries come late.
                m.d.sync += phase.eq(2 ** (self._bits - 1) + 2 * self._step)
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(sample):
                # The 1 is shifted out when the byte is complete.
                m.d.sync += byte.eq(0x80)
                m.next = "DATA"
                with m.If(line):
                    m.next = "IDLE"
            with m.State("DATA"), m.If(sample):
                m.d.sync += byte.eq(Cat(byte[1:], line))
                with m.If(byte[0]):
                    m.next = "STOP"
            with m.State("STOP"), m.If(sample):
                m.d.sync += [self.o.valid.eq(line), self.error.eq(~line)]
                m.next = "BREAK"
                with m.If(line):
                    m.next = "IDLE"
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """UART transmitter; sends bytes back to back.

    A byte starts at the next carry, up to one bit time after it is offered. Edges are late by less than a clock.

    Parameters
    ----------
    clock_hz : int
        Clock frequency.
    baud : int
        Bits per second, at most a quarter of the clock.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes.
    tx : Out(1)
        Line; 1 when idle.

    Raises
    ------
    ValueError
        If `baud` is out of range.
    """

    def __init__(self, *, clock_hz: int, baud: int):
        self._bits, self._step = _rate(clock_hz, baud)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})  # pyright: ignore[reportCallIssue]

    def elaborate(self, platform) -> Module:
        m = Module()
        phase = Signal(self._bits + 1)
        shift = phase[-1]
        rest = Signal(8, init=0xFF)  # bits that follow the one on the line
        left = Signal(range(10))  # number of these in the byte, including the stop bit
        m.d.sync += phase.eq(phase[:-1] + self._step)
        m.d.comb += self.i.ready.eq(shift & (left == 0))
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [self.tx.eq(0), rest.eq(self.i.payload), left.eq(9)]
        with m.Elif(shift):
            m.d.sync += Cat(self.tx, rest).eq(Cat(rest, 1))
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
        return m
