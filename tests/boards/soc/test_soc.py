"""Replies of a board to valid and invalid requests, and to thousands of damaged frames."""

import contextlib
import functools
import threading

import numpy as np
import pytest
from tercet.boards.host import protocol
from tercet.boards.host.device import Device
from tercet.boards.host.link import HostLink, LinkError, Refused
from tercet.boards.host.port import open_port
from tercet.boards.host.protocol import IDENTIFY_BYTES, Command, Frame, Reply, transfer_header
from tercet.boards.simulated.fault_injection import LinePort, inject_faults
from tercet.boards.simulated.request_fuzzer import products
from tercet.golden.systolic.operands import MatmulOperands, job

from ..socs import FAULTS, RATIOS, TWO_CLOCKS, running

SOC = FAULTS
# The same streams on all boards: one clock, and two at several ratios.
BOARDS = {"one clock": (FAULTS, None), **{name: (TWO_CLOCKS, ratio) for name, ratio in RATIOS.items()}}
DEPTH = dict(SOC.depths)["acts"]
STREAMS = [name for name, _ in SOC.depths]
ACTS, SUMS = STREAMS.index("acts"), STREAMS.index("sums")


@pytest.fixture(scope="module", params=BOARDS)
def board(request):
    soc, ratio = BOARDS[request.param]
    with running(soc, engine_clocks=ratio) as board:
        board.soc = soc
        yield board


@pytest.fixture
def path(board):
    return board.path


@pytest.fixture
def link(path):
    with open_port(path, SOC.baud) as port:
        link = HostLink(port, timeout=20.0)
        link.request(Command.RESET)
        yield link


def counts(**words):
    return protocol.counts(words, STREAMS)


def refused(link, reply, command, data=b""):
    with pytest.raises(Refused) as caught:
        link.request(command, data)
    assert caught.value.reply == reply


def test_describes_itself(board, link):
    assert link.description.soc == board.soc


def test_the_description_has_an_end(link):
    last = (link.description_frames - 1) * IDENTIFY_BYTES
    beyond = [(at, Reply.OUT_OF_RANGE) for at in (last + 1, last + IDENTIFY_BYTES, 2**16 - 1, 1, last - 1)]
    for at, code in ((last, Reply.OK), *beyond):
        reply = link._exchange(Frame(link.sequence, Command.IDENTIFY, b"once" + at.to_bytes(2, "little")), 64)
        assert reply.code == code
        link._sequence = (link.sequence + 1) % 256


def test_unknown_commands(link):
    for code in (0, 8, 100, 255):
        reply = link._exchange(Frame(link.sequence, code), 64)
        assert reply.code == Reply.UNKNOWN_COMMAND
        link._sequence = (link.sequence + 1) % 256


@pytest.mark.parametrize(
    ("command", "sizes"),
    [
        (Command.LOAD, [0, 5]),
        (Command.RUN, [0, 3 * len(STREAMS) - 1, 3 * len(STREAMS) + 1]),
        (Command.STATUS, [1]),
        (Command.READ, [0, 5, 7]),
        (Command.COUNTERS, [0, 2]),
        (Command.RESET, [1]),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_requests_of_the_wrong_length(link, command, sizes):
    for size in sizes:
        refused(link, Reply.WRONG_LENGTH, command, bytes(size))


def test_loads_that_do_not_end_with_a_word(link):
    for words, size in ((3, 5), (3, 7), (3, 8), (0, 1), (2, 0)):
        refused(link, Reply.WRONG_LENGTH, Command.LOAD, transfer_header(ACTS, words, 0) + bytes(size))
    # Nothing was loaded.
    refused(link, Reply.NOT_LOADED, Command.RUN, counts(acts=1))


def test_addresses_out_of_range(link):
    for words, address in ((DEPTH + 1, 0), (1, DEPTH), (1, 2**24 - 1), (2**16 - 1, 2**24 - 1)):
        refused(link, Reply.OUT_OF_RANGE, Command.LOAD, transfer_header(ACTS, words, address) + bytes(4))
    # A gap: nothing has been loaded before it.
    refused(link, Reply.OUT_OF_RANGE, Command.LOAD, transfer_header(ACTS, 1, 1) + bytes(2))
    for stream in (SUMS, len(STREAMS), 200):
        refused(link, Reply.OUT_OF_RANGE, Command.LOAD, transfer_header(stream, 0, 0))
    for stream in (ACTS, len(STREAMS), 200):
        refused(link, Reply.OUT_OF_RANGE, Command.READ, transfer_header(stream, 0, 0))
    refused(link, Reply.OUT_OF_RANGE, Command.READ, transfer_header(SUMS, 1, 0))
    refused(link, Reply.OUT_OF_RANGE, Command.RUN, counts(sums=DEPTH + 1))
    assert link.request(Command.READ, transfer_header(SUMS, 0, 0)) == b""


def test_results_of_more_than_a_frame(path):
    """113 results of 9 bytes are one byte too many; the board never sends a partial reply."""
    with Device.open(path, baud=SOC.baud) as device:
        product = MatmulOperands(np.full((16, 2), 3, np.int8), np.full((2, 16), 5, np.int8))
        device._session.run(job(SOC.config, product))
        whole = device.link.request(Command.READ, transfer_header(SUMS, 112, 0))
        assert len(whole) == 1008
        assert whole[:8] == (30).to_bytes(4, "little") * 2
        for words in (113, 128):
            refused(device.link, Reply.OUT_OF_RANGE, Command.READ, transfer_header(SUMS, words, 0))
        parts = [device.link.request(Command.READ, transfer_header(SUMS, 56, at)) for at in (0, 56)]
        assert b"".join(parts) == whole


def test_a_run_before_a_load(link):
    refused(link, Reply.NOT_LOADED, Command.RUN, counts(acts=1))
    link.request(Command.LOAD, transfer_header(ACTS, 3, 0) + bytes(6))
    link.request(Command.LOAD, transfer_header(ACTS, 2, 3) + bytes(4))
    refused(link, Reply.NOT_LOADED, Command.RUN, counts(acts=6))
    refused(link, Reply.NOT_LOADED, Command.RUN, counts(acts=2**24 - 1))
    # A shorter load truncates the content.
    link.request(Command.LOAD, transfer_header(ACTS, 1, 0) + bytes(2))
    refused(link, Reply.NOT_LOADED, Command.RUN, counts(acts=2))


def test_while_it_runs(link):
    """During a run that never ends, only STATUS, IDENTIFY and RESET are executed."""
    link.request(Command.RUN, counts(sums=1))
    assert link.request(Command.STATUS) == b"\1"
    for command, data in (
        (Command.LOAD, transfer_header(ACTS, 0, 0)),
        (Command.READ, transfer_header(SUMS, 0, 0)),
        (Command.RUN, counts()),
        (Command.COUNTERS, b"\0"),
    ):
        refused(link, Reply.RUNNING, command, data)
    link.resync()
    link.request(Command.RESET)
    assert link.request(Command.STATUS) == b"\0"


def test_a_reply_that_was_lost(link):
    """A repeated request gets the same reply and is not executed again."""
    first = link.request(Command.COUNTERS, b"\0")
    link._sequence = (link.sequence - 1) % 256
    assert link.request(Command.COUNTERS, b"\0") == first
    accepted, damaged, repeated, dropped = range(-12, 0, 3)
    later = link.request(Command.COUNTERS, b"\0")
    assert later[repeated] - first[repeated] == 1
    assert later[accepted] - first[accepted] == 1


def test_numbers_that_do_not_follow(path, link):
    wrong = HostLink(link._port, timeout=0.01, retries=1)
    wrong._sequence = (wrong.sequence + 5) % 256
    with pytest.raises(LinkError):
        wrong.request(Command.STATUS)
    wrong.resync()
    assert wrong.request(Command.STATUS) == b"\0"


@pytest.mark.parametrize("ratio", RATIOS)
def test_resets_of_the_link(ratio):
    """At any moment, in the middle of transfers and runs: the host finds the board again, and it computes."""
    generator = np.random.default_rng(8)
    a, w = (generator.integers(-128, 128, shape).astype(np.int8) for shape in ((60, 4), (4, 4)))
    with running(TWO_CLOCKS, engine_clocks=RATIOS[ratio]) as board, open_port(board.path, SOC.baud) as port:
        link = HostLink(port, timeout=20.0)
        for _ in range(40):
            # A reset loses the request under way: give up soon, and let the failures of a slow computer count as such.
            link._timeout, link.retries = 0.03, 0
            pressed = threading.Timer(generator.random() * 0.02, board.reset)
            pressed.start()
            with contextlib.suppress(LinkError, Refused):
                while pressed.is_alive():
                    Device(link).matmul(a, w)
            pressed.join()
            link._timeout, link.retries = 20.0, 3
            link.resync()
            out = Device(link).matmul(a, w)
            assert np.array_equal(out, a.astype(np.int32) @ w)


requests = functools.partial(products, SOC)


def check(faults, count):
    """Each good frame was executed once, and no spurious request was executed."""
    assert faults["wrong"] == 0
    assert faults["accepted"] == count
    assert faults["damaged"] > count // 2
    assert faults["dropped"] >= faults["wrong sequence"]
    assert faults["results"] > count // 20


def test_damaged_frames(board):
    # One survey in full; with two clocks a part of it at each ratio.
    count = 1_500 if board.soc.two_clocks else 10_000
    with open_port(board.path, SOC.baud) as port:
        check(inject_faults(port, HostLink(port, timeout=20.0), functools.partial(products, board.soc), count), count)


def test_damaged_bits():
    with running(SOC, "line") as board, open_port(board.path, SOC.baud) as port:
        line = LinePort(port)
        check(inject_faults(line, HostLink(line, timeout=20.0), requests, 110), 110)
