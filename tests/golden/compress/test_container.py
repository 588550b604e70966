"""Compressed networks: entries, sizes, files, and damaged files."""

import dataclasses
import hashlib
import struct

import numpy as np
import pytest
from tercet.golden.compress.container import dumps, load, loads, save
from tercet.golden.compress.model import CompressedLayer, relative_decode, relative_encode, sizes, to_mlp
from tercet.golden.compress.pipeline import Data, compress
from tercet.golden.networks.mlp import Mlp


def layer(seed, shape=(13, 7), density=0.3, code_bits=4, index_bits=4):
    rng = np.random.default_rng(seed)
    codes = rng.integers(1, 2**code_bits, shape) * (rng.random(shape) < density)
    centroids = np.concatenate([[0.0], rng.normal(size=2**code_bits - 1)])
    return CompressedLayer(codes, centroids, rng.normal(size=shape[0]), index_bits)


def ref_relative(codes, index_bits):
    """Walk the matrix column by column."""
    values, zeros, gap = [], [], 0
    for column in codes.T:
        for code in column:
            if code:
                values.append(int(code))
                zeros.append(gap)
                gap = 0
            elif gap == 2**index_bits - 1:
                values.append(0)
                zeros.append(gap)
                gap = 0
            else:
                gap += 1
    while values and values[-1] == 0:
        values.pop()
        zeros.pop()
    return values, zeros


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("index_bits", [2, 4, 8])
def test_entries(density, index_bits):
    codes = layer(3, (40, 31), density).codes
    values, zeros = relative_encode(codes, index_bits)
    assert (values.tolist(), zeros.tolist()) == ref_relative(codes, index_bits)
    np.testing.assert_array_equal(relative_decode(values, zeros, codes.shape), codes)


def test_sizes_by_hand():
    """Three entries and a filler, after 3 + 1 + 3 + 0 zeros."""
    codes = np.zeros((4, 4), np.uint8)
    codes.T.flat[[3, 9, 10]] = [1, 2, 1]
    found = sizes([CompressedLayer(codes, np.array([0, 1.0, 2.0, 3.0]), np.zeros(4), 2)])
    assert found["entries"] == 4
    assert found["fillers"] == 1
    assert found["float"] == 16 * 4 + 16
    assert found["pruned"] == 4 * 34 // 8 + 16
    assert found["shared"] == 4 * 4 // 8 + 16 + 16
    # Codes 1 0 2 1 take 1.5 bits each, distances 3 3 1 0 as well.
    assert found["huffman"] == 1 + 1 + 4 + 4 + 16 + 16


@pytest.mark.parametrize(("code_bits", "index_bits"), [(1, 2), (4, 4), (2, 6), (8, 8)])
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
def test_file_round_trip(tmp_path, code_bits, index_bits, density):
    layers = [layer(n, (5 + n, 9 - n), density, code_bits, index_bits) for n in range(3)]
    layers[1] = dataclasses.replace(layers[1], act_range=100.1, out_range=1e-30)
    layers[2] = dataclasses.replace(layers[2], act_range=1e-30)
    save(tmp_path / "a.tercet", layers)
    assert load(tmp_path / "a.tercet") == layers
    assert dumps(load(tmp_path / "a.tercet")) == (tmp_path / "a.tercet").read_bytes()


def test_every_damage_is_seen():
    """A change of any byte and a truncation anywhere are detected."""
    data = dumps([dataclasses.replace(layer(1, (4, 5)), act_range=3.0, out_range=5.0)])
    for n in range(len(data)):
        with pytest.raises(ValueError, match=r"."):
            loads(data[:n] + bytes([data[n] ^ 0x40]) + data[n + 1 :])
        with pytest.raises(ValueError, match=r"."):
            loads(data[:n])


VERSION_1 = (
    "544552434554430001000000010000000200000003000000020200000400000000000000010000000000000001000000"
    "00000000000000000000003f000080bf000000000000c03f000000000001010001010000a0a0702b8e1bb719cb58bddb"
    "2d3e44489edd53767c5d2bee22dc0946af8bdcd25181"
)


def test_version_1_is_read():
    """A file from before ranges were stored, byte for byte."""
    data = bytes.fromhex(VERSION_1)
    (found,) = loads(data)
    codes = np.array([[0, 1, 2], [2, 0, 1]])
    assert found == CompressedLayer(codes, np.array([0.0, 0.5, -1.0, 0.0]), np.array([1.5, 0.0]), 2)
    assert (found.act_range, found.out_range) == (None, None)
    again = dumps([found])
    assert again[8:12] == struct.pack("<I", 2)
    assert loads(again) == [found]
    for n in range(len(data)):
        with pytest.raises(ValueError, match=r"."):
            loads(data[:n] + bytes([data[n] ^ 3]) + data[n + 1 :])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_ranges_that_cannot_be(value):
    data = dumps([layer(1, (4, 5))])
    at = 16 + struct.calcsize("<IIBBHQQQ")
    body = data[:at] + struct.pack("<d", value) + data[at + 8 : -32]
    with pytest.raises(ValueError, match="act_range .* is not finite and at least 0"):
        loads(body + hashlib.sha256(body).digest())


def test_messages(tmp_path):
    data = dumps([layer(1)])
    with pytest.raises(ValueError, match="its first bytes are not TERCETC"):
        loads(b"PK\3\4" + data)
    with pytest.raises(ValueError, match="truncated after 20 bytes"):
        loads(data[:20])
    with pytest.raises(ValueError, match="the checksum is wrong"):
        loads(data[:-1])
    with pytest.raises(ValueError, match="version 7, this program reads 1 and 2"):
        loads(data[:8] + struct.pack("<I", 7) + data[12:])
    (tmp_path / "x").write_bytes(b"hello")
    with pytest.raises(ValueError, match="x': this is not a compressed network"):
        load(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


def test_layer_refuses():
    codes, centroids, bias = np.zeros((2, 3), np.uint8), np.array([0.0, 1.0]), np.zeros(2)
    with pytest.raises(ValueError, match="Centroid 0 is 1.0; it is the value of pruned weights"):
        CompressedLayer(codes, centroids + 1, bias)
    with pytest.raises(ValueError, match=r"Centroids have shape \(3,\)"):
        CompressedLayer(codes, np.zeros(3), bias)
    with pytest.raises(ValueError, match=r"Codes 2 at index \(0, 0\) is outside \[0, 1\]"):
        CompressedLayer(codes + 2, centroids, bias)
    with pytest.raises(ValueError, match=r"Bias has shape \(3,\) but the codes have 2 rows"):
        CompressedLayer(codes, centroids, np.zeros(3))
    with pytest.raises(ValueError, match=r"Index bits 1 is outside \[2, 8\]"):
        CompressedLayer(codes, centroids, bias, 1)
    with pytest.raises(ValueError, match="out_range -1 is not finite and at least 0"):
        CompressedLayer(codes, centroids, bias, out_range=-1)
    for wrong in (True, "3"):
        with pytest.raises(TypeError, match="act_range .* is not a number"):
            CompressedLayer(codes, centroids, bias, act_range=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="Entries reach position 9 in a matrix of 3 x 3"):
        relative_decode(np.array([1], np.uint8), np.array([9], np.uint8), (3, 3))


def test_compress_end_to_end():
    mlp = Mlp.random((6, 20, 3), seed=4)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    y = mlp.activations(x)[-1].argmax(axis=1)
    ticks = []
    data = Data(x[:200], y[:200], x[200:], y[200:])
    found = compress(mlp, density=[0.3, 0.5], data=data, epochs=9, progress=lambda: ticks.append(1))
    assert len(ticks) == 12
    assert set(found.accuracy) == {"float", "pruned", "shared"}
    assert found.accuracy["float"] == 1.0
    assert found.accuracy["shared"] == to_mlp(found.layers).accuracy(data.test_x, data.test_y) > 0.8
    assert [int((one.codes > 0).sum()) for one in found.layers] == [36, 30]
    assert found.layers[0].codes.shape == (20, 6)
    values = to_mlp(found.layers).activations(x)
    assert [one.act_range for one in found.layers] == [np.abs(v).max() for v in values[:2]]
    assert [one.out_range for one in found.layers] == [np.abs(v).max() for v in values[1:]]
    assert found.fixed is not None
    assert found.error is not None
    assert found.saturated == (0, 0)
    np.testing.assert_array_equal(found.fixed.inputs, data.test_x)
    assert 0 < found.error.rms < found.error.largest < found.error.span / 2**10
    assert found.error.accuracy == pytest.approx(found.error.float_accuracy, abs=0.02)
    assert found.error.float_accuracy == found.accuracy["shared"]
    plain = compress(mlp, density=1.0, code_bits=8)
    np.testing.assert_allclose(plain.layers[0].weights.T, mlp.weights[0], atol=0.01)
    assert plain.accuracy == {}
    assert (plain.fixed, plain.error, plain.layers[0].act_range) == (None, None, None)
    with pytest.raises(ValueError, match="There are 3 densities for 2 layers"):
        compress(mlp, density=[0.1, 0.1, 0.1])
