"""Activations of a PE: two buffers that swap roles after each layer, and a leaf of the detection tree."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.ram import Ram
from tercet.rtl.common.register_slice import RegisterSlice

from .layouts import address_width, token_layout

__all__ = ["Activations"]


class Activations(wiring.Component):
    """Source and destination buffers in one memory; words of the source become tokens::

        address --> [latch]--[output register]--[s3] --> != 0 --> [s4] --> [register slice] --> tokens, unloaded
                        source and destination
        write address ----------^

    Both addresses count up from 0 after a restart and wrap at the end of the buffer, 2**address_width(act_depth) words.
    One token per clock. ``tokens.ready`` arrives late in its clock and from far away: the slice isolates the memory.

    Parameters
    ----------
    config : EieConfig
        ``act_depth`` and ``family``.

    Members
    -------
    source : In(1)
        Buffer to read; the other is the destination. Must be stable while any operation is in progress.
    restart : In(1)
        Both addresses are 0 in the next clock. Tokens are lost; a scan continues at address 0. Not together with
        `unload` or `write`.
    scan : In(1)
        While high, the words of the source from its address on become tokens, without end. While low, no token is valid
        in the next clock. Requires a `restart` before it rises again, or in its first clock.
    tokens : Out(stream.Signature(token_layout(0)))
        Groups of one token each. The first is valid `scan_latency` clocks after the first clock with `scan` and without
        `restart`.
    unload : In(1)
        Read the next word of the source; in any clock in which `scan` is low and was low in the clock before.
    unloaded : Out(signed(16))
        Word read, `unload_latency` clocks after `unload`, for one clock.
    write : In(1), write_data : In(signed(16)), to_source : In(1)
        Write the next word of the source or of the destination. It can be read `write_latency` clocks later.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "source": In(1),
                "restart": In(1),
                "scan": In(1),
                "tokens": Out(stream.Signature(token_layout(0))),
                "unload": In(1),
                "unloaded": Out(signed(16)),
                "write": In(1),
                "write_data": In(signed(16)),
                "to_source": In(1),
            }
        )

    @property
    def scan_latency(self) -> int:
        """Clocks from the first clock of `scan` to the first token."""
        return self.config.timing.scan

    @property
    def unload_latency(self) -> int:
        """Clocks from `unload` to its word."""
        return 5

    @property
    def write_latency(self) -> int:
        """Clocks from `write` until the word can be read, by a scan or an unload."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        width = address_width(self.config.act_depth)
        m.submodules.words = words = Ram(width=16, depth=2 << width, family=self.config.family)

        # The other fields of a token are constant.
        m.submodules.outlet = outlet = RegisterSlice(shape=data.StructLayout({"act": signed(16), "item": 1}))
        move = outlet.i.ready
        stop = self.restart | ~self.scan
        s0_place = Signal(width)
        with m.If(self.restart):
            m.d.sync += s0_place.eq(0)
        with m.Elif(self.unload | (self.scan & move)):
            m.d.sync += s0_place.eq(s0_place + 1)
        m.d.comb += [
            words.read_address.eq(Cat(s0_place, self.source)),
            words.read_enable.eq(move),
            words.out_enable.eq(move),
        ]
        valid = Signal(4)  # s1 to s4
        with m.If(stop):
            m.d.sync += valid.eq(0)
        with m.Elif(move):
            m.d.sync += valid.eq(Cat(1, valid))
        # Block RAMs are at fixed sites, possibly far away; the word gets a clock of its own to travel here.
        s3_act = Signal(16, reset_less=True)
        s4 = Signal(outlet.i.payload.shape(), reset_less=True)
        with m.If(move):
            m.d.sync += [s3_act.eq(words.read_data), s4.act.eq(s3_act), s4.item.eq(s3_act.any())]
        m.d.comb += [
            outlet.clear.eq(stop),
            outlet.i.valid.eq(valid[-1]),
            outlet.i.payload.eq(s4),
            outlet.o.ready.eq(self.tokens.ready),
            self.tokens.valid.eq(outlet.o.valid),
            self.tokens.payload.act.eq(outlet.o.payload.act),
            self.tokens.payload.item.eq(outlet.o.payload.item),
            self.tokens.payload.close.eq(1),
            # An unloaded word passes through the empty slice.
            self.unloaded.eq(outlet.o.payload.act),
        ]

        write_place = Signal(width)
        with m.If(self.restart):
            m.d.sync += write_place.eq(0)
        with m.Elif(self.write):
            m.d.sync += write_place.eq(write_place + 1)
        m.d.comb += [
            words.write.eq(self.write),
            words.write_address.eq(Cat(write_place, self.source ^ ~self.to_source)),
            words.write_data.eq(self.write_data),
        ]
        return m
