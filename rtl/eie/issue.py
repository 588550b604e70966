"""Column issue: finds the columns of the detection tree's non-zero activations, and broadcasts them."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.register_slice import RegisterSlice

from .layouts import address_width, broadcast_layout, token_layout

__all__ = ["Issue"]


class Issue(wiring.Component):
    """Issue one non-zero activation per clock unless a queue is full; a group of zeros takes one clock.

    Parameters
    ----------
    config : EieConfig
        Widths.

    Members
    -------
    start : In(1)
        Begin a step.
    groups : In, pointers : In
        Groups of activations of the step, at least 1; address of the first column's pointer.
    tokens : In(stream.Signature(token_layout(tree_levels)))
        From the root of the detection tree.
    full : In(1)
        A queue is full.
    broadcast : Out(broadcast_layout(config))
        Only the fields of a column; valid while ``column`` is 1.
    stalled : Out(1)
        A column is waiting for a full queue.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "groups": In(config.act_depth.bit_length()),
                "pointers": In(address_width(config.pointer_depth)),
                "tokens": In(stream.Signature(token_layout(config.tree_levels))),
                "full": In(1),
                "broadcast": Out(broadcast_layout(config)),
                "stalled": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        token = self.tokens.payload
        m.submodules.slice = held = RegisterSlice(shape=broadcast_layout(self.config))
        address = Signal.like(self.pointers)  # of the group's first column
        after = Signal.like(self.pointers)  # address + 1
        left = Signal(signed(len(self.groups) + 1), init=-1)  # groups after this one, less one: negative at the last
        running, final = Signal(name="running"), Signal(name="final")
        column, end, take = Signal.like(held.i.payload, name="column"), Signal(name="end"), Signal(name="take")
        m.d.comb += [
            end.eq(token.close & final),
            column.column.eq(1),
            column.item.eq(token.item),
            column.end.eq(end),
            column.act.eq(token.act),
            column.address.eq(address + token.index),
            column.next_address.eq(after + token.index),
            held.i.payload.eq(column),
            held.i.valid.eq(self.tokens.valid & running & (token.item | end)),
            self.tokens.ready.eq(held.i.ready & running),
            take.eq(self.tokens.valid & self.tokens.ready),
            held.o.ready.eq(~self.full),
            self.broadcast.eq(held.o.payload),
            self.broadcast.column.eq(held.o.valid & ~self.full),
            self.stalled.eq(held.o.valid & self.full),
            held.clear.eq(0),
        ]
        with m.If(self.start):
            m.d.sync += [
                address.eq(self.pointers),
                after.eq(self.pointers + 1),
                left.eq(self.groups - 2),
                final.eq(self.groups == 1),
                running.eq(1),
            ]
        with m.Elif(take & token.close):
            m.d.sync += [
                address.eq(address + self.config.n_pe),
                after.eq(after + self.config.n_pe),
                left.eq(left - 1),
                final.eq(left == 0),
                running.eq(~final),
            ]
        return m
