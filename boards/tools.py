"""Place-and-route tools: found, or told how to install."""

import os
import shutil
import sys
from pathlib import Path

__all__ = ["ToolNotFound", "find_tool"]


class ToolNotFound(RuntimeError):
    """A tool is not installed; the message says how to get it."""


def find_tool(name: str) -> tuple[str, ...]:
    """How to start a tool: what the environment variable of its name says, a native one on PATH, or the one from pip.

    Parameters
    ----------
    name : str
        As on a command line, ``nextpnr-ecp5``; the variable is ``NEXTPNR_ECP5``.

    Raises
    ------
    ToolNotFound
        If there is none.
    """
    variable = name.replace("-", "_").upper()
    if variable in os.environ:
        return (os.environ[variable],)
    local = Path(sys.executable).with_name(f"yowasp-{name}")
    found = shutil.which(name) or (str(local) if local.exists() else shutil.which(f"yowasp-{name}"))
    if found is None:
        raise ToolNotFound(f"{name} is not installed; run: pip install 'tercet[pnr]', or set {variable}")
    return (found,)
