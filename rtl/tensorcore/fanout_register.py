"""Registers on the way of control signals to where they are needed, a row of units for instance."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FanoutRegister"]


class FanoutRegister(wiring.Component):
    """A clock later, for one place alone.

    Parameters
    ----------
    width : int
        Bits; reset to 0.

    Members
    -------
    i : In(width), o : Out(width)
        Control signals.
    """

    # Synthesis would make one set of registers out of the equal ones of several places, with wires across the chip.
    keep_hierarchy = True

    def __init__(self, *, width: int):
        super().__init__({"i": In(width), "o": Out(width)})

    @property
    def latency(self) -> int:
        """Clocks from `i` to `o`."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.i)
        return m
