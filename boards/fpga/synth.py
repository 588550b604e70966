"""Area and fmax of a unit: synthesis of the unit alone, place and route inside a register wrapper."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tercet.rtl import primitives

from .attempts import is_overdue
from .constants import localise_constants
from .devices import FpgaDevice, device
from .floorplan import fixed_sites
from .netlist import SynthesisError, cell_counts, check_fits, ports_of, run_yosys
from .nextpnr import PLACERS, Stopped, check_placer, place_and_route
from .tools import find_tool
from .wrapper import WRAPPER_TOP, wrapper

__all__ = ["Report", "Run", "synthesize"]

_LARGE = 3000
"""LUT4, carry cells counted twice, from which nextpnr's placers differ much and are all tried."""
_TARGETS_MHZ = {"ecp5": 250.0, "ice40": 60.0}
_TRIALS = {"ecp5": (("heap", 200.0), ("timing", 160.0), ("static", 200.0)), "ice40": (("heap", 40.0),)}
"""Placers to try for large designs, each with the target in MHz at which it does best: one far out of reach makes it
shorten the few longest paths at the cost of all others."""


@dataclass(frozen=True)
class Run:
    """Place and route with one seed: fmax in MHz, wall time in seconds, critical path with one hop per line."""

    seed: int
    fmax_mhz: float
    seconds: float
    placer: str
    asked_mhz: float
    critical_path: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """Cells of a unit without its wrapper, and its fmax over several seeds.

    ``lut4`` excludes carry cells and distributed RAM. ``untimed`` lists cell kinds that are not fully timed: nextpnr
    times an ECP5 or iCE40 multiplier at its ports only, never between its internal registers. ``trials`` are runs with
    placers that did worse with the first seed.
    """

    engine: str
    unit: str
    params: dict[str, Any]
    device: str
    speed: str
    cells: dict[str, int]
    untimed: list[str]
    runs: list[Run]
    trials: list[Run] = field(default_factory=list)

    @property
    def fmax_mhz(self) -> dict[str, float]:
        """Minimum, median and maximum fmax of the runs."""
        values = [run.fmax_mhz for run in self.runs]
        return {"min": min(values), "median": statistics.median(values), "max": max(values)}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON content."""
        return {
            "engine": self.engine,
            "unit": self.unit,
            "params": self.params,
            "device": self.device,
            "speed": self.speed,
            **self.cells,
            "untimed": self.untimed,
            "fmax_mhz": self.fmax_mhz,
            "runs": [vars(run) for run in self.runs],
            "trials": [vars(run) for run in self.trials],
        }


def synthesize(
    verilog: str,
    top: str,
    *,
    engine: str,
    unit: str,
    params: dict[str, Any],
    device_name: str,
    speed: str | None = None,
    seed: int = 1,
    seeds: int = 3,
    freq_mhz: float | None = None,
    jobs: int = 2,
    infer_dsp: bool = False,
    placer: str | None = None,
    multipliers: Sequence[Sequence[str]] = (),
    progress: Callable[[str], None] = lambda line: None,
    watch: Callable[[str], None] = lambda state: None,
) -> Report:
    """Synthesise a unit, then place and route it with several seeds.

    Parameters
    ----------
    verilog, top : str
        Verilog of the unit and its module name; its clock is ``clk``, its reset, if any, ``rst``.
    engine, unit, params
        Copied into the report.
    device_name, speed : str
        Device of `DEVICES`, and its speed grade; the slowest by default.
    seed, seeds : int
        First seed of place and route, and number of seeds.
    freq_mhz : float or None
        Target frequency for nextpnr; by default one that suits device, size and placer.
    jobs : int
        Number of parallel runs.
    infer_dsp : bool
        Let yosys infer multiplier blocks, as it always does for iCE40; instantiated blocks are used regardless.
    placer : str or None
        One of `PLACERS`; by default "heap" for small designs, and for large ones what does best with the first seed. A
        trial that takes four times as long as the others is stopped.
        "timing" weighs long wires above total wire length, for designs that fill much of the chip.
        "static" gives better results for large designs with many block RAMs, and succeeds where the other two search
        for ever because most of the multipliers are used.
    multipliers : sequence of sequences of str
        Multiplier blocks to fix at neighbouring sites, as in `tercet.boards.fpga.floorplan.fixed_sites`.
    progress : callable
        Called with one line as each step finishes, 2 + seeds times.
    watch : callable
        Called with the state of place and route whenever it changes.

    Raises
    ------
    ValueError
        If the device is unknown or lacks a block that the unit instantiates, or a number is out of range.
    DoesNotFit
        If the device is too small, for the floorplan of the multipliers too.
    SynthesisError, ToolNotFound
        If a tool rejects the design or is not installed.
    """
    target = device(device_name)
    speed = target.speed(speed)
    if placer is not None:
        check_placer(placer)
    if seed < 0:
        raise ValueError(f"Seed is {seed}; use at least 0")
    if seeds < 1 or jobs < 1 or (freq_mhz is not None and not freq_mhz > 0):
        raise ValueError(f"Seeds {seeds}, jobs {jobs} and frequency {freq_mhz} must all be above 0")
    _check_blocks(verilog, target, f"{engine} {unit}")
    tool = find_tool(target.fabric.nextpnr)
    with tempfile.TemporaryDirectory(prefix="tercet-synth-") as name:
        folder = Path(name)
        ports = ports_of(verilog, top, folder)
        script = target.fabric.script(top, infer_dsp=infer_dsp, json="alone.json")
        run_yosys(f"read_verilog unit.v; {script}", folder)
        cells = cell_counts(folder / "alone.json", target)
        check_fits(cells, target, f"{engine} {unit}", target.name)
        progress(f"{unit} on {target.name}: " + ", ".join(f"{count} {kind}" for kind, count in cells.items() if count))
        (folder / "wrapper.v").write_text(wrapper(top, ports))
        sites = fixed_sites(multipliers, target)
        script = target.fabric.script(WRAPPER_TOP, infer_dsp=infer_dsp, json="framed.json", sites=sites)
        run_yosys(f"read_verilog unit.v wrapper.v; {script}", folder)
        localise_constants(folder / "framed.json", target.name)
        progress("synthesised in its wrapper")

        def place(number: int, placer: str, asked: float, stop: Callable[[], bool] = lambda: False) -> Run:
            def show(state: str) -> None:
                watch(f"seed {number} ({placer}) {state}")

            return _place(tool, target, speed, number, asked, placer, folder, show, stop)

        def finished(run: Run) -> Run:
            progress(f"seed {run.seed} ({run.placer}): {run.fmax_mhz:.1f} MHz in {run.seconds:.0f} s")
            return run

        failed: list[SynthesisError] = []
        tried: list[Run] = []

        def trial(setting: tuple[str, float]) -> None:
            started = time.monotonic()
            try:
                tried.append(place(seed, *setting, lambda: is_overdue(started, [run.seconds for run in tried])))
            except Stopped:
                progress(f"seed {seed} ({setting[0]}): stopped, as it took too long")
            except SynthesisError as error:
                failed.append(error)

        with ThreadPoolExecutor(max_workers=jobs) as pool:
            settings = _settings(cells, target.family, placer, freq_mhz)
            list(pool.map(trial, settings))
            trials = sorted(tried, key=lambda run: -run.fmax_mhz)
            if not trials:
                raise failed[0]
            best = trials.pop(0)
            others = pool.map(
                lambda number: finished(place(number, best.placer, best.asked_mhz)), range(seed + 1, seed + seeds)
            )
            runs = [finished(best), *others]
    return Report(engine, unit, params, target.name, speed, cells, ["dsp"] if cells["dsp"] else [], runs, trials)


def _settings(
    cells: dict[str, int], family: str, placer: str | None, freq_mhz: float | None
) -> tuple[tuple[str, float], ...]:
    """Placers to try, each with its target in MHz."""
    if cells["lut4"] + 2 * cells["carry"] < _LARGE:
        return ((placer or "heap", freq_mhz or _TARGETS_MHZ[family]),)
    trials = _TRIALS[family] if placer is None else ((placer, dict(_TRIALS[family]).get(placer, _TARGETS_MHZ[family])),)
    return tuple((name, freq_mhz or target) for name, target in trials)


def _check_blocks(verilog: str, target: FpgaDevice, what: str) -> None:
    for path in primitives.used(verilog):
        if primitives.FAMILIES[path.stem] != target.family:
            raise ValueError(
                f"{what} instantiates {path.stem}, which {target.name} does not have; "
                f"use another device, or blocks of {target.family}"
            )


def _place(
    tool: tuple[str, ...],
    target: FpgaDevice,
    speed: str,
    seed: int,
    freq_mhz: float,
    placer: str,
    folder: Path,
    watch: Callable[[str], None],
    stop: Callable[[], bool],
) -> Run:
    flags = [*target.flags, *(["--speed", speed] if speed else [])]
    flags.append(target.fabric.free_pins)
    report, log = f"report_{placer}{seed}.json", f"log_{placer}{seed}"
    command = [*tool, *flags, "--json", "framed.json", "--seed", str(seed), "--freq", str(freq_mhz)]
    command += [*PLACERS[placer], "--timing-allow-fail", "--report", report, "--quiet", "--log", log]
    started = time.monotonic()
    routed = place_and_route(command, folder, log=log, report=report, target=target.name, watch=watch, stop=stop)
    seconds = time.monotonic() - started
    fmax = min(clock["reached"] for clock in routed.clocks.values())
    return Run(seed, fmax, round(seconds, 1), placer, freq_mhz, routed.path)
