"""Array files that commands read and write."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tercet.golden.checks import check_names
from tercet.golden.numpy_file import read_numpy

from .output import write_files

__all__ = ["SAMPLES", "read_archive", "read_array", "read_roles", "write_array"]

SAMPLES = ("y", "test_x", "test_y")
"""Optional arrays of an ``.npz`` of samples, beside ``x``."""


def read_array(role: str, path: Path, others: Sequence[str] = ()) -> np.ndarray:
    """Read an array from a ``.npy``, or the one named `role` from an ``.npz`` that has no arrays but it and `others`.

    Raises
    ------
    ValueError
        If it is not a NumPy file, lacks the array, or has an array it must not have.
    OSError
        If the file cannot be read.
    """
    loaded = read_numpy(path)
    if isinstance(loaded, np.ndarray):
        return loaded
    check_names(loaded, [role], others, what=repr(str(path)))
    return loaded[role]


def read_roles(files: Mapping[str, Path | None]) -> dict[str, np.ndarray]:
    """Read arrays by role, where roles are flag names: each from a ``.npy``, or by its name from an ``.npz``.

    Every array in an ``.npz`` must have a role that is given, by this file or another: none is silently ignored.

    Raises
    ------
    ValueError, OSError
        As for `read_array`, and if an ``.npz`` has an array that no flag takes.
    """
    arrays: dict[str, np.ndarray] = {}
    given = {role: path for role, path in files.items() if path is not None}
    for path in dict.fromkeys(given.values()):
        roles = [role for role in given if given[role] == path]
        loaded = read_numpy(path)
        if isinstance(loaded, np.ndarray):
            arrays |= dict.fromkeys(roles, loaded)
            continue
        for name in loaded:
            if name in files and name not in given:
                raise ValueError(
                    f"{str(path)!r} has {name!r}, which no flag takes; add --{name} {path}, or leave it out of the file"
                )
        check_names(loaded, roles, [role for role in given if role not in roles], what=repr(str(path)))
        arrays |= {role: loaded[role] for role in roles}
    return arrays


def read_archive(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz``; raises as `read_array` does."""
    loaded = read_numpy(path)
    if isinstance(loaded, np.ndarray):
        raise ValueError(f"{str(path)!r} is a single array; use an .npz of named arrays")
    return loaded


def write_array(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy``, atomically.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    file = io.BytesIO()
    np.save(file, array)
    write_files(path.parent, {path.name: file.getvalue()})
