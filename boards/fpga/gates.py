"""Gate-level netlists for simulation in place of the RTL, after synthesis or after place and route.

The results are Verilog sources for `tercet.sim.bench.run` and `SimulatedBoard`: the top module with the same ports as
the RTL, built from the device's cells, and a model of each cell type. Models are those of yosys where it has one, else
those of `tercet.rtl.primitives`::

    RTL --[yosys]--> cells --[nextpnr]--> cells of the chip
                       |                        |
                 gate_sources            routed_sources
"""

import functools
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tercet.rtl import primitives
from tercet.rtl.emit import yosys_command
from tercet.sim.cache import build_once

from .devices import FpgaDevice, device
from .netlist import run_yosys
from .nextpnr import place_and_route
from .tools import find_tool

__all__ = ["gate_sources", "routed_sources"]

# Changes that simulators require in yosys' models: pattern to replacement.
_REPAIRS = {
    # Path delays.
    r"\bspecify\b.*?\bendspecify\b": "",
    # A net may not have its value yet at time 0; use the constant that drives it.
    r"initial Q = srval;": 'initial Q = REGSET == "SET";',
    # Verilator does not support z inside a design. Nothing is left open here, see `_connect`.
    r"\((\w+) === 1'bz\) \? 1'b[01] : \1\b": r"\1",
}
_WAIVERS = "/* verilator lint_off INITIALDLY */ // memories are initialised so\n"
# A netlist becomes megabytes of C++ that run only briefly: optimising them would dominate the run time.
_UNOPTIMISED = """
`ifdef VERILATOR
`systemc_header
#pragma GCC optimize ("O0")
`verilog
`endif
"""
# Suppresses the clock's first edge. At time 0 it precedes the settling of nets, and registers without reset would keep
# the value they sample then beyond the reset.
_CLOCK = """  wire clk;
  reg begun = 0;
  always @(negedge clk) begun <= 1;
  wire begun_clk = clk & begun;
"""
# Yosys commands that write a netlist without the names of unconnected wires.
_WRITE = "opt_clean -purge; write_verilog -noattr gates.v"
# Unconnected inputs that read as 1; all others read as 0.
_PULLED_UP = ("CE", "CEN", "RCLKE", "WCLKE")
# nextpnr cells without a model, whose ports are split into bits, to the equivalent yosys cells.
_IN_BITS = {"ICESTORM_DSP": "SB_MAC16", "ICESTORM_SPRAM": "SB_SPRAM256KA"}
# Fabric-side port of an unregistered SB_IO by PIN_TYPE: input, output.
_PADS = {0b000001: "D_IN_0", 0b011001: "D_OUT_0"}

# Part of a yosys JSON netlist.
_Json = dict[str, Any]


def gate_sources(sources: Mapping[str, str], top: str, device_name: str, *, infer_dsp: bool = False) -> dict[str, str]:
    """Synthesise a design for a device.

    Results are kept in the cache of `tercet.sim.build`.

    Parameters
    ----------
    sources : Mapping[str, str]
        File name to Verilog text; models of `tercet.rtl.primitives` are skipped.
    top : str
        Name of the top module; its clock is ``clk``.
    device_name : str
        One of `tercet.boards.fpga.devices.DEVICES`.
    infer_dsp : bool
        As in `tercet.boards.fpga.synth.synthesize`.

    Returns
    -------
    dict[str, str]
        File name to Verilog text.

    Raises
    ------
    ValueError
        If the device is unknown, or a cell has no model.
    SynthesisError
        If yosys rejects the design.
    """
    target, design = device(device_name), _without_models(sources)
    script = target.fabric.script(top, infer_dsp=infer_dsp, json="netlist.json")

    def make(folder: Path) -> None:
        _synthesise(design, f"{script}; {_WRITE}", folder)
        _keep_cells(json.loads((folder / "netlist.json").read_text()), top, folder)

    return _made(["gates", design, top, script, _version(*yosys_command())], make, top, target)


def routed_sources(
    sources: Mapping[str, str], top: str, device_name: str = "up5k", *, infer_dsp: bool = False, seed: int = 1
) -> dict[str, str]:
    """Synthesise, place and route a design for an iCE40.

    Parameters
    ----------
    sources, top, infer_dsp
        As in `gate_sources`. Each port bit takes a pin; inout ports are not supported.
    device_name : str
        Name of an iCE40 device.
    seed : int
        Seed for nextpnr.

    Returns
    -------
    dict[str, str]
        File name to Verilog text. Pads are replaced by wires.

    Raises
    ------
    ValueError
        If the device is unknown or not an iCE40, or a cell has no model.
    SynthesisError, ToolNotFound
        If a tool rejects the design or is not installed.
    """
    target, design = device(device_name), _without_models(sources)
    if target.family != "ice40":
        raise ValueError(f"Device {device_name!r} is not an iCE40, the only family with routed netlists; use up5k")
    script = target.fabric.script(top, infer_dsp=infer_dsp, json="netlist.json")
    # Shortest run time; fmax does not matter. With any seed, router2 can alternate for ever between two nets that
    # contend for the same wires.
    flags = [*target.flags, "--pcf-allow-unconstrained", "--seed", str(seed), "--no-tmdriv", "--router", "router1"]
    nextpnr = find_tool("nextpnr-ice40")

    def make(folder: Path) -> None:
        _synthesise(design, script, folder)
        files = ["--json", "netlist.json", "--write", "routed.json", "--report", "report.json", "--log", "routed.log"]
        command = [*nextpnr, *flags, *files, "--quiet"]
        place_and_route(command, folder, log="routed.log", report="report.json", target=device_name)
        netlist = _unpacked(json.loads((folder / "routed.json").read_text()), top)
        (folder / "unpacked.json").write_text(json.dumps(netlist))
        run_yosys(f"read_json unpacked.json; {_WRITE}", folder)
        _keep_cells(netlist, top, folder)

    versions = [_version(*yosys_command()), _version(*nextpnr)]
    return _made(["routed", design, top, script, flags, *versions], make, top, target)


def _without_models(sources: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in sources.items() if Path(name).stem not in primitives.MODELS}


@functools.cache
def _version(*command: str) -> str:
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _made(facts: Sequence, make: Callable[[Path], None], top: str, target: FpgaDevice) -> dict[str, str]:
    """Return the netlist written by `make`, cached under `facts`, prepared for simulators and with its models."""
    folder = build_once([*facts, Path(__file__).read_text()], make)
    text = (folder / "gates.v").read_text()
    text = text.replace(");\n", f");{_UNOPTIMISED}", 1)
    text = text.replace("(clk)", "(begun_clk)").replace("  wire clk;\n", _CLOCK, 1)
    cells = json.loads((folder / "cells.json").read_text())
    return {f"{top}.v": text, **_models(cells, target.family)}


def _synthesise(design: Mapping[str, str], script: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, text in design.items():
        (folder / name).write_text(text)
    run_yosys(f"read_verilog {' '.join(design)}; {script}", folder)


def _keep_cells(netlist: _Json, top: str, folder: Path) -> None:
    """Replace the JSON netlists in a folder by a list of the cell types used."""
    for path in folder.glob("*.json"):
        path.unlink()
    cells = {cell["type"] for cell in netlist["modules"][top]["cells"].values()} - {"$scopeinfo"}
    (folder / "cells.json").write_text(json.dumps(sorted(cells)))


def _models(cells: Iterable[str], family: str) -> dict[str, str]:
    """Return the models of cells and of the cells inside them, file name to text."""
    known = _yosys_models(family)
    texts: dict[str, str] = {}
    ours, left = set(), list(cells)
    while left:
        name = left.pop()
        if name not in known:
            ours.add(name)
        elif name not in texts:
            texts[name] = _WAIVERS + known[name]
            left += [other for other in known if re.search(rf"\b{other}\b", known[name])]
    texts |= {path.stem: path.read_text() for path in primitives.models(ours)}
    return {f"{name}.v": texts[name] for name in sorted(texts)}


@functools.cache
def _yosys_models(family: str) -> dict[str, str]:
    """Yosys' models of a family's cells by name, without black boxes."""
    # Yosys locates the models and prints them with macros expanded. Older Icarus lacks default values of ports.
    flags = "-defer -nooverwrite -DNO_ICE40_DEFAULT_ASSIGNMENTS -ppdump"
    with tempfile.TemporaryDirectory(prefix="tercet-cells-") as name:
        run_yosys(f"read_verilog {flags} +/{family}/cells_sim.v", Path(name))
        text = (Path(name) / "yosys.log").read_text()
    for pattern, replacement in _REPAIRS.items():
        text = re.sub(pattern, replacement, text, flags=re.S)
    modules = re.findall(r"^(\(\*[^\n]*\*\)\n)?(module (\w+)\b.*?\bendmodule\b)", text, re.M | re.S)
    return {name: body for attributes, body, name in modules if "blackbox" not in attributes}


def _unpacked(netlist: _Json, top: str) -> _Json:
    """Convert the netlist written by nextpnr to cells that have models."""
    (module,) = netlist["modules"].values()
    _remove_pads(module)
    highest = max(bit for cell in module["cells"].values() for bits in cell["connections"].values() for bit in bits)
    for cell in module["cells"].values():
        highest = _connect(cell, highest)
        if cell["type"] in _IN_BITS:
            _join_bits(cell)
    for net in module["netnames"].values():
        # Routing data, which is most of the text.
        net["attributes"] = {}
    return {**netlist, "modules": {top: module}}


def _remove_pads(module: _Json) -> None:
    """Connect ports to the fabric side of their pads; Verilator cannot connect an input to an inout."""
    pads = {c["connections"]["PACKAGE_PIN"][0]: name for name, c in module["cells"].items() if c["type"] == "SB_IO"}
    for name, port in module["ports"].items():
        cells = [module["cells"].pop(pads[bit]) for bit in port["bits"]]
        port["bits"] = [cell["connections"][_PADS[int(cell["parameters"]["PIN_TYPE"], 2)]][0] for cell in cells]
        module["netnames"][name]["bits"] = port["bits"]


def _connect(cell: _Json, highest: int) -> int:
    """Tie open inputs to constants and give each open output a wire; return the highest wire number so far."""
    for port, bits in cell["connections"].items():
        if not bits and cell["port_directions"][port] == "input":
            bits.append("1" if port in _PULLED_UP else "0")
        elif not bits:
            highest += 1
            bits.append(highest)
    return highest


def _join_bits(cell: _Json) -> None:
    """Join bit ports such as ``A_0`` and ``A_1`` into vectors."""
    directions: dict[str, str] = {}
    vectors: dict[str, dict[int, Any]] = {}
    for port, (bit,) in cell["connections"].items():
        name, _, index = port.rpartition("_")
        if not name:
            name, index = port, "0"
        directions[name] = cell["port_directions"][port]
        vectors.setdefault(name, {})[int(index)] = bit
    cell["type"] = _IN_BITS[cell["type"]]
    cell["port_directions"] = directions
    cell["connections"] = {name: [bits[n] for n in range(len(bits))] for name, bits in vectors.items()}
