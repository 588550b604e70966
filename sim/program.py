"""Build C++ programs around a Verilated design, for uses where cocotb is too slow or does not fit.

Programs share the cache and its rules with the simulators of `build`, and take the objects of Verilator's runtime from
it.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import simulators
from .build import WARNINGS_OFF, compiler_environment, compiler_flags, log_tail, unsplit
from .cache import BuildError, build_once
from .simulators import Simulator

__all__ = ["build_program"]

_STANDARD = "c++17"
# Design and main are compiled with -O1: as fast as -O2 where the serial line is most of the work, in half the build
# time. The runtime keeps Verilator's flags, so every program shares its objects.
_ARGS = [
    *WARNINGS_OFF,
    *("--no-timing", "-O3", "--x-assign", "fast", "--x-initial", "fast"),
    *("-MAKEFLAGS", "OPT_FAST=-O1", "-MAKEFLAGS", "--silent"),
]
_INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # from a parent `make`


def build_program(sources: Mapping[str, str], top: str, main: str, *, defines: Mapping[str, str] | None = None) -> Path:
    """Compile Verilog and a C++ main with Verilator, or return the cached program of the same sources.

    Parameters
    ----------
    sources : Mapping[str, str]
        File name to Verilog text.
    top : str
        Top module; its class is ``V<top>``.
    main : str
        C++17 source with the function ``main``.
    defines : Mapping[str, str], optional
        Preprocessor macros for `main`: name to value.

    Returns
    -------
    Path
        The executable.

    Raises
    ------
    SimulatorNotFound
        If there is no usable Verilator.
    BuildError
        If Verilator or the C++ compiler fails.
    """
    defines = dict(defines or {})
    for name in defines:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise ValueError(f"Macro {name!r} is not a C++ identifier; use letters, digits and _")
    simulator = simulators.find("verilator")
    args = [*_ARGS, *unsplit(compiler_flags())]
    facts = ["program", dict(sources), top, main, defines, simulator.version, _STANDARD, args]
    # In the source, not on the command line, which is part of the key of the runtime's objects.
    text = "".join(f"#define {name} {value}\n" for name, value in defines.items()) + f'#line 1 "main.cpp"\n{main}'
    return build_once(facts, lambda folder: _compile(folder, sources, top, text, simulator, args)) / "program"


def _compile(
    folder: Path, sources: Mapping[str, str], top: str, main: str, simulator: Simulator, args: Sequence[str]
) -> None:
    texts = folder / "sources"
    texts.mkdir(parents=True)
    for name, text in {**sources, "main.cpp": main}.items():
        (texts / name).write_text(text)
    log = folder / "build.log"
    command = [
        *("verilator", "--cc", "--exe", "--build", "--build-jobs", str(os.cpu_count() or 1)),
        *("--top-module", top, "--Mdir", str(folder / "objects"), "-o", str(folder / "program")),
        *("-CFLAGS", f"-std={_STANDARD}", *args),
        *(str(texts / name) for name in [*sources, "main.cpp"]),
    ]
    inherited = {name: value for name, value in os.environ.items() if name not in _INHERITED}
    with open(log, "wb") as output:
        status = subprocess.run(
            command,
            env={**inherited, **compiler_environment(simulator)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if status != 0:
        raise BuildError(f"{simulator} cannot build {top!r} (log in {log}):\n{log_tail(log)}")
    shutil.rmtree(folder / "objects")  # only the program is needed
