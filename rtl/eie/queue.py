"""Activation queue of a PE, with back-pressure on the broadcast."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.fifo import CreditFifo, ShiftFifo
from tercet.rtl.emit import shared

from .layouts import column_layout

__all__ = ["ActivationQueue"]


class ActivationQueue(wiring.Component):
    """Queue of the columns that a PE still has to process::

        arrive ------> +1  [level] --> full
        drop, o taken --> -1
        keep, i ------> FIFO --> o

    A column counts from its arrival at the pointer read until it is taken or found to be empty. `full` takes some
    clocks to reach the root of the broadcast and take effect; the queue has room for the columns of those clocks too.

    Parameters
    ----------
    config : EieConfig
        ``full_level`` columns make the queue full.

    Members
    -------
    arrive : In(1)
        A column begins its pointer read.
    keep, drop : In(1)
        A column has been read: queue `i`; or leave it out.
    i : In(column_layout(config))
        Column to queue.
    full : Out(1)
        Stop broadcasting columns.
    o : Out(stream.Signature(column_layout(config)))
        Queued columns, oldest first.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "arrive": In(1),
                "keep": In(1),
                "drop": In(1),
                "i": In(column_layout(config)),
                "full": Out(1),
                "o": Out(stream.Signature(column_layout(config))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        depth = self.config.queue_depth
        kind = ShiftFifo if self.config.queue_in_cells else CreditFifo
        m.submodules.fifo = fifo = shared(kind, shape=column_layout(self.config), depth=depth)
        m.d.comb += [fifo.value.eq(self.i), fifo.arrive.eq(self.keep)]
        wiring.connect(m, fifo.o, wiring.flipped(self.o))
        # Negative while there is room, so `full` depends on one bit of a register.
        level = Signal(signed(1 + depth.bit_length()), init=-self.config.full_level)
        left = Signal(2)
        m.d.sync += [left.eq((self.o.valid & self.o.ready) + self.drop), level.eq(level + self.arrive - left)]
        m.d.comb += self.full.eq(level >= 0)
        return m
