"""Signals between the commander and the engine between its buffers."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..host.protocol import ADDRESS_BITS, COUNTER_BYTES, WORDS_BITS

__all__ = ["IslandSignature"]


class IslandSignature(wiring.Signature):
    """What passes between `Commander` and the engine between its buffers, as seen from the commander.

    Parameters
    ----------
    sizes : sequence of int
        Bytes of a word of each stream.
    counters : int
        Counters of the engine.

    Members
    -------
    address : Out(24), words : Out(16), count : Out(24)
        For all buffers.
    word : Out
        For input buffers, each of which takes as many of the upper bytes as it has.
    fits, enough, running : In(streams)
        Of each buffer.
    load, write, commit, set, read : Out(streams)
        For each buffer.
    start : Out(1)
        For all of them.
    select : Out
        Buffer whose bytes are read.
    bytes : In(stream.Signature(8)), reading : In(1)
        Those.
    refused : In(1)
        The engine has refused its input.
    counters : In
        Counters of the engine.
    clear_counters : Out(1)
        Set them to zero.
    reset : Out(1)
        Reset the engine and the buffers.
    """

    def __init__(self, *, sizes: Sequence[int], counters: int):
        streams = len(sizes)
        super().__init__(
            {
                "address": Out(ADDRESS_BITS),
                "words": Out(WORDS_BITS),
                "count": Out(ADDRESS_BITS),
                "word": Out(8 * max(sizes)),
                **{name: In(streams) for name in ("fits", "enough", "running")},
                **{name: Out(streams) for name in ("load", "write", "commit", "set", "read")},
                "start": Out(1),
                "select": Out(range(streams)),
                "bytes": In(stream.Signature(8)),
                "reading": In(1),
                "refused": In(1),
                "counters": In(8 * COUNTER_BYTES * counters),
                "clear_counters": Out(1),
                "reset": Out(1),
            }
        )
