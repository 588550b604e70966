"""What commands write: tables, progress, files that appear whole or not at all."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text
from tercet.sim.files import naming

__all__ = ["check_file", "check_folder", "console", "progress", "table", "working", "write_files"]


def _plain_console(**options: Any) -> Console:
    """A console that shows text as it is: ``[flash]`` is not markup, ``:x:`` is not an emoji, numbers have no colour.

    Names of files, boards and packages go into tables, and all of them may have brackets. Every console of the command
    line is made here.
    """
    return Console(highlight=False, markup=False, emoji=False, **options)


def console() -> Console:
    """Standard output; wide enough for every table where it is not a terminal."""
    output = _plain_console()
    return output if output.is_terminal else _plain_console(width=120)


def table(title: str, *columns: str) -> Table:
    """An empty table; the first column is text and whole however narrow a terminal is, the others are numbers."""
    result = Table(title=title, title_justify="left")
    for n, column in enumerate(columns):
        result.add_column(column, justify="right" if n else "left", no_wrap=not n, overflow="fold")
    return result


@contextlib.contextmanager
def progress(text: str, total: int) -> Iterator:
    """A progress bar; gives a function that advances it, with an optional line about what was done.

    ``now`` says what is being done meanwhile, "phase, how far". Where the output is no terminal there is no bar, only
    the lines and each new phase.
    """
    out = _plain_console(stderr=True)
    if not out.is_terminal:
        told = set()

        def tell(line: str = "", count: int = 1, now: str = "") -> None:
            phase = now.partition(",")[0]
            if line:
                out.print(line, soft_wrap=True)
            elif phase and phase not in told:
                # Several seeds of place and route are in several phases at a time.
                told.add(phase)
                out.print(f"{phase} ...", soft_wrap=True)

        yield tell
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out) as bar:
        task = bar.add_task(text, total=total)

        def advance(line: str = "", count: int = 1, now: str = "") -> None:
            bar.update(task, advance=count, description=f"{text}: {now}" if now else text)
            if line:
                bar.print(line)

        yield advance


@contextlib.contextmanager
def working(text: str) -> Iterator[None]:
    """A line that moves while something of unknown length is done; nothing where the output is no terminal."""
    # A status reads markup whatever its console does; not in a Text.
    with _plain_console(stderr=True).status(Text(text)):
        yield


def check_folder(folder: Path) -> None:
    """Make a folder and try to write into it, so that a long command fails before its work rather than after.

    Raises
    ------
    OSError
        If the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with naming(folder), tempfile.TemporaryFile(dir=folder):
        pass


def check_file(path: Path) -> None:
    """As `check_folder`, for a file that is to be written there.

    Raises
    ------
    OSError
        If its folder cannot be made or written, or a folder has its name.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a folder; name a file", str(path))
    check_folder(path.parent)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> list[Path]:
    """Write files into a folder, each complete or not at all; names may have folders in them.

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
