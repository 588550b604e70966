"""Fault injection on the link: damaged frames, each followed by a good one that must be answered."""

import random
import time
from collections import Counter
from collections.abc import Callable

from cobs import cobs

from ..host.link import Frames, HostLink
from ..host.port import SerialPort
from ..host.protocol import CRC_BYTES, LINK_COUNTER_BYTES, LINK_COUNTERS, Command, Frame, Reply, checksum, decode
from .request_fuzzer import Requests

__all__ = ["BIT_FAULTS", "BYTE_FAULTS", "FaultCounts", "LinePort", "inject_faults", "line_bits"]


_PATIENCE = 10.0  # seconds
_REST = [1] * 12  # idle levels of a line


class FaultCounts(Counter):
    """Number of damaged frames of each kind, and their effect on the board.

    Further keys are ``wrong`` for wrong or missing replies, ``results`` for results that were read and correct, and the
    board's `LINK_COUNTERS`.
    """


def _flip_bits(wire: bytearray, generator: random.Random) -> None:
    for _ in range(generator.choice((1, 1, 2, 3, 8))):
        wire[generator.randrange(len(wire) - 1)] ^= 1 << generator.randrange(8)


def _drop_bytes(wire: bytearray, generator: random.Random) -> None:
    for _ in range(generator.choice((1, 1, 2))):
        del wire[generator.randrange(len(wire) - 1)]


def _double_bytes(wire: bytearray, generator: random.Random) -> None:
    at = generator.randrange(len(wire) - 1)
    wire.insert(at, wire[at])


def _insert_bytes(wire: bytearray, generator: random.Random) -> None:
    for _ in range(generator.choice((1, 1, 2, 5))):
        wire.insert(generator.randrange(len(wire)), generator.randrange(256))


def _truncate(wire: bytearray, generator: random.Random) -> None:
    del wire[generator.randrange(len(wire) - 1) :]
    if generator.random() < 0.5:
        wire += b"\0"


def _garbage(wire: bytearray, generator: random.Random) -> None:
    wire[:] = generator.randbytes(generator.randrange(1, 60))


def _wrong_length(wire: bytearray, generator: random.Random) -> None:
    body = bytearray(cobs.decode(bytes(wire[:-1]))[:-CRC_BYTES])
    length = int.from_bytes(body[2:4], "little")
    other = generator.choice([length + 1, length + 256, 2**16 - 1, *([length - 1, 0] if length else [])])
    body[2:4] = other.to_bytes(2, "little")
    wire[:] = cobs.encode(bytes(body) + checksum(body).to_bytes(CRC_BYTES, "little")) + b"\0"


def _wrong_sequence(wire: bytearray, generator: random.Random) -> None:
    frame = decode(bytes(wire[:-1]))
    assert frame is not None
    # Neither the last number, which would be answered again, nor the next, which would be executed.
    wire[:] = Frame((frame.sequence + generator.randrange(1, 255)) % 256, frame.code, frame.data).encode()


BYTE_FAULTS: dict[str, Callable[[bytearray, random.Random], None]] = {
    "flipped bits": _flip_bits,
    "dropped bytes": _drop_bytes,
    "doubled bytes": _double_bytes,
    "inserted bytes": _insert_bytes,
    "truncated": _truncate,
    "garbage": _garbage,
    "wrong length": _wrong_length,
    "wrong sequence": _wrong_sequence,
}
"""Fault name to a function that damages the bytes of a frame."""


def _flip_levels(levels: list[int], generator: random.Random) -> None:
    for _ in range(generator.choice((1, 1, 2, 4))):
        levels[generator.randrange(len(levels))] ^= 1


def _drop_levels(levels: list[int], generator: random.Random) -> None:
    at = generator.randrange(len(levels))
    del levels[at : at + generator.choice((1, 1, 3, 10))]


def _repeat_levels(levels: list[int], generator: random.Random) -> None:
    at = generator.randrange(len(levels))
    levels[at:at] = [levels[at]] * generator.choice((1, 1, 3, 10))


BIT_FAULTS: dict[str, Callable[[list[int], random.Random], None]] = {
    "flipped levels": _flip_levels,
    "dropped levels": _drop_levels,
    "repeated levels": _repeat_levels,
}
"""Fault name to a function that damages the levels of a line."""


def line_bits(wire: bytes) -> list[int]:
    """Return the UART line levels for some bytes, one per bit."""
    return [bit for byte in wire for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]


class LinePort(SerialPort):
    """A port to a simulated board in mode "line" that sends bytes as levels.

    Parameters
    ----------
    port : SerialPort
        Port of the board.
    """

    def __init__(self, port: SerialPort):
        super().__init__(port.path, port.baud, None)
        self._port = port

    def read(self, timeout: float) -> bytes:
        """See `SerialPort.read`."""
        return self._port.read(timeout)

    def close(self) -> None:
        """See `SerialPort.close`."""
        self._port.close()

    def write(self, data: bytes) -> None:
        """Send bytes without faults."""
        self.write_levels(line_bits(data))

    def write_levels(self, levels: list[int]) -> None:
        """Send line levels, one per bit, followed by more than a byte of idle line."""
        levels = levels + _REST
        levels += [1] * (-len(levels) % 8)
        self._port.write(
            bytes(sum(bit << n for n, bit in enumerate(levels[at : at + 8])) for at in range(0, len(levels), 8))
        )


def inject_faults(
    port: SerialPort,
    link: HostLink,
    requests: Callable[[random.Random], Requests],
    count: int,
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> FaultCounts:
    """Send damaged frames, each followed by a good one.

    Parameters
    ----------
    port, link : SerialPort, HostLink
        The board. A `LinePort` adds bit-level faults to the byte-level ones.
    requests : callable
        Endless generator of the good requests.
    count : int
        Number of damaged frames; the kinds take turns.
    seed : int
        Random seed.
    progress : callable
        Called with the number of frames sent after every 100.

    Returns
    -------
    FaultCounts
        Counts of faults, replies and link counters.
    """
    generator = random.Random(seed)
    result = FaultCounts()
    kinds = [*BYTE_FAULTS, *(BIT_FAULTS if isinstance(port, LinePort) else ())]
    before, sequence = link.counters(), link.sequence
    replies = _Replies(port)
    traffic = requests(generator)
    command, data, want = next(traffic)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        undamaged = Frame(sequence, command, data).encode()
        # A leading 0 terminates a frame left open by the damage; on a line, it follows an idle byte.
        if isinstance(port, LinePort):
            levels = _damaged_levels(kind, undamaged, generator)
            port.write_levels([*levels, *_REST, *line_bits(b"\0" + undamaged)])
        else:
            port.write(_damaged(kind, undamaged, generator) + b"\0" + undamaged)
        result[kind] += 1
        reply = replies.next()
        if reply is None or reply.sequence != sequence or not _is_right(reply, want):
            result["wrong"] += 1
            # The real reply is lost; let the request generator continue as if the board were idle.
            reply = Frame(sequence, Reply.UNKNOWN_COMMAND, b"\0")
        result["results"] += command == Command.READ and reply.code == Reply.OK
        command, data, want = traffic.send(reply.data)
        sequence = (sequence + 1) % 256
        if number % 100 == 99:
            progress(number + 1)
    link.resync()
    after = link.counters()
    for name in LINK_COUNTERS:
        result[name] = (after[name] - before[name]) % 2 ** (8 * LINK_COUNTER_BYTES)
    # Exclude the requests of `resync` and `counters` above.
    result["accepted"] -= link.description_frames + 1
    return result


def _damaged(kind: str, undamaged: bytes, generator: random.Random) -> bytes:
    wire = bytearray(undamaged)
    while wire == undamaged:
        BYTE_FAULTS[kind](wire, generator)
    return bytes(wire)


def _damaged_levels(kind: str, undamaged: bytes, generator: random.Random) -> list[int]:
    if kind in BYTE_FAULTS:
        return line_bits(_damaged(kind, undamaged, generator))
    levels = line_bits(undamaged)
    BIT_FAULTS[kind](levels, generator)
    return levels


def _is_right(reply: Frame, want: bytes | Reply | Callable[[bytes], bool]) -> bool:
    if isinstance(want, Reply):
        return reply.code == want and not reply.data
    return reply.code == Reply.OK and (want(reply.data) if callable(want) else reply.data == want)


class _Replies:
    """Replies from the board. A fault may be harmless, such as one in an idle bit; the reply then comes twice."""

    def __init__(self, port: SerialPort):
        self._port, self._frames = port, Frames()
        self._last: Frame | None = None

    def next(self) -> Frame | None:
        """Return the next reply that does not repeat the last one; None if it is damaged or missing."""
        deadline, damaged = time.monotonic() + _PATIENCE, self._frames.damaged
        while time.monotonic() < deadline:
            frame = self._frames.next()
            if self._frames.damaged > damaged:
                return None
            if frame is None:
                self._frames.take(self._port.read(1.0))
            elif frame != self._last:
                self._last = frame
                return frame
        return None
