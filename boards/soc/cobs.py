"""COBS decoder: recovers the bytes and the end of each frame.

Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999. A group is a code n and n - 1 non-zero bytes. It stands
for these bytes and a 0; the 0 is absent if n is 255 or the group is the last. A 0 ends the frame.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CobsDecoder"]


class CobsDecoder(wiring.Component):
    """Streaming COBS decoder; latency 1 clock.

    A code emits the 0 of the preceding group, so no input yields more than one byte, and none is emitted in the clock
    after `end`. Zeros between frames emit nothing.

    Members
    -------
    i : In(stream.Signature(8))
        Encoded bytes; always ready.
    valid : Out(1), byte : Out(8)
        Decoded byte of the frame.
    end : Out(1)
        End of the frame.
    good : Out(1)
        Valid with `end`: the last group was complete and the frame was not empty.
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(8)), "valid": Out(1), "byte": Out(8), "end": Out(1), "good": Out(1)})

    @property
    def latency(self) -> int:
        """Clocks from an encoded byte to the resulting outputs."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        coded = self.i.payload
        left = Signal(8)  # bytes left in the group
        inside = Signal()  # a frame has begun
        bare = Signal()  # the group implies no 0 after it
        some = Signal()  # the frame has at least one byte
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
