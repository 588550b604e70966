"""Queue of two entries, of which the first and the one to become the first are known a clock ahead."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["LookaheadQueue"]


class LookaheadQueue(wiring.Component):
    """Queue of two entries, for a sender far from the receiver: whether an entry fits depends on registers alone.

    Parameters
    ----------
    shape : ShapeLike
        Shape of an entry.

    Members
    -------
    i : In(stream.Signature(shape))
        Entries.
    first : Out(shape)
        The older entry.
    take : In(1)
        Remove it; only while there is one.
    coming : Out(1), upcoming : Out(shape)
        If the queue is empty, or `take` is 1: in the next clock there is a first entry, which is `upcoming`.
    """

    def __init__(self, *, shape):
        super().__init__(
            {
                "i": In(stream.Signature(shape)),
                "first": Out(shape),
                "take": In(1),
                "coming": Out(1),
                "upcoming": Out(shape),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        value = Value.cast(self.i.payload)
        entries = [Signal(len(value), name=f"entry_{n}", reset_less=True) for n in "ab"]
        held = Signal(2)
        older, free = Signal(name="older"), Signal(name="free")  # places of the first entry and of the next to arrive
        arrives = Signal()
        m.d.comb += [
            self.i.ready.eq(~Mux(free, held[1], held[0])),
            arrives.eq(self.i.valid & self.i.ready),
            Value.cast(self.first).eq(Mux(older, entries[1], entries[0])),
            self.coming.eq(held.all() | arrives),
            Value.cast(self.upcoming).eq(Mux(held.all(), Mux(older, entries[0], entries[1]), value)),
        ]
        for n, entry in enumerate(entries):
            with m.If((free == n) & ~held[n]):
                m.d.sync += [entry.eq(value), held[n].eq(self.i.valid)]
            with m.If((older == n) & self.take):
                m.d.sync += held[n].eq(0)
        m.d.sync += [free.eq(free ^ arrives), older.eq(older ^ self.take)]
        return m
