"""Arrays as files that a command is given, or writes."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tercet.golden.checks import check_names
from tercet.golden.numpy_file import read_numpy

from .output import write_files

__all__ = ["SAMPLES", "read_archive", "read_array", "read_roles", "write_array"]

SAMPLES = ("y", "test_x", "test_y")
"""What an ``.npz`` of samples may have beside ``x``."""


def read_array(role: str, path: Path, others: Sequence[str] = ()) -> np.ndarray:
    """An array from a ``.npy``, or the one named after its role from an ``.npz`` that has no other, but for `others`.

    Raises
    ------
    ValueError
        If the file is no NumPy file, or has no such array or one that it must not have.
    OSError
        If it cannot be read.
    """
    loaded = read_numpy(path)
    if isinstance(loaded, np.ndarray):
        return loaded
    check_names(loaded, [role], others, what=repr(str(path)))
    return loaded[role]


def read_roles(files: Mapping[str, Path | None]) -> dict[str, np.ndarray]:
    """Arrays by their roles, which are names of flags: each from a ``.npy``, or from an ``.npz`` by its name.

    Every array in an ``.npz`` is of a role that is given, by this file or another, so that none is left out unnoticed.

    Raises
    ------
    ValueError, OSError
        As of `read_array`, and if an ``.npz`` has an array that no flag takes.
    """
    found: dict[str, np.ndarray] = {}
    given = {role: path for role, path in files.items() if path is not None}
    for path in dict.fromkeys(given.values()):
        roles = [role for role in given if given[role] == path]
        loaded = read_numpy(path)
        if isinstance(loaded, np.ndarray):
            found |= dict.fromkeys(roles, loaded)
            continue
        for name in loaded:
            if name in files and name not in given:
                raise ValueError(
                    f"{str(path)!r} has {name!r}, which no flag takes; add --{name} {path}, or leave it out of the file"
                )
        check_names(loaded, roles, [role for role in given if role not in roles], what=repr(str(path)))
        found |= {role: loaded[role] for role in roles}
    return found


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
