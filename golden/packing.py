"""Conversion between integer arrays and the payload bytes of a stream."""

import numpy as np

__all__ = ["join", "pack", "unpack"]


def _bits(values: np.ndarray, width: int) -> np.ndarray:
    """Expand (beats, lanes) integers to (beats, lanes * width) bits, LSB first."""
    shifts = np.arange(width, dtype=np.int64)
    return ((values.astype(np.int64)[:, :, None] >> shifts) & 1).astype(np.uint8).reshape(len(values), -1)


def pack(values: np.ndarray, width: int) -> np.ndarray:
    """Concatenate the lanes of each beat, lane 0 in the least significant bits.

    Parameters
    ----------
    values : (beats, lanes) integer array
        Two's complement or unsigned; bits above the width are truncated.
    width : int
        Width of a lane in bits.

    Returns
    -------
    (beats, ceil(lanes * width / 8)) uint8 array
    """
    if width in (8, 16, 32):
        small = np.ascontiguousarray(values.astype(np.int64).astype(f"<i{width // 8}"))
        return small.view(np.uint8).reshape(len(values), values.shape[1] * width // 8)
    return np.packbits(_bits(values, width), axis=1, bitorder="little")


def join(*fields: tuple[np.ndarray, int]) -> np.ndarray:
    """Pack the fields of a struct, each given as ``(values (beats,), width)``, starting at the LSB."""
    bits = np.concatenate([_bits(np.asarray(values)[:, None], width) for values, width in fields], axis=1)
    return np.packbits(bits, axis=1, bitorder="little")


def unpack(payloads: np.ndarray, width: int, lanes: int) -> np.ndarray:
    """Extract signed lanes from payload bytes, the inverse of `pack`; bits above the lanes are ignored.

    Parameters
    ----------
    payloads : (beats, bytes) uint8 array
        Payloads.
    width, lanes : int
        Width of a lane in bits, at most 32, and number of lanes.

    Returns
    -------
    (beats, lanes) int64 array
    """
    if width in (8, 16, 32):
        used = np.ascontiguousarray(payloads[:, : lanes * width // 8])
        return used.view(f"<i{width // 8}").astype(np.int64)
    bits = np.unpackbits(payloads, axis=1, bitorder="little")[:, : lanes * width].reshape(len(payloads), lanes, width)
    weights = np.int64(1) << np.arange(width, dtype=np.int64)
    weights[-1] = -weights[-1]
    return bits.astype(np.int64) @ weights
