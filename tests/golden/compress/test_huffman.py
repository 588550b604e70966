"""Huffman codes: round trips, optimal lengths, damaged data."""

import math

import numpy as np
import pytest
from tercet.golden.compress import huffman_decode, huffman_encode


def draw(seed):
    """Symbols of a random, often skewed distribution."""
    rng = np.random.default_rng(seed)
    kinds = int(rng.integers(1, 257))
    odds = rng.random(kinds) ** rng.integers(1, 12)
    return rng.choice(rng.permutation(256)[:kinds], int(rng.integers(1, 3000)), p=odds / odds.sum()).astype(np.uint8)


@pytest.mark.parametrize("seed", range(40))
def test_round_trip(seed):
    symbols = draw(seed)
    data, lengths = huffman_encode(symbols)
    np.testing.assert_array_equal(huffman_decode(data, lengths, len(symbols)), symbols)
    # No code is shorter than the entropy; Huffman's exceeds it by less than a bit per symbol.
    counts = np.bincount(symbols)
    bits = int((lengths[: len(counts)] * counts).sum())
    assert len(data) == -(-bits // 8)
    share = counts[counts > 0] / len(symbols)
    entropy = -(share * np.log2(share)).sum() * len(symbols)
    assert entropy <= bits + 1e-6
    assert bits <= entropy + len(symbols)
    if len(share) > 1:
        assert sum(2.0 ** -int(n) for n in lengths if n) == 1


def test_codes_by_hand():
    """a: 0, b: 10, c: 110, d: 111, the first symbol in the most significant bit."""
    data, lengths = huffman_encode(np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 3]))
    assert lengths[:4].tolist() == [1, 2, 3, 3]
    assert data == bytes([0b00000101, 0b01011011, 0b10000000])


def test_longest_codes():
    """Fibonacci counts give the longest possible codes."""
    counts = [1, 1]
    while len(counts) < 22:
        counts.append(counts[-1] + counts[-2])
    symbols = np.repeat(np.arange(22), counts)
    data, lengths = huffman_encode(symbols)
    assert lengths.max() == 21
    np.testing.assert_array_equal(huffman_decode(data, lengths, len(symbols)), symbols)


def test_one_symbol_and_none():
    data, lengths = huffman_encode(np.full(17, 9))
    assert (len(data), lengths[9]) == (math.ceil(17 / 8), 1)
    assert huffman_decode(data, lengths, 17).tolist() == [9] * 17
    data, lengths = huffman_encode(np.zeros(0, np.uint8))
    assert data == b""
    assert huffman_decode(data, lengths, 0).shape == (0,)


def test_refuses():
    data, lengths = huffman_encode(np.array([0, 1, 2, 3] * 9))
    with pytest.raises(ValueError, match=r"ends or has an invalid code after 36 of 40 symbols"):
        huffman_decode(data, lengths, 40)
    with pytest.raises(ValueError, match=r"continues after 30 symbols, which take 60 bits"):
        huffman_decode(data, lengths, 30)
    with pytest.raises(ValueError, match="ends or has an invalid code after 32 of 36"):
        huffman_decode(data[:-1], lengths, 36)
    with pytest.raises(ValueError, match="has an invalid code after 0 of 1"):
        huffman_decode(b"\xff", np.eye(1, 256, 5, dtype=np.uint8)[0], 1)
    with pytest.raises(ValueError, match="are not those of a prefix code"):
        huffman_decode(data, np.ones(256, np.uint8), 4)
    with pytest.raises(ValueError, match=r"Code lengths have shape \(4,\)"):
        huffman_decode(data, lengths[:4], 36)
    with pytest.raises(ValueError, match="does not hold 3 symbols of 0 codes"):
        huffman_decode(b"", np.zeros(256, np.uint8), 3)
    with pytest.raises(ValueError, match=r"Symbols 256 at index \(1,\) is outside"):
        huffman_encode(np.array([1, 256]))
    with pytest.raises(ValueError, match="use a vector"):
        huffman_encode(np.zeros((2, 2), np.uint8))
