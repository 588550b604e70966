"""NumPy files from outside: read, or refused in one line."""

import zipfile
from pathlib import Path

import numpy as np

__all__ = ["read_archive", "read_array"]


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (EOFError, ValueError, zipfile.BadZipFile) as error:
        # What NumPy does not know it takes for a pickle, and advises to load it unsafely.
        reason = "it is neither .npy nor .npz" if "pickle" in str(error) else error
        raise ValueError(f"{str(path)!r} is no NumPy file: {reason}") from None


def read_array(role: str, path: Path) -> np.ndarray:
    """An array from a ``.npy``, or the one named after its role from an ``.npz``.

    Raises
    ------
    ValueError
        If the file is no NumPy file, or has no such array.
    OSError
        If it cannot be read.
    """
    loaded = _load(path)
    if isinstance(loaded, np.ndarray):
        return loaded
    if role not in loaded:
        raise ValueError(f"{str(path)!r} has no array {role!r}; it has {', '.join(loaded) or 'none'}")
    return loaded[role]


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``; errors as in `read_array`."""
    loaded = _load(path)
    if isinstance(loaded, np.ndarray):
        raise ValueError(f"{str(path)!r} is a single array; use an .npz with several")
    return loaded
