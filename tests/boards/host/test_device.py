"""Engines on simulated boards, from Python, compared with the golden models."""

from pathlib import Path

import numpy as np
import pytest
from tercet.boards.catalog import soc_config
from tercet.boards.host.device import Device, WrongEngine
from tercet.boards.host.networks import Compressed, Int8, TileProduct, as_network
from tercet.boards.host.port import PortError
from tercet.golden.eie.encoding import encode
from tercet.golden.eie.product import spmv
from tercet.golden.networks.int8_network import Int8Layer, Int8Network, quantize_mlp
from tercet.golden.networks.mlp import Mlp
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import ROUNDINGS, Requant
from tercet.golden.systolic.model import matmul
from tercet.golden.tensorcore.model import mma

from ..socs import CONFIGS, compressed, int8, opened, running, same, soc_of


@pytest.fixture(scope="module")
def systolic():
    with opened(soc_of("systolic")) as device:
        yield device


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 2), (5, 7, 9), (40, 30, 20), (100, 200, 3)], ids=str)
def test_matmul(systolic, shape):
    """Includes products beyond the buffers in rows, columns and K."""
    m, k, n = shape
    generator = np.random.default_rng(m)
    a, w = int8(generator, m, k), int8(generator, k, n)
    bias = generator.integers(-(2**20), 2**20, n).astype(np.int32)
    rounding = ROUNDINGS[m % len(ROUNDINGS)]
    requant = Requant.from_scale(generator.random(n) * 1e-3 + 1e-5, 3, qmin=-100, rounding=rounding)
    config = systolic.config
    same(systolic.matmul(a, w), matmul(a, w, None, config))
    same(systolic.matmul(a, w, bias), matmul(a, w, bias, config))
    same(systolic.matmul(a, w, bias, requant), requant.apply(matmul(a, w, bias, config)))


def test_counters_are_those_of_the_model(systolic):
    """The board is as fast as the engine alone: its buffers never stall it."""
    generator = np.random.default_rng(1)
    a, w = int8(generator, 10, 6), int8(generator, 6, 4)
    systolic.counters(clear=True)
    systolic.matmul(a, w)
    counters = systolic.counters(clear=True)
    engine = {name: counters[name] for name in ("active", "weight_stall", "weight_shift", "non_matrix")}
    assert sum(engine.values()) == systolic.config.cycles(10, 6, 4)
    assert sum(systolic.counters()[name] for name in engine) == 0


def test_weights_stay_where_they_are(systolic):
    generator = np.random.default_rng(2)
    w = int8(generator, 8, 4)
    a = [int8(generator, 3, 8) for _ in range(3)]
    systolic.reset()
    accepted = []
    for acts in a:
        before = systolic.counters()["accepted"]
        same(systolic.matmul(acts, w), matmul(acts, w, None, systolic.config))
        accepted.append(systolic.counters()["accepted"] - before)
    # Neither the weights nor the command are sent again.
    assert accepted[1] == accepted[2] == accepted[0] - 2


def test_rejects_operands(systolic):
    a, w = np.zeros((2, 3), np.int8), np.zeros((3, 2), np.int8)
    before = systolic.counters()["accepted"]
    with pytest.raises(TypeError, match="Activations have dtype int64"):
        systolic.matmul(a.astype(np.int64), w)
    with pytest.raises(ValueError, match="their K must be equal"):
        systolic.matmul(a, np.zeros((4, 2), np.int8))
    with pytest.raises(ValueError, match=r"Activations have shape \(0, 3\); every size must be at least 1"):
        systolic.matmul(a[:0], w)
    with pytest.raises(ValueError, match="Multiplier has 3 channels but the sums have 2"):
        systolic.matmul(a, w, None, Requant.from_scale(np.full(3, 0.01), 0))
    with pytest.raises(ValueError, match="Multiplier has 3 channels but the sums have 2"):
        # K exceeds the buffers, so the host would requantise.
        systolic.matmul(
            np.zeros((2, 999), np.int8), np.zeros((999, 2), np.int8), None, Requant(np.full(3, 2**30), 0, 0)
        )
    with pytest.raises(TypeError, match="requant 3 is not a Requant"):
        systolic.matmul(a, w, None, 3)
    with pytest.raises(WrongEngine, match="The board runs systolic, not tensorcore; build and flash: tercet build"):
        systolic.mma(a, w, np.zeros((2, 2), np.float32))
    with pytest.raises(WrongEngine, match="tercet build eie --board bench"):
        systolic.network([], a)
    assert systolic.counters()["accepted"] == before + 1, "something was sent"


def test_rejects_a_layer():
    """The second layer of a network is invalid."""
    requant = Requant(2**30, 0, 0)
    first = Int8Layer(np.ones((3, 2), np.int8), np.zeros(2, np.int32), requant)
    second = Int8Layer(np.ones((2, 2), np.int8), np.full(2, 2**31 - 1, np.int32), None)
    net = Int8Network(QuantParams(1.0, 0), (first, second))
    with opened(soc_of("systolic")) as device:
        before = device.counters()["accepted"]
        with pytest.raises(ValueError, match="beyond acc_width 32"):
            device.run(net, np.ones((4, 3), np.int8))
        assert device.counters()["accepted"] == before + 1, "something was sent"


@pytest.fixture(scope="module")
def network():
    mlp = Mlp.random((12, 9, 5), seed=1)
    samples = np.random.default_rng(2).random((50, 12))
    return quantize_mlp(mlp, samples), samples


def test_a_network(systolic, network):
    net, samples = network
    board = as_network(net)
    assert isinstance(board, Int8)
    same(systolic.run(board, samples), board.golden(systolic, samples))
    same(systolic.run(net, samples), net.run(samples)[-1])
    with pytest.raises(ValueError, match=r"Activations have shape \(0, 12\); every size must be at least 1"):
        systolic.run(net, samples[:0])
    before = systolic.counters()["accepted"]
    with pytest.raises(WrongEngine, match="The board runs systolic, not tensorcore; build and flash: tercet build"):
        systolic.run(TileProduct(np.zeros((12, 3), np.float16), None), samples)
    with pytest.raises(TypeError, match="A dict cannot be run; use a Graph, an Int8Network"):
        systolic.run({}, samples)
    assert systolic.counters()["accepted"] == before + 1, "something was sent"


def test_bit_level_uart(network):
    net, samples = network
    shares = []
    with opened(soc_of("systolic"), "uart", progress=lambda done, whole: shares.append(done / whole)) as device:
        same(device.run(net, samples[:5]), net.run(samples[:5])[-1])
        counters = device.counters()
    # Progress covers all layers as a whole, including the readout.
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.1
    assert shares.count(1) == 2
    assert counters["damaged"] == counters["dropped"] == counters["repeated"] == 0


def test_tensor_core():
    generator = np.random.default_rng(3)
    with opened(soc_of("tensorcore")) as device:
        for shape in ((2, 2, 2, 2), (1, 7, 6, 5), (3, 20, 40, 18)):
            batch, m, k, n = shape
            a = generator.standard_normal((batch, m, k)).astype(np.float16)
            b = generator.standard_normal((batch, k, n)).astype(np.float16)
            c = generator.standard_normal((batch, m, n)).astype(np.float32)
            same(device.mma(a, b, c), mma(a, b, c, device.config))
        same(device.matmul(a[0], b[0]), mma(a[0], b[0], np.zeros((m, n), np.float32), device.config))
        tile = TileProduct(b[0], c[0, 0])
        same(device.run(tile, a[0]), tile.golden(device, a[0]))
        swapped = (array.astype(array.dtype.newbyteorder(">")) for array in (a, b, c))
        same(device.mma(*swapped), mma(a, b, c, device.config))
        before = device.counters()["accepted"]
        with pytest.raises(ValueError, match=r"C has shape \(0, 18\); every size must be at least 1"):
            device.matmul(a[0, :0], b[0])
        assert device.counters()["accepted"] == before + 1, "something was sent"
        with pytest.raises(ValueError, match="neither bias nor requantisation"):
            device.matmul(a[0], b[0], c[0, 0])


def test_eie():
    config = CONFIGS["eie"]
    generator = np.random.default_rng(4)
    codebook = np.arange(-8, 8, dtype=np.int16) * 300
    codebook[0] = 0
    sizes = (30, 24, 10)
    layers = []
    for number, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        codes = (generator.integers(1, 16, (n_out, n_in)) * (generator.random((n_out, n_in)) < 0.2)).astype(np.uint8)
        layers.append(encode(codes, codebook, config, relu=number == 0, act_max=32767 if number else 32768))
    acts = generator.integers(0, 500, (23, 30)).astype(np.int16)
    want = spmv(layers[1], spmv(layers[0], acts))
    with opened(soc_of("eie", depth=40)) as device:
        same(device.network(layers, acts), want)
        same(device.network(layers, acts[3].astype(">i2")), want[3])
        before = device.counters()["accepted"]
        same(device.network(layers, acts[4]), want[4])
        # The program is still resident.
        assert device.counters()["accepted"] - before < 10
        # Another program replaces it.
        same(device.network(layers[:1], acts), spmv(layers[0], acts))
        device.reset()
        same(device.network(layers[:1], acts), spmv(layers[0], acts))
        wide = encode(np.ones((4, 90), np.uint8), codebook, config)
        before = device.counters()["accepted"]
        with pytest.raises(ValueError, match=r"Activations have shape \(0, 30\); every size must be at least 1"):
            device.network(layers, acts[:0])
        assert device.counters()["accepted"] == before + 1, "something was sent"
        with pytest.raises(ValueError, match="A vector needs 45 words of acts but its buffer has 40; build it"):
            device.network([wide], np.zeros((1, 90), np.int16))


def test_a_compressed_network():
    layers, x = compressed()
    with opened(soc_of("eie")) as device:
        board = as_network(layers)
        assert isinstance(board, Compressed)
        same(device.run(board, x), board.golden(device, x))


def test_a_port_is_opened_like_a_board():
    """The host cannot tell that the board is simulated, and rejects a board with another engine."""
    soc = soc_of("systolic")
    a = np.arange(12, dtype=np.int8).reshape(3, 4)
    with running(soc, "uart") as board:
        with Device.open(Path(board.path), engine="systolic") as device:
            same(device.matmul(a, a.T), matmul(a, a.T, None, soc.config))
        with pytest.raises(WrongEngine, match="The board runs systolic, not eie; build and flash: tercet build eie"):
            Device.open(board.path, engine="eie")
        with Device.open(board.path) as device, pytest.raises(PortError, match="is in use by another program"):
            Device.open(board.path)
        assert device.info.soc == soc


def test_addresses_of_boards():
    for wrong in (None, 3):
        with pytest.raises(TypeError, match=f"Board {wrong} is not a path; use a serial port or sim:BOARD"):
            Device.open(wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="Baud 0 at a clock"):
        Device.open("sim:icebreaker", baud=0)
    with pytest.raises(ValueError, match="Baud is 0"):
        Device.open("/dev/nothing", baud=0)
    with pytest.raises(ValueError, match="Board 'nothing' is unknown"):
        Device.open("sim:nothing")
    with pytest.raises(ValueError, match="has the mode 'word'; use sim:ulx3s-85f or sim:ulx3s-85f,bytes"):
        Device.open("sim:ulx3s-85f,word")
    with pytest.raises(PortError, match="/dev/nothing"):
        Device.open("/dev/nothing")
    soc = soc_config("icebreaker", "eie")
    with pytest.raises(ValueError, match="The engine of '/dev/nothing' is fixed by its bitstream; omit soc"):
        Device.open("/dev/nothing", soc=soc)
    for where, baud in (("sim:tang-nano-9k", None), ("sim:icebreaker,bytes", 9600)):
        with pytest.raises(ValueError, match="soc is for icebreaker at 3000000 baud, not for .*; use sim:icebreaker"):
            Device.open(where, baud=baud, soc=soc)


def test_rejects_other_types():
    with pytest.raises(TypeError, match="A bytes cannot be run"):
        as_network(b"digits")
    with pytest.raises(FileNotFoundError):
        as_network("digits")
    b = np.zeros((4, 3), np.float16)
    for wrong in (np.float16(1), b[0], b[:0], b[None]):
        with pytest.raises(ValueError, match=r"b has shape .*; use a matrix \(K, N\)"):
            TileProduct(np.asarray(wrong), None)
    for c in (np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2, 3))):
        with pytest.raises(ValueError, match=r"c has shape .* but b has 3 columns; use \(3,\) or \(M, 3\)"):
            TileProduct(b, c)


def test_patience():
    with pytest.raises(ValueError, match="Patience is -1 s; use more than 0"), opened(soc_of("systolic"), patience=-1):
        pass
