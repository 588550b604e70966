"""What a host and a board say to each other, written once for both sides.

A frame is these bytes, coded by COBS (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999) so that none of
them is 0, and a 0 behind them. Numbers are little-endian::

    sequence 1 | code 1 | length 2 | data ... | CRC-32 4

The host sends a request, whose code is a `Command`, and waits for the reply with the same sequence number, whose code
is a `Reply`. If none comes it sends the same bytes again. The board executes a request whose number follows that of the
last one, answers the last one again if it comes again, and drops everything else; IDENTIFY it always executes, and
counts on from its number. So each request is executed once, and a new host begins with IDENTIFY. A board has room for
one request: the host sends nothing until the reply is there, and nothing overruns.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from cobs import cobs
from tercet.golden.engine import COUNTER_BITS

__all__ = [
    "ADDRESS_BITS",
    "COUNTER_BYTES",
    "CRC_BYTES",
    "HEADER_BYTES",
    "IDENTIFY_BYTES",
    "LINK_COUNTERS",
    "LINK_COUNTER_BYTES",
    "PROTOCOL",
    "RATES",
    "WORDS_BITS",
    "Command",
    "Frame",
    "Reply",
    "checksum",
    "counts",
    "decode",
    "transfer_header",
]

PROTOCOL = 2
"""Version; the first byte of what IDENTIFY reads."""

HEADER_BYTES, CRC_BYTES = 4, 4

ADDRESS_BITS, WORDS_BITS = 24, 16
"""Bits of an address in a buffer, and of a number of words."""


def checksum(data: bytes | bytearray) -> int:
    """The CRC-32 of some bytes, as in Ethernet and zlib. One of 2**32 damaged frames passes."""
    return zlib.crc32(data)


RATES = (3_000_000, 1_000_000)
"""Usual rates of the UART in baud, in the order in which a host tries them."""

IDENTIFY_BYTES = 64
"""Bytes of the description in a reply to IDENTIFY."""


class Command(IntEnum):
    """Requests, and their data.

    ``IDENTIFY``: nonce 4, offset 2. Reply: nonce 4, `IDENTIFY_BYTES` of the description from the offset on, which is a
    multiple of them.
    ``LOAD``: stream 1, words 2, address 3, words of whole bytes each. Into the buffer of an input, which is loaded to
    their end; not beyond what was loaded before.
    ``RUN``: for each stream the words to give or take, 3 each. Inputs give what is in their buffers from the beginning,
    outputs fill theirs. The reply comes at once.
    ``STATUS``: nothing. Reply: 1 byte, bit 0 running, bit 1 the engine has refused something.
    ``READ``: stream 1, words 2, address 3. Reply: words of whole bytes, from the buffer of an output.
    ``COUNTERS``: clear 1. Reply: the engine's counters, `COUNTER_BYTES` each, and `LINK_COUNTERS` of the board,
    `LINK_COUNTER_BYTES` each; then the engine's are 0 if asked for.
    ``RESET``: nothing. The engine and its buffers are as after power-up.
    """

    IDENTIFY = 1
    LOAD = 2
    RUN = 3
    STATUS = 4
    READ = 5
    COUNTERS = 6
    RESET = 7


class Reply(IntEnum):
    """How a request went."""

    OK = 0x80
    UNKNOWN_COMMAND = 0x81
    WRONG_LENGTH = 0x82
    OUT_OF_RANGE = 0x83
    NOT_LOADED = 0x84
    RUNNING = 0x85


def transfer_header(stream: int, words: int, address: int) -> bytes:
    """Where LOAD and READ begin, and how much they move."""
    return bytes([stream]) + words.to_bytes(WORDS_BITS // 8, "little") + address.to_bytes(ADDRESS_BITS // 8, "little")


def counts(words: Mapping[str, int], streams: Iterable[str]) -> bytes:
    """Data of RUN: words of each of the board's streams, 0 of those that are not named."""
    return b"".join(words.get(name, 0).to_bytes(ADDRESS_BITS // 8, "little") for name in streams)


COUNTER_BYTES, LINK_COUNTER_BYTES = COUNTER_BITS // 8, 3
"""Bytes of a counter of the engine, and of the link."""

LINK_COUNTERS = ("accepted", "damaged", "repeated", "dropped")
"""Frames that were executed, that were damaged, that were answered again, and that came at a wrong time."""


@dataclass(frozen=True)
class Frame:
    """A frame's content."""

    sequence: int
    code: int
    data: bytes = b""

    def encode(self) -> bytes:
        """The bytes on the wire."""
        body = struct.pack("<BBH", self.sequence, self.code, len(self.data)) + self.data
        return cobs.encode(body + checksum(body).to_bytes(CRC_BYTES, "little")) + b"\0"


def decode(encoded: bytes) -> Frame | None:
    """The frame in bytes from the wire, without the 0; None if it is damaged."""
    try:
        body = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    if len(body) < HEADER_BYTES + CRC_BYTES:
        return None
    content, check = body[:-CRC_BYTES], body[-CRC_BYTES:]
    sequence, code, length = struct.unpack_from("<BBH", content)
    if length != len(content) - HEADER_BYTES or checksum(content) != int.from_bytes(check, "little"):
        return None
    return Frame(sequence, code, content[HEADER_BYTES:])
