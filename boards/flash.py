"""Board programming, with advice for every known failure of the tools."""

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
"""Default parent of the build folders, one for each board and engine."""

# Pattern in a tool's output to the meaning and the remedy.
_PROBLEMS = {
    r"error while loading shared libraries: ([\w.+-]+)": (
        "{tool} cannot load the system library {0}; install libusb and libftdi (Debian: libusb-1.0-0 and libftdi1-2)"
    ),
    r"support for (\w+) was not enabled": (
        "This build of {tool} does not support the {0} adapter of {name}; put the system's openFPGALoader on PATH"
    ),
    r"error : (\w+) not found": "{tool} does not know the adapter {0}; see {tool} --list-cables",
    r"mismatch between target's idcode|idcode mismatch|(?:wrong|device with) idcode|(?:does not|doesn't) match": (
        "The bitstream does not match the FPGA found, and {name} has {part}; read the marking on the chip, and choose "
        "the board that has it"
    ),
    r"More than one DFU capable": "Several boards are in their boot loaders; disconnect all but one",
    r"\(?unable to claim|LIBUSB_ERROR_BUSY|[Cc]laim interface|Failed to claim FPGA|Resource busy": (
        "Another program is using {name}; close terminals and debuggers that have its port open"
    ),
    r"usb_open\(\) failed|libusb_open\(\) failed|LIBUSB_ERROR_ACCESS|[Pp]ermission|Operation not permitted": (
        "No permission to open {name}; add a udev rule for it (openFPGALoader ships 99-openfpgaloader.rules; on "
        "Windows, install the WinUSB driver), and plug it in again"
    ),
    r"-3 \(device not found\)|Can't find iCE FTDI|No DFU (?:capable|compatible)|[0-9a-f]{4}:[0-9a-f]{4} [Nn]ot found": (
        "{name} was not found, or this user may not open it; {connect}, and check that lsusb lists it"
    ),
    r"no device found|can't find compatible device|[Nn]o JTAG": (
        "No FPGA responds on JTAG; check the board's power and the adapter's wiring"
    ),
    r"[Vv]erif\w*\W+(?:failed|error)|Found difference between flash and file": (
        "Verification of the data written to {name} failed; try again with a shorter USB cable"
    ),
}


class FlashError(OSError):
    """A board cannot be programmed; the message is one line with the remedy."""


def flash_command(found: Board, file: Path, *, persist: bool = False, cable: str = "") -> list[str]:
    """Return the command that programs a board.

    Parameters
    ----------
    found : Board
        The board.
    file : Path
        The bitstream.
    persist : bool
        Write non-volatile memory rather than only the FPGA's configuration; some boards always do.
    cable : str
        External JTAG adapter to use instead of the board's own, by its openFPGALoader name.

    Raises
    ------
    ValueError
        If the board's boot loader would be overwritten.
    """
    programmer = found.programmer
    if programmer.own and not cable and _is_installed(programmer.own[0]):
        return [*programmer.own, str(file)]
    by_loader = programmer.dfu is not None and not cable
    if programmer.dfu is not None and cable and persist:
        raise ValueError(f"Writing {found.name}'s flash by cable would erase its boot loader; omit cable or persist")
    adapter = cable or programmer.cable
    # The board arguments of a DFU board select its boot loader; they do not apply to a cable.
    arguments = programmer.arguments if by_loader or programmer.dfu is None else ()
    options = [*(("-c", adapter) if adapter else ()), *(["--write-flash"] if persist and not programmer.keeps else [])]
    return ["openFPGALoader", *arguments, *options, str(file)]


def flash(found: Board, file: Path, *, persist: bool = False, cable: str = "") -> None:
    """Program a board; parameters as in `flash_command`.

    Raises
    ------
    ValueError
        If the bitstream is for another board, or empty.
    FlashError
        If the board's tool fails.
    ToolNotFound
        If that tool is not installed.
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
    # OrangeCrab's boot loader starts the design at once and disappears before its status can be read.
    started = "Download done." in output and "LIBUSB_ERROR_NO_DEVICE" in output
    if done.returncode != 0 and not started:
        raise FlashError(_explain(found, name, output, done.returncode))
    if re.findall(r"cdone: (\w+)", output)[-1:] == ["low"]:
        raise FlashError(f"The FPGA of {found.name} does not start from the written bitstream; build it again")


def built_bitstream(board_name: str, builds: Path = BUILDS) -> Path:
    """Return the most recently built bitstream of a board.

    Parameters
    ----------
    board_name : str
        Name of the board.
    builds : Path
        Parent of the build folders.

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
    """Check that a bitstream is not empty or for another board.

    Raises
    ------
    ValueError
        If it is for another board, or empty.
    OSError
        If the file cannot be read.
    """
    if not file.read_bytes():
        raise ValueError(f"Bitstream {str(file)!r} is empty; build it again")
    for _, board_name, bitstream in _reports(file.absolute().parent.parent):
        if bitstream == file.absolute() and board_name != found.name:
            raise ValueError(f"Bitstream {str(file)!r} was built for {board_name}; build one for {found.name}")


def dfu_suffix(data: bytes, vendor: int, product: int) -> bytes:
    """Append the suffix by which ``dfu-util`` checks the target device (USB DFU 1.1, appendix B)."""
    data += struct.pack("<HHHH3sB", 0xFFFF, product, vendor, 0x0100, b"UFD", 16)
    return data + struct.pack("<I", zlib.crc32(data) ^ 0xFFFFFFFF)


def _is_installed(tool: str) -> bool:
    try:
        find_tool(tool)
    except ToolNotFound:
        return False
    return True


def _reports(builds: Path) -> Iterator[tuple[Path, str, Path]]:
    """Yield report, board name and bitstream of every build whose bitstream exists."""
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
