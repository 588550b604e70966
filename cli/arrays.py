"""Arrays as files that a command is given, or writes."""

import io
from pathlib import Path

import numpy as np
from tercet.golden.numpy_file import read_numpy

from .output import write_files

__all__ = ["read_archive", "read_array", "write_array"]


def read_array(role: str, path: Path) -> np.ndarray:
    """An array from a ``.npy``, or the one named after its role from an ``.npz``.

    Raises
    ------
    ValueError
        If the file is no NumPy file, or has no such array.
    OSError
        If it cannot be read.
    """
    loaded = read_numpy(path)
    if isinstance(loaded, np.ndarray):
        return loaded
    if role not in loaded:
        raise ValueError(f"{str(path)!r} has no array {role!r}; it has {', '.join(loaded) or 'none'}")
    return loaded[role]


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``; errors as in `read_array`."""
    loaded = read_numpy(path)
    if isinstance(loaded, np.ndarray):
        raise ValueError(f"{str(path)!r} is a single array; use an .npz with several")
    return loaded


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy``, whole or not at all.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    file = io.BytesIO()
    np.save(file, array)
    write_files(path.parent, {path.name: file.getvalue()})
