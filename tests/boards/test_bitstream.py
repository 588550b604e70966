"""Bitstreams: real builds with a small engine and with a stub, and failures of fake tools."""

import dataclasses
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from tercet.boards.bitstream import STAGES, TimingMissed, build
from tercet.boards.catalog import board, soc_config
from tercet.boards.fpga.crossings import UnsynchronisedPath
from tercet.boards.fpga.netlist import DoesNotFit, SynthesisError
from tercet.boards.fpga.tools import ToolNotFound
from tercet.boards.soc.soc import soc_verilog
from tercet.sim.cache import FolderBusy, sole_writer

from .reports import REPORT

# Echo with a counter and a memory, to have something to place.
STUB = """
module tercet_soc(input clk, input rst, input rx, output reg tx, output reg busy);
  reg [23:0] count;
  reg [31:0] words [0:255];
  reg [31:0] word;
  always @(posedge clk) begin
    word <= words[count[7:0]];
    if (rx) words[count[15:8]] <= {word[30:0], rx};
    if (rst) begin
      tx <= 1;
      count <= 0;
    end else begin
      tx <= rx;
      count <= count + {23'b0, ~rx};
    end
    busy <= word[31];
  end
endmodule
"""


# The level of a counter in the engine's clock, on tx and LED; with and without a synchroniser.
TWO_CLOCKS_STUB = """
(* keep_hierarchy *)
module synchroniser(input clk, input i, output reg o);
  reg first;
  always @(posedge clk) {o, first} <= {first, i};
endmodule
module tercet_soc(input clk, input engine_clk, input rst, input rx, output reg tx, output reg busy);
  reg [7:0] count = 0;
  always @(posedge engine_clk) count <= count + 1;
  wire level;
  synchroniser running_sync(.clk(clk), .i(count[7]), .o(level));
  always @(posedge clk) {tx, busy} <= rst ? 2'b10 : {rx, level};
endmodule
"""


def stub(name, folder, engine="systolic", text=STUB, clock_hz=None, **options):
    # The floorplan would look for multiplier blocks in the netlist.
    fields: dict[str, Any] = {"mac": "infer"} if engine == "systolic" else {}
    soc = dataclasses.replace(soc_config(name, engine, clock_hz=clock_hz, **fields), link_hz=None)
    return build(name, text, soc, folder, **options)


# What the FPGA checks: iCE40's synchronisation word; ECP5's IDCODE, the only difference between a 12F and a 25F.
ICE40_MARKS = [bytes.fromhex("7eaa997e")]
ECP5_MARKS = [b"LFE5U-12F", bytes.fromhex("e200000021111043")]


@pytest.mark.parametrize(
    ("name", "suffix", "marks", "dsp"),
    [
        pytest.param("icebreaker", "bin", ICE40_MARKS, 0, id="icebreaker-stub"),
        pytest.param("icebreaker", "bin", ICE40_MARKS, 2, id="icebreaker", marks=pytest.mark.long),
        pytest.param("ulx3s-12f", "bit", ECP5_MARKS, 0, id="ulx3s-12f-stub"),
        pytest.param("ulx3s-12f", "bit", ECP5_MARKS, 4, id="ulx3s-12f", marks=pytest.mark.long),
    ],
)
def test_bitstream(tmp_path, name, suffix, marks, dsp):
    """The clock is met, and the file has the header that the FPGA accepts. `dsp` 0 builds the stub."""
    lines, states = [], []
    depths: dict[str, int] = dict.fromkeys(("commands", "acts", "weights", "params", "sums"), 16)
    mac = board(name).presets["systolic"].params["mac"] if dsp else "infer"
    # The stub's memory has no output register, so that it is slower than the engine's.
    clock_hz = None if dsp else min(soc_config(name, "systolic").clock_hz, 120_000_000)
    fields = {"rows": 2, "cols": 2, "acc_depth": 8, "requant_lanes": 0, "mac": mac}
    soc = soc_config(name, "systolic", clock_hz=clock_hz, depths=depths, **fields)
    soc = soc if dsp else dataclasses.replace(soc, link_hz=None)
    text = soc_verilog(soc)[0] if dsp else STUB
    report = build(name, text, soc, tmp_path, build_hash="0123", seed=3, progress=lines.append, watch=states.append)
    files = {f"{name}_systolic.{suffix}", "report.json", "soc.v", "build.log"}
    assert {path.name for path in tmp_path.iterdir()} == files
    header = (tmp_path / f"{name}_systolic.{suffix}").read_bytes()[:400]
    assert all(mark in header for mark in marks)
    assert (tmp_path / "soc.v").read_text() == text
    assert "Yosys" in (tmp_path / "build.log").read_text()
    content = json.loads((tmp_path / "report.json").read_text())
    assert content == report.to_dict()
    assert (content["board"], content["engine"], content["build"], content["seed"]) == (name, "systolic", "0123", 3)
    assert content["params"].get("mac", "infer") == mac
    used = {kind: count["used"] for kind, count in content["utilisation"].items()}
    assert used["dsp"] == dsp
    assert used["bram"] > (5 if dsp else 0)
    # The stub has 58 registers, besides those of the board's reset and synchronisers.
    assert (1500 if dsp else 58) < used["ff"] < (4000 if dsp else 200)
    assert content["utilisation"]["lut4"]["available"] == board(name).device.capacity["lut4"]
    assert "not" in content["power"]
    assert len(content["fmax_mhz"]) == 1 + soc.two_clocks
    clock = content["fmax_mhz"]["engine"] if soc.two_clocks else next(iter(content["fmax_mhz"].values()))
    # nextpnr rounds to whole picoseconds.
    assert clock["asked"] == pytest.approx(soc.clock_hz / 1e6, rel=1e-3)
    assert content["timing_met"]
    assert clock["reached"] > clock["asked"]
    if soc.two_clocks:
        # All that are in the gateware but the flag for rejected input, which this engine does not have.
        names = {crossing["name"] for crossing in content["crossings"]}
        assert names >= {"command_fifo", "counter_fifo", "running_sync", "request_sync", "acknowledge_sync"}
        assert {crossing["kind"] for crossing in content["crossings"]} == {"fifo", "synchroniser", "ram"}
    assert set(content["seconds"]) == {"yosys", "nextpnr", "pack"}
    assert set(content["tools"]) == {"tercet", "amaranth", "amaranth-boards", "yosys", board(name).nextpnr}
    assert "unknown" not in content["tools"].values()
    assert len(lines) == STAGES
    # A tool compiles itself on its first start.
    phases = list(dict.fromkeys(state.partition(",")[0] for state in states if "compiling" not in state))
    assert phases == ["synthesising", "placing", "refining the placement", "routing", "packing"]
    assert f"MHz of {clock['asked']:.1f}" in lines[1]
    assert content["critical_path"][0].endswith("clk-to-q to " + content["critical_path"][0].rpartition(" ")[2])


@pytest.mark.long
def test_floorplan_of_a_board(tmp_path):
    """The multipliers of the array are found by their names in the whole SoC; yosys fails otherwise."""
    depths: dict[str, int] = dict.fromkeys(("commands", "acts", "weights", "params", "sums"), 16)
    soc = soc_config(
        "ulx3s-12f", "systolic", rows=3, cols=4, mac="ecp5-dual", acc_depth=8, requant_lanes=0, depths=depths
    )
    report = build("ulx3s-12f", soc_verilog(soc)[0], soc, tmp_path)
    assert report.utilisation["dsp"]["used"] == 6
    assert report.timing_met


def test_two_clocks(tmp_path):
    """Both are constrained and met; the crossing is named, and timed."""
    soc = soc_config("ulx3s-12f", "systolic", clock_hz=140_000_000, mac="infer")
    report = build("ulx3s-12f", TWO_CLOCKS_STUB, soc, tmp_path)
    asked = {name: clock["asked"] for name, clock in report.fmax_mhz.items()}
    # nextpnr rounds to whole picoseconds.
    assert asked == {"engine": pytest.approx(140, rel=1e-3), "link": pytest.approx(56, rel=1e-3)}
    assert (report.clock_hz, report.link_hz, report.timing_met) == (140_000_000, 56_000_000, True)
    assert report.reached_mhz == report.fmax_mhz["engine"]["reached"]
    assert json.loads((tmp_path / "report.json").read_text())["crossings"] == report.crossings
    (crossing,) = map(dict, report.crossings)
    delay, limit = crossing.pop("delay_ns"), crossing.pop("limit_ns")
    assert 0 < delay < limit == pytest.approx(1e3 / 140, rel=1e-3)
    assert crossing == {
        "name": "running_sync",
        "kind": "synchroniser",
        "source": "engine",
        "target": "link",
        "timed": True,
    }


def test_a_path_without_a_synchroniser(tmp_path):
    text = TWO_CLOCKS_STUB.replace("{rx, level}", "{rx ^ count[3], level}")
    soc = soc_config("ulx3s-12f", "systolic", clock_hz=140_000_000, mac="infer")
    with pytest.raises(UnsynchronisedPath, match="from clock engine to clock link ends at soc.tx_.* without a synch"):
        build("ulx3s-12f", text, soc, tmp_path)


@pytest.fixture
def crossing_slow(pretend):
    """Fake netlist with one crossing, and place and route in which it takes too long."""
    ff = {"type": "TRELLIS_FF", "port_directions": {"CLK": "input", "DI": "input", "Q": "output"}}
    cells = {
        "a": {**ff, "connections": {"CLK": [2], "DI": ["0"], "Q": [4]}},
        "x_sync.b": {**ff, "connections": {"CLK": [3], "DI": [4], "Q": [5]}},
    }
    nets = {"pll.pll_clk": {"bits": [2]}, "pll.pll_second_clk": {"bits": [3]}}
    top = {"attributes": {"top": "1"}, "cells": cells, "netnames": nets}
    hop = {"delay": 9.0, "type": "routing", "to": {"cell": "x_sync.b", "port": "DI"}}
    clocks = {f"$glbnet${net}": {"achieved": 200, "constraint": mhz} for net, mhz in zip(nets, (125, 50), strict=True)}
    path = {"from": "posedge $glbnet$pll.pll_clk", "to": "posedge $glbnet$pll.pll_second_clk", "path": [hop]}
    pretend("YOSYS", {"top.json": json.dumps({"modules": {"top": top}}), "yosys.log": ""})
    pretend("NEXTPNR_ECP5", {"report.json": json.dumps({"fmax": clocks, "critical_paths": [path]}), "top.tim": ""})
    pretend("ECPPACK", {"top.bit": "bits"})


def test_a_slow_crossing(tmp_path, crossing_slow):
    """Though each clock is met: the pointers of FIFOs need it."""
    soc = soc_config("ulx3s-12f", "systolic", clock_hz=125_000_000, mac="infer")
    with pytest.raises(TimingMissed, match="takes 9.00 ns, not 8.00 ns, from clock engine to clock link; use a slower"):
        build("ulx3s-12f", "", soc, tmp_path)
    report = build("ulx3s-12f", "", soc, tmp_path, allow_timing_fail=True)
    assert not report.timing_met
    assert [(crossing["name"], crossing["delay_ns"]) for crossing in report.crossings] == [("x_sync", 9.0)]


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Make a fake tool that writes files, prints a message and exits with a status."""

    def make(variable, files=(), says="", status=0):
        program = tmp_path / variable.lower()
        written = "".join(f"pathlib.Path({name!r}).write_text({text!r})\n" for name, text in dict(files).items())
        text = (
            f"#!{sys.executable}\nimport pathlib, sys\n{written}print({says!r}, file=sys.stderr)\nsys.exit({status})\n"
        )
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        if variable != "YOSYS":
            monkeypatch.setenv(variable, str(program))
            return
        # The lookup of yosys is cached.
        for module in ("fpga.netlist", "bitstream"):
            monkeypatch.setattr(f"tercet.boards.{module}.yosys_command", lambda: (str(program),))

    return make


def netlist(**cells):
    """Netlist with the given numbers of cells by type."""
    names = {f"{kind}{n}": {"type": kind} for kind, count in cells.items() for n in range(count)}
    return json.dumps({"modules": {"top": {"attributes": {"top": "1"}, "cells": names}}})


@pytest.fixture
def small(pretend):
    """Fake synthesis, place and route that misses the clock, and a packer."""
    pretend("YOSYS", {"top.json": netlist(LUT4=7, TRELLIS_FF=3), "yosys.log": "synthesised\n"})
    pretend("NEXTPNR_ECP5", {"report.json": json.dumps(REPORT), "top.tim": "placed\n"})
    pretend("ECPPACK", {"top.bit": "bits"}, "packed")


def test_missed_timing(tmp_path, small):
    with pytest.raises(TimingMissed, match="use a slower clock, another seed or placer, or allow the miss") as caught:
        stub("ulx3s-25f", tmp_path / "out", "eie")
    assert str(caught.value).startswith(
        "eie on ulx3s-25f reaches 61.50 MHz, not 75.00 MHz, on the path from a.Q to c.D; "
    )
    assert caught.value.path == [
        "0.50 ns clk-to-q to a.Q",
        "9.50 ns routing to b.A",
        "0.00 ns setup to c.D",
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["build.log"]
    assert (tmp_path / "out/build.log").read_text() == "synthesised\nplaced\n"


def test_missed_timing_allowed(tmp_path, small):
    report = stub("ulx3s-25f", tmp_path / "out", "eie", allow_timing_fail=True)
    assert not report.timing_met
    assert report.utilisation["lut4"] == {"used": 7, "available": 24288}
    assert report.fmax_mhz == {"clk": {"reached": 61.5, "asked": 75.0}}
    assert (tmp_path / "out/ulx3s-25f_eie.bit").read_text() == "bits"
    assert (tmp_path / "out/build.log").read_text() == "synthesised\nplaced\npacked\n"


def test_orangecrab_gets_its_suffix(tmp_path, small):
    stub("orangecrab-25f", tmp_path / "out", allow_timing_fail=True)
    assert (tmp_path / "out/orangecrab-25f_systolic.bit").read_bytes()[
        :16
    ] == b"bits\xff\xff\xf0\x5a\x09\x12\x00\x01UFD\x10"


def test_gowin(tmp_path, pretend, monkeypatch):
    """Options of nextpnr-himbaechel, the clock and Gowin's cells."""
    clock = {"fmax": {"clk": {"achieved": 200, "constraint": 54}}}
    seen = tmp_path / "seen"
    pretend("NEXTPNR_HIMBAECHEL", {"report.json": json.dumps(clock)})
    program = Path(tmp_path / "nextpnr_himbaechel")
    program.write_text(
        program.read_text().replace("import", f"import sys; open({str(seen)!r}, 'a').write(str(sys.argv))\nimport", 1)
    )
    pretend("GOWIN_PACK", {"top.fs": "bits"})
    report = stub("tang-nano-9k", tmp_path / "out", clock_hz=55_000_000)
    assert report.clock_hz == 54_000_000
    assert report.bitstream == "tang-nano-9k_systolic.fs"
    used = {kind: count["used"] for kind, count in report.utilisation.items()}
    assert used["bram"] == 1
    assert 30 < used["ff"] < 120
    arguments = seen.read_text()
    for expected in (
        "'--vopt', 'family=GW1N-9C'",
        "'--vopt', 'cst=top.cst'",
        "'--freq', '54.000000'",
        "GW1NR-LV9QN88PC6/I5",
    ):
        assert expected in arguments


def test_nextpnr_refuses(tmp_path, small, pretend):
    pretend("NEXTPNR_ECP5", {}, "ERROR: Unable to place cell 'a', no BELs remaining", 1)
    with pytest.raises(DoesNotFit, match="cannot place the design on ulx3s-25f: Unable to pl"):
        stub("ulx3s-25f", tmp_path / "out")


def test_packer_refuses(tmp_path, small, pretend):
    pretend("ECPPACK", {}, "read\nno such tile", 1)
    with pytest.raises(SynthesisError, match="ecppack: no such tile"):
        stub("ulx3s-25f", tmp_path / "out", allow_timing_fail=True)
    assert "no such tile" in (tmp_path / "out/build.log").read_text()


def test_one_build_in_a_folder(tmp_path, small):
    """A second build is refused, whatever it builds, until the first has ended."""
    message = f"^Another build is writing into '{tmp_path}/out'; wait for it to finish, or use another folder$"
    with sole_writer(tmp_path / "out"), pytest.raises(FolderBusy, match=message):
        stub("ulx3s-25f", tmp_path / "out", allow_timing_fail=True)
    assert list((tmp_path / "out").iterdir()) == []
    stub("ulx3s-25f", tmp_path / "out", allow_timing_fail=True)


def test_a_folder_in_the_way(tmp_path, small):
    (tmp_path / "out/soc.v").mkdir(parents=True)
    with pytest.raises(IsADirectoryError) as caught:
        stub("ulx3s-25f", tmp_path / "out", allow_timing_fail=True)
    assert caught.value.filename == str(tmp_path / "out/soc.v")


def test_too_large(tmp_path, pretend):
    pretend("YOSYS", {"top.json": netlist(SB_RAM40_4K=31)})
    message = "systolic needs 31 bram, but icebreaker has 30; use a larger one, or smaller parameters or buffers"
    with pytest.raises(DoesNotFit, match=message):
        stub("icebreaker", tmp_path)


def test_refuses(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Board 'basys3' is unknown"):
        build("basys3", STUB, soc_config("icebreaker", "eie"), tmp_path)
    with pytest.raises(ValueError, match="Placer 'x' is unknown; use one of heap, "):
        stub("icebreaker", tmp_path, placer="x")
    soc = soc_config("ulx3s-25f", "eie")
    object.__setattr__(soc, "clock_hz", 77_000_000)
    with pytest.raises(ValueError, match="ulx3s-25f cannot generate a clock of 77000000 Hz; use 75000000 Hz"):
        build("ulx3s-25f", STUB, soc, tmp_path)
    with pytest.raises(SynthesisError, match="yosys: .*tercet_soc"):
        stub("icebreaker", tmp_path, text="module other(); endmodule")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ToolNotFound, match="nextpnr-himbaechel is not installed; run: pip install"):
        stub("tang-nano-9k", tmp_path)


def seeded(program):
    """Let a fake nextpnr reach 60 MHz and as many more as its seed, and write what it was called with."""
    report = json.dumps(REPORT)
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, pathlib, sys\n"
        f"report = json.loads({report!r})\n"
        "seed, placer = (sys.argv[sys.argv.index(flag) + 1] for flag in ('--seed', '--placer'))\n"
        "assert pathlib.Path('top.json').exists() and pathlib.Path('top.lpf').exists()\n"
        "report['fmax']['$glbnet$clk']['achieved'] = 60 + int(seed)\n"
        "pathlib.Path('report.json').write_text(json.dumps(report))\n"
        "pathlib.Path('top.tim').write_text(f'{placer} {seed}\\n')\n"
        "pathlib.Path('top.config').write_text(seed)\n"
    )


def test_several_seeds(tmp_path, small):
    """The first seed that meets 75 MHz is kept and packed; if none does, the best, and other placers are tried."""
    seeded(tmp_path / "nextpnr_ecp5")
    packer = tmp_path / "ecppack"
    packer.write_text(
        f"#!{sys.executable}\nimport pathlib\npathlib.Path('top.bit').write_text(open('top.config').read())\n"
    )
    lines = []
    report = stub("ulx3s-25f", tmp_path / "out", "eie", seed=13, seeds=4, progress=lines.append)
    assert (report.seed, report.timing_met) == (15, True)
    assert [attempt["seed"] for attempt in report.attempts] == [13, 14, 15]
    assert (tmp_path / "out/ulx3s-25f_eie.bit").read_text() == "15"
    assert "75.0 MHz of 75.0 with seed 15, placer heap, of 3 tried" in lines[1]
    assert {"heap 13", "heap 14", "heap 15"} <= set((tmp_path / "out/build.log").read_text().splitlines())
    with pytest.raises(TimingMissed, match=r"reaches 62\.00 MHz, not 75\.00 MHz"):
        stub("ulx3s-25f", tmp_path / "out", "eie", seeds=2, jobs=2)
    log = (tmp_path / "out/build.log").read_text().splitlines()
    assert {"heap 1", "heap 2", "static 1"} <= set(log)
