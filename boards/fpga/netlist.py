"""Synthesis with yosys: netlists, cell counts and capacity checks."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tercet.rtl.emit import yosys_command
from tercet.rtl.yowasp import cache_problem

from .devices import FpgaDevice
from .wrapper import UnitPort

__all__ = [
    "DoesNotFit",
    "SynthesisError",
    "cell_counts",
    "check_fits",
    "ports_of",
    "run_yosys",
]


class SynthesisError(RuntimeError):
    """A tool rejected the design; the message quotes its error."""


class DoesNotFit(SynthesisError):
    """The design needs more cells of some kind than the device has."""


def run_yosys(script: str, folder: Path) -> None:
    """Run a yosys script in a folder.

    Raises
    ------
    SynthesisError
        If yosys fails.
    """
    # Under WebAssembly yosys stops printing once ABC has run, so log to a file.
    command = [*yosys_command(), "-q", "-l", "yosys.log", "-p", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        log = folder / "yosys.log"
        lines = (log.read_text() if log.exists() else done.stderr).splitlines()
        errors = [line for line in lines if "ERROR" in line] or lines[-1:] or ["no message"]
        raise SynthesisError(cache_problem(command[0], done.stderr) or f"yosys: {errors[-1].strip()}")


def ports_of(verilog: str, top: str, folder: Path) -> list[UnitPort]:
    """Return the ports of a module.

    Raises
    ------
    SynthesisError
        If the Verilog cannot be parsed or has no such module.
    """
    (folder / "unit.v").write_text(verilog)
    run_yosys(f"read_verilog unit.v; hierarchy -top {top}; proc; write_json ports.json", folder)
    ports = json.loads((folder / "ports.json").read_text())["modules"][top]["ports"]
    return [UnitPort(name, len(port["bits"]), port["direction"] == "input") for name, port in ports.items()]


def cell_counts(netlist: Path, device: FpgaDevice) -> dict[str, int]:
    """Count the cells of a flattened netlist (yosys JSON) by report kind."""
    modules = json.loads(netlist.read_text())["modules"]
    top = next(m for m in modules.values() if int(m["attributes"].get("top", "0"), 2))
    return device.fabric.count([cell["type"] for cell in top["cells"].values()])


def check_fits(cells: Mapping[str, int], device: FpgaDevice, what: str, where: str) -> None:
    """Check cell counts against the capacity of a device.

    Parameters
    ----------
    cells : mapping
        Result of `cell_counts`.
    device : FpgaDevice
        Device with the capacity.
    what, where : str
        Names of the design and of the device or board, for the message.

    Raises
    ------
    DoesNotFit
        If the device has too few cells of some kind.
    """
    for kind, count in cells.items():
        if count > device.capacity[kind]:
            raise DoesNotFit(
                f"{what} needs {count} {kind}, but {where} has {device.capacity[kind]}; "
                "use a larger one, or smaller parameters or buffers"
            )
