"""Top level around the SoC of a board: pins, clock and power-up reset."""

import math
from typing import Any

from amaranth import *
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from ..catalog import Board
from ..fpga.pll import Pll

__all__ = ["BoardTop", "HeldReset"]

# iCE40 block RAMs read as 0 for about 3 us after configuration (icestorm issue 76); hold for five times that.
_HOLD_SECONDS = 16e-6


class BoardTop(Elaboratable):
    """Pins, clock and reset around ``tercet_soc``::

        oscillator --[PLL]--+--> clk --------> tercet_soc <-- rx
                            +--[hold]--> rst -->   |    +---> tx
                           locked                  +--------> LED

    Parameters
    ----------
    found : Board
        The board.
    clock_hz : int
        Clock of the SoC; there is no PLL if this is the oscillator's frequency.

    Notes
    -----
    The UART in ``tercet_soc`` synchronises its own input.
    """

    def __init__(self, found: Board, clock_hz: int):
        self.board, self.clock_hz = found, clock_hz

    def elaborate(self, platform) -> Module:
        m = Module()
        clk, locked = self._clock(m, platform)
        m.domains.sync = sync = ClockDomain("sync", reset_less=True)
        m.d.comb += sync.clk.eq(clk)
        platform.add_clock_constraint(sync.clk, self.clock_hz)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx_pin = rx_pin = io.Buffer(io.Direction.Input, uart.rx)
        m.submodules.tx_pin = tx_pin = io.Buffer(io.Direction.Output, uart.tx)
        m.submodules.reset = reset = HeldReset(locked, self.clock_hz)
        busy = Signal()
        m.submodules.soc = Instance(
            "tercet_soc",
            i_clk=sync.clk,
            i_rst=reset.rst,
            i_rx=rx_pin.i,
            o_tx=tx_pin.o,
            o_busy=busy,
        )
        if self.board.led is not None:
            resource, part = self.board.led
            port = platform.request(resource, 0, dir="-")
            m.submodules.led_pin = led_pin = io.Buffer(io.Direction.Output, getattr(port, part) if part else port)
            m.d.comb += led_pin.o.eq(busy)
        return m

    def _clock(self, m: Module, platform: Any) -> tuple[Value, Value]:
        """Return the clock and a signal that it is stable."""
        pin = platform.request(platform.default_clk, dir="-")
        settings = self.board.pll(self.clock_hz)
        if settings is not None and settings.family == "ice40":
            source = pin.io
        else:
            m.submodules.clk_pin = clk_pin = io.Buffer(io.Direction.Input, pin)
            source = clk_pin.i
        if settings is None:
            return source, Const(1)
        m.submodules.pll = pll = Pll(settings, source)
        return pll.o, pll.locked


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
