"""The way back from COBS: bytes as they were, and where each frame ends.

Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999. A group is a code n and n - 1 bytes that are not 0; it
stands for these and a 0, but without the 0 if n is 255 or nothing follows. A 0 ends the frame.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CobsDecoder"]


class CobsDecoder(wiring.Component):
    """Decode as the bytes come; latency 1 clock.

    A code gives the 0 of the group before it, so there is never more than one byte to give, and none in the clock after
    `end`. Zeros between frames give nothing.

    Members
    -------
    i : In(stream.Signature(8))
        Coded bytes; always ready.
    valid : Out(1), byte : Out(8)
        A byte of the frame.
    end : Out(1)
        The frame has ended.
    good : Out(1)
        With `end`: its last group was complete, and it had a byte.
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(8)), "valid": Out(1), "byte": Out(8), "end": Out(1), "good": Out(1)})

    @property
    def latency(self) -> int:
        """Clocks from a byte to what it gives."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        coded = self.i.payload
        left = Signal(8)  # bytes of the group to come
        inside = Signal()  # a group has begun
        bare = Signal()  # without a 0 behind it
        some = Signal()  # the frame has a byte
        code = Signal()
        give = Signal()
        m.d.comb += [
            self.i.ready.eq(1),
            code.eq(left == 0),
            give.eq(self.i.valid & (coded != 0) & (~code | (inside & ~bare))),
        ]
        m.d.sync += [
            self.valid.eq(give),
            self.byte.eq(Mux(code, 0, coded)),
            self.end.eq(self.i.valid & (coded == 0) & inside),
            self.good.eq(code & some),
        ]
        with m.If(self.i.valid):
            m.d.sync += [left.eq(Mux(code, coded, left) - 1), inside.eq(1), some.eq(some | give)]
            with m.If(coded == 0):
                m.d.sync += [left.eq(0), inside.eq(0), some.eq(0)]
            with m.Elif(code):
                m.d.sync += bare.eq(coded == 0xFF)
        return m
