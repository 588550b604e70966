"""What bitstreams have reached, as a table beside the file that has it."""

from pathlib import Path

from tercet.boards import measured as file
from tercet.boards.catalog import BOARDS, board, soc_config

__all__ = ["table_text", "write_table"]

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
hardware. `build` is the hash of the gateware, which the board itself reports; "older": the gateware has changed since.
Written by `tercet bench boards --part matrix --keep boards`; with `--missing` it builds only what is not here or older.

"""


def write_table(path: Path) -> None:
    """Write the table of a file like `MEASURED` beside it."""
    path.with_suffix(".md").write_text(table_text(path))


def table_text(path: Path = file.MEASURED) -> str:
    """The table, in Markdown: what a file has of the presets as they are now."""
    heads = ("board", "engine", "size", "asked", "reached", "peak", *_CELLS.values(), "nextpnr", "build")
    rows = [heads, ["---"] * len(heads)]
    for name in BOARDS:
        for engine in board(name).presets:
            found, soc = file.measured(name, engine, path), soc_config(name, engine)
            if found is None:
                continue
            facts = (f"{found.clock_hz / 1e6:g}", f"{found.reached_mhz:.1f}", f"{soc.peak_gops:.2f}")
            cells = (str(found.cells.get(kind, "")) for kind in _CELLS)
            made = (
                found.tools.get(board(name).nextpnr, ""),
                f"`{found.build}`" + (", older" if found.outdated else ""),
            )
            rows.append((f"`{name}`", engine, soc.kind.size(soc.config), *facts, *cells, *made))
    return _ABOUT + "".join(f"| {' | '.join(row)} |\n" for row in rows)
