"""Outlets from a pipeline that cannot stall to a stream that can: a FIFO, and credits for what may be started."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import shared

from .fifo import CreditFifo
from .pipeline import register
from .register_slice import RegisterSlice

__all__ = ["HeldOutlet", "Outlet"]


class Outlet(wiring.Component):
    """Collect the results of a pipeline, and count those in flight::

        start --> pipeline of `latency` clocks --> arrive --> FIFO --> o
          ^                                                    |
          +------------------------- ready <-------------------+

    Never stalls as long as `o` is taken every clock. The FIFO cannot overflow, so it has no full flag: that, and a
    registered flag for words waiting, make it considerably faster than the library's.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a result.
    latency : int
        Clocks from `start` to the corresponding `arrive`, at least 0.
    lanes : tuple of int
        Widths of the slices of the payload, from the least significant bits, that have a FIFO with its own control
        each, since the bits of a wide payload are far apart. Empty for a single FIFO.
    cut : bool
        Each of the lanes has a register before its FIFO and a register slice behind it, which add one clock each.

    Members
    -------
    ready : Out(1)
        There is room for one more result.
    start : In(1)
        A result is started; only while `ready` is 1.
    arrive : In(1)
        `value` is the oldest result in flight.
    value : In(shape)
        Arriving result.
    empty : Out(1)
        No result is in flight or waiting.
    o : Out(stream.Signature(shape))
        Results in order of arrival.
    """

    def __init__(self, *, shape, latency: int, lanes: tuple[int, ...] = (), cut: bool = True):
        width = Shape.cast(shape).width
        if lanes and sum(lanes) != width:
            raise ValueError(f"Lanes add up to {sum(lanes)} bits for a payload of {width}; make them equal")
        self.lanes, self.cut = lanes, cut and bool(lanes)
        # Round trip of a credit: start, pipeline, two clocks in the FIFO, taken, counted.
        self.depth = latency + 6 + (3 if self.cut else 0)
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
        # Two clocks from `arrive` to `o`.
        if self.lanes:
            self._side_by_side(m)
        else:
            m.submodules.fifo = fifo = CreditFifo(shape=self.value.shape(), depth=self.depth)
            m.d.comb += [fifo.arrive.eq(self.arrive), fifo.value.eq(self.value)]
            wiring.connect(m, fifo.o, wiring.flipped(self.o))
        room = Signal(range(self.depth + 1), init=self.depth)
        taken = self.o.valid & self.o.ready
        if self.cut:
            was_taken = Signal()
            m.d.sync += was_taken.eq(taken)
            taken = was_taken
        with m.If(self.start & ~taken):
            m.d.sync += [room.eq(room - 1), self.ready.eq(room != 1), self.empty.eq(0)]
        with m.Elif(taken & ~self.start):
            m.d.sync += [room.eq(room + 1), self.ready.eq(1), self.empty.eq(room == self.depth - 1)]
        with m.Elif(~self.start):
            # Also the first clock after reset.
            m.d.sync += [self.ready.eq(room != 0), self.empty.eq(room == self.depth)]
        return m

    def _side_by_side(self, m: Module) -> None:
        """Add one FIFO per lane; all run in lockstep."""
        low, value, payload = 0, Value.cast(self.value), Value.cast(self.o.payload)
        for n, width in enumerate(self.lanes):
            m.submodules[f"lane_{n}"] = lane = shared(Lane if self.cut else SmallLane, width=width, depth=self.depth)
            m.d.comb += [
                lane.arrive.eq(self.arrive),
                lane.value.eq(value[low : low + width]),
                payload[low : low + width].eq(lane.o.payload),
                lane.o.ready.eq(self.o.ready),
            ]
            if n == 0:
                m.d.comb += self.o.valid.eq(lane.o.valid)
            low += width


class Lane(wiring.Component):
    """Lane of an `Outlet`: a register, a `CreditFifo`, whose members it has, and a register slice."""

    # Otherwise synthesis merges the identical registers of all lanes into one set.
    keep_hierarchy = True

    def __init__(self, *, width: int, depth: int):
        self.depth = depth
        super().__init__({"arrive": In(1), "value": In(width), "o": Out(stream.Signature(width))})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.fifo = fifo = CreditFifo(shape=unsigned(len(self.value)), depth=self.depth)
        m.d.sync += fifo.arrive.eq(self.arrive)
        m.d.comb += fifo.value.eq(register(m, "s1_value", self.value))
        m.submodules.cut = cut = RegisterSlice(shape=unsigned(len(self.value)))
        wiring.connect(m, fifo.o, cut.i)
        wiring.connect(m, cut.o, wiring.flipped(self.o))
        return m


class SmallLane(Lane):
    """Lane of an `Outlet` without registers: a `CreditFifo`."""

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.fifo = fifo = CreditFifo(shape=unsigned(len(self.value)), depth=self.depth)
        m.d.comb += [fifo.arrive.eq(self.arrive), fifo.value.eq(self.value)]
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        return m


class HeldOutlet(wiring.Component):
    """Deliver a value that its source holds until the next one is started.

    Never stalls as long as `o` is taken every clock.

    Parameters
    ----------
    shape : ShapeLike
        Shape of a value.

    Members
    -------
    ready, start, empty, o
        As in `Outlet`.
    value : In(shape)
        The value started last; held from the clock after `start` until the next `start`.
    """

    def __init__(self, *, shape):
        super().__init__(
            {"ready": Out(1), "start": In(1), "value": In(shape), "empty": Out(1), "o": Out(stream.Signature(shape))}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        valid = Signal()
        m.d.comb += [
            self.ready.eq(~valid | self.o.ready),
            self.empty.eq(~valid),
            self.o.valid.eq(valid),
            self.o.payload.eq(self.value),
        ]
        m.d.sync += valid.eq(self.start | (valid & ~self.o.ready))
        return m
