"""A compressed network: codes, their values and biases, layer by layer; and what it takes to store it."""

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
    """A layer whose weights are codes.

    Parameters
    ----------
    codes : (out, in) uint8 array
        0 where pruned, else which value.
    centroids : (2**code_bits,) float32 array
        The values; the first is 0.
    bias : (out,) float32 array
        Added to the product.
    index_bits : int
        Bits of a distance between entries in storage, 2 to 8.
    act_range, out_range : float or None
        Largest magnitude of the inputs, and of the outputs behind the ReLU, if any; None if unknown. Fixed-point
        engines choose their fraction bits by these.

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
            raise ValueError(f"Centroids have shape {centroids.shape}; use a vector of 2, 4, 8 and so on up to 256")
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
        """Bits of a code."""
        return len(self.centroids).bit_length() - 1

    @property
    def weights(self) -> np.ndarray:
        """The weights, (out, in) float32."""
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
    """The network in real numbers."""
    return Mlp([layer.weights.T.astype(float) for layer in layers], [layer.bias.astype(float) for layer in layers])


def relative_encode(codes: np.ndarray, index_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries of a matrix, column after column as one long vector.

    Parameters
    ----------
    codes : (out, in) uint8 array
        0 where there is no entry.
    index_bits : int
        Bits of a distance.

    Returns
    -------
    values, zeros : (entries,) uint8 arrays
        Code of each entry, and how many zeros are before it. After ``2**index_bits - 1`` zeros a filler, of code 0, is
        an entry of its own. Nothing stands for the zeros after the last entry.
    """
    values, zeros, _ = pack(codes.T.reshape(-1, 1), index_bits)
    return values, zeros


def relative_decode(values: np.ndarray, zeros: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The matrix of `relative_encode`.

    Raises
    ------
    ValueError
        If the entries do not fit the shape.
    """
    places, _ = unpack(zeros, np.array([0, len(zeros)]))
    if len(places) and places[-1] >= shape[0] * shape[1]:
        raise ValueError(f"Entries reach place {places[-1]} of a matrix of {shape[0]} x {shape[1]}")
    flat = np.zeros(shape[0] * shape[1], np.uint8)
    flat[places] = values
    return flat.reshape(shape[1], shape[0]).T.copy()


def sizes(layers: list[CompressedLayer]) -> dict[str, int]:
    """Bytes of a network at each stage of compression, biases included, and its entries.

    ``float``: all weights in 32 bits. ``pruned``: entries of a 32-bit value and a distance. ``shared``: entries of a
    code and a distance, and the values. ``huffman``: both Huffman-coded, with the lengths of their codes. Then
    ``entries`` (fillers included) and ``fillers``.
    """
    found: dict[str, int] = {"float": 0, "pruned": 0, "shared": 0, "huffman": 0, "entries": 0, "fillers": 0}
    for layer in layers:
        values, zeros = relative_encode(layer.codes, layer.index_bits)
        fixed = layer.bias.nbytes
        found["float"] += 4 * layer.codes.size + fixed
        found["pruned"] += -(-len(values) * (32 + layer.index_bits) // 8) + fixed
        fixed += layer.centroids.nbytes
        found["shared"] += -(-len(values) * (layer.code_bits + layer.index_bits) // 8) + fixed
        tables = len(layer.centroids) + 2**layer.index_bits
        found["huffman"] += sum(len(huffman_encode(part)[0]) for part in (values, zeros)) + tables + fixed
        found["entries"] += len(values)
        found["fillers"] += int((values == 0).sum())
    return found
