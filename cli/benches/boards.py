"""Bench of the boards: damaged frames, a bitstream of every engine for every board, and their throughput."""

import functools
from collections.abc import Sequence
from pathlib import Path

from tercet.boards.catalog import BOARDS, soc_config
from tercet.boards.host.link import HostLink
from tercet.boards.host.port import open_port
from tercet.boards.host.protocol import LINK_COUNTERS
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.simulated.board import SimulatedBoard
from tercet.boards.simulated.fault_injection import BIT_FAULTS, BYTE_FAULTS, FaultCounts, LinePort, inject_faults
from tercet.boards.simulated.request_fuzzer import products
from tercet.boards.soc.soc import soc_sources
from tercet.cli.output import progress
from tercet.golden.engines import MODELS as ENGINES

from .boards_matrix import bench_matrix
from .boards_peaks import bench_peaks, draw_peaks
from .common import Rows, print_table, run_parts

__all__ = ["PARTS", "TEXT", "run_bench"]

PARTS = ("faults", "matrix", "peaks")
TEXT = """Measure the boards: a hundred thousand damaged frames on a simulated board, a thousand more at bit level
through its UART, a bitstream of every engine for every board, and their throughput against the limits of the chips
and against arrays of other projects. Hours on two cores, mostly place and route."""

_BYTES, _BITS = 100_000, 1_000
# A small engine: the link is under test.
_BOARD = {"rows": 2, "cols": 2, "mac": "infer", "requant_lanes": 1}
_DEPTH = 64
_DID = {"damaged": "rejected", "dropped": "dropped", "repeated": "answered again", "results": "results read"}


def run_bench(
    parts: Sequence[str],
    output: Path,
    boards: Sequence[str] = BOARDS,
    engines: Sequence[str] = tuple(ENGINES),
    keep: Path | None = None,
    missing: bool = False,
) -> bool:
    """Run parts of the bench, print their tables and write the results; returns whether everything agreed."""
    matrix = functools.partial(bench_matrix, boards, engines, keep, missing)
    runs = {"faults": _bench_faults, "matrix": matrix, "peaks": bench_peaks}
    return run_parts("boards", runs, {"peaks": draw_peaks}, parts, output)


def _bench_faults() -> Rows:
    """Inject damaged frames, each followed by a good one."""
    rows = []
    with progress("damaged frames", total=_BYTES + _BITS) as advance:
        for mode, count in (("bytes", _BYTES), ("line", _BITS)):
            counts = _run_faults(mode, count, advance)
            kinds = {kind: counts[kind] for kind in (*BYTE_FAULTS, *BIT_FAULTS) if counts[kind]}
            rows.append(
                {
                    "mode": mode,
                    "frames": count,
                    "kinds": kinds,
                    **{name: counts[name] for name in (*LINK_COUNTERS, "results")},
                    # Good frames without their answer, and requests executed that the host never sent.
                    "mismatches": counts["wrong"] + abs(counts["accepted"] - count),
                }
            )
    print_table(
        "Damaged frames, each followed by a good one",
        ("interface", "kind", "damaged"),
        [(row["mode"], kind, number) for row in rows for kind, number in row["kinds"].items()],
    )
    print_table(
        "Response of the board",
        ("interface", "damaged frames", "good ones executed", *_DID.values(), "wrong"),
        [tuple(row[name] for name in ("mode", "frames", "accepted", *_DID, "mismatches")) for row in rows],
    )
    return rows


def _soc() -> SocConfig:
    depths: dict[str, int] = dict.fromkeys(("acts", "weights", "params", "sums", "outs"), _DEPTH)
    return soc_config("icebreaker", "systolic", **_BOARD, depths=depths)


def _run_faults(mode: str, count: int, advance) -> FaultCounts:
    soc, done = _soc(), 0

    def step(now: int) -> None:
        nonlocal done
        advance(count=now - done)
        done = now

    board = SimulatedBoard(soc, soc_sources(soc, uart=mode != "bytes"), mode=mode)
    with board, open_port(board.path, soc.baud) as port:
        line = LinePort(port) if mode == "line" else port
        counts = inject_faults(
            line, HostLink(line, timeout=20.0), functools.partial(products, soc), count, progress=step
        )
    advance(f"{count} damaged frames, interface {mode}: {counts['wrong']} wrong answers")
    return counts
