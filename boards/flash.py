"""From a bitstream to a board, and what to do when the board's tool refuses."""

import json
import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

from .catalog import Board
from .fpga.tools import ToolNotFound, find_tool

__all__ = ["BUILDS", "FlashError", "built_bitstream", "check_bitstream", "dfu_suffix", "flash", "flash_command"]

BUILDS = Path("build", "boards")
"""Where a folder for each board and engine is, unless something else is said."""

# What a tool says, in part, and what that means and what helps.
_PROBLEMS = {
    r"error while loading shared libraries: ([\w.+-]+)": (
        "{tool} lacks the system's library {0}; install libusb and libftdi (Debian: libusb-1.0-0 and libftdi1-2)"
    ),
    r"support for (\w+) was not enabled": (
        "This {tool} does not drive {0} adapters, which {name} has; put the system's openFPGALoader on PATH"
    ),
    r"error : (\w+) not found": "{tool} knows no adapter {0}; see {tool} --list-cables",
    r"mismatch between target's idcode|idcode mismatch|(?:wrong|device with) idcode|(?:does not|doesn't) match": (
        "The bitstream is for another FPGA than the one found, and {name} has {part}; look at the chip, and choose the "
        "board that has it"
    ),
    r"More than one DFU capable": "Several boards are in their boot loader; disconnect all but one",
    r"\(?unable to claim|LIBUSB_ERROR_BUSY|[Cc]laim interface|Failed to claim FPGA|Resource busy": (
        "Another program uses {name}; close terminals and debuggers that have its port open"
    ),
    r"usb_open\(\) failed|libusb_open\(\) failed|LIBUSB_ERROR_ACCESS|[Pp]ermission|Operation not permitted": (
        "This user may not open {name}; add a udev rule for it (openFPGALoader brings 99-openfpgaloader.rules; on "
        "Windows, give it the WinUSB driver), and plug it in again"
    ),
    r"-3 \(device not found\)|Can't find iCE FTDI|No DFU (?:capable|compatible)|[0-9a-f]{4}:[0-9a-f]{4} [Nn]ot found": (
        "No {name} is there, or this user may not open it; {connect}, and see whether lsusb lists it"
    ),
    r"no device found|can't find compatible device|[Nn]o JTAG": (
        "No FPGA answers on JTAG; see whether the board has power, and check the adapter's wires"
    ),
    r"[Vv]erif\w*\W+(?:failed|error)|Found difference between flash and file": (
        "The memory of {name} does not hold what was written; try again, with a shorter USB cable"
    ),
}


class FlashError(OSError):
    """A board cannot be programmed; one line that says what helps."""


def flash_command(found: Board, file: Path, *, persist: bool = False, cable: str = "") -> list[str]:
    """The command that programs a board.

    Parameters
    ----------
    found : Board
        The board.
    file : Path
        The bitstream.
    persist : bool
        Write the memory that survives power-off, and not only the FPGA; some boards have no other way.
    cable : str
        A JTAG adapter, in openFPGALoader's words, instead of what is on the board.

    Raises
    ------
    ValueError
        If the board would lose its boot loader.
    """
    programmer = found.programmer
    if programmer.own and not cable and _is_there(programmer.own[0]):
        return [*programmer.own, str(file)]
    by_loader = programmer.dfu is not None and not cable
    if programmer.dfu is not None and cable and persist:
        raise ValueError(f"Written by a cable, {found.name} would lose its boot loader; leave the cable or persist out")
    adapter = cable or programmer.cable
    # A board that is known by its boot loader is nothing special to a cable.
    arguments = programmer.arguments if by_loader or programmer.dfu is None else ()
    options = [*(("-c", adapter) if adapter else ()), *(["--write-flash"] if persist and not programmer.keeps else [])]
    return ["openFPGALoader", *arguments, *options, str(file)]


def flash(found: Board, file: Path, *, persist: bool = False, cable: str = "") -> None:
    """Program a board; parameters as of `flash_command`.

    Raises
    ------
    ValueError
        If the bitstream is another board's, or empty.
    FlashError
        If the board's tool refuses.
    ToolNotFound
        If it is not installed.
    OSError
        If the file cannot be read.
    """
    check_bitstream(found, file)
    name, *arguments = flash_command(found, file, persist=persist, cable=cable)
    command = [*find_tool(name), *arguments]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    output = f"{done.stdout}\n{done.stderr}"
    # OrangeCrab's boot loader starts the FPGA at once, and is then no longer there to be asked.
    started = "Download done." in output and "LIBUSB_ERROR_NO_DEVICE" in output
    if done.returncode != 0 and not started:
        raise FlashError(_explain(found, name, output, done.returncode))
    if re.findall(r"cdone: (\w+)", output)[-1:] == ["low"]:
        raise FlashError(f"The FPGA of {found.name} does not start from what was written; build the bitstream again")


def built_bitstream(board_name: str, builds: Path = BUILDS) -> Path:
    """The bitstream that was built last for a board.

    Parameters
    ----------
    board_name : str
        The board.
    builds : Path
        Where the folders are.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = [(report.stat().st_mtime, file) for report, board, file in _reports(builds) if board == board_name]
    if not found:
        raise ValueError(f"No bitstream for {board_name} is in {str(builds)!r}; build one, or name a file")
    return max(found)[1]


def check_bitstream(found: Board, file: Path) -> None:
    """See whether a bitstream may be a board's.

    Raises
    ------
    ValueError
        If it is another board's, or empty.
    OSError
        If the file cannot be read.
    """
    if not file.read_bytes():
        raise ValueError(f"Bitstream {str(file)!r} is empty; build it again")
    for _, board_name, bitstream in _reports(file.absolute().parent.parent):
        if bitstream == file.absolute() and board_name != found.name:
            raise ValueError(f"Bitstream {str(file)!r} was built for {board_name}; build one for {found.name}")


def dfu_suffix(data: bytes, vendor: int, product: int) -> bytes:
    """A file with the suffix by which ``dfu-util`` knows for which device it is (USB DFU 1.1, appendix B)."""
    data += struct.pack("<HHHH3sB", 0xFFFF, product, vendor, 0x0100, b"UFD", 16)
    return data + struct.pack("<I", zlib.crc32(data) ^ 0xFFFFFFFF)


def _is_there(tool: str) -> bool:
    try:
        find_tool(tool)
    except ToolNotFound:
        return False
    return True


def _reports(builds: Path) -> Iterator[tuple[Path, str, Path]]:
    """Reports with their boards and bitstreams, as far as these are there."""
    for report in builds.glob("*/report.json"):
        try:
            content = json.loads(report.read_text())
            board_name, file = content["board"], report.with_name(content["bitstream"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if file.exists():
            yield report, board_name, file


def _explain(found: Board, tool: str, output: str, status: int) -> str:
    for pattern, meaning in _PROBLEMS.items():
        match = re.search(pattern, output, re.I)
        if match:
            words = {"tool": tool, "name": found.name, "part": found.part, "connect": found.programmer.connect}
            return meaning.format(*match.groups(), **words)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search("error|fail|abort", line, re.I)]
    return f"{tool} cannot program {found.name}: {(errors or lines or [f'exit status {status}'])[-1]}"
