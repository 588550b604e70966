"""A UART with 8 data bits, no parity and 1 stop bit.

Its clock need not be a multiple of the rate: an accumulator adds what a clock is of a bit, and its carry is the next
bit. So no edge is more than a clock from where it belongs, however many have been before it.
"""

import itertools

from amaranth import *
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]

_PARTS = 1000  # the rate is right within one of so many


def _rate(clock_hz: int, baud: int) -> tuple[int, int]:
    """Bits of an accumulator, as few as will do, and what it adds every clock."""
    if not 0 < baud <= clock_hz / 4:
        raise ValueError(f"Baud {baud} at a clock of {clock_hz} Hz; use at most a quarter of the clock")
    for bits in itertools.count(2):
        exact = baud * 2**bits
        step = round(exact / clock_hz)
        if abs(step * clock_hz - exact) * _PARTS <= exact:
            break
    return bits, step


class UartReceiver(wiring.Component):
    """Bytes from a line, each bit sampled in its middle::

        idle --+       +----+---- ... --+----+------+-- idle
               | start | d0 | d1        | d7 | stop |
               +-------+----+---- ... --+----+
                   ^     ^    ^           ^     ^

    A start bit that is 1 in its middle is noise. A byte is there 3 clocks after the middle of its stop bit, or one
    more or less. With 4 clocks a bit the rates of both sides may differ by 2 percent, with many by 5.

    Parameters
    ----------
    clock_hz : int
        Clock.
    baud : int
        Bits in a second, at most a quarter of that.

    Members
    -------
    rx : In(1)
        The line, of no clock; 1 when idle.
    o : Out(stream.Signature(8))
        Bytes. Each is valid for one clock, whatever `o.ready` is: nothing stops the other side.
    error : Out(1)
        A byte had no stop bit and is lost. The next one starts once the line has been 1.

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
                # Half a bit is to come of which two clocks are gone: this one, on average half of one since the
                # edge, and half of one because carries come late.
                m.d.sync += phase.eq(2 ** (self._bits - 1) + 2 * self._step)
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(sample):
                # The 1 comes out when the byte is complete.
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
    """Bytes to a line, without a pause where there is a next one.

    A byte starts with the next carry, up to a bit after it has come. Edges are late by less than a clock.

    Parameters
    ----------
    clock_hz : int
        Clock.
    baud : int
        Bits in a second, at most a quarter of that.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes.
    tx : Out(1)
        The line; 1 when idle.

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
        rest = Signal(8, init=0xFF)  # what follows the bit on the line
        left = Signal(range(10))  # bits of the byte behind that one, with the stop bit
        m.d.sync += phase.eq(phase[:-1] + self._step)
        m.d.comb += self.i.ready.eq(shift & (left == 0))
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [self.tx.eq(0), rest.eq(self.i.payload), left.eq(9)]
        with m.Elif(shift):
            m.d.sync += Cat(self.tx, rest).eq(Cat(rest, 1))
            with m.If(left != 0):
                m.d.sync += left.eq(left - 1)
        return m
