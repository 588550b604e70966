"""Error reporting for files that are first written under a temporary name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["naming"]


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Make OS errors name the requested file or folder instead of its temporary stand-in.

    Raises
    ------
    OSError
        The error raised inside, with `path` as its file name.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        # OSError picks its subclass by the number.
        raise OSError(error.errno, error.strerror, str(path)) from None
