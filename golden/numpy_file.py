"""NumPy's files from outside: read, or refused in one line."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from .checks import native, show

__all__ = ["read_numpy"]

# How files begin: NumPy's own, and pickles since Python 2.3.
_ARRAYS = (b"\x93NUMPY", b"PK\x03\x04")
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_NO_OBJECTS = "save arrays of numbers, with allow_pickle=False"


class _Unfit(ValueError):
    """Content that NumPy reads and nobody here can use."""


def read_numpy(path: Path | str) -> np.ndarray | dict[str, np.ndarray]:
    """The array of a ``.npy``, or the arrays of an ``.npz`` by name, in this machine's byte order.

    Raises
    ------
    ValueError
        If the file is neither, or damaged, or has something else in it than arrays of plain types: Python objects, or
        the types of ``ml_dtypes``, of which NumPy's files keep nothing but the size.
    OSError
        If it cannot be read.
    """
    data = Path(path).read_bytes()
    # Nothing but these bytes is read here, and by which of them is wrong NumPy, the archive's modules and Python's
    # tokenizer raise what they have: zlib.error, NotImplementedError, TokenError, MemoryError ...
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _plain("it", loaded)
        with loaded:
            twice = [name for name, count in Counter(loaded.files).items() if count > 1]
            if twice:
                raise _Unfit(f"it has {show(twice[0])} twice")
            return {name: _plain(show(name), loaded[name]) for name in loaded.files}
    except _Unfit as error:
        raise ValueError(f"{str(path)!r} cannot be used: {error}") from None
    except Exception as error:
        # Also of what NumPy does not know: it takes that for a pickle, and advises to load it unsafely.
        if "pickle" not in str(error).lower():
            reason = f"is no NumPy file: {error}"
        elif data.startswith(_ARRAYS):
            reason = f"cannot be used: it has Python objects in it; {_NO_OBJECTS}"
        elif data.startswith(_PICKLES):
            reason = f"is no NumPy file: it is a pickle; {_NO_OBJECTS}"
        else:
            reason = "is no NumPy file: it is neither .npy nor .npz"
        raise ValueError(f"{str(path)!r} {reason}") from None


def _plain(what: str, array: Any) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise _Unfit(f"{what} is not an array; save nothing but arrays")
    if array.dtype.kind == "V" and array.dtype.names is None and array.dtype.itemsize in (1, 2):
        bits = 8 * array.dtype.itemsize
        kinds = "bfloat16" if bits == 16 else "FP8"
        raise _Unfit(
            f"{what} has dtype |V{bits // 8}, what NumPy makes of {kinds}; save the bit patterns, "
            f"with .view(np.uint{bits}) before saving"
        )
    if array.dtype.kind not in "biufcUS":
        raise _Unfit(f"{what} has dtype {show(array.dtype)}; save an array of numbers")
    return native(array)
