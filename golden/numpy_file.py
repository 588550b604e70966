"""NumPy's files from outside: read, or refused in one line."""

import io
from pathlib import Path

import numpy as np

__all__ = ["read_numpy"]


def read_numpy(path: Path | str) -> np.ndarray | dict[str, np.ndarray]:
    """The array of a ``.npy``, or the arrays of an ``.npz`` by name; objects are refused.

    Raises
    ------
    ValueError
        If the file is neither, or damaged.
    OSError
        If it cannot be read.
    """
    content = io.BytesIO(Path(path).read_bytes())
    try:
        loaded = np.load(content, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    # Nothing but these bytes is read here, and by which of them is wrong NumPy, the archive's modules and Python's
    # tokenizer raise what they have: zlib.error, NotImplementedError, TokenError, MemoryError ...
    except Exception as error:
        # What NumPy does not know it takes for a pickle, and advises to load it unsafely.
        reason = "it is neither .npy nor .npz" if "pickle" in str(error) else error
        raise ValueError(f"{str(path)!r} is no NumPy file: {reason}") from None
