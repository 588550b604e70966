"""Frame codec: round trips, and rejection of damaged frames."""

import random
import struct
import zlib

import pytest
from cobs import cobs
from tercet.boards.host.protocol import Frame, checksum, decode
from tercet.boards.soc.frame_crc import CRC

FRAMES = [
    Frame(0, 0),
    Frame(255, 255, b"\0"),
    Frame(1, 2, bytes(700)),
    *(Frame(n % 256, 3, b"\x05" * n) for n in (253, 254, 255, 508)),
    *(Frame(n, 0x80, random.Random(n).randbytes(n)) for n in range(1, 60, 7)),
]


def coded(body):
    """Encode a body as it is, with the correct CRC and without the final 0."""
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: f"{len(frame.data)}")
def test_round_trip(frame):
    wire = frame.encode()
    assert wire.index(0) == len(wire) - 1
    assert decode(wire[:-1]) == frame
    assert wire[:-1] == coded(struct.pack("<BBH", frame.sequence, frame.code, len(frame.data)) + frame.data)


@pytest.mark.parametrize("size", [0, 1, 4, 300])
def test_crc(size):
    message = random.Random(size).randbytes(size)
    assert checksum(message) == CRC.compute(message) == zlib.crc32(message)


def test_every_bit_counts():
    wire = Frame(7, 2, b"some\0data").encode()[:-1]
    for bit in range(8 * len(wire)):
        damaged = bytearray(wire)
        damaged[bit // 8] ^= 1 << bit % 8
        assert decode(bytes(damaged)) is None, f"bit {bit}"


def test_every_byte_counts():
    wire = Frame(7, 2, b"some\0data").encode()[:-1]
    for index in range(len(wire)):
        before, after = wire[:index], wire[index:]
        assert decode(before) is None
        assert decode(after[1:]) is None
        assert decode(before + after[1:]) is None
        assert decode(before + after[:1] + after) is None


@pytest.mark.parametrize("length", [0, 2, 4, 3 + 256, 0xFFFF])
def test_wrong_length(length):
    """Rejected although the CRC is correct."""
    assert decode(coded(struct.pack("<BBH", 1, 2, 3) + b"abc")) == Frame(1, 2, b"abc")
    assert decode(coded(struct.pack("<BBH", 1, 2, length) + b"abc")) is None


@pytest.mark.parametrize("body", [b"", b"\1", b"\1\2\0"])
def test_short(body):
    """Rejected although the CRC is correct."""
    assert decode(coded(body)) is None
