"""Errors of files that are written under a temporary name first."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["naming"]


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let the system's errors name the file or folder that was asked for, rather than what stands in for it.

    Raises
    ------
    OSError
        Of the kind that was raised inside, for `path`.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        # OSError finds the class of the number by itself.
        raise OSError(error.errno, error.strerror, str(path)) from None
