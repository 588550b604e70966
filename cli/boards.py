"""``tercet boards``."""

from typing import Any

import click
from tercet.boards.catalog import BOARDS, Board, board, soc_config
from tercet.boards.engines import engine as engine_of
from tercet.boards.measured import measured
from tercet.boards.presets import Preset
from tercet.boards.soc_config import SocConfig

from .output import console, table

__all__ = ["boards", "engine_size"]


def _programmer(found: Board) -> str:
    programmer = found.programmer
    tools = [*programmer.own[:1], "openFPGALoader"]
    return " or ".join(tools) + (" with a JTAG adapter" if programmer.cable else "")


def engine_size(soc: SocConfig) -> str:
    """How large an engine is, in its own terms."""
    config = soc.config
    if soc.engine == "systolic":
        return f"{config.rows} x {config.cols} PEs"
    if soc.engine == "eie":
        return f"{config.n_pe} PEs"
    return f"{config.m} x {config.n} x {config.l}, fold {config.fold}"


def _peak(soc: SocConfig, clock_hz: float) -> str:
    """Multiplications and additions in a second, at most, at a clock."""
    unit = "GFLOPS" if soc.engine == "tensorcore" and not soc.config.integers else "GOPS"
    return f"{soc.peak_gops * clock_hz / soc.clock_hz:.2f} {unit}"


def _buffers(name: str, preset: Preset, config: Any) -> float:
    """kB of its streams' buffers."""
    return sum(port.width * preset.depths[port.name] for port in engine_of(name).streams(config)) / 8192


@click.command("boards", epilog="\b\nExamples:\n  tercet boards\n")
def boards() -> None:
    """List the boards, and the largest engines that fit."""
    result = table("Boards", "board")
    for column in ("FPGA", "clock", "memory", "link", "programmer"):
        result.add_column(column, justify="right" if column in ("clock", "memory") else "left", overflow="fold")
    fitting = table("What fits", "board")
    fitting.add_column("engine", no_wrap=True)
    for column in ("size", "clock", "peak", "reached", "peak then", "buffers"):
        fitting.add_column(column, justify="right", overflow="fold")
    for board_name in BOARDS:
        found = board(board_name)
        clock = f"{found.clock_hz / 1e6:g} MHz"
        result.add_row(
            board_name, found.part, clock, f"{found.memory_bytes / 1024:.0f} kB", found.link, _programmer(found)
        )
        for name, preset in found.presets.items():
            soc = soc_config(board_name, name)
            buffers = f"{_buffers(name, preset, soc.config):.0f} kB"
            found_before = measured(board_name, name)
            reached = ("", "")
            if found_before is not None:
                reached = (f"{found_before.reached_mhz:.1f} MHz", _peak(soc, found_before.reached_mhz * 1e6))
            clock = f"{soc.clock_hz / 1e6:g} MHz"
            fitting.add_row(board_name, name, engine_size(soc), clock, _peak(soc, soc.clock_hz), *reached, buffers)
    console().print(result)
    console().print(fitting)
    click.echo("Reached: what place and route gave, where it was run for this board, and the peak at that.")
    click.echo("GOPS of eie are on stored entries: at a density of 10 % they stand for ten times as many.")
