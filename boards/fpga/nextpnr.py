"""nextpnr runner: progress from the log, timeouts, and results from the report."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic as _now
from typing import Any

import filelock
from tercet.rtl.yowasp import cache_problem
from tercet.sim.cache import cache_folder

from .netlist import DoesNotFit, SynthesisError

__all__ = ["PATIENCE_S", "PLACERS", "RoutedDesign", "RouterStuck", "Stopped", "check_placer", "place_and_route"]

PLACERS = {
    "heap": ("--placer", "heap"),
    "timing": ("--placer", "heap", "--placer-heap-timingweight", "30"),
    "static": ("--placer", "static"),
}
"""Placer name to nextpnr flags."""
PATIENCE_S = 900.0
"""Longest silence of nextpnr in seconds. It logs every placer iteration, which takes seconds."""
TURNS = 1000
"""Iterations that router2 may take without reducing the overused wires; a successful run takes a few dozen."""

# Seconds between polls of the log, and the most that one interval counts towards the silence.
_LOOK_S, _LOOK_MOST_S = 0.25, 5.0
_NO_PLACE = r"[Uu]nable to (find a )?place|legal placement|expand region|too many|exceeds"
# Pattern of a log line to the state shown.
_STATES = (
    (r"initial placer iter|main analytical placer", "placing"),
    (r"at iteration #(\d+), type", "placing, iteration {}"),
    (r"iter=(\d+) steplen=", "placing, iteration {}"),
    (r"simulated annealing placer", "refining the placement"),
    (r"at iteration #(\d+): temp", "refining the placement, iteration {}"),
    (r"Routing\.\.|Setting up routing", "routing"),
    (r"\|\s*(\d+)\s*\|[^|]*\|\s*$", "routing, {} left"),
    (r"iter=\d+ wires=\d+ overused=(\d+)", "routing, {} left"),
)
_OVERUSED = re.compile(r"iter=\d+ wires=\d+ overused=(\d+)")


class RouterStuck(SynthesisError):
    """The router alternates for ever between nets that contend for the same wires."""


class Stopped(SynthesisError):
    """Place and route was stopped, as its result is no longer wanted."""


@dataclass(frozen=True)
class RoutedDesign:
    """Results reported by nextpnr.

    Attributes
    ----------
    clocks : dict
        Clock name, without nextpnr's decorations, to the MHz ``reached`` and ``asked``.
    path : list of str
        Critical register-to-register path of the clock that is nearest to its limit: delay, kind and end point of every
        hop.
    between : dict
        Pair of clocks, source and target, to the delay in ns of the longest path between them. nextpnr reports these
        paths, but does not compare them with any limit.
    """

    clocks: dict[str, dict[str, float]]
    path: list[str]
    between: dict[tuple[str, str], float] = field(default_factory=dict)

    def limit_ns(self, pair: tuple[str, str]) -> float:
        """Longest delay between two clocks: then the bits of a FIFO's pointer that are under way are of one step."""
        return round(1e3 / max(self.clocks[clock]["asked"] for clock in pair), 2)

    @property
    def margin(self) -> float:
        """Least ratio of reached to requested frequency, of the clocks and of what crosses; 1 if timing is just met."""
        inside = [clock["reached"] / clock["asked"] for clock in self.clocks.values()]
        return min(inside + [self.limit_ns(pair) / delay for pair, delay in self.between.items() if delay > 0])


def check_placer(name: str) -> None:
    """Raise ValueError if a placer is not one of `PLACERS`."""
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
    stop: Callable[[], bool] = lambda: False,
) -> RoutedDesign:
    """Run nextpnr.

    Parameters
    ----------
    command : sequence of str
        nextpnr with its flags, including ``--quiet``, ``--log`` and ``--report``.
    folder : Path
        Working directory.
    log, report : str
        Names of the log and report files written there.
    target : str
        Name of the device or board, for messages.
    patience_s : float
        Stop nextpnr after this many seconds without output: the heap placer can search for ever where most of the
        multipliers are used.
    watch : callable
        Called with the state of nextpnr whenever it changes.
    stop : callable
        Asked several times a second whether to stop.

    Raises
    ------
    Stopped
        If `stop` returned True.
    DoesNotFit
        If placement fails.
    RouterStuck
        If router2 stops making progress; it would run for ever.
    SynthesisError
        If nextpnr fails otherwise, or was stopped.
    """
    _start_first(command[0], watch)
    with (folder / f"{log}.errors").open("w+") as errors:
        # Use a file: an unread pipe would fill up and block nextpnr.
        process = subprocess.Popen(command, cwd=folder, stdout=errors, stderr=subprocess.STDOUT)
        try:
            _follow(process, folder / log, target, patience_s, watch, stop)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        errors.seek(0)
        output = errors.read()
    if process.returncode != 0 or not (folder / report).exists():
        # The first error, else the last line, as for unknown flags.
        lines = re.findall(r"ERROR: (.*)", output) or output.strip().splitlines()[-1:]
        message = lines[0] if lines else f"exit status {process.returncode}"
        if re.search(_NO_PLACE, message):
            raise DoesNotFit(f"nextpnr cannot place the design on {target}: {message}")
        raise SynthesisError(cache_problem(command[0], output) or f"nextpnr: {message}")
    content = json.loads((folder / report).read_text())
    return RoutedDesign(_clocks(content), _slowest_path(content), _between(content))


def _start_first(tool: str, watch: Callable[[str], None]) -> None:
    """Start a WebAssembly tool alone for the first time.

    It compiles itself into a cached file then; a second instance started meanwhile would run the partial file and die
    of a bus error.
    """
    path = Path(tool)
    if not path.name.startswith("yowasp-") or not path.exists():
        return
    started = cache_folder("started") / f"{path.name}-{hashlib.sha256(bytes(path.absolute())).hexdigest()[:16]}"
    # A reinstalled tool is newer than the marker of the previous one.
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


def _follow(
    process: subprocess.Popen,
    log: Path,
    target: str,
    patience_s: float,
    watch: Callable[[str], None],
    stop: Callable[[], bool],
) -> None:
    """Wait for nextpnr to end; report states from the log; raise on silence or a stuck router."""
    last, quiet, offset, shown = _now(), 0.0, 0, "starting"
    least, turns = sys.maxsize, 0
    ended = False
    while not ended:
        try:
            process.wait(_LOOK_S)
            ended = True
        except subprocess.TimeoutExpired:
            pass
        if not ended and stop():
            raise Stopped("nextpnr was stopped")
        # A suspended session, as after Ctrl-Z, does not count as silence.
        now = _now()
        last, quiet = now, quiet + min(now - last, _LOOK_MOST_S)
        text = _whole_lines(log, offset)
        offset += len(text)
        if text:
            quiet = 0.0
        elif quiet > patience_s and not ended:
            raise SynthesisError(
                f"nextpnr has printed nothing for {patience_s / 60:.0f} minutes on {target} ({shown}); "
                "use another placer, another seed, or a smaller engine"
            )
        for line in text.decode(errors="replace").splitlines():
            overused = _OVERUSED.search(line)
            if overused:
                turns = 0 if int(overused[1]) < least else turns + 1
                least = min(least, int(overused[1]))
                if turns >= TURNS and not ended:
                    raise RouterStuck(
                        f"nextpnr has routed for {turns} iterations on {target} without progress, {least} wires are "
                        "still overused; use another seed or placer"
                    )
            state = _state(line)
            if state is not None and state != shown:
                shown = state
                watch(shown)


def _whole_lines(log: Path, offset: int) -> bytes:
    """Read the log from an offset to the end of its last complete line."""
    if not log.exists():
        return b""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read()
    return text[: text.rfind(b"\n") + 1]


def _state(line: str) -> str | None:
    """Return the state that a log line announces, if any."""
    for pattern, words in _STATES:
        match = re.search(pattern, line)
        if match:
            return words.format(*match.groups())
    return None


def _plain(clock: str) -> str:
    """Return a clock's name without nextpnr's decorations."""
    return re.sub(r"^(posedge |negedge )?(\$glbnet\$)?|_?\$\w+$", "", clock)


def _between(content: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for path in content.get("critical_paths", []):
        pair = _plain(path["from"]), _plain(path["to"])
        if pair[0] != pair[1] and not any("async" in clock for clock in pair):
            delay = sum(hop["delay"] for hop in path["path"])
            found[pair] = max(found.get(pair, 0.0), round(delay, 2))
    return found


def _clocks(content: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    return {
        _plain(name): {
            "reached": round(float(clock["achieved"]), 2),
            "asked": round(float(clock["constraint"]), 2),
        }
        for name, clock in content["fmax"].items()
    }


def _slowest_path(content: Mapping[str, Any]) -> list[str]:
    paths = [p for p in content.get("critical_paths", []) if p["from"] == p["to"] and "async" not in p["from"]]
    if not paths:
        return []
    clocks = _clocks(content)

    def share(path: Mapping[str, Any]) -> float:
        """Delay in periods of the path's clock."""
        clock = clocks.get(_plain(path["from"]))
        return sum(hop["delay"] for hop in path["path"]) * (clock["asked"] if clock else 1)

    hops = max(paths, key=share)["path"]
    # Hops along a carry chain have almost no delay; leave them out.
    shown = [hops[0], *(hop for hop in hops[1:-1] if hop["delay"] >= 0.1), *hops[1:][-1:]]
    return [f"{hop['delay']:.2f} ns {hop['type']} to {hop['to']['cell']}.{hop['to']['port']}" for hop in shown]
