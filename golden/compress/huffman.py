"""Canonical Huffman codes of byte symbols.

Only the length of each symbol's code is kept: codes of one length are consecutive numbers in the order of the symbols,
and shorter codes come first.
"""

import heapq

import numpy as np
from tercet.golden.checks import int_array, integer

__all__ = ["huffman_decode", "huffman_encode"]

_LONGEST = 57  # a window of 64 bits holds it at every place in a byte


def huffman_encode(symbols: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Encode symbols.

    Parameters
    ----------
    symbols : (count,) integer array
        0 to 255.

    Returns
    -------
    data : bytes
        Their codes, most significant bit first, zeros up to a whole byte.
    lengths : (256,) uint8 array
        Bits of each symbol's code, 0 for one that does not occur.

    Raises
    ------
    TypeError, ValueError
        If the symbols are no vector of bytes.
    """
    symbols = int_array("Symbols", symbols, (0, 255), "use bytes")
    if symbols.ndim != 1:
        raise ValueError(f"Symbols have shape {symbols.shape}; use a vector")
    lengths = _lengths(np.bincount(symbols, minlength=256))
    codes = _codes(lengths)
    sizes = lengths[symbols].astype(np.int64)
    # One row a bit: which code it is from, and how far from that code's end.
    below = np.repeat(np.cumsum(sizes), sizes) - np.arange(sizes.sum()) - 1
    bits = np.repeat(codes[symbols], sizes) >> below.astype(np.uint64) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8)).tobytes(), lengths


def _lengths(counts: np.ndarray) -> np.ndarray:
    """Code lengths by Huffman's algorithm; ties go to the lower symbol, so that they are the same everywhere."""
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
    """The code of each symbol, uint64."""
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
    """Decode what `huffman_encode` gave.

    Parameters
    ----------
    data : bytes
        Codes.
    lengths : (256,) uint8 array
        Bits of each symbol's code.
    count : int
        Symbols to decode, which must be all of them.

    Returns
    -------
    (count,) uint8 array

    Raises
    ------
    TypeError, ValueError
        If the lengths are those of no code, or the data has other than `count` symbols.
    """
    lengths = int_array("Code lengths", lengths, (0, _LONGEST), "use those that huffman_encode gave")
    if lengths.shape != (256,):
        raise ValueError(f"Code lengths have shape {lengths.shape}; use (256,)")
    count = integer("Count", count, (0, 2**40))
    used = np.flatnonzero(lengths)
    if sum(2 ** (_LONGEST - int(n)) for n in lengths[used]) > 2**_LONGEST:
        raise ValueError("Code lengths belong to no prefix code; use those that huffman_encode gave")
    if count == 0 or not len(used):
        if count or data:
            raise ValueError(f"Data of {len(data)} bytes does not hold {count} symbols of {len(used)} codes")
        return np.zeros(0, np.uint8)
    symbols, sizes = _at_every_bit(data, lengths, used)
    return _follow(symbols, sizes, count, len(data))


def _at_every_bit(data: bytes, lengths: np.ndarray, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symbol whose code would begin at each bit of the data, and the size of that code; 0 where there is none."""
    padded = np.frombuffer(data + bytes(8), np.uint8).astype(np.uint64)
    window = np.zeros(len(data), np.uint64)
    for n in range(8):
        window = window << np.uint64(8) | padded[n : n + len(data)]
    window = (window[:, None] << np.arange(8, dtype=np.uint64)).ravel()
    # Codes, moved to the top of the window, ascend with their place in the code book.
    book = used[np.lexsort((used, lengths[used]))]
    starts = _codes(lengths.astype(np.uint8))[book] << (64 - lengths[book]).astype(np.uint64)
    place = np.searchsorted(starts, window, side="right") - 1
    symbols, sizes = book[place].astype(np.uint8), lengths[book[place]]
    # Beyond the last code there may be none.
    whole = (window ^ starts[place]) >> (64 - sizes).astype(np.uint64) == 0
    return symbols, np.where(whole, sizes, 0)


def _follow(symbols: np.ndarray, sizes: np.ndarray, count: int, data_bytes: int) -> np.ndarray:
    steps = sizes.tolist()
    places, place, end = [], 0, len(steps)
    for number in range(count):
        if place >= end or not steps[place] or place + steps[place] > end:
            raise ValueError(f"Data of {data_bytes} bytes ends or has no code after {number} of {count} symbols")
        places.append(place)
        place += steps[place]
    if end - place >= 8:
        raise ValueError(f"Data of {data_bytes} bytes goes on after {count} symbols, which take {place} bits")
    return symbols[places]
