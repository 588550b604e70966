"""Builds are made once and repaired if damaged, and a run without tests is an error."""

import subprocess
import sys

import pytest
from tercet.sim.build import BuildError, SimulationError, build, run
from tercet.sim.simulators import SimulatorNotFound, find

DESIGN = {"top.v": "module top (input wire a, output wire b);\n    assign b = !a;\nendmodule\n"}
TESTS = """
import os
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def inverts(dut):
    dut.a.value = int(os.environ.get("LEVEL", "0"))
    await Timer(1, unit="ns")
    assert dut.b.value == 1, "b is low"
"""


@pytest.fixture
def icarus(tmp_path, monkeypatch):
    """Icarus, whose builds are fast, with an empty cache."""
    monkeypatch.setenv("TERCET_CACHE", str(tmp_path / "cache"))
    try:
        return find("icarus")
    except SimulatorNotFound as error:
        pytest.skip(str(error))


@pytest.fixture
def bench_module(tmp_path, monkeypatch):
    """Function that writes a module and returns its name."""

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    monkeypatch.syspath_prepend(str(tmp_path))
    return write


def test_same_sources_are_built_once(icarus):
    first = build(DESIGN, "top", icarus)
    stamp = (first.dir / "sim.vvp").stat().st_mtime_ns
    assert build(DESIGN, "top", icarus) == first
    assert (first.dir / "sim.vvp").stat().st_mtime_ns == stamp
    assert build({"top.v": DESIGN["top.v"] + "\n"}, "top", icarus).dir != first.dir
    assert build(DESIGN, "top", icarus, waves=True).dir != first.dir


def test_damaged_simulator_is_built_again(icarus, bench_module):
    module = bench_module("inverter_bench", TESTS)
    first = build(DESIGN, "top", icarus)
    run(first, module)
    program = first.dir / "sim.vvp"
    stamp = program.stat().st_mtime_ns
    # A run changes nothing in the folder.
    assert build(DESIGN, "top", icarus) == first
    assert program.stat().st_mtime_ns == stamp
    whole = program.read_bytes()
    program.write_bytes(whole[: len(whole) // 2])
    run(build(DESIGN, "top", icarus), module)
    assert program.stat().st_size > len(whole) // 2


def test_processes_share_a_build(icarus):
    code = f"from tercet.sim.build import build; print(build({DESIGN!r}, 'top', 'icarus').dir)"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    folders = {process.communicate(timeout=60)[0] for process in running}
    assert len(folders) == 1
    assert all(process.returncode == 0 for process in running)


def test_build_error_shows_the_log(icarus):
    with pytest.raises(BuildError, match=r"icarus .* cannot build 'top' (.|\n)*syntax error"):
        build({"top.v": "module top(; endmodule\n"}, "top", icarus)


def test_cache_folder_with_a_space(icarus, monkeypatch):
    monkeypatch.setenv("TERCET_CACHE", "/tmp/a b")
    with pytest.raises(BuildError, match="'/tmp/a b' contains a space, .*; set TERCET_CACHE"):
        build(DESIGN, "top", icarus)


def test_run_passes_and_fails(icarus, bench_module, monkeypatch):
    for name, value in (("WAVES", "1"), ("COCOTB_TEST_FILTER", "nothing")):  # which the runner would obey
        monkeypatch.setenv(name, value)
    module = bench_module("inverter_bench", TESTS)
    built = build(DESIGN, "top", icarus)
    run(built, module)
    with pytest.raises(SimulationError, match="inverter_bench on icarus .*: inverts: .*b is low"):
        run(built, module, env={"LEVEL": "1"})


def test_run_without_tests_is_an_error(icarus, bench_module):
    built = build(DESIGN, "top", icarus)
    with pytest.raises(SimulationError, match="no cocotb test ran"):
        run(built, bench_module("empty_bench", "import cocotb\n"))
    with pytest.raises(SimulationError, match="no_such_bench"):
        run(built, "no_such_bench")
    with pytest.raises(ValueError, match="Build records no waves, not 'w.fst'; build it with waves"):
        run(built, "empty_bench", waves="w.fst")
