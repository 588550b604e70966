"""``tercet flash``."""

import shlex
from pathlib import Path

import click
from tercet.boards.catalog import BOARDS, board
from tercet.boards.flash import BUILDS, built_bitstream, check_bitstream, flash, flash_command
from tercet.boards.fpga.tools import ToolNotFound, find_tool

from .output import working

__all__ = ["flash_board"]

_EPILOG = """\b
Examples:
  tercet flash --board icebreaker
  tercet flash --board ulx3s-85f --persist
  tercet flash --board colorlight-5a75b build/mine/colorlight-5a75b_eie.bit --cable ft2232
  tercet flash --board orangecrab-25f --dry-run
"""


def _tell_tool(name: str) -> None:
    """Report on standard error if a tool is missing or runs under another name."""
    try:
        (start,) = find_tool(name)
    except ToolNotFound as error:
        click.echo(str(error), err=True)
    else:
        if Path(start).name != name:
            click.echo(f"{name} is {start} here", err=True)


@click.command("flash", epilog=_EPILOG)
@click.option(
    "--board",
    "board_name",
    type=click.Choice(BOARDS),
    metavar="BOARD",
    required=True,
    help="Board; see `tercet boards`.",
)
@click.option("--persist", is_flag=True, help="Also write the non-volatile memory, where there is a choice.")
@click.option("--cable", default="", help="JTAG adapter to use instead of the board's own, as named by openFPGALoader.")
@click.option("--dry-run", is_flag=True, help="Only print the command.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def flash_board(board_name: str, persist: bool, cable: str, dry_run: bool, file: Path | None) -> None:
    """Program a board with a bitstream; without FILE, with the last one built for it."""
    target = board(board_name)
    chosen = file or built_bitstream(board_name, BUILDS)
    if dry_run:
        command = flash_command(target, chosen, persist=persist, cable=cable)
        if chosen.exists():
            check_bitstream(target, chosen)
        click.echo(shlex.join(command))
        _tell_tool(command[0])
        return
    with working(f"programming {board_name}"):
        flash(target, chosen, persist=persist, cable=cable)
    click.echo(f"{board_name} runs {chosen}")
