"""Markdown table of measured bitstreams, written beside the JSON file that holds them."""

from pathlib import Path

from tercet.boards import measured as file
from tercet.boards.catalog import BOARDS, board, soc_config

__all__ = ["table_text", "write_table"]

# Kinds of cells and their column titles.
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

Place and route of the engines that `tercet boards` lists. "Requested" is the clock of the board in MHz; "reached" is
the fmax of the slowest path in MHz, the best of up to three seeds: all three, whose median is given too, where a
build takes less than three minutes, otherwise as many as it takes to meet the clock. Multipliers are timed at their
ports only. "Peak" is the throughput at the requested clock, in GOPS (tensor core: GFLOPS; eie: on stored entries).
Nothing here has run on hardware. `build` is the hash of the gateware, which the board itself reports; "older":
the gateware has changed since. Written by `tercet bench boards --part matrix --keep boards`; with
`--missing` it builds only bitstreams that are absent or older.

"""


def write_table(path: Path) -> None:
    """Write the table of `path`, a file like `MEASURED`, beside it as ``.md``."""
    path.with_suffix(".md").write_text(table_text(path))


def table_text(path: Path = file.MEASURED) -> str:
    """Markdown table of the measurements in a file, for the current presets."""
    heads = ("board", "engine", "size", "requested", "reached", "median", "peak", *_CELLS.values(), "nextpnr", "build")
    rows = [heads, ["---"] * len(heads)]
    for name in BOARDS:
        for engine in board(name).presets:
            entry, soc = file.measured(name, engine, path), soc_config(name, engine)
            if entry is None:
                continue
            middle = "" if entry.median_mhz is None else f"{entry.median_mhz:.1f}"
            facts = (f"{entry.clock_hz / 1e6:g}", f"{entry.reached_mhz:.1f}", middle, f"{soc.peak_gops:.2f}")
            cells = (str(entry.cells.get(kind, "")) for kind in _CELLS)
            made = (
                entry.tools.get(board(name).nextpnr, ""),
                f"`{entry.build}`" + (", older" if entry.outdated else ""),
            )
            rows.append((f"`{name}`", engine, soc.kind.size(soc.config), *facts, *cells, *made))
    return _ABOUT + "".join(f"| {' | '.join(row)} |\n" for row in rows)
