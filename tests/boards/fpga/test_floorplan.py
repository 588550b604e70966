"""Sites of multiplier blocks: those of nextpnr, each used once, neighbours side by side."""

import itertools
import json
import re
import subprocess
from collections import Counter

import pytest
from tercet.boards.fpga.devices import DEVICES
from tercet.boards.fpga.floorplan import SITES, fixed_sites
from tercet.boards.fpga.netlist import DoesNotFit, SynthesisError, run_yosys
from tercet.boards.fpga.tools import find_tool
from tercet.engines.systolic import SPEC
from tercet.engines.tensorcore import SPEC as TENSORCORE
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.emit import verilog


def names(rows, cols):
    return [[f"r{row}c{col}" for col in range(cols)] for row in range(rows)]


def synthesised(text, target, sites, folder):
    """Names of the multipliers of a synthesised module, with their sites."""
    (folder / "top.v").write_text(text)
    script = target.fabric.script("top", infer_dsp=False, json="top.json", sites=sites)
    run_yosys(f"read_verilog top.v; {script}", folder)
    cells = json.loads((folder / "top.json").read_text())["modules"]["top"]["cells"]
    return {name: cell["attributes"].get("BEL") for name, cell in cells.items() if cell["type"] == "MULT18X18D"}


@pytest.mark.parametrize("device", SITES)
def test_sites_are_those_of_nextpnr(device, tmp_path):
    """A chain of as many multipliers as the device has, each fixed at a site: nextpnr places every one there."""
    target = DEVICES[device]
    sites = [site for row in SITES[device] for site in row]
    assert len(set(sites)) == len(sites) == target.capacity["dsp"]
    cells = "".join(
        f"(* BEL = \"{site}\" *) MULT18X18D m{n}(.SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0), "
        f".A0(w[{n}]), .B0(w[{n}]), .P3(w[{n + 1}]));\n"
        for n, site in enumerate(sites)
    )
    text = f"module top(input i, output o); wire [{len(sites)}:0] w; assign w[0] = i, o = w[{len(sites)}];\n{cells}"
    (tmp_path / "top.v").write_text(f"{text}endmodule\n")
    run_yosys("read_verilog top.v; synth_ecp5 -top top; write_json top.json", tmp_path)
    command = [*find_tool(target.fabric.nextpnr), *target.flags, target.fabric.free_pins, "--no-route", "--quiet"]
    command += ["--json", "top.json", "--write", "placed.json", "--timing-allow-fail"]
    subprocess.run(command, cwd=tmp_path, check=True)
    (module,) = json.loads((tmp_path / "placed.json").read_text())["modules"].values()
    placed = {n: c["attributes"]["NEXTPNR_BEL"] for n, c in module["cells"].items() if c["type"] == "MULT18X18D"}
    assert placed == {f"m{n}": site for n, site in enumerate(sites)}


@pytest.mark.parametrize("device", SITES)
def test_every_array_that_fits(device):
    """Each multiplier has a site of the device, no two the same, and a column is a run of neighbours in each row."""
    target = DEVICES[device]
    order = {site: (y, x) for y, row in enumerate(SITES[device]) for x, site in enumerate(row)}
    for rows in range(1, target.capacity["dsp"] + 1):
        for cols in range(1, target.capacity["dsp"] // rows + 1):
            found = fixed_sites(names(rows, cols), target)
            assert len(set(found.values())) == len(found) == rows * cols
            columns = [[order[found[f"r{row}c{col}"]] for row in range(rows)] for col in range(cols)]
            for places in columns:
                # Down the chip, and to the right by one site within a row of it.
                assert all(q == (p[0], p[1] + 1) or q[0] > p[0] for p, q in itertools.pairwise(places))
            for y in range(len(SITES[device])):
                across = [x for places in columns for row, x in places if row == y]
                assert across == sorted(across)
                # No run is longer than another by more than a multiplier.
                runs = [sum(row == y for row, _ in places) for places in columns]
                assert max(runs) - min(runs) <= 1


def test_largest_arrays():
    assert len(fixed_sites(names(7, 4), DEVICES["ecp5-25k"])) == 28
    sites = fixed_sites(names(16, 8), DEVICES["ecp5-85k"])
    rows = [int(re.findall(r"Y(\d+)", sites[f"r{row}c0"])[0]) for row in range(16)]
    assert rows == [10] * 5 + [34] * 5 + [58] * 6
    # They fill whole blocks of four, so that the other multipliers find blocks of their own.
    chip = [site for row in SITES["ecp5-85k"] for site in row]
    blocks = Counter(chip.index(site) // 4 for site in sites.values())
    assert set(blocks.values()) == {4}


def test_rows_that_cannot_be_shared_out_evenly():
    """13 rows of 12 fill all 156 sites only if columns have their fifth multiplier in different rows of the chip."""
    sites = fixed_sites(names(13, 12), DEVICES["ecp5-85k"])
    rows = [[int(re.findall(r"Y(\d+)", sites[f"r{row}c{col}"])[0]) for row in range(13)] for col in range(3)]
    assert rows[0] == [10] * 4 + [34] * 4 + [58] * 5
    assert rows[1] == [10] * 4 + [34] * 5 + [58] * 4
    assert rows[2] == [10] * 5 + [34] * 4 + [58] * 4


def test_refuses():
    with pytest.raises(DoesNotFit, match="^7 x 5 multipliers do not fit ecp5-25k, which has 28; use fewer rows or col"):
        fixed_sites(names(7, 5), DEVICES["ecp5-25k"])
    with pytest.raises(ValueError, match="The multiplier sites of up5k are not known; use one of ecp5-25k"):
        fixed_sites(names(1, 1), DEVICES["up5k"])
    assert fixed_sites([], DEVICES["up5k"]) == {}


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"rows": 5, "cols": 6, "mac": "ecp5-dual"}, "array"),
        ({"rows": 1, "cols": 8, "mac": "ecp5-dual"}, "array"),
        ({"rows": 3, "cols": 2, "mac": "ecp5-dual"}, "engine"),
        ({"rows": 5, "cols": 3, "mac": "ecp5"}, "array"),
        ({"rows": 2, "cols": 2, "mac": "ecp5", "dataflow": "os"}, "engine"),
    ],
)
def test_names_are_those_of_the_netlist(fields, unit, tmp_path):
    """yosys finds each multiplier by its name, and a name that matches none is an error."""
    config = SystolicConfig(acc_depth=4, requant_lanes=0, **fields)
    target = DEVICES["ecp5-25k"]
    sites = fixed_sites(SPEC.multipliers(config, unit), target)
    fixed = synthesised(verilog(SPEC.unit(config, unit), name="top"), target, sites, tmp_path)
    assert len(fixed) == len(sites) == config.rows * config.cols // (2 if config.mac == "ecp5-dual" else 1)
    assert all(next(site for path, site in sites.items() if name.endswith(path)) == fixed[name] for name in fixed)
    script = target.fabric.script("top", infer_dsp=False, json="top.json", sites={"grid.nowhere": "X4/Y13/MULT18_0"})
    with pytest.raises(SynthesisError, match="Assertion failed"):
        run_yosys(f"read_verilog top.v; {script}", tmp_path)


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"m": 4, "n": 2, "l": 2, "fold": 2}, "engine"),
        ({"m": 2, "n": 2, "l": 2, "cores": 2, "fold": 1}, "engine"),
        ({"m": 2, "n": 2, "l": 2, "cores": 2, "fold": 1}, "core"),
        ({"m": 2, "n": 2, "l": 2, "fold": 1, "a_format": "int8"}, "grid"),
    ],
)
def test_names_of_a_tensor_core(fields, unit, tmp_path):
    """The multipliers of a unit fill neighbouring sites, with those of each dot product side by side."""
    config = TensorCoreConfig(family="ecp5", **fields)
    target = DEVICES["ecp5-25k"]
    sites = fixed_sites(TENSORCORE.multipliers(config, unit), target)
    fixed = synthesised(verilog(TENSORCORE.unit(config, unit), name="top"), target, sites, tmp_path)
    cores = config.cores if unit == "engine" else 1
    assert len(fixed) == len(sites) == cores * config.m * config.n // config.fold * config.l
    order = {site: n for n, site in enumerate(SITES["ecp5-25k"][0])}
    units = {}
    for name, site in fixed.items():
        units.setdefault(re.split(r"\.(?:product|multiplier)_", name)[0], []).append(order[site])
    assert all(max(places) - min(places) == config.l - 1 for places in units.values())


def test_only_blocks_of_an_array_are_fixed():
    blocks = SystolicConfig(rows=2, cols=2, mac="ecp5")
    assert SPEC.multipliers(blocks, "pe") == []
    assert SPEC.multipliers(SystolicConfig(), "array") == []
    assert TENSORCORE.multipliers(TensorCoreConfig(family="ecp5"), "dot") == []
    assert TENSORCORE.multipliers(TensorCoreConfig(), "engine") == []
