"""``tercet boards``."""

import click
from tercet.boards.catalog import BOARDS, Board, board, soc_config
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.measured import measured

from .output import console, table

__all__ = ["boards"]


def _programmer(found: Board) -> str:
    programmer = found.programmer
    tools = [*programmer.own[:1], "openFPGALoader"]
    return " or ".join(tools) + (" with a JTAG adapter" if programmer.cable else "")


def _peak(soc: SocConfig, clock_hz: float) -> str:
    """Multiplications and additions in a second, at most, at a clock."""
    return f"{soc.kind.peak_gops(soc.config, clock_hz):.2f} {soc.kind.throughput_unit(soc.config)}"


def _buffers(soc: SocConfig) -> float:
    """kB of the buffers of an engine's streams."""
    widths = {port.name: port.width for port in soc.kind.streams(soc.config)}
    return sum(widths[name] * words for name, words in soc.depths) / 8192


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
        for name in found.presets:
            soc = soc_config(board_name, name)
            buffers = f"{_buffers(soc):.0f} kB"
            found_before = measured(board_name, name)
            reached = ("", "")
            if found_before is not None:
                mark = " *" if found_before.outdated else ""
                reached = (f"{found_before.reached_mhz:.1f} MHz{mark}", _peak(soc, found_before.reached_mhz * 1e6))
            clock = f"{soc.clock_hz / 1e6:g} MHz"
            fitting.add_row(
                board_name, name, soc.kind.size(soc.config), clock, _peak(soc, soc.clock_hz), *reached, buffers
            )
    console().print(result)
    console().print(fitting)
    click.echo("Reached: by place and route, where it was run for this board, and the peak then; * of older gateware.")
    click.echo("GOPS of eie are on stored entries: at a density of 10 % they stand for ten times as many.")
