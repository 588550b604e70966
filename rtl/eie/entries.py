"""Sparse-matrix read: the entries of column after column, one per clock."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.common.choice import add_chosen, choose
from tercet.rtl.common.pipeline import event, register
from tercet.rtl.common.ram import Ram

from .layouts import address_width, column_layout, count_width

__all__ = ["EntryRead"]


class EntryRead(wiring.Component):
    """Read the entries of the queued columns::

        s0  word, offset, left                    the next column is taken when left is negative
        s1  matrix memory
        s2  word of entries --> 2 of them
        s3                      1 of those
        s4  value, zeros

    In a shallow engine the entry is selected directly at the memory's output, at s1.

    Parameters
    ----------
    config : EieConfig
        Widths and depths.

    Members
    -------
    columns : In(stream.Signature(column_layout(config)))
        Columns; the next is taken in the clock in which the last entry of the one before is at s0.
    scan : In(1)
        Low between the last column of a step and the first column of the next.
    load : In(1), load_address, load_data : In
        Write a word of entries, the first in the least significant bits.
    valid : Out(1)
        There is an entry, `latency` clocks after s0.
    first : Out(1)
        The entry is the first of its column.
    value, zeros : Out
        The entry; 0 if there is none.
    act : Out(signed(16))
        Activation of the entry's column.
    busy : Out(1)
        There is an entry at s0.
    done : Out(1)
        The last entry of the last column is beyond s0.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "columns": In(stream.Signature(column_layout(config))),
                "scan": In(1),
                "load": In(1),
                "load_address": In(address_width(config.matrix_depth)),
                "load_data": In(config.word_width),
                "valid": Out(1),
                "first": Out(1),
                "value": Out(config.code_bits),
                "zeros": Out(config.index_bits),
                "act": Out(signed(16)),
                "busy": Out(1),
                "done": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from an entry at s0 to `valid`."""
        return 1 if self.config.shallow else 4

    def elaborate(self, platform) -> Module:
        m = Module()
        shallow = self.config.shallow
        # Latency of the memory, and registers after the selection of two entries.
        self._read_clocks, self._between = (1, 0) if shallow else (2, 1)
        self._domain = "comb" if shallow else "sync"
        head: View = self.columns.payload  # pyright: ignore[reportAssignmentType]
        s0_left = Signal(signed(count_width(self.config)), init=-1)
        over = Signal()  # no further entry of this column
        take = Signal()
        m.d.comb += [over.eq(s0_left < 0), self.columns.ready.eq(over), take.eq(over & self.columns.valid)]
        # Decrement the new column's count or the remaining one.
        left = add_chosen(m, "left", self.config.family, C(-1, len(s0_left)), over, head.more, s0_left, len(s0_left))
        with m.If(~over | self.columns.valid):
            m.d.sync += s0_left.eq(left)
        s0_valid, s0_first, s0_end = Signal(name="s0_valid"), Signal(name="s0_first"), Signal(name="s0_end")
        s0_act = Signal(signed(16), reset_less=True)
        m.d.sync += [
            s0_valid.eq(Mux(over, self.columns.valid & (head.more >= 0), 1)),
            s0_first.eq(over),
            s0_end.eq(Mux(take, head.end, s0_end) & self.scan),
            self.done.eq((self.done | (s0_end & over)) & self.scan),
        ]
        with m.If(over):
            m.d.sync += s0_act.eq(head.act)
        m.d.comb += self.busy.eq(s0_valid)

        s2_word, s0_offset = self._read(m, over, s0_valid, s0_first)
        s3_valid = event(m, "s3_valid", s0_valid, self._read_clocks + self._between)
        entry = self._choose(m, s2_word, s0_offset)
        s4_entry = Signal(len(entry), reset_less=True)
        m.d[self._domain] += [self.valid.eq(s3_valid), s4_entry.eq(Mux(s3_valid, entry, 0))]
        m.d.comb += [
            Cat(self.value, self.zeros).eq(s4_entry),
            self.first.eq(register(m, "s4_first", s0_first, self.latency)),
            self.act.eq(register(m, "s4_act", s0_act, self.latency)),
        ]
        return m

    def _read(self, m: Module, over: Signal, s0_valid: Signal, s0_first: Signal) -> tuple[Value, Signal]:
        """Step through the entries; return the word at s2, and the offset in it at s0."""
        config = self.config
        begin = self.columns.payload.begin
        offset_width = config.offset_width
        s0_word = Signal(address_width(config.matrix_depth), reset_less=True)
        s0_offset = Signal(offset_width, reset_less=True)
        if 1 << offset_width == config.entries_per_word:
            place = Cat(s0_offset, s0_word)
            m.d.sync += place.eq(add_chosen(m, "place", config.family, ~over, over, begin, place, len(place)))
        else:
            word_begin = begin[offset_width:]
            last = config.entries_per_word - 1
            s0_last = Signal(reset_less=True)
            offset = Signal(offset_width)
            m.d.comb += offset.eq(Mux(over, begin[:offset_width], Mux(s0_last, 0, s0_offset + 1)))
            m.d.sync += [
                s0_offset.eq(offset),
                s0_last.eq(offset == last),
                s0_word.eq(Mux(over, word_begin, s0_word) + (~over & s0_last)),
            ]
        m.submodules.matrix = matrix = Ram(
            width=config.word_width,
            depth=config.matrix_depth,
            family=config.family,
            exclusive=True,
            latency=self._read_clocks,
        )
        m.d.comb += [
            matrix.read_address.eq(s0_word),
            # A word stays in the latch until the next one is reached.
            matrix.read_enable.eq(s0_valid & (s0_first | (s0_offset == 0))),
            matrix.out_enable.eq(1),
            matrix.write.eq(self.load),
            matrix.write_address.eq(self.load_address),
            matrix.write_data.eq(self.load_data),
        ]
        return matrix.read_data, s0_offset

    def _choose(self, m: Module, s2_word: Value, s0_offset: Signal) -> Value:
        """Select the entry at s3 from one at an even and one at an odd offset."""
        width, count = self.config.entry_width, self.config.entries_per_word
        entries = [s2_word[n * width : (n + 1) * width] for n in range(count)]
        if count == 1:
            return register(m, "s3_entry", entries[0], self._between)
        s2_offset = register(m, "s2_offset", s0_offset, self._read_clocks)
        s3_offset = register(m, "s3_offset", s2_offset[0], self._between)
        pair = []
        for name, half in (("s3_even", entries[0::2]), ("s3_odd", entries[1::2])):
            s3_half = Signal(width, name=name, reset_less=True)
            m.d[self._domain] += s3_half.eq(choose(m, f"{name}_entry", self.config.family, half, s2_offset[1:]))
            pair.append(s3_half)
        return Mux(s3_offset, pair[1], pair[0])
