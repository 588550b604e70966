"""Bench part: every measured bitstream against the limit of its chip, and arrays against those of other projects."""

from typing import Any

from tercet.boards.catalog import BOARDS, Board, board, soc_config
from tercet.boards.measured import measured
from tercet.boards.platforms import PLATFORMS
from tercet.cli.figures import figure, png
from tercet.engines import engine_spec
from tercet.golden.systolic.config import SystolicConfig

from .common import Rows, Synth, place_and_route, print_table

__all__ = ["bench_peaks", "draw_peaks"]

# Clock of a multiplier with its adder alone, in MHz, by family and speed grade: the medians of three seeds of
# `tercet synth systolic --unit pe --mac ecp5 --device ecp5-85k --freq 400`, with `--speed 8 --freq 500`, and of
# `--mac ice40 --device up5k`. The multipliers' inside is not timed.
_CELL_MHZ = {("ecp5", "6"): 310.7, ("ecp5", "8"): 406.3, ("ice40", ""): 87.5}
# Operations per clock of a multiplier that has two int8 products, and of one that multiplies wider numbers.
_OPERATIONS = {"systolic": 4, "npu": 4, "eie": 2, "tensorcore": 2}
# Arrays of other open projects with the same tools (yosys 0.70, nextpnr 0.11.1), ECP5 speed grade 6, one seed: MHz.
_PEERS = {
    "axis-systolic-array, 4x4, 25k": 133.9,
    "axis-systolic-array, 8x8, 85k": 93.5,
    "CFU-Playground's systolic array": 126.0,
    "OpenTPU": 86.3,
}
_ARRAYS = ((4, "ecp5-25k"), (8, "ecp5-85k"))
# Boards in the picture: one per chip, of the speed grade that most have.
_DRAWN = ("ulx3s-25f", "ulx3s-45f", "ulx3s-85f", "icebreaker")


def bench_peaks() -> Rows:
    """Compare the measured bitstreams with the limits of their chips, and arrays with those of others; prints tables.

    The limit is that of all multipliers of the chip, each at the clock that one with its adder reaches alone. Of int8
    products a multiplier has two. Boards of other families than ECP5 and iCE40 are left out. The arrays are placed and
    routed here, with three seeds.
    """
    return [*_bitstreams(), *_arrays()]


def _bitstreams() -> Rows:
    rows = [row for name in BOARDS for engine in board(name).presets if (row := _row(board(name), engine)) is not None]
    print_table(
        "Throughput at the clock reached, against all multipliers of the chip at a single one's clock",
        ("board", "engine", "size", "MHz", "GOPS", "limit", "multipliers used", "share of the limit"),
        [
            (row["board"], row["engine"], row["size"], f"{row['reached_mhz']:.1f}", f"{row['gops']:.2f}")
            + (f"{row['limit_gops']:.1f}", f"{row['used']} of {row['available']}", f"{row['share']:.1%}")
            for row in rows
        ],
    )
    return rows


def _arrays() -> Rows:
    jobs = [
        Synth("array", SystolicConfig(rows=side, cols=side, mac="ecp5"), f"{side}x{side}", device, 300.0)
        for side, device in _ARRAYS
    ]
    reports = place_and_route(engine_spec("systolic"), jobs)
    ours = {f"Tercet, {row['config']}, {row['device'][-3:]}": row["fmax_mhz"]["median"] for row in reports}
    rows = [{"array": name, "mhz": mhz} for name, mhz in (ours | _PEERS).items()]
    print_table("Arrays with the same tools", ("array", "MHz"), [(row["array"], f"{row['mhz']:.1f}") for row in rows])
    return rows


def _row(on: Board, engine: str) -> dict[str, Any] | None:
    """The figures of a bitstream; None of one without result."""
    entry, device = measured(on.name, engine), on.device
    cell_mhz = _CELL_MHZ.get((device.family, getattr(PLATFORMS[on.name], "speed", "")))
    if entry is None or cell_mhz is None:
        return None
    soc, available = soc_config(on.name, engine), device.capacity["dsp"]
    gops = soc.peak_gops * entry.reached_mhz * 1e6 / soc.clock_hz
    limit = available * _OPERATIONS[engine] * cell_mhz / 1e3
    return {
        "board": on.name,
        "engine": engine,
        "size": soc.kind.size(soc.config),
        "reached_mhz": entry.reached_mhz,
        "outdated": entry.outdated,
        "gops": gops,
        "limit_gops": limit,
        "share": gops / limit,
        "used": entry.cells.get("dsp", 0),
        "available": available,
    }


def draw_peaks(rows: Rows) -> bytes:
    """Draw the limits as outlines with the throughput reached within them, and the clocks of the arrays, as PNG."""
    bitstreams = [row for row in rows if row.get("board") in _DRAWN]
    arrays = [row for row in rows if "array" in row]
    image, (left, right) = figure(2, 12, 0.3 * len(bitstreams) + 1.2)
    _draw_bitstreams(left, bitstreams)
    names, clocks = [row["array"] for row in arrays], [row["mhz"] for row in arrays]
    right.barh(names, clocks, color=["tab:blue" if name not in _PEERS else "0.6" for name in names])
    for position, clock in enumerate(clocks):
        _annotate(right, f"{clock:.1f}", clock, position)
    right.invert_yaxis()
    right.set_xlim(0, 1.15 * max(clocks))
    right.set_xlabel("MHz of an array alone")
    return png(image)


def _draw_bitstreams(axes: Any, rows: Rows) -> None:
    labels = [f"{row['board']}, {row['engine']}{' (older)' if row['outdated'] else ''}" for row in rows]
    limits = [row["limit_gops"] for row in rows]
    axes.barh(labels, limits, fill=False, edgecolor="0.6", label="limit of the chip")
    axes.barh(labels, [row["gops"] for row in rows], height=0.5, color="tab:blue", label="reached")
    for position, row in enumerate(rows):
        text = f"{row['gops']:.1f} of {row['limit_gops']:.1f}: {row['share']:.0%}"
        _annotate(axes, text, max(row["limit_gops"], row["gops"]), position)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.5 * max(limits))
    axes.set_xlabel("GOPS (tensor core: GFLOPS; EIE: on stored entries)")
    axes.legend(loc="upper right")


def _annotate(axes: Any, text: str, end: float, position: int) -> None:
    axes.annotate(text, (end, position), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
