"""Place-and-route results of the boards' bitstreams, kept in `measured.json` by the build matrix."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import Any

from tercet.golden.checks import check_names
from tercet.sim.cache import sole_writer

from .bitstream import BuildReport
from .catalog import board, soc_config
from .host.soc_config import SocConfig

__all__ = ["MEASURED", "Measurement", "measured", "record"]

MEASURED = Path(__file__).with_name("measured.json")
"""The results file: a `Measurement` per board and engine."""


@dataclass(frozen=True)
class Measurement:
    """Place-and-route result of one bitstream.

    Attributes
    ----------
    build : str
        Build hash, as reported by the board: a hash of the gateware.
    params, depths : dict
        Non-default engine parameters, and buffer depths in words.
    clock_hz : int
        Clock constraint of the engine.
    reached_mhz : float
        Fmax, as `BuildReport.reached_mhz`.
    cells : dict
        Cell kind to number used.
    seed, placer
        Place-and-route seed and placer.
    tools : dict
        Tool name to version.
    seeds_mhz : dict
        Every seed built to its fmax; empty in older results, which have one seed.
    outdated : bool
        Whether the gateware has changed since and a rebuild is due.
    """

    build: str
    params: dict[str, Any]
    depths: dict[str, int]
    clock_hz: int
    reached_mhz: float
    cells: dict[str, int]
    seed: int
    placer: str
    tools: dict[str, str]
    seeds_mhz: dict[str, float] = field(default_factory=dict)
    outdated: bool = False

    @property
    def median_mhz(self) -> float | None:
        """Median of the fmax of three seeds or more; None of fewer."""
        return median(self.seeds_mhz.values()) if len(self.seeds_mhz) > 2 else None


def measured(board_name: str, engine: str, file: Path | None = None) -> Measurement | None:
    """Return the result of a board's preset of an engine; None if not measured, or if the preset has changed since.

    `file` defaults to `MEASURED`.

    Raises
    ------
    ValueError
        If the board or the engine is unknown, the engine does not fit, or the file is malformed.
    """
    entry = _all(MEASURED if file is None else file).get(board_name, {}).get(engine)
    if entry is None:
        return None
    optional = ["seeds_mhz", "outdated"]
    names = [each.name for each in fields(Measurement) if each.name not in optional]
    check_names(entry, names, optional, what=f"{MEASURED.name}, {engine} on {board_name}:")
    found, soc = Measurement(**entry), soc_config(board_name, engine)
    placer = board(board_name).preset(engine).placer
    now = (soc.params, dict(soc.depths), soc.clock_hz, placer)
    return found if (found.params, found.depths, found.clock_hz, found.placer) == now else None


def record(soc: SocConfig, report: BuildReport, file: Path, seeds_mhz: Mapping[int, float] | None = None) -> None:
    """Record the result of a bitstream, and the fmax of every seed tried, in a file like `MEASURED`."""
    entry = Measurement(
        build=report.build,
        params=soc.params,
        depths=report.depths,
        clock_hz=report.clock_hz,
        reached_mhz=report.reached_mhz,
        cells={kind: count["used"] for kind, count in report.utilisation.items() if count["used"]},
        seed=report.seed,
        placer=report.placer,
        tools=report.tools,
        seeds_mhz={str(seed): reached for seed, reached in (seeds_mhz or {report.seed: report.reached_mhz}).items()},
    )
    with sole_writer(file):
        content = _all(file)
        line = asdict(entry)
        if not line["outdated"]:
            del line["outdated"]
        content.setdefault(report.board, {})[report.engine] = line
        part = file.with_suffix(".part")
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        part.replace(file)


def _all(file: Path) -> dict[str, dict[str, Any]]:
    try:
        return json.loads(file.read_text()) if file.exists() else {}
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is not JSON: {error}") from None
