"""The host's side of the link: requests that are executed once, however bad the line is.

`link.protocol` has the rules. A request that gets no answer is sent again with the same number, so it may have been
executed, but never twice. When all tries are used up nobody knows whether it was: the link takes no more requests until
`HostLink.resync` has found the board again.
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
"""How often a request is sent again, if nothing else is said."""

_NONCE_BYTES = 4
_REPLIES = frozenset(Reply)
_WORDS = {
    Reply.UNKNOWN_COMMAND: "it does not know this command",
    Reply.WRONG_LENGTH: "the request has the wrong length",
    Reply.OUT_OF_RANGE: "there is no such stream of this direction, or not as many words",
    Reply.NOT_LOADED: "an input is to give more words than were loaded",
    Reply.RUNNING: "the engine is running",
}


class LinkError(ConnectionError):
    """The board does not answer; one line that says what was tried."""


class Refused(RuntimeError):
    """The board has understood a request and refuses it.

    Attributes
    ----------
    command : Command
        The request.
    reply : Reply
        Why.
    """

    def __init__(self, command: Command, reply: Reply):
        super().__init__(f"The board refuses {command.name}: {_WORDS[reply]}")
        self.command, self.reply = command, reply


class HostLink:
    """Requests to the board at a port; made, it has read the board's description.

    Parameters
    ----------
    port : SerialPort
        Where the board is.
    timeout : float
        Seconds a reply may take beyond what request and reply need at the port's rate: a USB adapter holds bytes back
        for up to 16 ms, and a simulated board for as long as its clocks need. Doubled with every try.
    retries : int
        How often a request is sent again.

    Attributes
    ----------
    description : Description
        What the board says of itself.
    retries : int
        As above; may be changed.
    resent : int
        Requests that were sent again.
    resyncs : int
        How often the board was found; it may have been without power in between.
    description_frames : int
        Requests that the description takes.
    damaged : int
        Frames that came with errors, pieces of frames at the beginning included.

    Raises
    ------
    LinkError
        If no board answers.
    PortError
        If the port is gone.
    ValueError
        If the board is of another version.
    """

    description: Description

    def __init__(self, port: SerialPort, *, timeout: float = 0.25, retries: int = RETRIES):
        if not timeout > 0:
            raise ValueError(f"Timeout is {timeout} s; use more than 0")
        if retries < 0:
            raise ValueError(f"Retries are {retries}; use at least 0")
        self._port, self._timeout, self.retries = port, timeout, retries
        self._sequence: int | None = None  # of the next request; None while the board's is unknown
        self._frames = Frames()
        self.resent = self.resyncs = 0
        self.resync()

    @property
    def lost(self) -> bool:
        """Whether a request has had no answer, and `resync` has not found the board again."""
        return self._sequence is None

    @property
    def sequence(self) -> int:
        """Of the next request.

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
        """Frames that came with errors."""
        return self._frames.damaged

    def request(self, command: Command, data: bytes = b"") -> bytes:
        """Have the board execute a request, once, and return the data of its reply.

        Raises
        ------
        Refused
            If the board refuses it.
        LinkError
            If no answer comes, and after that until `resync`.
        PortError
            If the port is gone.
        ValueError
            If the data does not fit into a frame; nothing is sent then.
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
        """The engine's counters and the board's `LINK_COUNTERS`; then the engine's are 0 if asked for. Errors as of
        `request`, and a ValueError if the board's engine has other counters than this program knows.
        """
        data = self.request(Command.COUNTERS, bytes([bool(clear)]))
        found = {}
        kinds = ((self.description.soc.kind.counters, COUNTER_BYTES), (LINK_COUNTERS, LINK_COUNTER_BYTES))
        need = sum(len(names) * size for names, size in kinds)
        if len(data) != need:
            raise ValueError(
                f"The board's counters have {len(data)} bytes, not {need}: its bitstream is of another version; build "
                "it again"
            )
        for names, size in kinds:
            for name in names:
                found[name], data = int.from_bytes(data[:size], "little"), data[size:]
        return found

    def resync(self) -> None:
        """Find the board again, whatever was sent or received before, and read its description.

        Raises
        ------
        LinkError, PortError, ValueError
            As when the link is made.
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
        """Send a request until its reply comes."""
        encoded = request.encode()
        # COBS adds a byte in 254, and there are two zeros.
        transfer = 10 * (2 + len(encoded) + HEADER_BYTES + CRC_BYTES + 1.01 * reply_bytes) / self._port.baud
        before, damaged = self._frames.taken, self._frames.damaged
        for n in range(self.retries + 1):
            self.resent += n > 0
            # A 0 in front ends what another host has left unfinished, or what has lost its own.
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
    """Tell a reply from the echo of a request, and from the replies to others."""
    if reply.sequence != request.sequence or reply.code not in _REPLIES:
        return False
    whole = len(reply.data) == _NONCE_BYTES + IDENTIFY_BYTES
    return not nonce or (reply.code == Reply.OK and reply.data.startswith(nonce) and whole)


class Frames:
    """Frames out of bytes as they come.

    Attributes
    ----------
    taken, damaged : int
        Bytes that came, and frames that had errors.
    """

    def __init__(self):
        self._bytes = bytearray()
        self.taken = self.damaged = 0

    def take(self, data: bytes) -> None:
        """Bytes that have come."""
        self._bytes += data
        self.taken += len(data)

    def next(self) -> Frame | None:
        """The next one that is whole."""
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
        """Do not wait for the end of a frame, which may have lost it: it would take the next one with it."""
        self.damaged += bool(self._bytes)
        self._bytes.clear()
