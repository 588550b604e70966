"""Host side of the link: exactly-once requests over an unreliable line.

The rules are in `protocol`. A request without an answer is resent with the same sequence number, so the board executes
it at most once. When all retries fail, its fate is unknown: the link then refuses requests until `HostLink.resync` has
found the board again.
"""

import secrets
import time

from .port import SerialPort
from .protocol import (
    COUNTER_BYTES,
    CRC_BYTES,
    HEADER_BYTES,
    IDENTIFY_BYTES,
    LINK_COUNTER_BYTES,
    LINK_COUNTERS,
    Command,
    Frame,
    Reply,
    decode,
)
from .soc_config import Description, description_bytes, read_description

__all__ = ["RETRIES", "Frames", "HostLink", "LinkError", "Refused"]

RETRIES = 3
"""Default number of retries of a request."""

_NONCE_BYTES = 4
_REPLIES = frozenset(Reply)
_WORDS = {
    Reply.UNKNOWN_COMMAND: "it does not know this command",
    Reply.WRONG_LENGTH: "the request has the wrong length",
    Reply.OUT_OF_RANGE: "no such stream in this direction, or too many words",
    Reply.NOT_LOADED: "an input needs more words than were loaded",
    Reply.RUNNING: "the engine is running",
}


class LinkError(ConnectionError):
    """The board does not answer; the message is one line that says what was tried."""


class Refused(RuntimeError):
    """The board received a request and refused it.

    Attributes
    ----------
    command : Command
        The request.
    reply : Reply
        The reason.
    """

    def __init__(self, command: Command, reply: Reply):
        super().__init__(f"The board refuses {command.name}: {_WORDS[reply]}")
        self.command, self.reply = command, reply


class HostLink:
    """Request channel to the board at a port. The constructor reads the board's description.

    Parameters
    ----------
    port : SerialPort
        Port of the board.
    timeout : float
        Seconds to wait for a reply, beyond the transmission time of request and reply. A USB adapter buffers bytes for
        up to 16 ms, and a simulated board takes as long as its clocks need. Doubled with every retry.
    retries : int
        Retries of a request.

    Attributes
    ----------
    description : Description
        Description reported by the board.
    retries : int
        As above; may be changed.
    resent : int
        Number of retries sent.
    resyncs : int
        Number of times the board was found; it may have lost power in between.
    description_frames : int
        Number of requests needed to read the description.
    damaged : int
        Damaged frames received, including partial frames at the start.

    Raises
    ------
    LinkError
        If no board answers.
    PortError
        If the port is gone.
    ValueError
        If the board speaks another protocol version.
    """

    description: Description

    def __init__(self, port: SerialPort, *, timeout: float = 0.25, retries: int = RETRIES):
        if not timeout > 0:
            raise ValueError(f"Timeout is {timeout} s; use more than 0")
        if retries < 0:
            raise ValueError(f"Retries are {retries}; use at least 0")
        self._port, self._timeout, self.retries = port, timeout, retries
        self._sequence: int | None = None  # of the next request; None while the board's number is unknown
        self._frames = Frames()
        self.resent = self.resyncs = 0
        self.resync()

    @property
    def lost(self) -> bool:
        """Whether a request went unanswered and `resync` has not found the board since."""
        return self._sequence is None

    @property
    def sequence(self) -> int:
        """Sequence number of the next request.

        Raises
        ------
        LinkError
            If the link is lost.
        """
        if self._sequence is None:
            raise LinkError(f"The link at {self._port.path!r} is lost; call resync")
        return self._sequence

    @property
    def damaged(self) -> int:
        """Damaged frames received."""
        return self._frames.damaged

    def request(self, command: Command, data: bytes = b"") -> bytes:
        """Execute a request on the board exactly once and return the data of its reply.

        Raises
        ------
        Refused
            If the board refuses it.
        LinkError
            If no answer comes, and from then on until `resync`.
        PortError
            If the port is gone.
        ValueError
            If the data does not fit in a frame; nothing is sent then.
        """
        frame_bytes = self.description.soc.frame_bytes
        most = frame_bytes - HEADER_BYTES - CRC_BYTES
        if len(data) > most:
            raise ValueError(f"{command.name} has {len(data)} bytes of data; this board takes {most} in a frame")
        sequence, self._sequence = self.sequence, None
        reply = self._exchange(Frame(sequence, command, data), frame_bytes)
        self._sequence = (sequence + 1) % 256
        if reply.code != Reply.OK:
            raise Refused(command, Reply(reply.code))
        return reply.data

    def counters(self, *, clear: bool = False) -> dict[str, int]:
        """Read the engine's counters and the board's `LINK_COUNTERS`; optionally clear the engine's.

        Errors are those of `request`, and a ValueError if the engine's set of counters differs from this host's.
        """
        data = self.request(Command.COUNTERS, bytes([bool(clear)]))
        values = {}
        kinds = ((self.description.soc.kind.counters, COUNTER_BYTES), (LINK_COUNTERS, LINK_COUNTER_BYTES))
        need = sum(len(names) * size for names, size in kinds)
        if len(data) != need:
            raise ValueError(
                f"The board's counters have {len(data)} bytes, not {need}: its bitstream is from another version; "
                "build it again"
            )
        for names, size in kinds:
            for name in names:
                values[name], data = int.from_bytes(data[:size], "little"), data[size:]
        return values

    def resync(self) -> None:
        """Resynchronise with the board, from any state, and read its description.

        Raises
        ------
        LinkError, PortError, ValueError
            As for the constructor.
        """
        self._sequence = None
        sequence, nonce = secrets.randbelow(256), secrets.token_bytes(_NONCE_BYTES)
        whole, size = b"", IDENTIFY_BYTES
        while len(whole) < size:
            data = nonce + len(whole).to_bytes(2, "little")
            whole += self._exchange(Frame(sequence, Command.IDENTIFY, data), IDENTIFY_BYTES, nonce).data[_NONCE_BYTES:]
            size = description_bytes(whole)
            sequence = (sequence + 1) % 256
        self.description = read_description(whole)
        self.description_frames = len(whole) // IDENTIFY_BYTES
        self._sequence = sequence
        self.resyncs += 1

    def _exchange(self, request: Frame, reply_bytes: int, nonce: bytes = b"") -> Frame:
        """Send a request, with retries, until its reply comes."""
        encoded = request.encode()
        # COBS adds one byte in 254, and there are two delimiters.
        transfer = 10 * (2 + len(encoded) + HEADER_BYTES + CRC_BYTES + 1.01 * reply_bytes) / self._port.baud
        before, damaged = self._frames.taken, self._frames.damaged
        for n in range(self.retries + 1):
            self.resent += n > 0
            # A leading 0 terminates a frame left unfinished by another host, or one whose own 0 was lost.
            self._port.write(b"\0" + encoded if nonce or n else encoded)
            deadline = time.monotonic() + transfer + self._timeout * 2**n
            while (left := deadline - time.monotonic()) > 0:
                self._frames.take(self._port.read(left))
                while (reply := self._frames.next()) is not None:
                    if _answers(reply, request, nonce):
                        return reply
            self._frames.give_up()
        came = f"{self._frames.taken - before} bytes and {self._frames.damaged - damaged} damaged frames came"
        raise LinkError(
            f"No answer to {Command(request.code).name} from {self._port.path!r} at {self._port.baud} baud in "
            f"{self.retries + 1} tries ({came}); check the port, and that the bitstream is loaded"
        )


def _answers(reply: Frame, request: Frame, nonce: bytes) -> bool:
    """Distinguish the reply from an echo of the request and from replies to others."""
    if reply.sequence != request.sequence or reply.code not in _REPLIES:
        return False
    whole = len(reply.data) == _NONCE_BYTES + IDENTIFY_BYTES
    return not nonce or (reply.code == Reply.OK and reply.data.startswith(nonce) and whole)


class Frames:
    """Frame decoder for a stream of bytes.

    Attributes
    ----------
    taken, damaged : int
        Bytes received, and damaged frames.
    """

    def __init__(self):
        self._bytes = bytearray()
        self.taken = self.damaged = 0

    def take(self, data: bytes) -> None:
        """Append received bytes."""
        self._bytes += data
        self.taken += len(data)

    def next(self) -> Frame | None:
        """Return the next intact frame, None if there is none yet."""
        while (end := self._bytes.find(0)) >= 0:
            encoded = bytes(self._bytes[:end])
            del self._bytes[: end + 1]
            if not encoded:
                continue
            frame = decode(encoded)
            if frame is not None:
                return frame
            self.damaged += 1
        return None

    def give_up(self) -> None:
        """Discard a partial frame: if its end was lost, it would swallow the next one."""
        self.damaged += bool(self._bytes)
        self._bytes.clear()
