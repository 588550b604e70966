"""Register that splits the fan-out of control signals, for example to a row of units."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["FanoutRegister"]


class FanoutRegister(wiring.Component):
    """Copy of control signals for one destination alone, one clock later.

    Parameters
    ----------
    width : int
        Number of bits; they reset to 0.

    Members
    -------
    i : In(width), o : Out(width)
        Control signals.
    """

    # Otherwise synthesis merges the equal registers of several destinations, with wires across the chip.
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
