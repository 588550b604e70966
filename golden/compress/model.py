"""Compressed network: codes, centroids and biases per layer, and storage sizes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.checks import ByValue, float_array, int_array, integer, show
from tercet.golden.eie.storage import pack, unpack
from tercet.golden.networks.mlp import Mlp

from .huffman import huffman_encode

__all__ = ["CompressedLayer", "relative_decode", "relative_encode", "sizes", "to_mlp"]


@dataclass(frozen=True, eq=False)
class CompressedLayer(ByValue):
    """A layer whose weights are codes into a table of values.

    Parameters
    ----------
    codes : (out, in) uint8 array
        0 where pruned, otherwise an index into `centroids`.
    centroids : (2**code_bits,) float32 array
        Value of each code; the first is 0.
    bias : (out,) float32 array
        Bias of each output.
    index_bits : int
        Width in bits of the distance between entries in storage, 2 to 8.
    act_range, out_range : float or None
        Largest magnitude of the inputs, and of the outputs after the ReLU, if any; None if unknown. They determine the
        fraction bits on fixed-point engines.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or range.

    Notes
    -----
    Arrays are copied and read-only.
    """

    codes: np.ndarray
    centroids: np.ndarray
    bias: np.ndarray
    index_bits: int = 4
    act_range: float | None = None
    out_range: float | None = None

    def __post_init__(self):
        centroids = float_array("Centroids", self.centroids).astype(np.float32)
        if centroids.ndim != 1 or len(centroids) not in [2**n for n in range(1, 9)]:
            raise ValueError(f"Centroids have shape {centroids.shape}; use a vector of 2, 4, 8 ... or 256 values")
        if centroids[0] != 0:
            raise ValueError(f"Centroid 0 is {centroids[0]}; it is the value of pruned weights, use 0")
        codes = int_array("Codes", self.codes, (0, len(centroids) - 1), f"there are {len(centroids)} centroids")
        if codes.ndim != 2 or 0 in codes.shape:
            raise ValueError(f"Codes have shape {codes.shape}; use a matrix (out, in)")
        bias = float_array("Bias", self.bias).astype(np.float32)
        if bias.shape != codes.shape[:1]:
            raise ValueError(f"Bias has shape {bias.shape} but the codes have {len(codes)} rows; use ({len(codes)},)")
        for name in ("act_range", "out_range"):
            object.__setattr__(self, name, _range(name, getattr(self, name)))
        object.__setattr__(self, "index_bits", integer("Index bits", self.index_bits, (2, 8)))
        for name, array in (("codes", codes.astype(np.uint8)), ("centroids", centroids), ("bias", bias)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def code_bits(self) -> int:
        """Width of a code in bits."""
        return len(self.centroids).bit_length() - 1

    @property
    def weights(self) -> np.ndarray:
        """Dense weights, (out, in) float32."""
        return self.centroids[self.codes]


def _range(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name} {show(value)} is not a number; use the largest magnitude, or None")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} {value} is not finite and at least 0; use the largest magnitude, or None")
    return float(value)


def to_mlp(layers: list[CompressedLayer]) -> Mlp:
    """Convert a compressed network to one in real numbers."""
    return Mlp([layer.weights.T.astype(float) for layer in layers], [layer.bias.astype(float) for layer in layers])


def relative_encode(codes: np.ndarray, index_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Encode a matrix as entries, treating its columns as one long vector.

    Parameters
    ----------
    codes : (out, in) uint8 array
        Codes, 0 where there is no entry.
    index_bits : int
        Width of a distance in bits.

    Returns
    -------
    values, zeros : (entries,) uint8 arrays
        Code of each entry, and the number of zeros before it. The zero after ``2**index_bits - 1`` zeros becomes a
        filler, an entry with code 0. Zeros after the last entry are not stored.
    """
    values, zeros, _ = pack(codes.T.reshape(-1, 1), index_bits)
    return values, zeros


def relative_decode(values: np.ndarray, zeros: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Decode entries to the matrix, the inverse of `relative_encode`.

    Raises
    ------
    ValueError
        If the entries exceed the shape.
    """
    positions, _ = unpack(zeros, np.array([0, len(zeros)]))
    if len(positions) and positions[-1] >= shape[0] * shape[1]:
        raise ValueError(f"Entries reach position {positions[-1]} in a matrix of {shape[0]} x {shape[1]}")
    flat = np.zeros(shape[0] * shape[1], np.uint8)
    flat[positions] = values
    return flat.reshape(shape[1], shape[0]).T.copy()


def sizes(layers: list[CompressedLayer]) -> dict[str, int]:
    """Compute a network's size in bytes at each stage of compression, including biases, and its number of entries.

    ``float``: all weights in 32 bits. ``pruned``: entries of a 32-bit value and a distance. ``shared``: entries of a
    code and a distance, plus the centroids. ``huffman``: codes and distances Huffman-coded, plus the code lengths.
    ``entries`` counts entries, including fillers, and ``fillers`` the fillers alone.
    """
    totals: dict[str, int] = {"float": 0, "pruned": 0, "shared": 0, "huffman": 0, "entries": 0, "fillers": 0}
    for layer in layers:
        values, zeros = relative_encode(layer.codes, layer.index_bits)
        fixed = layer.bias.nbytes
        totals["float"] += 4 * layer.codes.size + fixed
        totals["pruned"] += -(-len(values) * (32 + layer.index_bits) // 8) + fixed
        fixed += layer.centroids.nbytes
        totals["shared"] += -(-len(values) * (layer.code_bits + layer.index_bits) // 8) + fixed
        tables = len(layer.centroids) + 2**layer.index_bits
        totals["huffman"] += sum(len(huffman_encode(part)[0]) for part in (values, zeros)) + tables + fixed
        totals["entries"] += len(values)
        totals["fillers"] += int((values == 0).sum())
    return totals
