"""Recovery of the host: silent boards, other rates, unplugging, reflashing, and a host that dies."""

import numpy as np
import pytest
from tercet.boards import catalog
from tercet.boards.catalog import BOARDS
from tercet.boards.host import device as host
from tercet.boards.host.device import Device, WrongEngine
from tercet.boards.host.link import RETRIES, HostLink, LinkError, Refused
from tercet.boards.host.networks import as_network
from tercet.boards.host.port import PortError, open_port
from tercet.boards.host.protocol import RATES
from tercet.golden.numerics.quantization import Requant
from tercet.golden.systolic.model import matmul

from ..socs import CONFIGS, compressed, int8, opened, running, same, soc_of


@pytest.fixture(scope="module")
def systolic():
    with opened(soc_of("systolic")) as device:
        yield device


def test_a_silent_board_is_loaded_again(systolic, monkeypatch):
    """It may have lost power meanwhile."""
    generator = np.random.default_rng(3)
    a, w = int8(generator, 3, 8), int8(generator, 8, 4)
    accepted = []

    def frames():
        before = systolic.counters()["accepted"]
        same(systolic.matmul(a, w), matmul(a, w, None, systolic.config))
        accepted.append(systolic.counters()["accepted"] - before)

    def silent(*_):
        raise LinkError("no answer")

    systolic.reset()
    frames()
    frames()
    with monkeypatch.context() as patch:
        patch.setattr(systolic.link, "_exchange", silent)
        with pytest.raises(LinkError, match="no answer"):
            systolic.counters()
    assert systolic.link.lost
    frames()
    assert accepted[1] < accepted[0] == accepted[2]


def test_interruptions_are_harmless(systolic, monkeypatch):
    """The next product starts afresh, though the engine may still be running."""
    generator = np.random.default_rng(4)
    a, w = int8(generator, 9, 8), int8(generator, 8, 4)

    def interrupted(*_):
        raise KeyboardInterrupt

    for request in range(4):
        with monkeypatch.context() as patch:
            exchange, left = systolic.link._exchange, iter(range(request))

            def limited(*args, exchange=exchange, left=left):
                return exchange(*args) if next(left, None) is not None else interrupted()

            patch.setattr(systolic.link, "_exchange", limited)
            with pytest.raises(KeyboardInterrupt):
                systolic.matmul(a, w + np.int8(request))
        same(systolic.matmul(a, w), matmul(a, w, None, systolic.config))


def test_another_board_at_the_same_port():
    """The board was reflashed meanwhile: the next call finds the new engine."""
    a = np.arange(12, dtype=np.int8).reshape(3, 4)
    layers, x = compressed()
    other = soc_of("eie")
    with opened(soc_of("systolic")) as device, running(other) as board, open_port(board.path, other.baud) as port:
        same(device.matmul(a, a.T), matmul(a, a.T, None, device.config))
        device.link._port = port
        device.link._timeout, device.link.retries = 0.3, 0
        with pytest.raises(LinkError, match="No answer to LOAD"):
            device.matmul(a, -a.T)
        device.link._timeout = 20.0
        with pytest.raises(WrongEngine, match="The board runs eie, not systolic"):
            device.matmul(a, a.T)
        assert device.info.soc == other
        same(device.run(layers, x), np.asarray(as_network(layers).golden(device, x)))


def test_a_host_that_dies_in_the_middle():
    """The next host starts cleanly, whatever is left on the line, in the board and in the engine."""
    soc = soc_of("systolic")
    generator = np.random.default_rng(6)
    a, w = int8(generator, 9, 8), int8(generator, 8, 4)
    with running(soc) as board:
        for cut in range(1, 200, 13):
            port = open_port(board.path, soc.baud)
            written, write = 0, port.write

            class Dead(Exception):
                pass

            def partial_write(data, write=write, cut=cut):
                nonlocal written
                part = data[: max(0, cut - written)]
                written += len(data)
                write(part)
                if part != data:
                    raise Dead

            device = Device(HostLink(port, timeout=20.0))
            port.write = partial_write
            with pytest.raises(Dead):
                device.matmul(a, w)
            port.close()
            with open_port(board.path, soc.baud) as port:
                same(Device(HostLink(port, timeout=20.0)).matmul(a, w), matmul(a, w, None, soc.config))


def test_a_reset_while_results_are_under_way():
    """No result appears afterwards: a reset takes one clock."""
    generator = np.random.default_rng(7)
    config = CONFIGS["systolic"]
    a, w = int8(generator, 4096, 2), int8(generator, 2, 2)
    requant = Requant.from_scale(np.full(2, 1e-2), 3)
    want = requant.apply(matmul(a[:3], w, None, config))
    with opened(soc_of("systolic", depth=4096)) as device:
        for _ in range(20):
            device._session._wait = device.reset
            with pytest.raises(Refused, match="READ"):
                device.matmul(a[:2000], w, None, requant)
            del device._session._wait
            same(device.matmul(a[:3], w, None, requant), want)


def test_unplugged():
    soc = soc_of("systolic")
    a = np.zeros((9, 8), np.int8)
    with running(soc) as board, open_port(board.path, soc.baud) as port:
        device = Device(HostLink(port, timeout=20.0))
        board.kill()
        for _ in range(2):
            with pytest.raises(PortError, match="is gone; plug the board in again"):
                device.matmul(a, a.T)
        port.close()
        for _ in range(2):
            with pytest.raises(PortError, match="is closed; open it again"):
                device.counters()


def test_rates_are_tried(monkeypatch):
    """A pseudo-terminal has no rate, so `HostLink` is patched to answer at one rate only."""
    soc = soc_of("systolic")
    tried = []

    def at(port, **options):
        tried.append(port.baud)
        if port.baud != hears:
            raise LinkError("No answer")
        return HostLink(port, **options)

    monkeypatch.setattr(host, "HostLink", at)
    with running(soc) as board:
        for hears in RATES:
            tried.clear()
            with Device.open(board.path) as device:
                assert device.link.retries == RETRIES
            assert tried == [*RATES[: RATES.index(hears) + 1]]
        hears = 9600
        with pytest.raises(LinkError, match="No answer from .* at 3000000 or 1000000 baud; check the port, .*give its"):
            Device.open(board.path)
        Device.open(board.path, baud=9600).close()
        hears = RATES[0]
        with pytest.raises(LinkError, match="No answer$"):
            Device.open(board.path, baud=9600)
    assert {board.baud for board in map(catalog.board, BOARDS)} == {*RATES}
