"""Bytes of a request to words of a buffer, and words to the bytes of a reply."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..host.protocol import WORDS_BITS

__all__ = ["WordPacker", "byte_clocks", "byte_of"]

_STEP_BITS = 3  # 8 bytes are chosen from at once


class WordPacker(wiring.Component):
    """Put bytes together to words, the least significant byte first, and see that they are as many as was said.

    Its registers are as many as the widest word has, and apart from each other: a byte goes to them from a register.
    Whether it is the last one of a word, and whether there is a word to come at all, is known before it comes.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of a word, of each stream.

    Members
    -------
    select : In
        Whose words they are; since the clock before `begin`, and as long as bytes come.
    begin : In(1), words : In(16)
        Words to come, from the clock after on.
    take : In(1), byte : In(8)
        A byte.
    write : Out(1), word : Out
        A word, in its upper bytes; 2 clocks after its last byte.
    whole : Out(1)
        All words have come, and nothing else; 2 clocks after the last byte.
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
        taken, given = Signal(), Signal(8)
        # Of a word: the last byte, the one to come and the one after that.
        end, index, after = (Signal(range(max(2, *self._sizes)), name=name) for name in ("end", "index", "after"))
        left = Signal(WORDS_BITS)
        is_last, is_all, too_many = Signal(), Signal(), Signal()
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
    """Clocks from an index to its byte, for words of so many bits; see `byte_of`."""
    return int(width > 8 << _STEP_BITS)


def byte_of(m: Module, word: Value, index: Value) -> Value:
    """The byte of a word that an index says, the least significant one first, `byte_clocks` later.

    Of more than 8 it is chosen in two steps, with a register between them: wide words come from all over the chip.
    """
    size = 8 << _STEP_BITS
    parts = [word[at : at + size] for at in range(0, len(word), size)]
    low, high = index[:_STEP_BITS], index[_STEP_BITS:]
    if len(parts) == 1:
        return word.word_select(low, 8)
    chosen = Signal(8 * len(parts))
    m.d.sync += chosen.eq(Cat(part.word_select(low, 8) for part in parts))
    return chosen.word_select(high, 8)
