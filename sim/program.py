"""Build a C++ program around a Verilated design, for what cocotb is too slow or too far from.

It goes into the same cache as the simulators of `build`, by the same rules, and takes the objects of Verilator's
runtime from there.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import simulators
from .build import WARNINGS_OFF, compiler_environment, log_tail
from .cache import BuildError, build_once
from .simulators import Simulator

__all__ = ["build_program"]

_STANDARD = "c++17"
# Design and main are compiled with -O1: as fast as with -O2 where the line is most of the work, and built in half the
# time. The runtime is compiled as Verilator has it: the same object for every program.
_ARGS = [
    *WARNINGS_OFF,
    *("--no-timing", "-O3", "--x-assign", "fast", "--x-initial", "fast"),
    *("-MAKEFLAGS", "OPT_FAST=-O1", "-MAKEFLAGS", "--silent"),
]
_INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of a `make` above


def build_program(sources: Mapping[str, str], top: str, main: str, *, defines: Mapping[str, str] | None = None) -> Path:
    """Compile Verilog texts and a C++ main with Verilator, or return the program made from the same ones before.

    Parameters
    ----------
    sources : Mapping[str, str]
        File name to Verilog text.
    top : str
        Top module; its class is ``V<top>``.
    main : str
        C++17 text with the function ``main``.
    defines : Mapping[str, str], optional
        Preprocessor macros of `main`.

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
            raise ValueError(f"Macro {name!r} is no C++ name")
    simulator = simulators.find("verilator")
    facts = ["program", dict(sources), top, main, defines, simulator.version, _STANDARD, _ARGS]
    # In the text and not on the command line, which belongs to the key of the runtime's objects.
    text = "".join(f"#define {name} {value}\n" for name, value in defines.items()) + f'#line 1 "main.cpp"\n{main}'
    return build_once(facts, lambda folder: _compile(folder, sources, top, text, simulator)) / "program"


def _compile(folder: Path, sources: Mapping[str, str], top: str, main: str, simulator: Simulator) -> None:
    texts = folder / "sources"
    texts.mkdir(parents=True)
    for name, text in {**sources, "main.cpp": main}.items():
        (texts / name).write_text(text)
    log = folder / "build.log"
    command = [
        *("verilator", "--cc", "--exe", "--build", "--build-jobs", str(os.cpu_count() or 1)),
        *("--top-module", top, "--Mdir", str(folder / "objects"), "-o", str(folder / "program")),
        *("-CFLAGS", f"-std={_STANDARD}", *_ARGS),
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
