"""Processing element: from a broadcast activation to accumulated products."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

from .arithmetic import Arithmetic
from .decode import Decode
from .entries import EntryRead
from .layouts import broadcast_layout, load_layout, setup_layout
from .pointers import PointerRead
from .queue import ActivationQueue
from .shallow_arithmetic import ShallowArithmetic

__all__ = ["Pe"]


class Pe(wiring.Component):
    """Compute one slice of a layer::

        broadcast -> PointerRead -> ActivationQueue -> EntryRead -> Decode -> Arithmetic -> total
             |                                                        ^
             +-- sweep -----------------------------------------------+

    ``config.timing`` gives the latencies of these parts; s4, s6 etc. are the stages of a deep pipeline.

    Parameters
    ----------
    config : EieConfig
        Engine configuration.

    Members
    -------
    broadcast : In(broadcast_layout(config))
        Columns, and rows to sweep.
    setup : In(setup_layout(config))
        Only ``codebook`` and ``scan`` are used.
    load : In(load_layout(config, 0))
        Words for the memories; a pointer's address is in ``broadcast``.
    full : Out(1)
        The queue is full.
    done : Out(1)
        The last column has been read.
    busy, filler : Out(1)
        An entry is issued; an entry is a filler.
    total : Out(signed(acc_width)), total_valid : Out(1)
        Sum of a swept row, `sweep_latency` clocks after ``broadcast.sweep``.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "broadcast": In(broadcast_layout(config)),
                "setup": In(setup_layout(config)),
                "load": In(load_layout(config, 0)),
                "full": Out(1),
                "done": Out(1),
                "busy": Out(1),
                "filler": Out(1),
                "total": Out(signed(config.acc_width)),
                "total_valid": Out(1),
            }
        )

    @property
    def sweep_latency(self) -> int:
        """Clocks from a swept row to its sum."""
        return self.config.timing.sweep

    def elaborate(self, platform) -> Module:
        m = Module()
        cast: View = self.broadcast  # pyright: ignore[reportAssignmentType]
        setup: View = self.setup  # pyright: ignore[reportAssignmentType]
        m.submodules.pointers = pointers = shared(PointerRead, config=self.config)
        m.submodules.queue = queue = shared(ActivationQueue, config=self.config)
        m.submodules.entries = entries = shared(EntryRead, config=self.config)
        m.submodules.decode = decode = shared(Decode, config=self.config)
        kind = ShallowArithmetic if self.config.shallow else Arithmetic
        m.submodules.arithmetic = arithmetic = shared(kind, config=self.config)
        for name, part in (("matrix", entries), ("pointers", pointers), ("constants", decode)):
            m.d.comb += [part.load.eq(self.load[name]), part.load_data.eq(self.load.data)]
            if part is not pointers:
                m.d.comb += part.load_address.eq(self.load.address)
        wiring.connect(m, queue.o, entries.columns)
        m.d.comb += [
            pointers.column.eq(cast.column),
            pointers.item.eq(cast.item),
            pointers.end.eq(cast.end),
            pointers.act.eq(cast.act),
            pointers.address.eq(cast.address),
            pointers.next_address.eq(cast.next_address),
            queue.arrive.eq(cast.column),
            queue.keep.eq(pointers.keep),
            queue.drop.eq(pointers.drop),
            queue.i.eq(pointers.o),
            entries.scan.eq(setup.scan),
            decode.valid.eq(entries.valid),
            decode.first.eq(entries.first),
            decode.value.eq(entries.value),
            decode.zeros.eq(entries.zeros),
            decode.sweep.eq(cast.sweep),
            decode.sweep_first.eq(cast.first),
            decode.bias_address.eq(cast.address),
            decode.codebook.eq(setup.codebook),
            arithmetic.act.eq(register(m, "s6_act", entries.act, decode.latency)),
            arithmetic.constant.eq(decode.constant),
            arithmetic.row.eq(decode.row),
            arithmetic.write.eq(decode.write),
            arithmetic.swept.eq(decode.swept),
            self.full.eq(queue.full),
            self.done.eq(entries.done),
            self.busy.eq(entries.busy),
            self.filler.eq(decode.filler),
            self.total.eq(arithmetic.total),
            self.total_valid.eq(arithmetic.total_valid),
        ]
        return m
