"""Between arrays of integers and the payload bytes of a stream."""

import numpy as np

__all__ = ["join", "pack", "unpack"]


def _bits(values: np.ndarray, width: int) -> np.ndarray:
    """(beats, lanes) integers to (beats, lanes * width) bits, least significant first."""
    shifts = np.arange(width, dtype=np.int64)
    return ((values.astype(np.int64)[:, :, None] >> shifts) & 1).astype(np.uint8).reshape(len(values), -1)


def pack(values: np.ndarray, width: int) -> np.ndarray:
    """Lanes side by side, lane 0 in the least significant bits.

    Parameters
    ----------
    values : (beats, lanes) integer array
        Two's complement or unsigned; what exceeds the width is cut off.
    width : int
        Bits of a lane.

    Returns
    -------
    (beats, ceil(lanes * width / 8)) uint8 array
    """
    if width in (8, 16, 32):
        small = np.ascontiguousarray(values.astype(np.int64).astype(f"<i{width // 8}"))
        return small.view(np.uint8).reshape(len(values), -1)
    return np.packbits(_bits(values, width), axis=1, bitorder="little")


def join(*fields: tuple[np.ndarray, int]) -> np.ndarray:
    """Pack the fields of a struct, the first in the least significant bits: ``(values (beats,), width)`` each."""
    bits = np.concatenate([_bits(np.asarray(values)[:, None], width) for values, width in fields], axis=1)
    return np.packbits(bits, axis=1, bitorder="little")


def unpack(payloads: np.ndarray, width: int, lanes: int) -> np.ndarray:
    """Signed lanes out of payload bytes: what `pack` put in; bits above the lanes are ignored.

    Parameters
    ----------
    payloads : (beats, bytes) uint8 array
        Payloads.
    width, lanes : int
        Bits of a lane, at most 32, and number of lanes.

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
