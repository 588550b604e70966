"""User cache: slow builds are made once, and reused only while intact.

A build is stored under the hash of all its inputs, so that several processes can share it: the first one builds under a
lock, the others wait. It is valid only with its ``.done`` file, written last, which lists every file with its size,
mode and digest. A build that a crash left incomplete, or with files damaged, truncated or deleted since, is made again.
``TERCET_CACHE`` moves the cache.
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import filelock
import platformdirs

__all__ = ["BuildError", "FolderBusy", "build_once", "cache_dir", "cache_folder", "sole_writer"]

_DONE = ".done"


class BuildError(RuntimeError):
    """The simulator rejected the Verilog; the message ends with the last lines of the log."""


class FolderBusy(OSError):
    """Another process is writing the folder."""


def cache_dir() -> Path:
    """Return the folder of compiled simulators: ``TERCET_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("TERCET_CACHE") or platformdirs.user_cache_dir("tercet")).absolute()


def cache_folder(name: str) -> Path:
    """Return a folder of the cache, made if needed.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    folder = cache_dir() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"Cache folder {str(cache_dir())!r} cannot be written ({error.strerror})"
        raise type(error)(f"{reason}; set TERCET_CACHE to a writable folder") from None
    return folder


def build_once(facts: Sequence, make: Callable[[Path], None]) -> Path:
    """Return the cache folder of a build; `make` builds it if it is missing or damaged.

    Parameters
    ----------
    facts : sequence
        All inputs of the build, serialisable as JSON.
    make : callable
        Makes the given folder and builds in it; other processes wait meanwhile.

    Raises
    ------
    BuildError
        If `make` raises it, or the path of the cache contains a space.
    OSError
        If the cache cannot be written.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    cache = cache_dir()
    folder = cache / "builds" / key
    if _is_whole(folder):
        return folder
    if " " in str(cache):
        raise BuildError(f"Cache folder {str(cache)!r} contains a space, which breaks make; set TERCET_CACHE")
    cache_folder("builds")
    with filelock.FileLock(f"{folder}.lock"):
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            _mark_done(folder)
    return folder


@contextlib.contextmanager
def sole_writer(target: Path, busy: str = "") -> Iterator[None]:
    """Lock a folder or file against writing by other processes of this user; wait for the lock, or fail.

    The lock file is in the cache, not beside the target.

    Parameters
    ----------
    target : Path
        Folder or file to write; aliases of the path share the lock.
    busy : str
        Message of the error if another process is writing it; empty to wait instead.

    Raises
    ------
    FolderBusy
        With `busy`, if another process is writing it.
    OSError
        If the cache cannot be written.
    """
    key = hashlib.sha256(os.fsencode(target.resolve())).hexdigest()[:32]
    lock = filelock.FileLock(cache_folder("locks") / f"{key}.lock", timeout=0 if busy else -1)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise FolderBusy(busy) from None
    try:
        yield
    finally:
        lock.release()


def _mark_done(folder: Path) -> None:
    """Write the list of all files, followed by its digest."""
    files = {str(path.relative_to(folder)): _facts(path) for path in folder.rglob("*") if path.is_file()}
    text = json.dumps(files, sort_keys=True)
    (folder / _DONE).write_text(f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}")


def _is_whole(folder: Path) -> bool:
    """Whether a build is complete and all of its files are unchanged."""
    try:
        text, _, digest = (folder / _DONE).read_text().partition("\n")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            return False
        return all(_facts(folder / name) == facts for name, facts in json.loads(text).items())
    # A file is missing, or the list was overwritten by something that is not text.
    except (OSError, ValueError):
        return False


def _facts(path: Path) -> list:
    state = path.stat()
    return [state.st_size, state.st_mode & 0o777, _digest(path, state.st_size, state.st_mtime_ns, state.st_ino)]


@functools.lru_cache(maxsize=4096)
def _digest(path: Path, size: int, mtime_ns: int, inode: int) -> str:
    """Digest of a file's content; read once per process while size, modification time and inode stay."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
