"""Output of commands: tables, progress, and files written atomically."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from tercet.sim.files import naming

__all__ = ["check_file", "check_folder", "console", "progress", "table", "transferred", "working", "write_files"]


def _plain_console(**options: Any) -> Console:
    """Console that prints text verbatim: ``[flash]`` is not markup, ``:x:`` is not an emoji, numbers have no colour.

    Tables hold names of files, boards and packages, all of which may contain brackets. Every console of the command
    line is made here.
    """
    return Console(highlight=False, markup=False, emoji=False, **options)


def console() -> Console:
    """Console on standard output; 120 characters wide if that is not a terminal, enough for every table."""
    output = _plain_console()
    return output if output.is_terminal else _plain_console(width=120)


def table(title: str, *columns: str) -> Table:
    """Empty table; the first column is text that never wraps, the others are right-aligned."""
    result = Table(title=title, title_justify="left")
    for n, column in enumerate(columns):
        result.add_column(column, justify="right" if n else "left", no_wrap=not n, overflow="fold")
    return result


@contextlib.contextmanager
def progress(text: str, total: int) -> Iterator:
    """Show a progress bar; yields a function that advances it and can print a line.

    ``now`` is the current activity, as "phase, how far". Without a terminal there is no bar, only the lines and each
    new phase.
    """
    out = _plain_console(stderr=True)
    if not out.is_terminal:
        announced = set()

        def report(line: str = "", count: int = 1, now: str = "") -> None:
            phase = now.partition(",")[0]
            if line:
                out.print(line, soft_wrap=True)
            elif phase and phase not in announced:
                # Seeds of place and route run in parallel, each in a phase of its own.
                announced.add(phase)
                out.print(f"{phase} ...", soft_wrap=True)

        yield report
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as bar:
        task = bar.add_task(text, total=total)

        def advance(line: str = "", count: int = 1, now: str = "") -> None:
            bar.update(task, advance=count, description=f"{text}: {now}" if now else text)
            if line:
                bar.print(line)

        yield advance


def transferred(advance: Callable[..., None]) -> Callable[[int, int], None]:
    """Progress callback of a `Device` that advances a bar of `progress` by the share that is new."""
    done = 0

    def report(share: int, whole: int) -> None:
        nonlocal done
        advance(count=share - done)
        done = share

    return report


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """Show a spinner during work of unknown length; without a terminal, nothing."""
    # A status reads markup whatever its console does, except in a Text.
    with _plain_console(stderr=True).status(Text(text)):
        yield


def check_folder(folder: Path) -> None:
    """Make a folder and check that it is writable, so that a long command fails before its work rather than after.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder), tempfile.TemporaryFile(dir=folder):
        pass


def check_file(path: Path) -> None:
    """Check that a file can be written, as `check_folder` does for a folder.

    Raises
    ------
    OSError
        If its folder cannot be made or written, or `path` is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a folder; name a file", str(path))
    check_folder(path.parent)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> list[Path]:
    """Write files into a folder, each atomically; names may contain folders.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder):
        temporary_folder = tempfile.TemporaryDirectory(dir=folder, prefix=".tercet-")
    with temporary_folder as temporary:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            with naming(folder / name):
                Path(temporary, name).parent.mkdir(parents=True, exist_ok=True)
                Path(temporary, name).write_bytes(data)
        for name in files:
            with naming(folder / name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(temporary, name), folder / name)
    return [folder / name for name in files]
