"""What bitstreams have reached, as a table beside the file that has it."""

from tercet.boards import measured as file
from tercet.boards.catalog import BOARDS, board, soc_config
from tercet.cli.boards import engine_size

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
hardware. Written by `tercet bench boards --part matrix --keep`; with `--missing` it builds only what is not here, or is
of other gateware: `build` is its hash, which the board itself tells.

"""


def write_table() -> None:
    """Beside the file."""
    file.MEASURED.with_suffix(".md").write_text(table_text())


def table_text() -> str:
    """The table, in Markdown: what `tercet.boards.measured` has of the presets as they are now."""
    heads = ("board", "engine", "size", "asked", "reached", "peak", *_CELLS.values(), "nextpnr", "build")
    rows = [heads, ["---"] * len(heads)]
    for name in BOARDS:
        for engine in board(name).presets:
            found, soc = file.measured(name, engine), soc_config(name, engine)
            if found is None:
                continue
            facts = (f"{found.clock_hz / 1e6:g}", f"{found.reached_mhz:.1f}", f"{soc.peak_gops:.2f}")
            cells = (str(found.cells.get(kind, "")) for kind in _CELLS)
            made = (found.tools.get(board(name).nextpnr, ""), f"`{found.build}`")
            rows.append((f"`{name}`", engine, engine_size(soc), *facts, *cells, *made))
    return _ABOUT + "".join(f"| {' | '.join(row)} |\n" for row in rows)
