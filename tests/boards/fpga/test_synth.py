"""Synthesis reports: wrapper, cell counts, real place-and-route runs and errors."""

import json
import re
import time

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.boards.fpga import attempts, synth
from tercet.boards.fpga.devices import DEVICES, device
from tercet.boards.fpga.netlist import DoesNotFit, SynthesisError
from tercet.boards.fpga.nextpnr import PLACERS, Stopped
from tercet.boards.fpga.synth import synthesize
from tercet.boards.fpga.tools import ToolNotFound, find_tool
from tercet.boards.fpga.wrapper import UnitPort, wrapper
from tercet.engines.systolic import SPEC
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.emit import verilog


class Adder(wiring.Component):
    """Sixteen-bit adder, registered before and after: 16 carries and 48 flip-flops."""

    def __init__(self):
        super().__init__({"a": In(16), "b": In(16), "o": Out(16)})

    def elaborate(self, platform):
        m = Module()
        a, b, o = (Signal(16, name=name, reset_less=True) for name in "abo")
        m.d.sync += [a.eq(self.a), b.eq(self.b), o.eq(a + b)]
        m.d.comb += self.o.eq(o)
        return m


def report(text, top, **options):
    names = {"engine": "test", "unit": "unit", "params": {}, "device_name": "ecp5-25k", "seeds": 1}
    return synthesize(text, top, **{**names, **options})


def test_adder_on_ecp5():
    """The wrapper's cells are not counted, and every seed is reported."""
    lines = []
    found = report(verilog(Adder(), name="adder"), "adder", seeds=2, progress=lines.append)
    content = found.to_dict()
    assert content["ff"] == 48
    assert content["carry"] == 8
    assert content["lut4"] == content["dsp"] == content["bram"] == 0
    assert content["untimed"] == []
    assert [run["seed"] for run in content["runs"]] == [1, 2]
    fmax = content["fmax_mhz"]
    assert 100 < fmax["min"] <= fmax["median"] <= fmax["max"] < 1000
    assert content["speed"] == "6"
    assert len(lines) == 4
    assert set(content) >= {"engine", "unit", "params", "device", "lutram", "spram"}
    json.dumps(content)


def test_placers_are_tried_on_large_designs(monkeypatch):
    """The best with the first seed places the others; one that fails is left out, unless all do."""
    monkeypatch.setattr(synth, "_LARGE", 1)
    # On a busy machine the slowest placer takes many times as long for so small a design.
    monkeypatch.setattr(attempts, "_PATIENCE", 1000)
    text = verilog(Adder(), name="adder")
    found = report(text, "adder", seeds=2)
    first = [found.runs[0], *found.trials]
    assert sorted((run.placer, run.asked_mhz, run.seed) for run in first) == [
        ("heap", 200, 1),
        ("static", 200, 1),
        ("timing", 160, 1),
    ]
    assert found.runs[0].fmax_mhz == max(run.fmax_mhz for run in first)
    assert {run.placer for run in found.runs} == {found.runs[0].placer}
    assert [run.seed for run in found.runs] == [1, 2]
    asked = report(text, "adder", placer="timing", freq_mhz=120, seed=4, seeds=2)
    assert [(run.placer, run.asked_mhz, run.seed) for run in asked.runs] == [("timing", 120, 4), ("timing", 120, 5)]
    assert asked.trials == []
    monkeypatch.setitem(PLACERS, "static", ("--placer", "none"))
    assert {run.placer for run in report(text, "adder").trials} < {"heap", "timing"}
    with pytest.raises(SynthesisError):
        report(text, "adder", placer="static")


@pytest.mark.parametrize("jobs", [1, 3])
def test_trials_that_never_end_are_stopped(monkeypatch, jobs):
    def place(tool, target, speed, seed, asked, placer, folder, watch, stop):
        assert placer != "static" or seed == 1
        for _ in range(1000 if placer == "static" else 0):
            if stop():
                raise Stopped("stopped")
            time.sleep(0.01)
        assert placer != "static", "was never stopped"
        return synth.Run(seed, {"heap": 90.0, "timing": 100.0}[placer], 0.01, placer, asked)

    monkeypatch.setattr(synth, "_LARGE", 1)
    monkeypatch.setattr(synth, "_place", place)
    lines = []
    found = report(verilog(Adder(), name="adder"), "adder", seeds=2, jobs=jobs, progress=lines.append)
    assert [(run.placer, run.seed) for run in found.runs] == [("timing", 1), ("timing", 2)]
    assert [run.placer for run in found.trials] == ["heap"]
    assert "seed 1 (static): stopped, as it took too long" in lines


def test_dual_multipliers_on_up5k():
    """A 2x4 array of two-column cells takes four blocks."""
    config = SystolicConfig(rows=2, cols=4, mac="ice40")
    found = report(verilog(SPEC.unit(config, "array"), name="array"), "array", device_name="up5k", freq_mhz=50)
    assert found.cells["dsp"] == 4
    assert found.untimed == ["dsp"]
    assert found.speed == ""


def test_does_not_fit():
    config = SystolicConfig(rows=6, cols=5, mac="ecp5")
    with pytest.raises(DoesNotFit, match="test unit needs 30 dsp, but ecp5-25k has 28; use a larger one"):
        report(verilog(SPEC.unit(config, "array"), name="array"), "array")


def test_wrapper_connects_every_port():
    text = wrapper(
        "unit", [UnitPort("clk", 1, True), UnitPort("a", 3, True), UnitPort("b", 2, True), UnitPort("o", 9, False)]
    )
    assert ".clk(clk), .a(shift[3:1]), .b(shift[5:4]), .o(out0)" in text
    assert "rst(rst)" not in text
    assert "reg [2:0] level1;" in text
    assert "{^level0[8:8], ^level0[7:4], ^level0[3:0]}" in text


def test_tools_refusals(monkeypatch):
    text = verilog(Adder(), name="adder")
    with pytest.raises(SynthesisError, match="nosuch"):
        report(text, "nosuch")
    monkeypatch.setenv("NEXTPNR_ECP5", "false")
    with pytest.raises(SynthesisError, match="nextpnr: exit status 1"):
        report(text, "adder")


def test_refuses_blocks_of_another_family():
    text = verilog(SPEC.unit(SystolicConfig(rows=1, cols=1, mac="ecp5"), "pe"), name="pe")
    with pytest.raises(ValueError, match="test unit instantiates MULT18X18D, which up5k does not have; use another"):
        report(text, "pe", device_name="up5k")


def test_refuses():
    with pytest.raises(ValueError, match="Device 'ecp5-12k' is unknown; use one of ecp5-25k"):
        device("ecp5-12k")
    with pytest.raises(ValueError, match="ecp5-25k has no speed grade '5'; use one of 6, 7, 8"):
        report("", "x", speed="5")
    with pytest.raises(ValueError, match="up5k has no speed grade '6'; leave it out"):
        DEVICES["up5k"].speed("6")
    with pytest.raises(ValueError, match="must all be above 0"):
        report("", "x", seeds=0)
    with pytest.raises(ValueError, match="Seed is -1; use at least 0"):
        report("", "x", seed=-1)


def test_tool_lookup(monkeypatch, tmp_path):
    monkeypatch.setenv("NEXTPNR_ICE40", "/somewhere/else")
    assert find_tool("nextpnr-ice40") == ("/somewhere/else",)
    monkeypatch.setenv("NEXTPNR_ICE40", "")
    assert find_tool("nextpnr-ice40") != ("",)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ToolNotFound, match=re.escape("run: pip install 'tercet[pnr]', or set NEXTPNR_NONE")):
        find_tool("nextpnr-none")
