"""Bitstream build of a board's SoC with open tools: yosys, nextpnr and the family's packer.

Amaranth's platform writes the pins, the constraints and the command lines. This module runs the tools itself, one after
the other, to report progress and to judge timing by nextpnr's report rather than by its exit status.
"""

import contextlib
import json
import math
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from tercet.rtl.emit import yosys_command
from tercet.sim.cache import sole_writer
from tercet.sim.files import naming

from .catalog import Board, board
from .flash import dfu_suffix
from .fpga.attempts import choices
from .fpga.crossings import Crossing
from .fpga.netlist import SynthesisError
from .fpga.nextpnr import RoutedDesign, check_placer
from .fpga.tools import find_tool
from .host.soc_config import SocConfig
from .soc.top import BoardTop, clock_constraints
from .tool_flow import ToolFlow

__all__ = ["STAGES", "BuildReport", "TimingMissed", "build"]

STAGES = 3
"""Number of progress lines per `build`."""

# Relative clock error that the UART tolerates.
_CLOCK_TOLERANCE = 0.001
_SDC = "clocks.sdc"
_POWER = "not reported: the open tools do not estimate power"


class TimingMissed(SynthesisError):
    """The design misses its clock; `path` is the critical path, one hop per line."""

    def __init__(self, message: str, path: Sequence[str]):
        super().__init__(message)
        self.path = list(path)


@dataclass(frozen=True)
class BuildReport:
    """Results of a bitstream build.

    Attributes
    ----------
    board, device, engine : str
        Names of the board, its FPGA and the engine.
    params, depths : dict
        The engine's parameters, and its buffer depths in words.
    clock_hz, baud, link_hz : int
        As in `SocConfig`.
    bitstream : str
        File name.
    build : str
        Build hash, as reported by the board.
    utilisation : dict
        Cell kind to the numbers ``used`` and ``available``.
    fmax_mhz : dict
        Clock name to its ``reached`` and ``asked`` frequency.
    timing_met : bool
        Whether every clock reaches its constraint.
    seed, placer
        Place-and-route seed and placer.
    attempts : list of dict
        All seeds and placers tried: ``seed``, ``placer``, ``seconds``, ``reached_mhz`` by clock, and a ``problem`` if
        one came to no result.
    seconds : dict
        Wall time of each tool.
    tools : dict
        Tool name to version.
    critical_path : list of str
        Critical path, one hop per line.
    crossings : list of dict
        With two clocks, each structure through which data pass from one to the other: its ``name``, its ``kind``, the
        clocks ``source`` and ``target``, and whether it is ``timed``, with the ``delay_ns`` of the longest path between
        these clocks and its ``limit_ns``, a period of the faster one. Only a block RAM with a clock for each port is
        not timed, as no path leads through it.
    """

    board: str
    device: str
    engine: str
    params: dict[str, Any]
    depths: dict[str, int]
    clock_hz: int
    baud: int
    bitstream: str
    build: str
    utilisation: dict[str, dict[str, int]]
    fmax_mhz: dict[str, dict[str, float]]
    timing_met: bool
    seed: int
    placer: str
    attempts: list[dict[str, Any]]
    seconds: dict[str, float]
    tools: dict[str, str]
    critical_path: list[str] = field(default_factory=list)
    link_hz: int | None = None
    crossings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def reached_mhz(self) -> float:
        """Fmax of the engine's clock; of the slowest if the link has none of its own."""
        if self.link_hz is not None:
            return self.fmax_mhz["engine"]["reached"]
        return min(clock["reached"] for clock in self.fmax_mhz.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``report.json``."""
        return {**asdict(self), "power": _POWER}


def build(
    board_name: str,
    soc_verilog: str,
    soc: SocConfig,
    folder: Path,
    *,
    build_hash: str = "",
    seed: int = 1,
    placer: str | None = None,
    seeds: int = 1,
    jobs: int = 1,
    allow_timing_fail: bool = False,
    progress: Callable[[str], None] = lambda line: None,
    watch: Callable[[str], None] = lambda state: None,
) -> BuildReport:
    """Build a bitstream and write it with its report, log and Verilog.

    Parameters
    ----------
    board_name : str
        One of `BOARDS`.
    soc_verilog : str
        Module ``tercet_soc`` with the ports ``clk, rst, rx, tx, busy``, and with two clocks ``engine_clk``.
    soc : SocConfig
        Configuration of that module.
    folder : Path
        Output folder: ``<board>_<engine>.bit``, ``.bin`` or ``.fs``, ``report.json``, ``soc.v`` and ``build.log``. The
        log is written even if the build fails.
    build_hash : str
        Copied into the report.
    seed : int
        Seed for nextpnr.
    placer : str
        One of `tercet.boards.fpga.nextpnr.PLACERS`; defaults to the preset's.
    seeds, jobs : int
        Try up to this many seeds from `seed` on, so many at a time, until one meets the clock; with more than one seed
        and no `placer`, then the other placers. The best is kept.
    allow_timing_fail : bool
        Write the bitstream even if it misses its clock.
    progress : callable
        Called with one line as each tool finishes, `STAGES` times.
    watch : callable
        Called with the current state of the tools whenever it changes.

    Raises
    ------
    ValueError
        If the board or the placer is unknown, a number is below 1, or the board's PLL cannot generate the clock.
    TimingMissed
        If the design misses its clock.
    DoesNotFit
        If the FPGA is too small.
    SynthesisError, ToolNotFound
        If a tool rejects the design or is not installed.
    OSError
        If the folder is not writable, or another build is writing into it.
    """
    found = board(board_name)
    own_placer = placer or found.preset(soc.engine).placer
    check_placer(own_placer)
    tries = choices(seed, seeds, own_placer, others=placer is None)
    _check_clocks(found, soc)
    options = ["--timing-allow-fail", "--report", "report.json"]
    options += ["--freq", f"{soc.clock_hz / 1e6:.6f}"]
    constraints = clock_constraints(soc)
    options += ["--sdc", _SDC] if constraints else []
    plan = _plan(found, soc, options)
    # Look up the tools first: a missing packer should not surface after minutes of place and route.
    nextpnr, pack = (_resolved(command) for command in _commands(plan)[1:3])
    with _work_folder(folder) as work:
        for file, content in {**plan.files, "soc.v": soc_verilog, _SDC: constraints}.items():
            (work / file).write_text(content)
        stages = ToolFlow(found, soc, work, progress, watch)
        try:
            utilisation = stages.synthesise()
            best, attempts = stages.place(nextpnr, tries, jobs)
            routed = best.routed
            assert routed is not None
            _check_timing(routed, f"{soc.engine} on {board_name}", allow_timing_fail)
            product = stages.pack(pack)
        finally:
            (folder / "build.log").write_text(stages.log())
        report = BuildReport(
            board=board_name,
            device=found.part,
            engine=soc.engine,
            params=asdict(soc.config),
            depths=dict(soc.depths),
            clock_hz=soc.clock_hz,
            baud=soc.baud,
            bitstream=f"{board_name}_{soc.engine}{product.suffix}",
            build=build_hash,
            utilisation=utilisation,
            fmax_mhz=routed.clocks,
            timing_met=routed.margin >= 1,
            seed=best.seed,
            placer=best.placer,
            attempts=[each.to_dict() for each in attempts],
            seconds=stages.seconds,
            tools=_versions(found, nextpnr, work),
            critical_path=routed.path,
            link_hz=soc.link_hz,
            crossings=_timed(stages.crossings, routed),
        )
        if found.programmer.dfu is not None:
            product.write_bytes(dfu_suffix(product.read_bytes(), *found.programmer.dfu))
        (work / "report.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n")
        for source, target in (
            (product, report.bitstream),
            (work / "soc.v", "soc.v"),
            (work / "report.json", "report.json"),
        ):
            with naming(folder / target):
                source.replace(folder / target)
    return report


@contextlib.contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder inside `folder`, which is locked against other builds."""
    folder.mkdir(parents=True, exist_ok=True)
    busy = f"Another build is writing into {str(folder)!r}; wait for it to finish, or use another folder"
    with sole_writer(folder, busy):
        with naming(folder):
            work = tempfile.TemporaryDirectory(dir=folder, prefix=".tercet-")
        with work as name:
            yield Path(name)


def _check_clocks(found: Board, soc: SocConfig) -> None:
    settings = found.pll(soc.clock_hz, link=soc.two_clocks)
    if settings is None:
        return
    for wanted, made in ((soc.clock_hz, settings.output_hz), (soc.link_hz, settings.second_hz)):
        if wanted is not None and made is not None and abs(float(made) / wanted - 1) > _CLOCK_TOLERANCE:
            raise ValueError(f"{found.name} cannot generate a clock of {wanted} Hz; use {math.ceil(made)} Hz")


def _plan(found: Board, soc: SocConfig, options: list[str]) -> Any:
    """Return Amaranth's build plan: files and command lines."""
    platform = found.platform()
    return platform.build(
        BoardTop(found, soc.clock_hz, soc.link_hz), do_build=False, nextpnr_opts=options, emit_src=False
    )


def _commands(plan: Any) -> list[list[str]]:
    return json.loads(plan.files[f"{plan.script}.json"])["commands"]


def _resolved(command: list[str]) -> list[str]:
    return [*find_tool(command[0]), *command[1:]]


def _timed(crossings: Sequence[Crossing], routed: RoutedDesign) -> list[dict[str, Any]]:
    found = []
    for crossing in crossings:
        pair = crossing.source, crossing.target
        line = {"name": crossing.name, "kind": crossing.kind, "source": pair[0], "target": pair[1]}
        timed = crossing.paths > 0 and pair in routed.between
        line |= {"timed": timed}
        if timed:
            line |= {"delay_ns": routed.between[pair], "limit_ns": routed.limit_ns(pair)}
        found.append(line)
    return found


def _check_timing(routed: RoutedDesign, what: str, allowed: bool) -> None:
    if allowed or routed.margin >= 1:
        return
    path = routed.path
    for pair, delay in routed.between.items():
        limit = routed.limit_ns(pair)
        if delay > limit:
            raise TimingMissed(
                f"{what} takes {delay:.2f} ns, not {limit:.2f} ns, from clock {pair[0]} to clock {pair[1]}; use a "
                "slower clock, another seed or placer, or allow the miss",
                path,
            )
    worst = min(routed.clocks.values(), key=lambda clock: clock["reached"] / clock["asked"])
    # The first hop ends at the output of the launching register.
    start, end = (path[n].rpartition(" to ")[2] for n in (0, -1)) if path else ("?", "?")
    raise TimingMissed(
        f"{what} reaches {worst['reached']:.2f} MHz, not {worst['asked']:.2f} MHz, on the path from {start} to {end}; "
        "use a slower clock, another seed or placer, or allow the miss",
        path,
    )


def _versions(found: Board, nextpnr: list[str], work: Path) -> dict[str, str]:
    def asked(*command: str) -> str:
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    yosys = asked(*yosys_command(), "-V")
    version = re.search(r"Version (?:nextpnr-)?([^\s)]+)", asked(nextpnr[0], "--version"))
    return {
        **{name: metadata.version(name) for name in ("tercet", "amaranth", "amaranth-boards")},
        "yosys": " ".join(yosys.split()[1:2]) or "unknown",
        found.nextpnr: version[1] if version else "unknown",
    }
