"""Board top level: pins and clocks of every board, and the power-up reset."""

import pytest
from amaranth import *
from amaranth.sim import Simulator
from tercet.boards.catalog import BOARDS, board
from tercet.boards.soc.top import BoardTop, HeldReset


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
