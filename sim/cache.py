"""The user's cache: what takes long to build is built once, and used only while it is whole.

A build is kept under the hash of everything that went into it, so that several processes can share it: the first one
builds under a lock, the others wait. It counts only with its ``.done`` file, written last, which lists every file with
its size, mode and digest: what a crash has left behind, and what was damaged, cut off or deleted afterwards, is built
again. ``TERCET_CACHE`` moves the cache.
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
    """The simulator did not take the Verilog; the message ends with the log's last lines."""


class FolderBusy(OSError):
    """Another process writes into the folder."""


def cache_dir() -> Path:
    """Return the folder of compiled simulators: ``TERCET_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("TERCET_CACHE") or platformdirs.user_cache_dir("tercet")).absolute()


def cache_folder(name: str) -> Path:
    """Make a folder in the cache.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    folder = cache_dir() / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"Cache folder {str(cache_dir())!r} cannot be written ({error.strerror}); set TERCET_CACHE"
        raise type(error)(f"{reason} to a folder that can") from None
    return folder


def build_once(facts: Sequence, make: Callable[[Path], None]) -> Path:
    """Return the cache's folder for these facts, which `make` has filled, now or before.

    Parameters
    ----------
    facts : sequence
        All that decides what is built, as JSON can write it.
    make : callable
        Makes the folder it is given and builds in it; no other process does so meanwhile.

    Raises
    ------
    BuildError
        If `make` raises it, or the cache folder has a space.
    OSError
        If the cache cannot be written.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
    cache = cache_dir()
    folder = cache / "builds" / key
    if _is_whole(folder):
        return folder
    if " " in str(cache):
        raise BuildError(f"Cache folder {str(cache)!r} has a space, which make cannot build in; set TERCET_CACHE")
    cache_folder("builds")
    with filelock.FileLock(f"{folder}.lock"):
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            _mark_done(folder)
    return folder


@contextlib.contextmanager
def sole_writer(target: Path, busy: str = "") -> Iterator[None]:
    """Keep other processes of this user from writing a folder or a file; wait for one that does, or refuse.

    The lock is in the cache: nothing of it shows beside the target.

    Parameters
    ----------
    target : Path
        What is written, by this name or another.
    busy : str
        What to say where another process writes it, instead of waiting.

    Raises
    ------
    FolderBusy
        With `busy`, if another process writes it.
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
    """Write the list of all files, the digest of the list below it."""
    files = {str(path.relative_to(folder)): _facts(path) for path in folder.rglob("*") if path.is_file()}
    text = json.dumps(files, sort_keys=True)
    (folder / _DONE).write_text(f"{text}\n{hashlib.sha256(text.encode()).hexdigest()}")


def _is_whole(folder: Path) -> bool:
    """Whether a build is done and each of its files is as it was then."""
    try:
        text, _, digest = (folder / _DONE).read_text().partition("\n")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            return False
        return all(_facts(folder / name) == facts for name, facts in json.loads(text).items())
    # What is gone, or was overwritten by something that is not text.
    except (OSError, ValueError):
        return False


def _facts(path: Path) -> list:
    state = path.stat()
    return [state.st_size, state.st_mode & 0o777, _digest(path, state.st_size, state.st_mtime_ns, state.st_ino)]


@functools.lru_cache(maxsize=4096)
def _digest(path: Path, size: int, mtime_ns: int, inode: int) -> str:
    """Digest of a file's content; read once in a process while its size and time of change stay."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
