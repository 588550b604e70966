"""Where a pipeline that cannot stop meets a stream that can: a FIFO, and permission to start only what has a place."""

from amaranth import *
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Outlet"]


class Outlet(wiring.Component):
    """Collect what a pipeline delivers, and count what is under way to it::

        start --> pipeline of `latency` clocks --> arrive --> FIFO --> o
          ^                                                    |
          +------------------------- ready <-------------------+

    Never stalls as long as `o` is taken every clock. The FIFO cannot overflow, so it has no way to say that it is full:
    that, and a flag that is a register, make it a good deal faster than the library's.

    Parameters
    ----------
    shape : ShapeLike
        Payload.
    latency : int
        Clocks from `start` to the `arrive` that it causes, at least 0.

    Members
    -------
    ready : Out(1)
        There is room for one more.
    start : In(1)
        Something was started; only together with `ready`.
    arrive : In(1)
        `value` is the oldest thing started.
    value : In(shape)
        What arrives.
    empty : Out(1)
        Nothing is under way and nothing waits.
    o : Out(stream.Signature(shape))
        What arrived.
    """

    def __init__(self, *, shape, latency: int):
        # The way of a place: start, pipeline, two clocks in the FIFO, taken, counted.
        self.depth = latency + 6
        super().__init__(
            {
                "ready": Out(1),
                "start": In(1),
                "arrive": In(1),
                "value": In(shape),
                "empty": Out(1),
                "o": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        self._fifo(m)
        room = Signal(range(self.depth + 1), init=self.depth)
        taken = self.o.valid & self.o.ready
        with m.If(self.start & ~taken):
            m.d.sync += [room.eq(room - 1), self.ready.eq(room != 1), self.empty.eq(0)]
        with m.Elif(taken & ~self.start):
            m.d.sync += [room.eq(room + 1), self.ready.eq(1), self.empty.eq(room == self.depth - 1)]
        with m.Elif(~self.start):
            # Also the first clock after reset.
            m.d.sync += [self.ready.eq(room != 0), self.empty.eq(room == self.depth)]
        return m

    def _fifo(self, m: Module):
        """Two clocks from `arrive` to `o`: a memory, and its output register, which holds one of the words."""
        width = Shape.cast(self.value.shape()).width
        # What is fetched was written in an earlier clock; without the mark synthesis adds logic for the same clock.
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

    def _place(self, m: Module, name: str, step: Value) -> tuple[Signal, Signal]:
        """A counter around the memory, and the value it has next."""
        last = self.depth - 2
        place = Signal(range(last + 1), name=f"{name}_place")
        after = Signal(range(last + 1), name=f"after_{name}_place", init=min(1, last))
        with m.If(step):
            m.d.sync += [place.eq(after), after.eq(Mux(after == last, 0, after + 1))]
        return place, after
