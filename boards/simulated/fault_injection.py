"""A bad line: damaged frames by the thousand, each with a good one behind it, which must be answered."""

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
_REST = [1] * 12  # bits of a line


class FaultCounts(Counter):
    """Frames of each kind that were damaged, and what the board did with them.

    Besides the kinds there are ``wrong``, replies that were wrong or did not come, ``results`` that were read and
    right, and the board's `LINK_COUNTERS`.
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
    # The last one would be answered again, and the next one executed.
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
"""What can happen to the bytes of a frame, by name."""


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
"""What can happen to the levels of a line, bit by bit, besides."""


def line_bits(wire: bytes) -> list[int]:
    """The levels of a UART's line for some bytes, one a bit."""
    return [bit for byte in wire for bit in (0, *(byte >> n & 1 for n in range(8)), 1)]


class LinePort(SerialPort):
    """A port to a simulated board in the mode "line", whose bytes become levels.

    Parameters
    ----------
    port : SerialPort
        The port.
    """

    def __init__(self, port: SerialPort):
        super().__init__(port.path, port.baud, None)
        self._port = port

    def read(self, timeout: float) -> bytes:
        """As `SerialPort.read`."""
        return self._port.read(timeout)

    def close(self) -> None:
        """As `SerialPort.close`."""
        self._port.close()

    def write(self, data: bytes) -> None:
        """Bytes without fault."""
        self.write_levels(line_bits(data))

    def write_levels(self, levels: list[int]) -> None:
        """Levels of the line, one a bit, and rest for more than a byte behind them."""
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
    """Send damaged frames, and after each a good one.

    Parameters
    ----------
    port, link : SerialPort, HostLink
        A board. Through a `LinePort` not only bytes are damaged but bits, too.
    requests : callable
        Gives the good ones, without end.
    count : int
        Damaged frames; kinds take turns.
    seed : int
        Of everything.
    progress : callable
        Called with how many are done, now and then.
    """
    generator = random.Random(seed)
    found = FaultCounts()
    kinds = [*BYTE_FAULTS, *(BIT_FAULTS if isinstance(port, LinePort) else ())]
    before, sequence = link.counters(), link.sequence
    replies = _Replies(port)
    traffic = requests(generator)
    command, data, want = next(traffic)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        undamaged = Frame(sequence, command, data).encode()
        # A 0 in front ends what the damage has left open; on a line, after rest for a byte.
        if isinstance(port, LinePort):
            levels = _damaged_levels(kind, undamaged, generator)
            port.write_levels([*levels, *_REST, *line_bits(b"\0" + undamaged)])
        else:
            port.write(_damaged(kind, undamaged, generator) + b"\0" + undamaged)
        found[kind] += 1
        reply = replies.next()
        if reply is None or reply.sequence != sequence or not _is_right(reply, want):
            found["wrong"] += 1
            # Not that of the request: it is lost for whoever made that, who goes on as with a board at rest.
            reply = Frame(sequence, Reply.UNKNOWN_COMMAND, b"\0")
        found["results"] += command == Command.READ and reply.code == Reply.OK
        command, data, want = traffic.send(reply.data)
        sequence = (sequence + 1) % 256
        if number % 100 == 99:
            progress(number + 1)
    link.resync()
    after = link.counters()
    for name in LINK_COUNTERS:
        found[name] = (after[name] - before[name]) % 2 ** (8 * LINK_COUNTER_BYTES)
    # Not of the inject_faults: what found the board again, and asked it for its counts.
    found["accepted"] -= link.description_frames + 1
    return found


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
    """What comes from the board. Damage can be none, a bit of a line's rest for instance: then a reply comes twice."""

    def __init__(self, port: SerialPort):
        self._port, self._frames = port, Frames()
        self._last: Frame | None = None

    def next(self) -> Frame | None:
        """The next one that is not the last one again; None if it is damaged, or none comes."""
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
