"""Conversion of VCD to FST keeps signals, values and times."""

from pathlib import Path

import pylibfst
import pytest
from tercet.sim.waves import vcd_to_fst

VCD = """$timescale 1ps $end
$scope module top $end
 $var wire 1 ! clk $end
 $var wire 5 # bus [4:0] $end
 $scope module dut $end
  $var wire 5 # again [4:0] $end
  $var wire 70 % wide [69:0] $end
 $upscope $end
$upscope $end
$enddefinitions $end
#0
0!
bx #
b1 %
#5
1!
b101 #
bz1 %
#17
0!
b0x1 #
"""
CHANGES = {
    (0, "top.clk", "0"),
    (0, "top.bus[4:0]", "xxxxx"),
    (0, "top.dut.wide[69:0]", "1".zfill(70)),
    (5, "top.clk", "1"),
    (5, "top.bus[4:0]", "00101"),
    (5, "top.dut.wide[69:0]", "z" * 69 + "1"),
    (17, "top.clk", "0"),
    (17, "top.bus[4:0]", "000x1"),
}


def read(path):
    """Read changes as (time, first name of the signal, bits), and all names by handle."""
    lib = pylibfst.lib
    fst = lib.fstReaderOpen(str(path).encode())
    assert fst != pylibfst.ffi.NULL
    signals = pylibfst.get_scopes_signals2(fst)[1]
    names = {}
    for name, signal in signals.by_name.items():
        names.setdefault(signal.handle, []).append(name)
    lib.fstReaderSetFacProcessMaskAll(fst)
    changes = set()

    def change(data, time, handle, value):
        changes.add((time, names[handle][0], pylibfst.string(value)))

    pylibfst.fstReaderIterBlocks(fst, change)
    assert lib.fstReaderGetTimescale(fst) == -12
    lib.fstReaderClose(fst)
    return changes, names


def test_same_values_at_the_same_times(tmp_path):
    (tmp_path / "a.vcd").write_text(VCD)
    vcd_to_fst(tmp_path / "a.vcd", tmp_path / "a.fst")
    changes, names = read(tmp_path / "a.fst")
    assert changes == CHANGES
    assert [len(aliases) for aliases in names.values()] == [1, 2, 1]


def test_refuses(tmp_path):
    (tmp_path / "a.vcd").write_text("$var wire ! $end")
    with pytest.raises(ValueError, match=r"a.vcd' is not a VCD file: "):
        vcd_to_fst(tmp_path / "a.vcd", tmp_path / "a.fst")
    with pytest.raises(OSError, match="Cannot write waves to '/proc/none/a.fst'"):
        vcd_to_fst(tmp_path / "a.vcd", Path("/proc/none/a.fst"))
    with pytest.raises(FileNotFoundError):
        vcd_to_fst(tmp_path / "none.vcd", tmp_path / "a.fst")
