"""FIFOs for a writer that counts credits. They have no full flag, which makes them considerably faster."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CreditFifo", "ShiftFifo"]


class CreditFifo(wiring.Component):
    """FIFO of a memory and its output register, which holds one of the words. Two clocks from `arrive` to `o`.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a word.
    depth : int
        Capacity in words, at least 3; any excess is lost.

    Members
    -------
    arrive : In(1)
        Store `value`.
    value : In(shape)
        Word to store.
    o : Out(stream.Signature(shape))
        Stored words, oldest first.
    """

    def __init__(self, *, shape, depth: int):
        if depth < 3:
            raise ValueError(f"FIFO of {depth} words; use at least 3")
        self.depth = depth
        super().__init__({"arrive": In(1), "value": In(shape), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        width = Shape.cast(self.value.shape()).width
        # A word is fetched at least a clock after its write; without the attribute synthesis adds collision logic.
        m.submodules.words = words = memory.Memory(
            shape=unsigned(width), depth=self.depth - 1, init=[], attrs={"no_rw_check": "1"}
        )
        write_port = words.write_port()
        read_port = words.read_port()
        some = Signal()  # a word waits in the memory
        take = Signal()
        fetch = Signal()
        write_place, _ = self._place(m, "write", self.arrive)
        read_place, after_read = self._place(m, "read", fetch)
        m.d.comb += [
            write_port.addr.eq(write_place),
            write_port.data.eq(self.value),
            write_port.en.eq(self.arrive),
            take.eq(self.o.ready | ~self.o.valid),
            fetch.eq(some & take),
            read_port.addr.eq(read_place),
            read_port.en.eq(fetch),
            Value.cast(self.o.payload).eq(read_port.data),
        ]
        m.d.sync += some.eq(self.arrive | (some & ~(take & (after_read == write_place))))
        with m.If(take):
            m.d.sync += self.o.valid.eq(some)
        return m

    def _place(self, m: Module, name: str, step: Value) -> tuple[Signal, Signal]:
        """Return a wrapping memory pointer and its next value."""
        last = self.depth - 2
        place = Signal(range(last + 1), name=f"{name}_place")
        after = Signal(range(last + 1), name=f"after_{name}_place", init=min(1, last))
        with m.If(step):
            m.d.sync += [place.eq(after), after.eq(Mux(after == last, 0, after + 1))]
        return place, after


class ShiftFifo(wiring.Component):
    """Shift-register FIFO for a few words. One clock from `arrive` to `o`::

        arrive --+-------------+-------------+
                 v             v             v
              [word 2] --> [word 1] --> [word 0] --> o

    A word arriving goes into the first free register. Each bit takes one logic cell, lookup table and flip-flop.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a word.
    depth : int
        Capacity in words, at least 1; any excess is lost.

    Members
    -------
    arrive, value, o
        As in `CreditFifo`.
    """

    def __init__(self, *, shape, depth: int):
        if depth < 1:
            raise ValueError(f"FIFO of {depth} words; use at least 1")
        self.depth = depth
        super().__init__({"arrive": In(1), "value": In(shape), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform) -> Module:
        m = Module()
        value = Value.cast(self.value)
        some = Signal(self.depth)  # occupied words, filled from word 0
        take = Signal()
        m.d.comb += [take.eq(self.o.valid & self.o.ready), self.o.valid.eq(some[0])]
        with m.If(self.arrive & ~take):
            m.d.sync += some.eq(Cat(1, some))
        with m.Elif(take & ~self.arrive):
            m.d.sync += some.eq(some[1:])
        words = [Signal(len(value), name=f"word_{n}", reset_less=True) for n in range(self.depth)]
        for n, word in enumerate(words):
            last = n + 1 == self.depth
            # The word behind this one moves up; with none behind it, take `value`, whether it arrives now or later.
            with m.If(take | ~some[n]):
                m.d.sync += word.eq(value if last else Mux(some[n + 1], words[n + 1], value))
        m.d.comb += Value.cast(self.o.payload).eq(words[0])
        return m
