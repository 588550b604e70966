"""Exactly-once requests on a line that loses, damages and repeats frames, and one-line errors where that fails."""

import errno
import os
import pty
import random
import select
import threading
import time
import tty

import pytest
import serial
from tercet.boards.host.link import HostLink, LinkError, Refused
from tercet.boards.host.port import PortError, open_port
from tercet.boards.host.protocol import IDENTIFY_BYTES, Command, Frame, Reply, decode
from tercet.boards.host.soc_config import SocConfig, describe
from tercet.golden.systolic.config import SystolicConfig

STREAMS = ("commands", "acts", "weights", "params", "sums", "outs")
SOC = SocConfig("systolic", SystolicConfig(rows=2, cols=2), tuple((n, 16) for n in STREAMS), 12_000_000, 3_000_000)
DESCRIPTION = describe(SOC, "module systolic; endmodule")
TIMEOUT = 0.1


class FakeBoard(threading.Thread):
    """A board that replies with the request's data reversed, or with the error code in its first byte.

    `spoil_request(n, encoded)` and `spoil_reply(n, encoded)` return the bytes on the line for the n-th frame.
    """

    def __init__(self, description=DESCRIPTION):
        super().__init__(daemon=True)
        self.description = description
        self.spoil_request = self.spoil_reply = lambda n, encoded: encoded
        self.executed, self.requests, self.replies = [], 0, 0
        self.quiet = False
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._end = threading.Event()
        self._last = None
        self.start()

    def run(self):
        line, frame = b"", b""
        while not self._end.is_set():
            if not select.select([self._master], [], [], 0.01)[0]:
                continue
            line += os.read(self._master, 4096)
            while b"\0" in line:
                encoded, _, line = line.partition(b"\0")
                if encoded:
                    frame += self.spoil_request(self.requests, encoded + b"\0")
                    self.requests += 1
                else:
                    frame += b"\0"
                while b"\0" in frame:
                    encoded, _, frame = frame.partition(b"\0")
                    self._take(decode(encoded))
        os.close(self._master)
        os.close(self._slave)

    def _take(self, request):
        if request is None:
            return
        identify = request.code == Command.IDENTIFY
        if identify or (self._last is not None and request.sequence == (self._last.sequence + 1) % 256):
            self.executed.append(request)
            self._last = Frame(request.sequence, *self._answer(request))
        elif self._last is None or request.sequence != self._last.sequence:
            return
        self._send(self._last)

    def _answer(self, request):
        if request.code == Command.IDENTIFY:
            offset = int.from_bytes(request.data[4:6], "little")
            return Reply.OK, request.data[:4] + self.description[offset : offset + IDENTIFY_BYTES]
        if request.code == Command.LOAD:
            return request.data[0], b""
        return Reply.OK, request.data[::-1]

    def _send(self, reply):
        if not self.quiet:
            self.write(self.spoil_reply(self.replies, reply.encode()))
        self.replies += 1

    def write(self, data):
        while data:
            data = data[os.write(self._master, data) :]

    def vanish(self):
        self._end.set()
        if self is not threading.current_thread():
            self.join()


@pytest.fixture
def board():
    board = FakeBoard()
    yield board
    board.vanish()


@pytest.fixture
def port(board):
    with open_port(board.path, SOC.baud) as port:
        yield port


def link_to(port, **how):
    return HostLink(port, **{"timeout": TIMEOUT, "retries": 3, **how})


def exchange(link, number, rng):
    """Send a number of requests and check all replies."""
    sent = [rng.randbytes(rng.randrange(60)) for _ in range(number)]
    assert [link.request(Command.READ, data) for data in sent] == [data[::-1] for data in sent]
    return sent


def executed(board):
    return [request.data for request in board.executed if request.code != Command.IDENTIFY]


def test_reads_the_description(port):
    assert len(DESCRIPTION) > IDENTIFY_BYTES
    link = link_to(port)
    assert link.description.soc == SOC
    assert len(link.description.build) == 16


def test_numbers_wrap(board, port):
    link = link_to(port)
    assert exchange(link, 260, random.Random(1)) == executed(board)
    assert (link.resent, link.damaged) == (0, 0)


@pytest.mark.parametrize("side", ["spoil_request", "spoil_reply"])
@pytest.mark.parametrize("fault", ["lost", "cut", "damaged", "joined", "repeated", "extended"])
def test_each_request_is_executed_once(board, port, side, fault):
    rng = random.Random(f"{side} {fault}")

    def spoil(n, encoded):
        if n % 4 != 1:
            return encoded
        index = rng.randrange(len(encoded) - 1)
        flipped = bytes([encoded[index] ^ 1 << rng.randrange(8)])
        return {
            "lost": b"",
            "cut": encoded[:index] + b"\0",
            "damaged": encoded[:index] + flipped + encoded[index + 1 :],
            "joined": encoded[:-1],  # to the next frame
            "repeated": encoded + encoded,
            "extended": encoded[:-1] + b"\x01\0",
        }[fault]

    link = link_to(port)
    setattr(board, side, spoil)
    assert exchange(link, 16, rng) == executed(board)
    assert link.resent >= 3 if fault != "repeated" else link.resent == 0
    assert (link.damaged >= 3) == (side == "spoil_reply" and fault not in ("lost", "repeated"))


def test_damage_while_it_identifies(board, port):
    board.spoil_reply = lambda n, encoded: encoded if n % 3 == 2 else encoded[: n % 3 * 5]
    assert link_to(port).description.soc == SOC


def test_replies_to_others_are_ignored(board, port):
    # For every number: identifications with a foreign nonce, well-formed or not, and a reply to another request.
    false = [(Reply.OK, b"nono" + bytes(IDENTIFY_BYTES)), (Reply.OK, b"nono"), (Reply.RUNNING, b"")]
    stale = b"".join(Frame(number, code, data).encode() for number in range(256) for code, data in false)
    board.spoil_reply = lambda n, encoded: (stale if n == 0 else b"") + encoded
    link = link_to(port, timeout=2)
    assert link.description.soc == SOC
    old = Frame(board.executed[-1].sequence, Reply.OK, b"old").encode()
    board.spoil_reply = lambda n, encoded: old + encoded
    assert exchange(link, 4, random.Random(2)) == executed(board)


def test_takes_over_from_a_host_that_has_stopped(board):
    with open_port(board.path, SOC.baud) as port:
        link_to(port).request(Command.STATUS, b"first")
        port.write(Frame(7, Command.RUN, b"unfinished").encode()[:-4])
    board.write(Frame(8, Reply.OK, b"too late").encode()[3:])
    with open_port(board.path, SOC.baud) as port:
        link = link_to(port)
        assert exchange(link, 4, random.Random(3)) == executed(board)[1:]
        assert link.resent == 0


def test_port_is_flushed(board):
    board.write(b"left from before\0")
    time.sleep(0.05)
    with open_port(board.path, SOC.baud) as port:
        assert link_to(port).damaged == 0


def test_board_of_another_version(board, port):
    board.description = b"\x63" + DESCRIPTION[1:]
    with pytest.raises(ValueError, match="The board speaks protocol 99, this host 2; build its bitstream again"):
        link_to(port)


def test_counters_of_another_version(board, port):
    """The engine has other counters; this board returns the data of the request."""
    with pytest.raises(ValueError, match="The board's counters have 1 bytes, not 32: its bitstream is from another"):
        link_to(port).counters()


def test_silence(board, port):
    board.quiet = True
    started = time.monotonic()
    message = r"No answer to IDENTIFY from '/dev/pts/\d+' at 3000000 baud in 3 tries \(0 bytes and 0 damaged frames"
    with pytest.raises(LinkError, match=message):
        link_to(port, retries=2)
    # The timeout, then twice and four times as long.
    assert 7 * TIMEOUT < time.monotonic() - started < 7 * TIMEOUT + 1
    assert board.requests == 3


def test_noise(board, port):
    board.spoil_reply = lambda n, encoded: b"\x55" * 40_000
    with pytest.raises(LinkError, match=r"\(80000 bytes and [1-9]\d* damaged frames came\)"):
        link_to(port, retries=1)


def test_echo_is_no_answer(board, port):
    board.quiet = True
    board.spoil_request = lambda n, encoded: board.write(encoded) or encoded
    with pytest.raises(LinkError, match=r"\([1-9]\d* bytes and 0 damaged"):
        link_to(port, retries=0)
    board.quiet = False
    link = link_to(port)
    assert exchange(link, 4, random.Random(4)) == executed(board)
    assert link.resent == 0


def test_finds_the_board_again(board, port):
    link = link_to(port, retries=1)
    board.quiet = True
    with pytest.raises(LinkError, match="No answer to RUN .* in 2 tries"):
        link.request(Command.RUN, b"once")
    board.quiet = False
    with pytest.raises(LinkError, match="is lost; call resync"):
        link.request(Command.RUN, b"again")
    link.resync()
    assert link.request(Command.RUN, b"then") == b"neht"
    assert executed(board) == [b"once", b"then"]


@pytest.mark.parametrize("reply", [reply for reply in Reply if reply != Reply.OK])
def test_refusals(board, port, reply):
    link = link_to(port)
    with pytest.raises(Refused, match=r"^The board refuses LOAD: [^\n]+$") as caught:
        link.request(Command.LOAD, bytes([reply]))
    assert (caught.value.command, caught.value.reply) == (Command.LOAD, reply)
    assert link.request(Command.STATUS, b"ab") == b"ba"


def test_largest_request(board, port):
    link = link_to(port)
    before = board.requests
    with pytest.raises(ValueError, match="READ has 505 bytes of data; this board takes 504 in a frame"):
        link.request(Command.READ, bytes(505))
    assert board.requests == before
    assert link.request(Command.READ, bytes(504)) == bytes(504)


@pytest.mark.parametrize("when", ["before", "while it waits"])
def test_board_that_vanishes(board, port, when):
    link = link_to(port, timeout=1)
    if when == "before":
        board.vanish()
    else:
        board.spoil_reply = lambda n, encoded: board.vanish() or b""
    started = time.monotonic()
    with pytest.raises(PortError, match=r"^Port '/dev/pts/\d+' is gone; plug the board in again, and open it again$"):
        link.request(Command.STATUS)
    assert time.monotonic() - started < 0.9
    with pytest.raises(LinkError, match="is lost"):
        link.request(Command.STATUS)
    with pytest.raises(PortError, match="is gone"):
        link.resync()


def test_refuses_parameters(port):
    with pytest.raises(ValueError, match="Timeout is 0 s; use more than 0"):
        HostLink(port, timeout=0)
    with pytest.raises(ValueError, match="Retries are -1; use at least 0"):
        HostLink(port, retries=-1)


def test_ports_that_do_not_open(board, port, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PortError, match=r"^Port '/dev/ttyNONE' does not exist; plug the board in[^\n]*$"):
        open_port("/dev/ttyNONE", 115200)
    with pytest.raises(PortError, match=f"^Port '{tmp_path}/file' is not a serial port; use the board's$"):
        open_port(f"{tmp_path}/file", 115200)
    with pytest.raises(PortError, match="^Port '/dev/pts/.*' is in use by another program; close it$"):
        open_port(board.path, 115200)
    for baud in (0, 2**31):
        with pytest.raises(ValueError, match=f"Baud is {baud}; use 1 to 2147483647"):
            open_port(board.path, baud)
    with pytest.raises(TypeError, match="Baud is 9600.0; use an int"):
        open_port(board.path, 9600.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="Path of a port is 3; use a str"):
        open_port(3, 115200)  # pyright: ignore[reportArgumentType]


def test_port_without_permission(monkeypatch):
    def refuse(*_, **__):
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(PortError, match="^Port '/dev/ttyUSB0' is not accessible to this user; join .*dialout"):
        open_port("/dev/ttyUSB0", 115200)


def test_closed_port(board):
    with open_port(board.path, SOC.baud) as port:
        pass
    port.close()
    for use in (lambda: port.read(0), lambda: port.write(b"a")):
        with pytest.raises(PortError, match="is closed; open it again"):
            use()
