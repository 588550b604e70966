"""Place-and-route results of the boards' bitstreams, kept in `measured.json` by the build matrix."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
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
    outdated: bool = False


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
    names = [field.name for field in fields(Measurement) if field.name != "outdated"]
    check_names(entry, names, ["outdated"], what=f"{MEASURED.name}, {engine} on {board_name}:")
    found, soc = Measurement(**entry), soc_config(board_name, engine)
    placer = board(board_name).preset(engine).placer
    now = (soc.params, dict(soc.depths), soc.clock_hz, placer)
    return found if (found.params, found.depths, found.clock_hz, found.placer) == now else None


def record(soc: SocConfig, report: BuildReport, file: Path) -> None:
    """Record the result of a bitstream in a file like `MEASURED`."""
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
