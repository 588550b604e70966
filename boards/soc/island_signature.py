"""Interface between the commander and the engine island."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..host.protocol import ADDRESS_BITS, COUNTER_BYTES, WORDS_BITS

__all__ = ["IslandSignature"]


class IslandSignature(wiring.Signature):
    """Interface between `Commander` and the island of engine and buffers, from the commander's side.

    Parameters
    ----------
    sizes : sequence of int
        Word size of each stream in bytes.
    counters : int
        Number of engine counters.

    Members
    -------
    address : Out(24), words : Out(16), count : Out(24)
        Request operands, common to all buffers.
    word : Out
        Data for input buffers; each takes as many of the upper bytes as its word has.
    fits, enough, running : In(streams)
        Status of each buffer.
    load, write, commit, set, read : Out(streams)
        Strobes for each buffer.
    start : Out(1)
        Start all buffers.
    select : Out
        Buffer whose bytes are read.
    bytes : In(stream.Signature(8)), reading : In(1)
        Read data and status of that buffer.
    refused : In(1)
        The engine has rejected its input.
    counters : In
        Counters of the engine.
    clear_counters : Out(1)
        Clear the engine's counters.
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
