"""Register slice of a stream: cuts the paths in both directions at full throughput."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RegisterSlice"]


class RegisterSlice(wiring.Component):
    """Skid buffer of two registers; the second takes a payload that arrives as the receiver stalls::

        i --+-----------> [first] --> o
            +-> [second] -^

    `i.ready`, `o.valid` and `o.payload` are registers. Latency 1 clock, one payload per clock. While `o` is not valid,
    `o.payload` is `i.payload` of the clock before.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload.

    Members
    -------
    clear : In(1)
        Drop all payloads, including the one at `i` in this clock. In the next clock `o` is not valid and `i` is ready.
    i : In(stream.Signature(shape))
        Payloads.
    o : Out(stream.Signature(shape))
        The same payloads.
    """

    def __init__(self, *, shape):
        super().__init__({"clear": In(1), "i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    @property
    def latency(self) -> int:
        """Clocks from `i` to `o`."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        width = Shape.cast(self.i.payload.shape()).width
        first = Signal(width, reset_less=True)
        second = Signal(width, reset_less=True)
        ready = Signal(init=1)  # the second register is free
        valid = Signal()
        move = Signal()
        m.d.comb += [
            move.eq(~valid | self.o.ready),
            self.i.ready.eq(ready),
            self.o.valid.eq(valid),
            Value.cast(self.o.payload).eq(first),
        ]
        with m.If(ready):
            m.d.sync += second.eq(self.i.payload)
        with m.If(move):
            m.d.sync += first.eq(Mux(ready, self.i.payload, second))
        with m.If(self.clear):
            m.d.sync += [valid.eq(0), ready.eq(1)]
        with m.Else():
            m.d.sync += [valid.eq(~move | ~ready | self.i.valid), ready.eq(move | (ready & ~self.i.valid))]
        return m
