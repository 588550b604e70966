"""nextpnr: started, watched, and read."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic as _now
from typing import Any

import filelock
from tercet.rtl.yowasp import cache_problem
from tercet.sim.cache import cache_folder

from .netlist import DoesNotFit, SynthesisError

__all__ = ["PATIENCE_S", "PLACERS", "RoutedDesign", "RouterStuck", "check_placer", "place_and_route"]

PLACERS = {
    "heap": ("--placer", "heap"),
    "timing": ("--placer", "heap", "--placer-heap-timingweight", "30"),
    "static": ("--placer", "static"),
}
"""How nextpnr finds places, by name: its flags."""
PATIENCE_S = 900.0
"""How long nextpnr may say nothing, in seconds. It tells of every turn of its placers, which take seconds."""
TURNS = 1000
"""How many turns router2 may take without a wire less that two nets want; one that succeeds takes a few dozen."""

# How long is waited between two looks at the log, and how much of the time between them counts at most.
_LOOK_S, _LOOK_MOST_S = 0.25, 5.0
_NO_PLACE = r"[Uu]nable to (find a )?place|legal placement|expand region|too many|exceeds"
# What a line of the log says it is doing, and how far it is.
_STATES = (
    (r"initial placer iter|main analytical placer", "placing"),
    (r"at iteration #(\d+), type", "placing, turn {}"),
    (r"iter=(\d+) steplen=", "placing, turn {}"),
    (r"simulated annealing placer", "moving what is placed"),
    (r"at iteration #(\d+): temp", "moving what is placed, turn {}"),
    (r"Routing\.\.|Setting up routing", "routing"),
    (r"\|\s*(\d+)\s*\|[^|]*\|\s*$", "routing, {} to go"),
    (r"iter=\d+ wires=\d+ overused=(\d+)", "routing, {} to go"),
)
_OVERUSED = re.compile(r"iter=\d+ wires=\d+ overused=(\d+)")


class RouterStuck(SynthesisError):
    """Two nets take the same wires from each other for ever."""


@dataclass(frozen=True)
class RoutedDesign:
    """What nextpnr reports.

    Attributes
    ----------
    clocks : dict
        Clock, without what nextpnr adds to its name, to MHz that it ``reached`` and that were ``asked``.
    path : list of str
        The slowest way from register to register: delay, kind and end of every hop.
    """

    clocks: dict[str, dict[str, float]]
    path: list[str]


def check_placer(name: str) -> None:
    """Raise ValueError if a placer is none of `PLACERS`."""
    if name not in PLACERS:
        raise ValueError(f"Placer {name!r} is unknown; use one of {', '.join(PLACERS)}")


def place_and_route(
    command: Sequence[str],
    folder: Path,
    *,
    log: str,
    report: str,
    target: str,
    patience_s: float = PATIENCE_S,
    watch: Callable[[str], None] = lambda state: None,
) -> RoutedDesign:
    """Run nextpnr.

    Parameters
    ----------
    command : sequence of str
        nextpnr with its flags, ``--quiet``, ``--log`` and ``--report`` among them.
    folder : Path
        Where to run it.
    log, report : str
        Names of the files there that it writes.
    target : str
        Where it places to, in words.
    patience_s : float
        It is stopped when it has said nothing for so long: the heap placer can search without end where most of the
        multipliers are used.
    watch : callable
        Called with what it is doing, whenever that changes.

    Raises
    ------
    DoesNotFit
        If it finds no place.
    RouterStuck
        If router2 makes no progress any more. It would go on for ever.
    SynthesisError
        If it fails otherwise, or was stopped.
    """
    _start_first(command[0], watch)
    with (folder / f"{log}.errors").open("w+") as errors:
        # Into a file: a pipe that nobody empties would stop it.
        process = subprocess.Popen(command, cwd=folder, stdout=errors, stderr=subprocess.STDOUT)
        try:
            _follow(process, folder / log, target, patience_s, watch)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        errors.seek(0)
        said = errors.read()
    if process.returncode != 0 or not (folder / report).exists():
        # Of its first error, or of what it says of flags that it does not know.
        found = re.findall(r"ERROR: (.*)", said) or said.strip().splitlines()[-1:]
        message = found[0] if found else f"exit status {process.returncode}"
        if re.search(_NO_PLACE, message):
            raise DoesNotFit(f"nextpnr finds no place on {target}: {message}")
        raise SynthesisError(cache_problem(command[0], said) or f"nextpnr: {message}")
    content = json.loads((folder / report).read_text())
    return RoutedDesign(_clocks(content), _slowest_path(content))


def _start_first(tool: str, watch: Callable[[str], None]) -> None:
    """From WebAssembly a tool compiles itself when it is first started. It writes into a file that another one, started
    meanwhile, runs, and that one dies of a bus error; so the first one starts alone.
    """
    path = Path(tool)
    if not path.name.startswith("yowasp-") or not path.exists():
        return
    started = cache_folder("started") / f"{path.name}-{hashlib.sha256(bytes(path.absolute())).hexdigest()[:16]}"
    # Another installation is newer than what was noted of the last one.
    if not _is_newer(started, path):
        with filelock.FileLock(f"{started}.lock"):
            if not _is_newer(started, path):
                watch("compiling itself, once")
                done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
                problem = cache_problem(tool, done.stderr)
                if problem:
                    raise SynthesisError(problem)
                started.touch()


def _is_newer(file: Path, than: Path) -> bool:
    return file.exists() and file.stat().st_mtime >= than.stat().st_mtime


def _follow(process: subprocess.Popen, log: Path, target: str, patience_s: float, watch: Callable[[str], None]) -> None:
    """Wait for the end; tell what the log says; lose patience."""
    last, quiet, place, shown = _now(), 0.0, 0, "starting"
    least, turns = sys.maxsize, 0
    ended = False
    while not ended:
        try:
            process.wait(_LOOK_S)
            ended = True
        except subprocess.TimeoutExpired:
            pass
        # A pause of everything, as by Ctrl-Z, is not its silence.
        now = _now()
        last, quiet = now, quiet + min(now - last, _LOOK_MOST_S)
        text = _whole_lines(log, place)
        place += len(text)
        if text:
            quiet = 0.0
        elif quiet > patience_s and not ended:
            raise SynthesisError(
                f"nextpnr has said nothing for {patience_s / 60:.0f} minutes on {target} ({shown}); "
                "use another placer, another seed, or a smaller engine"
            )
        for line in text.decode(errors="replace").splitlines():
            overused = _OVERUSED.search(line)
            if overused:
                turns = 0 if int(overused[1]) < least else turns + 1
                least = min(least, int(overused[1]))
                if turns >= TURNS and not ended:
                    raise RouterStuck(
                        f"nextpnr has routed for {turns} turns on {target} without progress, {least} wires are wanted "
                        "twice; use another seed or placer"
                    )
            state = _state(line)
            if state is not None and state != shown:
                shown = state
                watch(shown)


def _whole_lines(log: Path, place: int) -> bytes:
    """What is in the log behind a place, up to the end of its last whole line."""
    if not log.exists():
        return b""
    with log.open("rb") as file:
        file.seek(place)
        text = file.read()
    return text[: text.rfind(b"\n") + 1]


def _state(line: str) -> str | None:
    """What a line says it is doing, if it does."""
    for pattern, words in _STATES:
        found = re.search(pattern, line)
        if found:
            return words.format(*found.groups())
    return None


def _clocks(content: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        re.sub(r"^\$glbnet\$|_?\$\w+$", "", name): {
            "reached": round(float(clock["achieved"]), 2),
            "asked": round(float(clock["constraint"]), 2),
        }
        for name, clock in content["fmax"].items()
    }


def _slowest_path(content: Mapping[str, Any]) -> list[str]:
    paths = [p for p in content.get("critical_paths", []) if p["from"] == p["to"] and "async" not in p["from"]]
    if not paths:
        return []
    hops = max(paths, key=lambda path: sum(hop["delay"] for hop in path["path"]))["path"]
    # What moves along a carry chain is hops of next to nothing.
    shown = [hops[0], *(hop for hop in hops[1:-1] if hop["delay"] >= 0.1), *hops[1:][-1:]]
    return [f"{hop['delay']:.2f} ns {hop['type']} to {hop['to']['cell']}.{hop['to']['port']}" for hop in shown]
