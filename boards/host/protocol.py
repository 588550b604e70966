"""Link protocol between host and board, shared by both sides.

A frame is COBS-encoded (Cheshire and Baker, "Consistent Overhead Byte Stuffing", 1999), so that it has no zero byte,
and is terminated by a 0. Its content, with little-endian numbers::

    sequence 1 | code 1 | length 2 | data ... | CRC-32 4

The host sends a request, whose code is a `Command`, and waits for the reply with the same sequence number, whose code
is a `Reply`. If none comes, it resends the same bytes. The board executes a request whose number follows the last one,
repeats its reply if the last one arrives again, and drops all others. It always executes IDENTIFY and continues from
that number. Each request is thus executed once, and a new host starts with IDENTIFY. A board buffers one request: the
host waits for the reply before it sends again, so nothing overruns.
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
"""Protocol version; the first byte of the description."""

HEADER_BYTES, CRC_BYTES = 4, 4

ADDRESS_BITS, WORDS_BITS = 24, 16
"""Widths in bits of a buffer address and of a word count."""


def checksum(data: bytes | bytearray) -> int:
    """CRC-32 as in Ethernet and zlib. It passes one in 2**32 damaged frames."""
    return zlib.crc32(data)


RATES = (3_000_000, 1_000_000)
"""Usual UART rates in baud, in the order that a host tries them."""

IDENTIFY_BYTES = 64
"""Bytes of the description in a reply to IDENTIFY."""


class Command(IntEnum):
    """Request codes and their data; field sizes in bytes.

    ``IDENTIFY``: nonce 4, offset 2. Reply: nonce 4, `IDENTIFY_BYTES` of the description from the offset on, which is a
    multiple of `IDENTIFY_BYTES`.
    ``LOAD``: stream 1, words 2, address 3, then the words, each in whole bytes. Writes into an input's buffer and ends
    its content there; must not leave a gap after what was loaded before.
    ``RUN``: words to send or receive for each stream, 3 each. Inputs send their buffers from the start, outputs fill
    theirs. The reply comes at once.
    ``STATUS``: no data. Reply: 1 byte; bit 0: running, bit 1: the engine has rejected its input.
    ``READ``: stream 1, words 2, address 3. Reply: words from an output's buffer, each in whole bytes.
    ``COUNTERS``: clear 1. Reply: the engine's counters, `COUNTER_BYTES` each, then the board's `LINK_COUNTERS`,
    `LINK_COUNTER_BYTES` each. Optionally clears the engine's afterwards.
    ``RESET``: no data. Resets the engine and its buffers to the power-up state.
    """

    IDENTIFY = 1
    LOAD = 2
    RUN = 3
    STATUS = 4
    READ = 5
    COUNTERS = 6
    RESET = 7


class Reply(IntEnum):
    """Result codes of a request."""

    OK = 0x80
    UNKNOWN_COMMAND = 0x81
    WRONG_LENGTH = 0x82
    OUT_OF_RANGE = 0x83
    NOT_LOADED = 0x84
    RUNNING = 0x85


def transfer_header(stream: int, words: int, address: int) -> bytes:
    """Encode stream, word count and start address of LOAD and READ."""
    return bytes([stream]) + words.to_bytes(WORDS_BITS // 8, "little") + address.to_bytes(ADDRESS_BITS // 8, "little")


def counts(words: Mapping[str, int], streams: Iterable[str]) -> bytes:
    """Encode the data of RUN: word counts of the board's streams, 0 for those not in `words`."""
    return b"".join(words.get(name, 0).to_bytes(ADDRESS_BITS // 8, "little") for name in streams)


COUNTER_BYTES, LINK_COUNTER_BYTES = COUNTER_BITS // 8, 3
"""Bytes of an engine counter and of a link counter."""

LINK_COUNTERS = ("accepted", "damaged", "repeated", "dropped")
"""Frames executed, damaged, answered again, and dropped for bad timing or sequence numbers."""


@dataclass(frozen=True)
class Frame:
    """Content of a frame."""

    sequence: int
    code: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes on the wire, including the final 0."""
        body = struct.pack("<BBH", self.sequence, self.code, len(self.data)) + self.data
        return cobs.encode(body + checksum(body).to_bytes(CRC_BYTES, "little")) + b"\0"


def decode(encoded: bytes) -> Frame | None:
    """Decode bytes from the wire, without the final 0; None if they are damaged."""
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
