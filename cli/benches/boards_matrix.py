"""Bench part: a bitstream of every engine for every board."""

import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tercet.boards.bitstream import BuildReport, build
from tercet.boards.catalog import board, soc_config
from tercet.boards.fpga.netlist import SynthesisError
from tercet.boards.host.soc_config import SocConfig, read_description
from tercet.boards.measured import MEASURED, measured, record
from tercet.boards.soc.soc import soc_verilog
from tercet.cli.output import check_folder, progress

from .common import Rows, print_table
from .measured_table import write_table

__all__ = ["bench_matrix"]

# nextpnr takes more than 1 GB for the largest FPGAs.
_JOBS = min(4, os.cpu_count() or 1)
_SEEDS = 3
# A build as quick as this, in seconds, is repeated with every seed: their median tells more than one of them.
_QUICK = 180
_CELLS = ("lut4", "carry", "ff", "dsp", "bram")
# Serialises updates of the file and of the table made from it.
_KEEPING = threading.Lock()


def bench_matrix(boards: Sequence[str], engines: Sequence[str], keep: Path | None, missing: bool) -> Rows:
    """Build bitstreams and print a table of them.

    Each is built with up to three seeds: with all of them where a build takes less than three minutes, otherwise until
    one meets its clocks. The best is kept.

    Parameters
    ----------
    boards, engines : sequences of str
        Boards and engines to build; pairs without a preset are skipped.
    keep : Path or None
        Folder whose ``measured.json`` and table the results are added to.
    missing : bool
        Build only bitstreams that the file in `keep`, or else `MEASURED`, lacks or has from other gateware.
    """
    file = MEASURED
    if keep is not None:
        check_folder(keep)
        file = keep / MEASURED.name
    jobs = [(name, engine) for name in dict.fromkeys(boards) for engine in board(name).presets if engine in engines]
    if missing:
        jobs = [job for job in jobs if not _is_kept(*job, file)]
    with progress("bitstreams", total=len(jobs)) as advance, tempfile.TemporaryDirectory() as folder:

        def run_job(job: tuple[str, str]) -> dict[str, Any]:
            row, line = _bitstream(*job, Path(folder), None if keep is None else file)
            advance(line)
            return row

        with ThreadPoolExecutor(max_workers=_JOBS) as pool:
            rows = list(pool.map(run_job, jobs))
    print_table(
        "Bitstreams, the best of up to three seeds; paths inside dsp not timed",
        ("board", "engine", "MHz requested", "MHz reached", "peak GOPS", *_CELLS, "seconds"),
        [(row["board"], row["engine"], f"{row['clock_hz'] / 1e6:.1f}", *_reached(row)) for row in rows],
    )
    return rows


def _is_kept(name: str, engine: str, file: Path) -> bool:
    """Whether the file has this bitstream, from this gateware."""
    entry = measured(name, engine, file)
    return entry is not None and not entry.outdated and entry.build == _gateware(soc_config(name, engine))[1]


def _gateware(soc: SocConfig) -> tuple[str, str]:
    """Verilog of a board's gateware, and its hash."""
    text, description = soc_verilog(soc)
    return text, read_description(description).build


def _bitstream(name: str, engine: str, folder: Path, file: Path | None) -> tuple[dict[str, Any], str]:
    """Build one bitstream; returns its row of the table and a line for the progress output."""
    soc = soc_config(name, engine)
    row = {"board": name, "engine": engine, "clock_hz": soc.clock_hz, "peak_gops": soc.peak_gops}
    text, build_hash = _gateware(soc)
    reports: list[BuildReport] = []
    try:
        while len(reports) < _SEEDS and not (reports and _suffices(reports[-1])):
            seed = len(reports) + 1
            options: dict[str, Any] = {"build_hash": build_hash, "allow_timing_fail": True, "seed": seed}
            reports.append(build(name, text, soc, folder / f"{name}_{engine}", **options))
    except SynthesisError as error:
        # A later seed that cannot be routed takes nothing from one that has been.
        if not reports:
            return {**row, "error": str(error)}, f"{engine} on {name}: {error}"
    report = max(reports, key=lambda each: (each.timing_met, each.reached_mhz))
    seeds = {each.seed: each.reached_mhz for each in reports}
    if file is not None:
        with _KEEPING:
            record(soc, report, file, seeds)
            write_table(file)
    line = f"{engine} on {name}: {report.reached_mhz:.1f} MHz of {soc.clock_hz / 1e6:.1f}"
    return {**row, **report.to_dict(), "reached_mhz": report.reached_mhz, "seeds_mhz": seeds}, line


def _suffices(report: BuildReport) -> bool:
    """Whether a slow build has met its clocks, so that no other seed is tried."""
    return report.timing_met and sum(report.seconds.values()) > _QUICK


def _reached(row: dict[str, Any]) -> tuple[Any, ...]:
    if "error" in row:
        return ("fails", f"{row['peak_gops']:.2f}", *6 * ("",))
    used = (row["utilisation"][kind]["used"] for kind in _CELLS)
    return (f"{row['reached_mhz']:.1f}", f"{row['peak_gops']:.2f}", *used, f"{sum(row['seconds'].values()):.0f}")
