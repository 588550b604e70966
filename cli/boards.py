"""``tercet boards``."""

import click
from tercet.boards.catalog import BOARDS, Board, board, soc_config
from tercet.boards.host.soc_config import SocConfig
from tercet.boards.measured import measured

from .output import console, table

__all__ = ["boards"]


def _programmer(of_board: Board) -> str:
    programmer = of_board.programmer
    tools = [*programmer.own[:1], "openFPGALoader"]
    return " or ".join(tools) + (" with a JTAG adapter" if programmer.cable else "")


def _peak(soc: SocConfig, clock_hz: float) -> str:
    """Peak operations (multiplications and additions) per second at a clock rate, with their unit."""
    return f"{soc.kind.peak_gops(soc.config, clock_hz):.2f} {soc.kind.throughput_unit(soc.config)}"


def _buffers(soc: SocConfig) -> float:
    """Total size of an engine's stream buffers, in kB of 1024 bytes."""
    widths = {port.name: port.width for port in soc.kind.streams(soc.config)}
    return sum(widths[name] * words for name, words in soc.depths) / 8192


@click.command("boards", epilog="\b\nExamples:\n  tercet boards\n")
def boards() -> None:
    """List the boards and the largest engines that fit them."""
    result = table("Boards", "board")
    for column in ("FPGA", "clock", "memory", "link", "programmer"):
        result.add_column(column, justify="right" if column in ("clock", "memory") else "left", overflow="fold")
    fitting = table("Largest engines", "board")
    fitting.add_column("engine", no_wrap=True)
    for column in ("size", "clock", "peak", "fmax", "peak at fmax", "buffers"):
        fitting.add_column(column, justify="right", overflow="fold")
    for board_name in BOARDS:
        entry = board(board_name)
        clock = f"{entry.clock_hz / 1e6:g} MHz"
        result.add_row(
            board_name, entry.part, clock, f"{entry.memory_bytes / 1024:.0f} kB", entry.link, _programmer(entry)
        )
        for name in entry.presets:
            soc = soc_config(board_name, name)
            buffers = f"{_buffers(soc):.0f} kB"
            measurement = measured(board_name, name)
            reached = ("", "")
            if measurement is not None:
                mark = " *" if measurement.outdated else ""
                reached = (f"{measurement.reached_mhz:.1f} MHz{mark}", _peak(soc, measurement.reached_mhz * 1e6))
            clock = f"{soc.clock_hz / 1e6:g} MHz"
            fitting.add_row(
                board_name, name, soc.kind.size(soc.config), clock, _peak(soc, soc.clock_hz), *reached, buffers
            )
    console().print(result)
    console().print(fitting)
    click.echo("fmax is from place and route, where it was run for this board; * means older gateware.")
    click.echo("GOPS of eie count stored entries: at 10 % density they replace ten times as many dense operations.")
