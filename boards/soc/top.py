"""Top level around the SoC of a board: pins, clock and power-up reset."""

import math
from typing import Any

from amaranth import *
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from ..catalog import Board
from ..fpga.pll import Pll
from ..host.soc_config import SocConfig

__all__ = ["CLOCK_NETS", "BoardTop", "HeldReset", "clock_constraints"]

CLOCK_NETS = {"pll.pll_clk": "engine", "pll.pll_second_clk": "link"}
"""Net to name of the clocks of a `BoardTop` with two."""

# iCE40 block RAMs read as 0 for about 3 us after configuration (icestorm issue 76); hold for five times that.
_HOLD_SECONDS = 16e-6


class BoardTop(Elaboratable):
    """Pins, clocks and reset around ``tercet_soc``::

        oscillator --[PLL]--+--> clk --------> tercet_soc <-- rx
                       |    +--[hold]--> rst -->   |    +---> tx
                       |   locked                  +--------> LED
                       +------> engine_clk ------->+

    Parameters
    ----------
    found : Board
        The board.
    clock_hz : int
        Clock of the SoC, or with `link_hz` of the engine; there is no PLL if a single clock has the oscillator's
        frequency.
    link_hz : int or None
        Clock of the link, if it is not the engine's; a second output of the PLL.

    Notes
    -----
    The UART in ``tercet_soc`` synchronises its own input.
    """

    def __init__(self, found: Board, clock_hz: int, link_hz: int | None = None):
        self.board, self.clock_hz, self.link_hz = found, clock_hz, link_hz

    def elaborate(self, platform) -> Module:
        m = Module()
        clk, engine, locked = self._clocks(m, platform)
        m.domains.sync = sync = ClockDomain("sync", reset_less=True)
        m.d.comb += sync.clk.eq(clk)
        if self.link_hz is None:
            platform.add_clock_constraint(sync.clk, self.clock_hz)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx_pin = rx_pin = io.Buffer(io.Direction.Input, uart.rx)
        m.submodules.tx_pin = tx_pin = io.Buffer(io.Direction.Output, uart.tx)
        m.submodules.reset = reset = HeldReset(locked, self.link_hz or self.clock_hz)
        busy = Signal()
        m.submodules.soc = Instance(
            "tercet_soc",
            i_clk=sync.clk,
            i_rst=reset.rst,
            i_rx=rx_pin.i,
            o_tx=tx_pin.o,
            o_busy=busy,
            **engine,
        )
        if self.board.led is not None:
            resource, part = self.board.led
            port = platform.request(resource, 0, dir="-")
            m.submodules.led_pin = led_pin = io.Buffer(io.Direction.Output, getattr(port, part) if part else port)
            m.d.comb += led_pin.o.eq(busy)
        return m

    def _clocks(self, m: Module, platform: Any) -> tuple[Value, dict[str, Value], Value]:
        """Return the link's clock, the port for the engine's if it has its own, and a signal that both are stable."""
        pin = platform.request(platform.default_clk, dir="-")
        settings = self.board.pll(self.clock_hz, link=self.link_hz is not None)
        if settings is not None and settings.family == "ice40":
            source = pin.io
        else:
            m.submodules.clk_pin = clk_pin = io.Buffer(io.Direction.Input, pin)
            source = clk_pin.i
        if settings is None:
            return source, {}, Const(1)
        m.submodules.pll = pll = Pll(settings, source)
        if self.link_hz is None:
            return pll.o, {}, pll.locked
        return pll.second, {"i_engine_clk": pll.o}, pll.locked


def clock_constraints(soc: SocConfig) -> str:
    """Return the constraints of both clocks of a `BoardTop` in SDC, for nextpnr; empty if there is one.

    nextpnr times no path from one clock to another, so there are no exceptions to declare: see
    `tercet.boards.fpga.crossings`.
    """
    if not soc.two_clocks:
        return ""
    rates = {"engine": soc.clock_hz, "link": soc.uart_hz}
    return "".join(
        f"create_clock -period {1e9 / rates[name]:.6f} -name {name} [get_nets {net}]\n"
        for net, name in CLOCK_NETS.items()
    )


class HeldReset(Elaboratable):
    """Reset with asynchronous assertion and delayed, synchronous release after the clock is stable.

    Parameters
    ----------
    locked : Value
        The clock is stable.
    clock_hz : int
        Frequency of domain ``sync``.

    Attributes
    ----------
    rst : Signal
        Reset output.
    clocks : int
        Clocks from `locked` to the release of the reset, within three.
    """

    def __init__(self, locked: Value, clock_hz: int):
        self.locked, self.rst = locked, Signal(init=1, name="rst")
        self.clocks = 2 ** math.ceil(math.log2(clock_hz * _HOLD_SECONDS))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.hold = hold = ClockDomain("hold", async_reset=True, local=True)
        m.d.comb += hold.clk.eq(ClockSignal("sync"))
        m.submodules.synchroniser = ResetSynchronizer(~self.locked, domain="hold")
        passed = Signal(range(self.clocks + 1))
        with m.If(~passed[-1]):
            m.d.hold += passed.eq(passed + 1)
        m.d.hold += self.rst.eq(~passed[-1])
        return m
