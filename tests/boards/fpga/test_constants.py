"""Constants of multipliers: each pin keeps its value, from a source that only its block or itself uses."""

import json
import subprocess

import pytest
from tercet.boards.fpga.constants import localise_constants
from tercet.boards.fpga.devices import DEVICES
from tercet.boards.fpga.floorplan import SITES
from tercet.boards.fpga.netlist import run_yosys
from tercet.boards.fpga.tools import find_tool

OWN = {"SIGNEDA": "1", "SIGNEDB": "1", "SOURCEA": "0", "SOURCEB": "0"}
SHARED = {"CE0": "1", "RST0": "0"}
ROW = SITES["ecp5-25k"][0]
# The first block is filled, the next has two of four; one more multiplier has no site.
FILLED, PARTLY = ROW[:4], ROW[4:6]


def cells(file):
    (module,) = (m for m in json.loads(file.read_text())["modules"].values() if m["attributes"].get("top"))
    return module["cells"]


@pytest.fixture
def netlist(tmp_path):
    pins = ", ".join(f".{port}(1'b{value})" for port, value in {**OWN, **SHARED}.items())
    sites = [*FILLED, *PARTLY, None]
    multipliers = "".join(
        (f'(* BEL = "{site}" *) ' if site else "")
        + f'MULT18X18D #(.REG_OUTPUT_CLK("CLK0")) m{n} ({pins}, .CE1(w[0]), .CLK0(clk), .A0(w[{n}]), .A1(1\'b1), '
        f".B0(w[{n}]), .P3(w[{n + 1}]));\n"
        for n, site in enumerate(sites)
    )
    ports = f"module top(input clk, input i, output o); wire [{len(sites)}:0] w; assign w[0] = i, o = w[{len(sites)}];"
    (tmp_path / "top.v").write_text(f"{ports}\n{multipliers}endmodule\n")
    run_yosys("read_verilog top.v; synth_ecp5 -top top; write_json top.json", tmp_path)
    return tmp_path / "top.json"


def test_sources(netlist):
    before = cells(netlist)
    added = localise_constants(netlist, "ecp5-25k")
    after = cells(netlist)
    luts = {cell["connections"]["Z"][0]: cell for name, cell in after.items() if name not in before}
    assert added == len(luts) == len(after) - len(before)
    users: dict[int, set[str]] = {net: set() for net in luts}
    old = {bit for cell in before.values() for bits in cell["connections"].values() for bit in bits}
    assert not old & set(luts)
    multipliers = sorted(name for name, cell in before.items() if cell["type"] == "MULT18X18D")
    assert len(multipliers) == len(FILLED) + len(PARTLY) + 1
    for name in before:
        was, now = before[name]["connections"], after[name]["connections"]
        for port in was:
            if name in multipliers and (port in OWN or (port in SHARED and name in multipliers[: len(FILLED)])):
                (net,) = now[port]
                assert luts[net]["type"] == "LUT4"
                assert luts[net]["parameters"]["INIT"] == 16 * {**OWN, **SHARED}[port]
                users[net].add(name)
            else:
                assert now[port] == was[port]
        assert {**before[name], "connections": 0} == {**after[name], "connections": 0}
    # Two sources each: for the filled block, for the one filled in part, and for the multiplier without a site.
    groups = [multipliers[:4], multipliers[4:6], multipliers[6:]]
    assert sorted(sorted(each) for each in users.values()) == sorted(2 * groups)


def test_nextpnr_takes_it(netlist):
    """It routes the sources, and gives the pins of one block one net."""
    localise_constants(netlist, "ecp5-25k")
    target = DEVICES["ecp5-25k"]
    command = [*find_tool(target.fabric.nextpnr), *target.flags, target.fabric.free_pins, "--quiet"]
    command += ["--json", netlist.name, "--write", "routed.json", "--timing-allow-fail"]
    subprocess.run(command, cwd=netlist.parent, check=True)
    routed = cells(netlist.parent / "routed.json")
    sites = [cell["attributes"]["NEXTPNR_BEL"] for cell in routed.values() if cell["type"] == "MULT18X18D"]
    assert set(FILLED) | set(PARTLY) < set(sites)


def test_without_multipliers(tmp_path):
    file = tmp_path / "top.json"
    file.write_text("{}")
    assert localise_constants(file, "up5k") == 0
    assert file.read_text() == "{}"
