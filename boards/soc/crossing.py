"""Crossings between the clocks of link and engine.

Nothing crosses but words in the buffers' RAMs, bytes and commands in asynchronous FIFOs, and single levels through
synchronisers::

                  link                              engine
    commander --- strobes, counts --[command FIFO]--> buffers, engine
              <-- counter bytes ----[counter FIFO]---
              <-- running, refused --[synchroniser]--
    reset ------- request -----------[synchroniser]--> reset of the engine
              <-- acknowledgement ---[synchroniser]---

Each is a module of its own through synthesis, so that its name stands in the netlist, where an audit finds it.
"""

from collections.abc import Mapping

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import shared

from .island_signature import ControlSignature, CounterByte

__all__ = ["CROSSINGS", "ControlCrossing", "CrossingFifo", "LevelSynchroniser", "ResetHandshake"]

CROSSINGS: Mapping[str, str] = {r"\w+_sync": "synchroniser", r"\w+_fifo": "fifo", r"\w+_buffer\.ram": "ram"}
"""Names of the submodules that may lie between two clocks, as regular expressions, to their kind."""

_COUNTER_FIFO = 4  # bytes
_ACKNOWLEDGE = 4  # clocks of the engine from the start of its reset to the acknowledgement


class LevelSynchroniser(wiring.Component):
    """Brings a level into domain ``sync``.

    Parameters
    ----------
    init : int
        Level at power-up; there is no other reset.

    Members
    -------
    i : In(1)
        Level from a register of another clock.
    o : Out(1)
        The same, 2 to 3 clocks later.
    """

    keep_hierarchy = True

    def __init__(self, *, init: int = 0):
        self._init = init
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.stages = FFSynchronizer(self.i, self.o, init=self._init)
        return m


class CrossingFifo(wiring.Component):
    """FIFO from domain ``write`` to domain ``read``; empty after a reset of the former.

    Parameters
    ----------
    width, depth : int
        Width of a word in bits, and number of words, a power of 2.

    Members
    -------
    i : In(stream.Signature(width)), o : Out(stream.Signature(width))
        Words.
    waiting : Out(1)
        Words are in the FIFO, as far as ``write`` knows; from the second clock after one has entered.
    """

    keep_hierarchy = True

    def __init__(self, *, width: int, depth: int):
        self._depth = depth
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width)), "waiting": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.fifo = fifo = AsyncFIFO(
            width=len(self.i.payload), depth=self._depth, w_domain="write", r_domain="read"
        )
        m.d.comb += [
            fifo.w_data.eq(self.i.payload),
            fifo.w_en.eq(self.i.valid),
            self.i.ready.eq(fifo.w_rdy),
            self.o.payload.eq(fifo.r_data),
            self.o.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.o.ready),
            self.waiting.eq(fifo.w_level.any()),
        ]
        return m


class ControlCrossing(wiring.Component):
    """Carries the control of the engine from the link's clock, domain ``sync``, to domain ``engine``.

    The FIFO has room for all commands of a request: the counts of a run, and its start.

    Parameters
    ----------
    streams : int
        Number of streams.
    count_bits : int
        Bits of the largest count.

    Members
    -------
    link : In(ControlSignature), engine : Out(ControlSignature)
        Control, and its copy in domain ``engine``, where counts have `count_bits`.
    pending : Out(1)
        A command is under way, or its effect on ``link.running``.
    """

    def __init__(self, *, streams: int, count_bits: int):
        super().__init__(
            {
                "link": In(ControlSignature(streams=streams)),
                "engine": Out(ControlSignature(streams=streams, count_bits=count_bits)),
                "pending": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        self._commands(m)
        self._counters(m)
        return m

    def _commands(self, m: Module) -> None:
        link, engine = self.link, self.engine
        strobes = Cat(link.set, link.start, link.clear_counters, link.read_counters)
        outputs = Cat(engine.set, engine.start, engine.clear_counters, engine.read_counters)
        depth = 1 << len(link.set).bit_length()
        fifo = shared(CrossingFifo, width=len(strobes) + len(engine.count), depth=depth)
        m.submodules.command_fifo = DomainRenamer({"write": "sync", "read": "engine"})(fifo)
        m.d.comb += [
            fifo.i.payload.eq(Cat(strobes, link.count[: len(engine.count)])),
            fifo.i.valid.eq(strobes.any()),
        ]
        taken, active = Signal(name="taken"), Signal(name="active")
        command = Signal.like(fifo.o.payload, name="command")
        # A command leaves the FIFO only once the level is up that a run started by it will hold up: whatever the delays
        # of the wires, the link sees that before it sees the FIFO empty.
        m.d.comb += fifo.o.ready.eq(active)
        m.d.engine += [
            active.eq(fifo.o.valid | taken | engine.running),
            taken.eq(fifo.o.valid & active),
            command.eq(fifo.o.payload),
        ]
        m.d.comb += [
            outputs.eq(command[: len(strobes)] & taken.replicate(len(strobes))),
            engine.count.eq(command[len(strobes) :]),
        ]
        self._synchronise(m, "running", active, link.running)
        refused = Signal(name="refused")
        m.d.engine += refused.eq(engine.refused)
        self._synchronise(m, "refused", refused, link.refused)
        self._pending(m, fifo)

    def _synchronise(self, m: Module, name: str, i: Value, o: Value) -> None:
        m.submodules[f"{name}_sync"] = sync = shared(LevelSynchroniser)
        m.d.comb += [sync.i.eq(i), o.eq(sync.o)]

    def _pending(self, m: Module, fifo) -> None:
        """Bridge the clocks from a strobe to the FIFO's level, and leave one more for `running`."""
        written, seen = Signal(2, name="written"), Signal(2, name="seen")
        m.d.sync += [
            written.eq(Cat(fifo.i.valid, written)),
            seen.eq(Cat(fifo.i.valid | written.any() | fifo.waiting, seen)),
        ]
        m.d.comb += self.pending.eq(seen.any())

    def _counters(self, m: Module) -> None:
        near, far = self.link.counters, self.engine.counters
        fifo = shared(CrossingFifo, width=CounterByte().size, depth=_COUNTER_FIFO)
        m.submodules.counter_fifo = DomainRenamer({"write": "engine", "read": "sync"})(fifo)
        m.d.comb += [
            fifo.i.payload.eq(far.payload),
            fifo.i.valid.eq(far.valid),
            far.ready.eq(fifo.i.ready),
            Value.cast(near.payload).eq(fifo.o.payload),
            near.valid.eq(fifo.o.valid),
            fifo.o.ready.eq(near.ready),
        ]


class ResetHandshake(wiring.Component):
    """Resets both halves of the island together, at power-up, with the link, and on request.

    Four phases: the request goes up, the engine's clock acknowledges it, the request goes down, and so does the
    acknowledgement. The registers here are initialised at power-up only: a reset of the link at any moment waits for
    the end of the phases under way, and then begins them again. The link's half leaves its reset first, and with it the
    read side of the command FIFO; but all is over only when the link knows that the engine has left its own.

    Members
    -------
    request : In(1)
        Reset; a strobe.
    engine_clk : In(1)
        Clock of the engine.
    link : Out(1)
        Reset of the link's half of the island.
    engine : Out(1)
        Reset of the engine and its half, in its clock.
    pending : Out(1)
        The reset is not complete.
    """

    def __init__(self):
        super().__init__({"request": In(1), "engine_clk": In(1), "link": Out(1), "engine": Out(1), "pending": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        # Never reset.
        m.domains.free = free = ClockDomain("free", local=True)
        m.d.comb += free.clk.eq(self.engine_clk)
        ask, acknowledged = Signal(name="ask"), Signal(name="acknowledged")
        # The link's own reset begins the phases and must not disturb them.
        asked, request = Signal(reset_less=True, name="asked"), Signal(init=1, reset_less=True, name="request")
        pending = Signal(init=1, reset_less=True)
        acknowledge = Signal(_ACKNOWLEDGE)
        m.d.comb += [ask.eq(self.request | ResetSignal("sync")), self.link.eq(request), self.pending.eq(pending)]
        with m.If(request):
            m.d.sync += request.eq(~acknowledged | ask)
        with m.Elif(acknowledged):
            m.d.sync += asked.eq(asked | ask)
        with m.Else():
            m.d.sync += [request.eq(asked | ask), asked.eq(0)]
        m.d.sync += pending.eq(ask | asked | request | acknowledged)
        request_sync, acknowledge_sync = shared(LevelSynchroniser, init=1), shared(LevelSynchroniser)
        m.submodules.request_sync = DomainRenamer("free")(request_sync)
        m.submodules.acknowledge_sync = acknowledge_sync
        m.d.comb += [
            request_sync.i.eq(request),
            self.engine.eq(request_sync.o),
            acknowledge_sync.i.eq(acknowledge[-1]),
            acknowledged.eq(acknowledge_sync.o),
        ]
        m.d.free += acknowledge.eq(Cat(self.engine, acknowledge))
        return m
