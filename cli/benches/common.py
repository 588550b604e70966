"""Shared parts of the benches: running parts in order, tables, files, place and route."""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercet.boards.fpga.synth import synthesize
from tercet.cli.output import check_folder, console, progress, table, write_files
from tercet.compiler.load import SUFFIXES
from tercet.engines import EngineSpec
from tercet.rtl.emit import verilog

__all__ = ["Rows", "Synth", "model_files", "place_and_route", "print_table", "run_parts", "timed"]

Rows = list[dict[str, Any]]
"""Measurements of one part, a dict per row."""


def run_parts(
    engine: str,
    runs: Mapping[str, Callable[[], Rows]],
    pictures: Mapping[str, Callable[[Rows], bytes]],
    parts: Sequence[str],
    output: Path,
) -> bool:
    """Run parts of a bench and write their results.

    Returns whether nothing mismatched and the cycle models predicted every clock.

    Parameters
    ----------
    engine : str
        Name of the engine, for its files ``<engine>.json`` and ``<engine>_<part>.png``.
    runs, pictures : mappings of part to function
        Functions that measure a part and print its table, and those that plot it.
    parts : sequence of str
        Parts to run.
    output : Path
        Output folder.
    """
    check_folder(output)
    content = {part: runs[part]() for part in parts}
    files: dict[str, str | bytes] = {f"{engine}.json": json.dumps(content, indent=2) + "\n"}
    files |= {f"{engine}_{part}.png": pictures[part](content[part]) for part in parts if part in pictures}
    for path in write_files(output, files):
        console().print(str(path), soft_wrap=True)
    rows = [row for part in content.values() for row in part]
    return not any(row.get("mismatches", 0) or row.get("off_model", 0) for row in rows)


def model_files() -> list[Path]:
    """Return the models in the folder that TERCET_MODELS names; says so if there are none."""
    folder = os.environ.get("TERCET_MODELS")
    found = [path for path in sorted(Path(folder).iterdir()) if path.suffix in SUFFIXES] if folder else []
    if not found:
        console().print("TERCET_MODELS names no folder with models: none were run")
    return found


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Call a function; returns its result and the seconds it took."""
    started = time.perf_counter()
    return function(), time.perf_counter() - started


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table of values, each converted by ``str``."""
    result = table(title, *columns)
    for row in rows:
        result.add_row(*map(str, row))
    console().print(result)


@dataclass(frozen=True)
class Synth:
    """Place-and-route job: unit, config and its label, device, target clock, seeds and placer."""

    unit: str
    config: Any
    label: str
    device: str
    freq_mhz: float
    seeds: int = 3
    placer: str = "heap"


def place_and_route(spec: EngineSpec, jobs: Sequence[Synth]) -> Rows:
    """Measure area and fmax of units, each over its seeds, and print a table."""
    rows: Rows = []
    with progress("synth", total=sum(2 + job.seeds for job in jobs)) as advance:
        for job in jobs:
            top = f"{spec.name}_{job.unit}"
            report = synthesize(
                verilog(spec.unit(job.config, job.unit), name=top),
                top,
                engine=spec.name,
                unit=job.unit,
                params=dataclasses.asdict(job.config),
                device_name=job.device,
                seeds=job.seeds,
                freq_mhz=job.freq_mhz,
                placer=job.placer,
                multipliers=spec.multipliers(job.config, job.unit),
                progress=advance,
            )
            rows.append({"config": job.label, **report.to_dict()})
    cells = ("lut4", "carry", "ff", "dsp", "bram", "spram")
    print_table(
        "Place and route, median of the seeds; paths inside dsp not timed",
        ("unit", "config", "device", "MHz", "seeds", *cells),
        [
            (r["unit"], r["config"], r["device"], f"{r['fmax_mhz']['median']:.1f}", len(r["runs"]))
            + tuple(r[column] for column in cells)
            for r in rows
        ],
    )
    return rows
