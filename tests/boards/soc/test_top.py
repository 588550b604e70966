"""Board top level: pins and clocks of every board, and the power-up reset."""

import re

import pytest
from amaranth import *
from amaranth.sim import Simulator
from tercet.boards.catalog import BOARDS, board, soc_config
from tercet.boards.soc.top import CLOCK_NETS, BoardTop, HeldReset, clock_constraints


def constraints(plan):
    """Return the constraints file of a build plan."""
    return next(text for name, text in plan.files.items() if name.endswith((".lpf", ".pcf", ".cst")))


@pytest.mark.parametrize("name", BOARDS)
def test_top_of_every_board(name):
    """UART pins and the clock are constrained, and there is a PLL where needed."""
    found = board(name)
    block = {"ecp5": "EHXPLLL", "ice40": "SB_PLL40_PAD", "gowin": "rPLL"}[found.device.family]
    for clock_hz, expected in ((found.clock_hz, 0), (2 * found.clock_hz, 1)):
        plan = found.platform().build(BoardTop(found, clock_hz), do_build=False, emit_src=False)
        text = constraints(plan)
        for pin in found.uart:
            assert f'"{pin}"' in text or f" {pin}\n" in text or f" {pin};" in text
        assert plan.files["top.il"].count(f"cell \\{block} ") == expected
        assert plan.files["top.il"].count("cell \\tercet_soc ") == 1
        if found.device.family != "gowin":
            shown = clock_hz if found.device.family == "ecp5" else clock_hz / 1e6
            assert f"{float(shown)}" in text


@pytest.mark.parametrize("name", [name for name in BOARDS if board(name).device.family == "ecp5"])
def test_two_clocks(name):
    """One PLL makes both; the engine's goes to the SoC only, and the constraints are in SDC."""
    found = board(name)
    soc = soc_config(name, "systolic", clock_hz=100_000_000)
    plan = found.platform().build(BoardTop(found, soc.clock_hz, soc.link_hz), do_build=False, emit_src=False)
    text = plan.files["top.il"]
    assert text.count("cell \\EHXPLLL ") == 1
    (block,) = re.findall(r"cell \\EHXPLLL .*?\n +end", text, re.S)
    (cell,) = re.findall(r"cell \\tercet_soc .*?\n +end", text, re.S)
    nets = dict(re.findall(r"connect \\(\w+) \\(\S+)", cell))
    assert nets["engine_clk"] != nets["clk"]
    outputs = [re.findall(rf"connect \\{port} \\(\S+)", block) for port in ("CLKOP", "CLKOS")]
    assert outputs == [[net.partition(".")[2]] for net in CLOCK_NETS]
    assert soc.link_hz is not None
    lines = clock_constraints(soc).splitlines()
    assert lines[0] == "create_clock -period 10.000000 -name engine [get_nets pll.pll_clk]"
    assert lines[1] == f"create_clock -period {1e9 / soc.link_hz:.6f} -name link [get_nets pll.pll_second_clk]"
    assert str(float(soc.link_hz)) not in constraints(plan)
    assert clock_constraints(soc_config("icebreaker", "systolic")) == ""


@pytest.mark.parametrize("clock_hz", [12_000_000, 27_000_000])
def test_reset_is_held(clock_hz):
    """Asserted from the start until long after the lock, and again at once when the lock is lost."""
    m = Module()
    locked = Signal()
    m.domains.sync = ClockDomain("sync", reset_less=True)
    m.submodules.dut = dut = HeldReset(locked, clock_hz)
    assert 15e-6 * clock_hz < dut.clocks < 50e-6 * clock_hz

    async def bench(ctx):
        for _ in range(2):
            for _ in range(50):
                assert ctx.get(dut.rst) == 1
                await ctx.tick()
            ctx.set(locked, 1)
            passed = 0
            while ctx.get(dut.rst) and passed < 2 * dut.clocks:
                await ctx.tick()
                passed += 1
            assert dut.clocks <= passed <= dut.clocks + 3
            for _ in range(50):
                await ctx.tick()
                assert ctx.get(dut.rst) == 0
            ctx.set(locked, 0)
            await ctx.tick()
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1 / clock_hz)
    simulator.add_testbench(bench)
    simulator.run()
