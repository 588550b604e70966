"""Safe reader for NumPy files from outside, with one-line errors."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from .checks import native, show

__all__ = ["read_numpy"]

# Magic bytes of .npy and .npz files, and of pickles since Python 2.3.
_ARRAYS = (b"\x93NUMPY", b"PK\x03\x04")
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_NO_OBJECTS = "save arrays of numbers, with allow_pickle=False"


class _Unfit(ValueError):
    """Content that NumPy can read but this project cannot use."""


def read_numpy(path: Path | str) -> np.ndarray | dict[str, np.ndarray]:
    """Read the array of a ``.npy``, or the arrays of an ``.npz`` by name, in this machine's byte order.

    Raises
    ------
    ValueError
        If the file is neither, is damaged, or holds anything but arrays of plain types: Python objects, for instance,
        or types of ``ml_dtypes``, of which NumPy's files record only the size.
    OSError
        If the file cannot be read.
    """
    data = Path(path).read_bytes()
    # Only these bytes are read here. Depending on which byte is damaged, NumPy, the archive modules and Python's
    # tokenizer raise different errors: zlib.error, NotImplementedError, TokenError, MemoryError ...
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return _plain("it", loaded)
        with loaded:
            duplicates = [name for name, count in Counter(loaded.files).items() if count > 1]
            if duplicates:
                raise _Unfit(f"it has {show(duplicates[0])} twice")
            return {name: _plain(show(name), loaded[name]) for name in loaded.files}
    except _Unfit as error:
        raise ValueError(f"{str(path)!r} cannot be used: {error}") from None
    except Exception as error:
        # NumPy takes unknown content for a pickle and advises loading it unsafely.
        if "pickle" not in str(error).lower():
            reason = f"is not a NumPy file: {error}"
        elif data.startswith(_ARRAYS):
            reason = f"cannot be used: it contains Python objects; {_NO_OBJECTS}"
        elif data.startswith(_PICKLES):
            reason = f"is not a NumPy file: it is a pickle; {_NO_OBJECTS}"
        else:
            reason = "is not a NumPy file: it is neither .npy nor .npz"
        raise ValueError(f"{str(path)!r} {reason}") from None


def _plain(what: str, array: Any) -> np.ndarray:
    if not isinstance(array, np.ndarray):
        raise _Unfit(f"{what} is not an array; save only arrays")
    if array.dtype.kind == "V" and array.dtype.names is None and array.dtype.itemsize in (1, 2):
        bits = 8 * array.dtype.itemsize
        kinds = "bfloat16" if bits == 16 else "FP8"
        raise _Unfit(
            f"{what} has dtype |V{bits // 8}, which is how NumPy stores {kinds}; save the bit patterns instead, "
            f"with .view(np.uint{bits}) before saving"
        )
    if array.dtype.kind not in "biufcUS":
        raise _Unfit(f"{what} has dtype {show(array.dtype)}; save an array of numbers")
    return native(array)
