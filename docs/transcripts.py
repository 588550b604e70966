"""Runs the commands shown on the pages and writes their output into the pages, verbatim.

python docs/transcripts.py docs/getting-started.md

A transcript is a code block of language `console`. Lines that begin with "$ " are commands; the lines up to the next
command are its output, and are replaced. The commands of a page share a new folder with a copy of `docs/examples`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["refresh"]

_BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.M | re.S)
_EXAMPLES = Path(__file__).parent / "examples"
_COLUMNS = "80"  # characters that fit a line of a page


def refresh(page: Path) -> None:
    """Run all commands of a page and replace their output.

    Raises
    ------
    RuntimeError
        If a command fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "examples")
        shutil.copytree(_EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
        page.write_text(_BLOCK.sub(lambda block: _run(block[1], folder), page.read_text()))


def _run(block: str, folder: Path) -> str:
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    return "".join(f"{command}\n{_output(command.removeprefix('$ '), folder)}" for command in commands)


def _output(command: str, folder: Path) -> str:
    print(f"$ {command}", flush=True)
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {**os.environ, "PATH": programs, "COLUMNS": _COLUMNS}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command!r} ended with status {done.returncode}:\n{done.stdout}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        refresh(Path(argument))
