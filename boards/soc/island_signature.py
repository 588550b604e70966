"""Interfaces of the engine island: to the commander, and between the two clocks inside it."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..host.protocol import ADDRESS_BITS, WORDS_BITS

__all__ = ["ControlSignature", "CounterByte", "IslandSignature"]


class CounterByte(data.StructLayout):
    """Byte of the engine's counters, and whether it is the last."""

    def __init__(self):
        super().__init__({"byte": 8, "last": 1})


class ControlSignature(wiring.Signature):
    """Control of the engine and of the full-speed halves of its buffers: what crosses between link and engine.

    Parameters
    ----------
    streams : int
        Number of streams.
    count_bits : int
        Bits of `count`.

    Members
    -------
    set : Out(streams), count : Out(count_bits)
        Set the number of words of a stream's next run. One strobe at a time, of all in this interface.
    start : Out(1)
        Start all buffers.
    clear_counters : Out(1)
        Clear the engine's counters.
    read_counters : Out(1)
        Request the counters; only at rest, and once the last byte before has been taken.
    counters : In(stream.Signature(CounterByte))
        Counters of the engine, least significant byte first.
    running : In(1)
        Words are still to be sent or received.
    refused : In(1)
        The engine has rejected its input.
    """

    def __init__(self, *, streams: int, count_bits: int = ADDRESS_BITS):
        super().__init__(
            {
                "set": Out(streams),
                "count": Out(count_bits),
                **dict.fromkeys(("start", "clear_counters", "read_counters"), Out(1)),
                "counters": In(stream.Signature(CounterByte())),
                "running": In(1),
                "refused": In(1),
            }
        )


class IslandSignature(wiring.Signature):
    """Interface between `Commander` and the island of engine and buffers, from the commander's side.

    Parameters
    ----------
    sizes : sequence of int
        Word size of each stream in bytes.

    Members
    -------
    address : Out(24), words : Out(16)
        Request operands, common to all buffers.
    word : Out
        Data for input buffers; each takes as many of the upper bytes as its word has.
    fits, enough : In(streams)
        Status of each buffer.
    load, write, commit, read : Out(streams)
        Strobes for each buffer.
    select : Out
        Buffer whose bytes are read.
    bytes : In(stream.Signature(8)), reading : In(1)
        Read data and status of that buffer.
    control : Out(ControlSignature)
        Control of the engine.
    pending : In(1)
        A reset or a strobe of `control` may not have reached the engine yet, from the clock after it; meanwhile
        `running` is not up to date.
    reset : Out(1)
        Reset the engine and the buffers.
    """

    def __init__(self, *, sizes: Sequence[int]):
        streams = len(sizes)
        super().__init__(
            {
                "address": Out(ADDRESS_BITS),
                "words": Out(WORDS_BITS),
                "word": Out(8 * max(sizes)),
                **{name: In(streams) for name in ("fits", "enough")},
                **{name: Out(streams) for name in ("load", "write", "commit", "read")},
                "select": Out(range(streams)),
                "bytes": In(stream.Signature(8)),
                "reading": In(1),
                "control": Out(ControlSignature(streams=streams)),
                "pending": In(1),
                "reset": Out(1),
            }
        )
