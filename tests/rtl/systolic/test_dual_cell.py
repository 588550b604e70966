"""Cell with two products per multiplier: all weights and all activations, between packing and join."""

import re
import subprocess

import pytest
from tercet.engines.systolic import SPEC
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.emit import verilog
from tercet.rtl.primitives import used
from tercet.rtl.systolic.array import SystolicArray, multiplier_paths
from tercet.rtl.systolic.dual_cell import DualCell
from tercet.rtl.systolic.dual_multiplier import DualMultiplier
from tercet.rtl.systolic.lut_dual_multiplier import LutDualMultiplier
from tercet.sim.program import build_program
from tercet.sim.simulators import SimulatorNotFound, find

CONFIG = SystolicConfig(rows=1, cols=2, mac="ecp5-dual")
LUT_CONFIG = SystolicConfig(rows=1, cols=2, mac="ecp5-dual", lut_rows=1)

# One case per clock: the next pair of weights is loaded in the clock of the last activation of a pair, and swapped in
# with the first activation of its own.
MAIN = r"""
#include "Varray.h"
#include <cstdio>

int main() {
    Varray top;
    int expected[LATENCY][2] = {};
    long cases = 0, wrong = 0, clock = 0;
    auto step = [&](int x, int w0, int w1, bool load, bool swap) {
        top.acts = x & 255;
        top.weights = (w1 & 255) << 8 | (w0 & 255);
        top.load = load;
        top.swap = swap;
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        clock++;
    };
    auto compare = [&]() {
        int (&want)[2] = expected[clock % LATENCY];
        int found[2] = {(short)(top.sums & 0xffff), (short)(top.sums >> 16)};
        if (clock >= LATENCY) wrong += (found[0] != want[0]) + (found[1] != want[1]), cases++;
    };
    step(0, FIRST, -127, true, false);
    clock = 0;
    for (int w0 = FIRST; w0 <= LAST; w0++)
        for (int w1 = -127; w1 <= 127; w1++) {
            int next0 = w1 == 127 ? w0 + 1 : w0, next1 = w1 == 127 ? -127 : w1 + 1;
            for (int x = -128; x <= 127; x++) {
                expected[clock % LATENCY][0] = w0 * x;
                expected[clock % LATENCY][1] = w1 * x;
                step(x, next0, next1, x == 127, x == -128);
                compare();
            }
        }
    for (int n = 1; n < LATENCY; n++) {
        expected[clock % LATENCY][0] = expected[clock % LATENCY][1] = 0;
        step(0, 0, 0, false, false);
        compare();
    }
    std::printf("%ld cases, %ld wrong\n", cases, wrong);
}
"""


def count_wrong(first, last, edit=None, config=CONFIG):
    """Run all cases with a lower weight from `first` to `last`; return cases and wrong products."""
    try:
        find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    array = SystolicArray(config=config)
    text = verilog(array, name="array")
    if edit:
        text, changes = re.subn(edit[0], edit[1], text, count=1)
        assert changes
    sources = {"array.v": text, **{path.name: path.read_text() for path in used(text)}}
    defines = {"LATENCY": str(array.latency), "FIRST": str(first), "LAST": str(last)}
    program = build_program(sources, "array", MAIN, defines=defines)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    [numbers] = re.findall(r"(\d+) cases, (\d+) wrong", done.stdout)
    return int(numbers[0]), int(numbers[1])


@pytest.mark.parametrize("config", [CONFIG, LUT_CONFIG], ids=["block", "lookup tables"])
def test_all_products(config):
    assert count_wrong(-127, 127, config=config) == (255 * 255 * 256, 0)


# Broken part -> pattern in the Verilog, and its replacement.
MUTATIONS = {
    "packing": (r"i\[15:8\] - i\[7\]", "i[15:8] + i[7]"),
    "h0 sum": (r"(\$signed\(sums_i\[14:10\]\)) \+", r"\1 -"),
    "row of the correction": (r"act\[0\] & weights\[12\]", "act[0] & weights[11]"),
    "sign in the correction": (r"act\[4:0\] & \{ weights\[7\]", "act[4:0] & { weights[0]"),
    "delay in the correction": (r"s2_third <= s2_third_1;", "s2_third <= s2_third;"),
    "join": (r"(\$signed\(i\[29:15\]\)) -", r"\1 +"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_broken_rtl_is_caught(mutation):
    assert count_wrong(-2, 1, MUTATIONS[mutation])[1] > 0


LUT_MUTATIONS = {
    "negative lower weight": (r"s3_negative <= s3_negative_1;", "s3_negative <= 1'b0;"),
    "h0 in the upper product": (r"(s4_upper\)?) \+", r"\1 -"),
}


@pytest.mark.parametrize("mutation", LUT_MUTATIONS)
def test_broken_lookup_tables_are_caught(mutation):
    assert count_wrong(-2, 1, LUT_MUTATIONS[mutation], LUT_CONFIG)[1] > 0


def test_rows_in_lookup_tables():
    """From the bottom, also where several grids make up the array."""
    config = SystolicConfig(rows=6, cols=4, mac="ecp5-dual", lut_rows=3)
    for weight_rows in (1, 2, 3):
        array = SystolicArray(config=config, weight_rows=weight_rows)
        text = verilog(array, name="array")
        netlist = _instances(text, "array")
        blocks = [path for path in netlist if path.endswith(".block.mult")]
        assert sorted(blocks) == sorted(sum(multiplier_paths(config, weight_rows), []))
        assert len(blocks) == 6
        assert sum(path.endswith(".lower") and ".pe.multiplier" in path for path in netlist) == 6


def _instances(text, top, path=""):
    """Paths of all instances below a module."""
    [body] = re.findall(rf"^module {top}\b.*?^endmodule", text, re.M | re.S)
    found = []
    for kind, name in re.findall(r"^  (\w+) (?:#\(.*?\) )?(\w+) \($", body, re.M | re.S):
        found.append(f"{path}{name}")
        if re.search(rf"^module {kind}\b", text, re.M):
            found += _instances(text, kind, f"{path}{name}.")
    return found


@pytest.mark.parametrize(
    ("mac", "cell", "kept"), [("ecp5-dual", "dual_cell", True), ("ecp5", "ws_cell", True), ("infer", "ws_cell", False)]
)
def test_one_cell_module_that_keeps_its_boundary(mac, cell, kept):
    text = SPEC.verilog(SystolicConfig(rows=4, cols=6, mac=mac, requant_lanes=1))
    assert len(re.findall(rf"^module \w*{cell}\w*", text, re.M)) == 1
    assert bool(re.search(rf"^\(\* keep_hierarchy \*\)\nmodule \w*{cell}\w*", text, re.M)) == kept


def test_latencies():
    config = SystolicConfig(rows=3, cols=6, mac="ecp5-dual")
    assert DualMultiplier().latency == LutDualMultiplier().latency == config.multiplier_latency == 5
    assert DualCell(config=config).latency == 7
    # Packing, skew of rows and of pairs of columns, cell, join.
    assert SystolicArray(config=config).latency == 1 + 2 + 2 + 7 + 1
