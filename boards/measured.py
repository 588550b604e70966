"""What the boards' bitstreams have reached: read from `measured.json`, which the build matrix writes."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tercet.golden.checks import check_names
from tercet.sim.cache import sole_writer

from .build import BuildReport
from .catalog import board, soc_config
from .soc_config import SocConfig

__all__ = ["MEASURED", "Measured", "measured", "record"]

MEASURED = Path(__file__).with_name("measured.json")
"""The file: board to engine to what it has reached."""


@dataclass(frozen=True)
class Measured:
    """One bitstream, as placed and routed.

    Attributes
    ----------
    build : str
        What the board itself says of its build: a hash of the gateware.
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

    build: str
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
        If the board or the engine is unknown, the engine does not fit, or the file has something else in it.
    """
    entry = _all().get(board_name, {}).get(engine)
    if entry is None:
        return None
    names = [field.name for field in fields(Measured)]
    check_names(entry, names, what=f"{MEASURED.name}, {engine} on {board_name}:")
    found, soc = Measured(**entry), soc_config(board_name, engine)
    placer = board(board_name).preset(engine).placer
    now = (soc.params, dict(soc.depths), soc.clock_hz, placer)
    return found if (found.params, found.depths, found.clock_hz, found.placer) == now else None


def record(soc: SocConfig, report: BuildReport) -> None:
    """Write into the file what a bitstream has reached."""
    entry = Measured(
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
    with sole_writer(MEASURED):
        content = _all()
        content.setdefault(report.board, {})[report.engine] = asdict(entry)
        part = MEASURED.with_suffix(".part")
        part.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
        part.replace(MEASURED)


def _all() -> dict[str, dict[str, Any]]:
    try:
        return json.loads(MEASURED.read_text()) if MEASURED.exists() else {}
    except ValueError as error:
        raise ValueError(f"{str(MEASURED)!r} is no JSON: {error}") from None
