"""What the boards' bitstreams have reached: read from `measured.json`, which the build matrix writes, and its table."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .build import BuildReport
from .catalog import BOARDS, board, soc_config
from .soc_config import SocConfig

__all__ = ["MEASURED", "Measured", "measured", "record", "table_text"]

MEASURED = Path(__file__).with_name("measured.json")
"""The file: board to engine to what it has reached."""

# Kinds of cells, as the table calls them.
_CELLS = {
    "lut4": "LUT4",
    "carry": "carry",
    "ff": "FF",
    "dsp": "multipliers",
    "bram": "block RAMs",
    "lutram": "distributed RAMs",
    "spram": "large RAMs",
}
_ABOUT = """\
# Bitstreams

What place and route has made of the engines that `tercet boards` lists, with one seed each: MHz that were asked, to
which the board's clock is set, and MHz that the slowest path has reached. Multipliers are timed at their ports only.
Peaks are at the clock, in GOPS, of the tensor core in GFLOPS; of eie on stored entries. Nothing here has run on
hardware. Written by `tercet bench boards --part matrix --keep`.

"""
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Measured:
    """One bitstream, as placed and routed.

    Attributes
    ----------
    params, depths : dict
        The engine's parameters that are not the defaults, and the words of its buffers.
    clock_hz : int
        What was asked.
    reached_mhz : float
        What it has reached: the least of its clocks.
    cells : dict
        Kind to number.
    seed, placer
        Of place and route.
    tools : dict
        Versions.
    """

    params: dict[str, Any]
    depths: dict[str, int]
    clock_hz: int
    reached_mhz: float
    cells: dict[str, int]
    seed: int
    placer: str
    tools: dict[str, str]


def measured(board_name: str, engine: str) -> Measured | None:
    """What a board's preset of an engine has reached; None if that has not been measured, or the preset is another now.

    Raises
    ------
    ValueError
        If the board or the engine is unknown, or the engine does not fit.
    """
    fields = _all().get(board_name, {}).get(engine)
    if fields is None:
        return None
    found, soc = Measured(**fields), soc_config(board_name, engine)
    placer = board(board_name).preset(engine).placer
    now = (soc.params, dict(soc.depths), soc.clock_hz, placer)
    return found if (found.params, found.depths, found.clock_hz, found.placer) == now else None


def record(soc: SocConfig, report: BuildReport) -> None:
    """Write into the file, and into the table beside it, what a bitstream has reached."""
    entry = Measured(
        params=soc.params,
        depths=report.depths,
        clock_hz=report.clock_hz,
        reached_mhz=report.reached_mhz,
        cells={kind: count["used"] for kind, count in report.utilisation.items() if count["used"]},
        seed=report.seed,
        placer=report.placer,
        tools=report.tools,
    )
    with _LOCK:
        content = _all()
        content.setdefault(report.board, {})[report.engine] = asdict(entry)
        MEASURED.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        MEASURED.with_suffix(".md").write_text(table_text())


def table_text() -> str:
    """The table, in Markdown: what `MEASURED` has of the presets as they are now."""
    heads = ("board", "engine", "size", "asked", "reached", "peak", *_CELLS.values(), "nextpnr")
    rows = [heads, ["---"] * len(heads)]
    for name in BOARDS:
        for engine in board(name).presets:
            found, soc = measured(name, engine), soc_config(name, engine)
            if found is None:
                continue
            facts = (f"{found.clock_hz / 1e6:g}", f"{found.reached_mhz:.1f}", f"{soc.peak_gops:.2f}")
            cells = (str(found.cells.get(kind, "")) for kind in _CELLS)
            rows.append((f"`{name}`", engine, soc.size, *facts, *cells, found.tools.get(board(name).nextpnr, "")))
    return _ABOUT + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _all() -> dict[str, dict[str, Any]]:
    return json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
