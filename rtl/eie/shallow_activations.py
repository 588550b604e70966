"""Activations of a PE of a shallow engine: the word at the memory's output is the token."""

from amaranth import *
from tercet.rtl.common.ram import Ram

from .activations import Activations
from .layouts import address_width

__all__ = ["ShallowActivations"]


class ShallowActivations(Activations):
    """Source and destination in one memory, as in `Activations`; its latch holds a word until it is taken::

        address --> [latch] --> != 0 --> tokens, unloaded
             source and destination
        write address --^

    Parameters
    ----------
    config : EieConfig
        ``act_depth`` and ``family``.

    Members
    -------
    source, restart, scan, tokens, unload, write, write_data, to_source
        As in `Activations`.
    unloaded : Out(signed(16))
        Word read, `unload_latency` clocks after `unload`, until the next read.
    """

    @property
    def unload_latency(self) -> int:
        """Clocks from `unload` to its word."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        width = address_width(self.config.act_depth)
        m.submodules.words = words = Ram(width=16, depth=2 << width, family=self.config.family, latency=1)
        place, write_place = Signal(width, name="place"), Signal(width, name="write_place")
        valid, read = Signal(name="valid"), Signal(name="read")
        m.d.comb += read.eq(self.unload | (self.scan & (~valid | self.tokens.ready)))
        m.d.sync += valid.eq(self.scan & ~self.restart)
        with m.If(self.restart):
            m.d.sync += [place.eq(0), write_place.eq(0)]
        with m.Else():
            m.d.sync += [place.eq(place + read), write_place.eq(write_place + self.write)]
        m.d.comb += [
            words.read_enable.eq(read),
            words.read_address.eq(Cat(place, self.source)),
            words.write.eq(self.write),
            words.write_address.eq(Cat(write_place, self.source ^ ~self.to_source)),
            words.write_data.eq(self.write_data),
            self.tokens.valid.eq(valid),
            self.tokens.payload.act.eq(words.read_data),
            self.tokens.payload.item.eq(words.read_data.any()),
            self.tokens.payload.close.eq(1),
            self.unloaded.eq(words.read_data),
        ]
        return m
