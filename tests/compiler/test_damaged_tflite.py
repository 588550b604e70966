"""Damaged `.tflite` files: each byte changed, the file cut short; read or refused in one line, quickly."""

import numpy as np
import pytest
from tercet.compiler import load
from tercet.compiler.tflite import load_tflite

from .random_networks import random_file
from .tflite_files import Network


def two_layers() -> bytes:
    """A convolution and a fully connected layer of a few weights."""
    rng = np.random.default_rng(0)
    net = Network()
    x, h = net.input((1, 4, 4, 2), 0.5, -3), net.tensor((1, 2, 2, 3), 0.25, 5)
    weights = rng.integers(-127, 128, (3, 2, 2, 2)).astype(np.int8)
    bias = net.constant([100, -50, 7], [0.05] * 3)
    net.add(
        "CONV_2D",
        [x, net.constant(weights, [0.1, 0.1, 0.1], dtype=np.int8), bias],
        h,
        Padding="SAME",
        StrideH=2,
        StrideW=2,
        FusedActivationFunction="RELU6",
    )
    y = net.tensor((1, 4), 0.5, 0)
    weights = rng.integers(-127, 128, (4, 12)).astype(np.int8)
    net.add("FULLY_CONNECTED", [h, net.constant(weights, 0.02, dtype=np.int8)], y)
    net.outputs = [y]
    return net.file()


FILE = two_layers()


def outcome(data: bytes) -> str:
    """What becomes of a file: "run", or the refusal; any other exception fails the test."""
    try:
        with np.errstate(all="ignore"):
            graph = load_tflite(data, "damaged")
        graph.run([np.zeros(edge.shape, edge.dtype) for edge in graph.inputs])
        found = "run"
    except ValueError as error:
        found = str(error)
        assert len(found.splitlines()) == 1
    return found


def test_the_sound_file_runs():
    assert outcome(FILE) == "run"


@pytest.mark.parametrize("change", [0xFF, *(1 << bit for bit in range(8))], ids=hex)
def test_each_byte(change):
    outcomes = set()
    for n in range(len(FILE)):
        damaged = bytearray(FILE)
        damaged[n] ^= change
        outcomes.add(outcome(bytes(damaged)))
    # Weights run, and what is refused has many reasons.
    assert "run" in outcomes
    assert len(outcomes) > 20


def test_bytes_of_many_operators():
    rng = np.random.default_rng(3)
    for seed in range(40):
        data = random_file(seed).data
        for _ in range(25):
            damaged = bytearray(data)
            damaged[rng.integers(len(data))] ^= rng.choice([0xFF, *(1 << bit for bit in range(8))])
            outcome(bytes(damaged))


def test_each_length():
    # The root table stands first: what is cut off is always missed.
    for n in range(0, len(FILE), 3):
        assert outcome(FILE[:n]) != "run"


def test_random_words():
    rng = np.random.default_rng(2)
    for _ in range(400):
        damaged = bytearray(FILE)
        n = int(rng.integers(0, len(FILE) // 4)) * 4
        word = int(rng.choice([0, 1, 1 << 16, 1 << 24, 1 << 30, (1 << 31) - 1, (1 << 32) - 1]))
        damaged[n : n + 4] = word.to_bytes(4, "little")
        outcome(bytes(damaged))


@pytest.mark.parametrize("data", [b"", b"TFL3", b"\0" * 100, b"\x1c\0\0\0TFL3", b"PK\x03\x04" + b"\0" * 60])
def test_other_files(tmp_path, data):
    path = tmp_path / "net.tflite"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"net\.tflite") as caught:
        load(path)
    assert "\n" not in str(caught.value)
