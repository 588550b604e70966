"""Compile Verilog into a cached simulator, and run cocotb on it in a temporary folder.

Compiled simulators are kept in the user's cache, see `tercet.sim.cache`: the same RTL is compiled once.
``TERCET_SIM_CFLAGS`` adds flags for the C++ compiler: ``-O0`` halves the build time, but simulations run more slowly.
"""

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from . import simulators
from .cache import BuildError, build_once, cache_dir
from .simulators import Simulator
from .waves import compiler_has_fst_libraries, vcd_to_fst

__all__ = [
    "WARNINGS_OFF",
    "Build",
    "BuildError",
    "SimulationError",
    "build",
    "compiler_environment",
    "compiler_flags",
    "log_tail",
    "run",
    "unsplit",
]

# Verilator's style checks that generated code fails although it is correct by construction.
_STYLE = [
    *("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE", "CASEOVERLAP", "UNSIGNED", "CMPCONST"),
    *("UNOPTFLAT", "ASCRANGE", "TIMESCALEMOD", "PINMISSING", "COMBDLY", "ALWNEVER"),
]
WARNINGS_OFF = tuple(f"-Wno-{warning}" for warning in _STYLE)
"""Verilator arguments that disable these checks."""

_VERILATOR_ARGS = [
    *WARNINGS_OFF,
    *("-CFLAGS", "-std=c++20"),
    # cocotb makes every signal public, which prevents most optimisation; only the top's signals are needed.
    *("--no-public-flat-rw", "--public-depth", "1"),
    *("-O3", "--x-assign", "fast", "--x-initial", "fast"),
]
_TIMESCALE = ("1ns", "1ps")
_TAIL = 30  # last lines of a log that an error quotes


class SimulationError(RuntimeError):
    """A simulation failed; the message gives the reason."""


@dataclass(frozen=True)
class Build:
    """Compiled simulator: its folder, top module, simulator, and format of its waves ("", "vcd" or "fst")."""

    dir: Path
    top: str
    simulator: Simulator
    recording: str = ""


def build(
    sources: Mapping[str, str],
    top: str,
    simulator: Simulator | str | None = None,
    *,
    waves: str | os.PathLike | bool = False,
) -> Build:
    """Compile Verilog, or return the cached build of the same sources.

    Parameters
    ----------
    sources : Mapping[str, str]
        File name to Verilog text.
    top : str
        Top module.
    simulator : Simulator, str or None
        Simulator to build for; a name or None is looked up with :func:`simulators.find`.
    waves : path or bool
        Whether runs can record waves. A path selects the format by its suffix (.fst or .vcd); True is FST.

    Raises
    ------
    BuildError
        If the simulator's compiler fails.
    """
    if not isinstance(simulator, Simulator):
        simulator = simulators.find(simulator)
    recording = _waves_format(waves)
    args: list[str] = []
    flags = compiler_flags()
    if simulator.name == "verilator":
        if recording == "fst" and not compiler_has_fst_libraries():
            recording = "vcd"  # converted after the run
        # Without Verilator's copy of the top's ports: its scope is called $rootio, which VCD readers reject.
        args = [*_VERILATOR_ARGS, *([f"--trace-{recording}", "--no-trace-top"] if recording else [])]
        args += [*(arg for flag in flags for arg in ("-CFLAGS", flag)), *unsplit(flags)]
    elif not recording and all(name.endswith(".v") for name in sources):
        # Overrides cocotb's -g2012, as .v files are Verilog-2005. cocotb's wave recorder needs SystemVerilog.
        args = ["-g2005"]
    facts = [dict(sources), top, simulator.name, simulator.version, args, recording, _cocotb_facts()]
    folder = build_once(facts, lambda folder: _compile(Build(folder, top, simulator, recording), sources, args))
    return Build(folder, top, simulator, recording)


def compiler_flags() -> list[str]:
    """Return the flags that ``TERCET_SIM_CFLAGS`` adds."""
    return shlex.split(os.environ.get("TERCET_SIM_CFLAGS", ""))


def unsplit(flags: Sequence[str]) -> list[str]:
    """Return Verilator's arguments for one C++ file: for several it precompiles headers of its own, at each build.

    That takes as long as compiling them, so only builds that are optimised, which gain from both cores, are split.
    """
    return ["--output-split", "0"] if "-O0" in flags else []


def compiler_environment(simulator: Simulator) -> dict[str, str]:
    """Return additions to the environment of a build that take Verilator's runtime objects from the cache."""
    script = Path(__file__).with_name("_objcache.py").absolute()
    objcache = shlex.join([sys.executable, "-ISE", str(script), str(cache_dir() / "objects")])
    return {"OBJCACHE": objcache, **simulator.environment()}


def _waves_format(waves: str | os.PathLike | bool) -> str:
    if isinstance(waves, bool):
        return "fst" if waves else ""
    suffix = Path(waves).suffix
    if suffix not in (".fst", ".vcd"):
        raise ValueError(f"Waves file {os.fspath(waves)!r} must end in .fst or .vcd")
    return suffix[1:]


def _cocotb_facts() -> list[str]:
    import cocotb
    import cocotb_tools.config

    return [cocotb.__version__, str(cocotb_tools.config.libs_dir)]  # the rpath of a Verilator build


def _compile(result: Build, sources: Mapping[str, str], args: list[str]) -> None:
    from cocotb_tools.runner import get_runner

    folder = result.dir / "sources"
    folder.mkdir(parents=True)
    for name, text in sources.items():
        (folder / name).write_text(text)
    log = result.dir / "build.log"
    try:
        with _environment(compiler_environment(result.simulator)):
            get_runner(result.simulator.name).build(
                sources=[folder / name for name in sources],
                hdl_toplevel=result.top,
                build_dir=result.dir,
                build_args=args,
                timescale=_TIMESCALE,
                waves=bool(result.recording),
                log_file=log,
            )
    except (RuntimeError, SystemExit) as error:
        raise BuildError(f"{result.simulator} cannot build {result.top!r} (log in {log}):\n{log_tail(log)}") from error
    for pattern in ("*.o", "*.a", "*.d", "*.gch", "Vtop*"):  # only the program is needed
        for path in result.dir.glob(pattern):
            path.unlink()


def run(
    built: Build,
    test_module: str,
    *,
    plusargs: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    waves: str | os.PathLike | None = None,
    testcase: str | None = None,
) -> None:
    """Run the cocotb tests of a module, given by its import name, on a build.

    Output goes to a log in the run's own temporary folder, so processes can share a build. `waves` is the path of the
    recording, .fst or .vcd, if the build records; `testcase` runs only the test of that name.

    Raises
    ------
    SimulationError
        If a test fails, none ran, or the simulator stopped early.
    OSError
        If the waves cannot be written.
    """
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    if waves is not None and built.recording not in ("vcd", _waves_format(waves)):
        raise ValueError(
            f"Build records {built.recording or 'no waves'}, not {os.fspath(waves)!r}; build it with waves"
        )
    with tempfile.TemporaryDirectory(prefix="tercet-run-") as name:
        folder = Path(name)
        log, results, record = folder / "run.log", folder / "results.xml", folder / f"waves.{built.recording}"
        test_args: list[str] = []
        plusargs = list(plusargs)
        additions = {**(env or {}), **built.simulator.environment()}
        if waves is not None:
            _check_writable(Path(waves).absolute())
            if built.simulator.name == "verilator":
                test_args = ["--trace", "--trace-file", str(record)]
            else:
                # Last on vvp's command line, to override the runner's choice of format.
                plusargs.append(f"+dumpfile_path={record}")
                additions["SIM_CMD_SUFFIX"] = f"-{built.recording}"
        try:
            with _environment(additions):
                get_runner(built.simulator.name).test(
                    test_module=test_module,
                    hdl_toplevel=built.top,
                    hdl_toplevel_lang="verilog",
                    testcase=testcase,
                    build_dir=built.dir,
                    test_dir=folder,
                    results_xml=str(results),
                    test_args=test_args,
                    plusargs=plusargs,
                    log_file=log,
                )
            tests, failed = get_results(results)
        except (RuntimeError, SystemExit, ElementTree.ParseError):
            tests, failed = 0, _failures(results) != []
        finally:
            if waves is not None and record.exists():
                _deliver(record, Path(waves))
        if failed or tests == 0:
            reason = "; ".join(_failures(results)) or "no cocotb test ran to completion"
            raise SimulationError(f"{test_module} on {built.simulator}: {reason}\n{log_tail(log)}")


def _deliver(record: Path, waves: Path) -> None:
    """Move a recording to its destination, converted to the format of that suffix."""
    if record.suffix == waves.suffix:
        shutil.move(record, waves)
    else:
        vcd_to_fst(record, waves)


def _check_writable(path: Path) -> None:
    """Make the parent folder and try to open the file, to fail before the run rather than after it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab"):
            pass
    except OSError as error:
        raise OSError(f"Cannot write waves to {str(path)!r}: {error.strerror}") from None


def _failures(results: Path) -> list[str]:
    """Return the messages of the failed tests, one line each."""
    with contextlib.suppress(OSError, ElementTree.ParseError):
        tests = ElementTree.parse(results).iter("testcase")
        failures = [(t.get("name"), f) for t in tests for f in (*t.findall("failure"), *t.findall("error"))]
        texts = [(name, (f.get("message") or f.text or "").strip() or "failed") for name, f in failures]
        return [f"{name}: {text.splitlines()[0]}" for name, text in texts]
    return []


def log_tail(log: Path) -> str:
    """Return the last lines of a log."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
    except OSError:
        return "(no log)"


_environment_lock = threading.RLock()


@contextlib.contextmanager
def _environment(additions: Mapping[str, str]) -> Iterator[None]:
    """Give cocotb's runner a clean environment.

    The runner reads os.environ, where WAVES, GUI, COCOTB_* and pytest's variable change its behaviour, and a parent
    `make` passes on its MAKEFLAGS. One thread at a time: use processes for parallel runs.
    """
    with _environment_lock:
        saved = dict(os.environ)
        unwanted = ("WAVES", "GUI", "PYTEST_CURRENT_TEST", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GPI_USERS")
        try:
            for name in saved:
                if name in unwanted or name.startswith("COCOTB_"):
                    del os.environ[name]
            os.environ.update(additions)
            yield
        finally:
            os.environ.clear()
            os.environ.update(saved)
