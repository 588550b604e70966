"""Crossings between the clocks of link and engine.

Nothing crosses but words in the buffers' RAMs, bytes and commands in asynchronous FIFOs, and single levels through
synchronisers::

                  link                              engine
    commander --- strobes, counts --[command FIFO]--> buffers, engine
              <-- counter bytes ----[counter FIFO]---
              <-- running, refused --[synchroniser]--
    reset ------- request -----------[synchroniser]--> reset of the engine
              <-- acknowledgement ---[synchroniser]---

Each is a submodule of its own, so that its name stands in the netlist.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out

from .island_signature import ControlSignature, CounterByte

__all__ = ["ControlCrossing", "ResetHandshake"]

_COUNTER_FIFO = 4  # bytes
_ACKNOWLEDGE = 4  # clocks of the engine from the start of its reset to the acknowledgement


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
        m.submodules.command_fifo = fifo = AsyncFIFO(
            width=len(strobes) + len(engine.count), depth=depth, r_domain="engine", w_domain="sync"
        )
        m.d.comb += [fifo.w_data.eq(Cat(strobes, link.count[: len(engine.count)])), fifo.w_en.eq(strobes.any())]
        taken, active = Signal(name="taken"), Signal(name="active")
        command = Signal.like(fifo.r_data, name="command")
        # A command leaves the FIFO only once the level is up that a run started by it will hold up: whatever the delays
        # of the wires, the link sees that before it sees the FIFO empty.
        m.d.comb += fifo.r_en.eq(active)
        m.d.engine += [
            active.eq(fifo.r_rdy | taken | engine.running),
            taken.eq(fifo.r_rdy & fifo.r_en),
            command.eq(fifo.r_data),
        ]
        m.d.comb += [
            outputs.eq(command[: len(strobes)] & taken.replicate(len(strobes))),
            engine.count.eq(command[len(strobes) :]),
        ]
        m.submodules.running = FFSynchronizer(active, link.running)
        refused = Signal(name="refused")
        m.d.engine += refused.eq(engine.refused)
        m.submodules.refused = FFSynchronizer(refused, link.refused)
        self._pending(m, fifo)

    def _pending(self, m: Module, fifo: AsyncFIFO) -> None:
        """Bridge the clocks from a strobe to the FIFO's level, and leave one more for `running`."""
        written, seen = Signal(2, name="written"), Signal(2, name="seen")
        m.d.sync += [
            written.eq(Cat(fifo.w_en, written)),
            seen.eq(Cat(fifo.w_en | written.any() | fifo.w_level.any(), seen)),
        ]
        m.d.comb += self.pending.eq(seen.any())

    def _counters(self, m: Module) -> None:
        near, far = self.link.counters, self.engine.counters
        m.submodules.counter_fifo = fifo = AsyncFIFO(
            width=CounterByte().size, depth=_COUNTER_FIFO, r_domain="sync", w_domain="engine"
        )
        m.d.comb += [
            fifo.w_data.eq(far.payload),
            fifo.w_en.eq(far.valid),
            far.ready.eq(fifo.w_rdy),
            Value.cast(near.payload).eq(fifo.r_data),
            near.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(near.ready),
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
        m.domains.free = free = ClockDomain("free", reset_less=True, local=True)
        m.d.comb += free.clk.eq(self.engine_clk)
        ask, acknowledged = Signal(), Signal()
        # The link's own reset begins the phases and must not disturb them.
        asked, request = Signal(reset_less=True), Signal(init=1, reset_less=True)
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
        m.submodules.request = FFSynchronizer(request, self.engine, o_domain="free", init=1)
        m.d.free += acknowledge.eq(Cat(self.engine, acknowledge))
        m.submodules.acknowledge = FFSynchronizer(acknowledge[-1], acknowledged)
        return m
