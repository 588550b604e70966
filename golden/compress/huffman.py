"""Canonical Huffman codes of byte symbols.

Only the code lengths are stored: codes of equal length are consecutive numbers in symbol order, and shorter codes come
first.
"""

import heapq

import numpy as np
from tercet.golden.checks import int_array, integer

__all__ = ["huffman_decode", "huffman_encode"]

_LONGEST = 57  # fits a 64-bit window at every bit offset in a byte


def huffman_encode(symbols: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Huffman-encode symbols.

    Parameters
    ----------
    symbols : (count,) integer array
        Symbols, 0 to 255.

    Returns
    -------
    data : bytes
        Codes, MSB first, zero-padded to a whole byte.
    lengths : (256,) uint8 array
        Code length of each symbol in bits, 0 for unused symbols.

    Raises
    ------
    TypeError, ValueError
        If the symbols are not a vector of bytes.
    """
    symbols = int_array("Symbols", symbols, (0, 255), "use bytes")
    if symbols.ndim != 1:
        raise ValueError(f"Symbols have shape {symbols.shape}; use a vector")
    lengths = _lengths(np.bincount(symbols, minlength=256))
    codes = _codes(lengths)
    sizes = lengths[symbols].astype(np.int64)
    # For each output bit: its distance from the end of its code.
    below = np.repeat(np.cumsum(sizes), sizes) - np.arange(sizes.sum()) - 1
    bits = np.repeat(codes[symbols], sizes) >> below.astype(np.uint64) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8)).tobytes(), lengths


def _lengths(counts: np.ndarray) -> np.ndarray:
    """Code lengths by Huffman's algorithm; ties go to the lower symbol, so the result is deterministic."""
    lengths = np.zeros(256, np.uint8)
    heap = [(int(count), symbol, [symbol]) for symbol, count in enumerate(counts) if count]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
    heapq.heapify(heap)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        members = first[2] + second[2]
        lengths[members] += 1
        heapq.heappush(heap, (first[0] + second[0], min(first[1], second[1]), members))
    return lengths


def _codes(lengths: np.ndarray) -> np.ndarray:
    """Canonical code of each symbol, uint64."""
    codes = np.zeros(256, np.uint64)
    code = length = 0
    for symbol in np.lexsort((np.arange(256), lengths)):
        if lengths[symbol]:
            code <<= int(lengths[symbol]) - length
            length = int(lengths[symbol])
            codes[symbol] = code
            code += 1
    return codes


def huffman_decode(data: bytes, lengths: np.ndarray, count: int) -> np.ndarray:
    """Decode the output of `huffman_encode`.

    Parameters
    ----------
    data : bytes
        Codes.
    lengths : (256,) uint8 array
        Code length of each symbol in bits.
    count : int
        Number of symbols in the data.

    Returns
    -------
    (count,) uint8 array

    Raises
    ------
    TypeError, ValueError
        If the lengths are not those of a prefix code, or the data does not hold exactly `count` symbols.
    """
    lengths = int_array("Code lengths", lengths, (0, _LONGEST), "use those from huffman_encode")
    if lengths.shape != (256,):
        raise ValueError(f"Code lengths have shape {lengths.shape}; use (256,)")
    count = integer("Count", count, (0, 2**40))
    used = np.flatnonzero(lengths)
    if sum(2 ** (_LONGEST - int(n)) for n in lengths[used]) > 2**_LONGEST:
        raise ValueError("Code lengths are not those of a prefix code; use those from huffman_encode")
    if count == 0 or not len(used):
        if count or data:
            raise ValueError(f"Data of {len(data)} bytes does not hold {count} symbols of {len(used)} codes")
        return np.zeros(0, np.uint8)
    symbols, sizes = _at_every_bit(data, lengths, used)
    return _follow(symbols, sizes, count, len(data))


def _at_every_bit(data: bytes, lengths: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symbol whose code would start at each bit of the data, and the code's length; 0 if no code matches."""
    padded = np.frombuffer(data + bytes(8), np.uint8).astype(np.uint64)
    window = np.zeros(len(data), np.uint64)
    for n in range(8):
        window = window << np.uint64(8) | padded[n : n + len(data)]
    window = (window[:, None] << np.arange(8, dtype=np.uint64)).ravel()
    # Codes, left-aligned in the window, ascend with their index in the code book.
    book = used[np.lexsort((used, lengths[used]))]
    starts = _codes(lengths.astype(np.uint8))[book] << (64 - lengths[book]).astype(np.uint64)
    index = np.searchsorted(starts, window, side="right") - 1
    symbols, sizes = book[index].astype(np.uint8), lengths[book[index]]
    # Above the last code, no code may match.
    whole = (window ^ starts[index]) >> (64 - sizes).astype(np.uint64) == 0
    return symbols, np.where(whole, sizes, 0)


def _follow(symbols: np.ndarray, sizes: np.ndarray, count: int, data_bytes: int) -> np.ndarray:
    """Decode by following the codes from bit to bit."""
    steps = sizes.tolist()
    starts, bit, end = [], 0, len(steps)
    for number in range(count):
        if bit >= end or not steps[bit] or bit + steps[bit] > end:
            raise ValueError(
                f"Data of {data_bytes} bytes ends or has an invalid code after {number} of {count} symbols"
            )
        starts.append(bit)
        bit += steps[bit]
    if end - bit >= 8:
        raise ValueError(f"Data of {data_bytes} bytes continues after {count} symbols, which take {bit} bits")
    return symbols[starts]
