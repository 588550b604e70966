"""Packing of request bytes into buffer words, and selection of bytes from words."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..host.protocol import WORDS_BITS

__all__ = ["WordPacker", "byte_clocks", "byte_of"]

_STEP_BITS = 3  # select from 8 bytes at a time


class WordPacker(wiring.Component):
    """Packs bytes into words, least significant byte first, and checks their number against the announced count.

    The shift register is as wide as the widest word and is fed from a register, as it may be spread out over the chip.
    The end of a word and of the request are computed before a byte arrives.

    Parameters
    ----------
    sizes : sequence of int
        Word size of each stream in bytes.

    Members
    -------
    select : In
        Stream of the words; stable from the clock before `begin` until the last byte.
    begin : In(1), words : In(16)
        Start of a request and its number of words; bytes may follow from the next clock.
    take : In(1), byte : In(8)
        Input byte.
    write : Out(1), word : Out
        Output word, in the upper bytes; 2 clocks after its last byte.
    whole : Out(1)
        Exactly the announced words have arrived; valid 2 clocks after the last byte.
    """

    def __init__(self, *, sizes: Sequence[int]):
        self._sizes = tuple(sizes)
        super().__init__(
            {
                "select": In(range(len(self._sizes))),
                "begin": In(1),
                "words": In(WORDS_BITS),
                "take": In(1),
                "byte": In(8),
                "write": Out(1),
                "word": Out(8 * max(self._sizes)),
                "whole": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        taken, given = Signal(name="taken"), Signal(8, name="given")
        # Byte indices in a word: the last, the next and the one after it.
        end, index, after = (Signal(range(max(2, *self._sizes)), name=name) for name in ("end", "index", "after"))
        left = Signal(WORDS_BITS)
        is_last, is_all, too_many = Signal(name="is_last"), Signal(name="is_all"), Signal(name="too_many")
        m.d.comb += [
            after.eq(Mux(is_last, 0, index + 1)),
            self.whole.eq(is_all & ~too_many),
        ]
        m.d.sync += [
            end.eq(Array(size - 1 for size in self._sizes)[self.select]),
            taken.eq(self.take),
            given.eq(self.byte),
            self.write.eq(taken & is_last & ~is_all),
        ]
        with m.If(self.begin):
            m.d.sync += [
                left.eq(self.words),
                is_all.eq(self.words == 0),
                too_many.eq(0),
                index.eq(0),
                is_last.eq(end == 0),
            ]
        with m.Elif(taken):
            m.d.sync += [
                self.word.eq(Cat(self.word[8:], given)),
                index.eq(after),
                is_last.eq(after == end),
                too_many.eq(is_all),
            ]
            with m.If(is_last & ~is_all):
                m.d.sync += [left.eq(left - 1), is_all.eq(left == 1)]
        return m


def byte_clocks(width: int) -> int:
    """Latency of `byte_of` in clocks, for words of `width` bits."""
    return int(width > 8 << _STEP_BITS)


def byte_of(m: Module, word: Value, index: Value) -> Value:
    """Select a byte of a word, index 0 being the least significant; latency `byte_clocks`.

    Words of more than 8 bytes are selected in two steps with a register between, as they come from all over the chip.
    """
    size = 8 << _STEP_BITS
    parts = [word[at : at + size] for at in range(0, len(word), size)]
    low, high = index[:_STEP_BITS], index[_STEP_BITS:]
    if len(parts) == 1:
        return word.word_select(low, 8)
    chosen = Signal(8 * len(parts))
    m.d.sync += chosen.eq(Cat(part.word_select(low, 8) for part in parts))
    return chosen.word_select(high, 8)
