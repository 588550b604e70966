"""File format of a compressed network.

All numbers are little-endian::

    8   magic "TERCETC" and a zero byte
    4   version, 2
    4   number of layers
        for each layer:
    4   outputs
    4   inputs
    1   code bits
    1   index bits
    2   zero
    8   number of entries, including fillers
    8   size of the coded codes in bytes
    8   size of the coded distances in bytes
    8   largest magnitude of the inputs, float64, 0 if unknown
    8   largest magnitude of the outputs, float64, 0 if unknown
        centroids, 2**code_bits float32
        bias, out float32
        Huffman code lengths of the codes, 2**code_bits bytes
        Huffman code lengths of the distances, 2**index_bits bytes
        coded codes, then coded distances
    32  SHA-256 of all preceding bytes

Version 1, which lacks the magnitudes, is also read; the fraction bits are then those of the engine. The file stores
magnitudes rather than fraction bits because the latter also depend on the engine's accumulator width.

Entries are those of `relative_encode`: column by column, each a code and the number of zeros before it.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np

from .huffman import huffman_decode, huffman_encode
from .model import CompressedLayer, relative_decode, relative_encode

__all__ = ["dumps", "load", "loads", "save"]

_MAGIC, _VERSION = b"TERCETC\0", 2
_FILE = struct.Struct("<8sII")
_LAYERS = {1: struct.Struct("<IIBBHQQQ"), 2: struct.Struct("<IIBBHQQQdd")}
_DIGEST = 32


def dumps(layers: list[CompressedLayer]) -> bytes:
    """Serialise a compressed network; deterministic."""
    parts = [_FILE.pack(_MAGIC, _VERSION, len(layers))]
    for layer in layers:
        values, zeros = relative_encode(layer.codes, layer.index_bits)
        coded = [huffman_encode(values), huffman_encode(zeros)]
        rows, columns = layer.codes.shape
        sizes = [len(data) for data, _ in coded]
        ranges = (layer.act_range or 0.0, layer.out_range or 0.0)
        head = (rows, columns, layer.code_bits, layer.index_bits, 0, len(values), *sizes, *ranges)
        parts.append(_LAYERS[_VERSION].pack(*head))
        parts += [layer.centroids.astype("<f4").tobytes(), layer.bias.astype("<f4").tobytes()]
        for (_, lengths), bits in zip(coded, (layer.code_bits, layer.index_bits), strict=True):
            parts.append(lengths[: 2**bits].tobytes())
        parts += [data for data, _ in coded]
    body = b"".join(parts)
    return body + hashlib.sha256(body).digest()


def save(path: Path | str, layers: list[CompressedLayer]) -> None:
    """Write a compressed network.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    Path(path).write_bytes(dumps(layers))


def load(path: Path | str) -> list[CompressedLayer]:
    """Read a compressed network.

    Raises
    ------
    ValueError
        If the file is not a compressed network, has another version, or is truncated or damaged.
    OSError
        If the file cannot be read.
    """
    try:
        return loads(Path(path).read_bytes())
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None


def loads(data: bytes) -> list[CompressedLayer]:
    """Deserialise a compressed network; see `load`."""
    if data[: len(_MAGIC)] != _MAGIC[: len(data)]:
        raise ValueError("this is not a compressed network; its first bytes are not TERCETC")
    if len(data) < _FILE.size + _DIGEST:
        raise ValueError(f"the file is truncated after {len(data)} bytes; copy it again")
    _, version, count = _FILE.unpack_from(data)
    if version not in _LAYERS:
        known = " and ".join(map(str, _LAYERS))
        raise ValueError(f"the file has version {version}, this program reads {known}; use a matching version")
    if hashlib.sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise ValueError("the checksum is wrong: the file is damaged or truncated; copy it again")
    reader = _Reader(data[_FILE.size : -_DIGEST])
    layers = [_read_layer(reader, _LAYERS[version]) for _ in range(count)]
    if reader.left:
        raise ValueError(f"there are {reader.left} bytes after the last layer")
    return layers


class _Reader:
    """Cursor over bytes."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise ValueError(f"a layer needs {count} bytes but only {self.left} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def floats(self, count: int) -> np.ndarray:
        return np.frombuffer(self.take(4 * count), "<f4")


def _read_layer(reader: _Reader, head: struct.Struct) -> CompressedLayer:
    rows, columns, code_bits, index_bits, zero, entries, *rest = head.unpack(reader.take(head.size))
    sizes, ranges = rest[:2], [value or None for value in rest[2:]]
    if zero or not 1 <= code_bits <= 8 or not 2 <= index_bits <= 8:
        raise ValueError(f"a layer has {code_bits} code bits and {index_bits} index bits; use 1 to 8 and 2 to 8")
    if entries > rows * columns:
        raise ValueError(f"a layer of {rows} x {columns} has {entries} entries; there can be no more than weights")
    centroids, bias = reader.floats(2**code_bits), reader.floats(rows)
    lengths = [np.frombuffer(reader.take(2**bits), np.uint8) for bits in (code_bits, index_bits)]
    values, zeros = (
        huffman_decode(reader.take(size), np.pad(table, (0, 256 - len(table))), entries)
        for size, table in zip(sizes, lengths, strict=True)
    )
    return CompressedLayer(relative_decode(values, zeros, (rows, columns)), centroids, bias, index_bits, *ranges)
