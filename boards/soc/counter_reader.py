"""Readout of the engine's counters, in the engine's clock."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .island_signature import CounterByte
from .word_packer import byte_of

__all__ = ["CounterReader"]


class CounterReader(wiring.Component):
    """Sends all counters, byte by byte.

    Parameters
    ----------
    size : int
        Total bytes of the counters, at least 1.

    Members
    -------
    counters : In(8 * size)
        The counters; stable from the request until the last byte has been taken.
    request : In(1)
        Send them; only while idle.
    o : Out(stream.Signature(CounterByte))
        Bytes, least significant byte first.
    """

    def __init__(self, *, size: int):
        super().__init__({"counters": In(8 * size), "request": In(1), "o": Out(stream.Signature(CounterByte()))})

    def elaborate(self, platform) -> Module:
        m = Module()
        size = len(self.counters) // 8
        step, last, byte = Signal(range(max(2, size)), name="step"), Signal(name="last"), Signal(8, name="byte")
        # The byte selected by the step is valid within 2 clocks.
        m.d.sync += [byte.eq(byte_of(m, self.counters, step)), last.eq(step == size - 1)]
        m.d.comb += [self.o.payload.byte.eq(byte), self.o.payload.last.eq(last)]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += step.eq(0)
                with m.If(self.request):
                    m.next = "READ"
            with m.State("READ"):
                m.next = "WAIT"
            with m.State("WAIT"):
                m.next = "BYTE"
            with m.State("BYTE"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += step.eq(step + 1)
                    m.next = "READ"
                    with m.If(last):
                        m.next = "IDLE"
        return m
