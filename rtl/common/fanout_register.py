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
        Number of bits.
    reset_less : bool
        Reset does not clear them: it lasts until what it cleared has arrived.

    Members
    -------
    i : In(width), o : Out(width)
        Control signals.
    """

    # Otherwise synthesis merges the equal registers of several destinations, with wires across the chip.
    keep_hierarchy = True

    def __init__(self, *, width: int, reset_less: bool = False):
        self.reset_less = reset_less
        super().__init__({"i": In(width), "o": Out(width)})

    @property
    def latency(self) -> int:
        """Clocks from `i` to `o`."""
        return 1

    def elaborate(self, platform) -> Module:
        m = Module()
        copy = Signal(len(self.i), reset_less=self.reset_less)
        m.d.sync += copy.eq(self.i)
        m.d.comb += self.o.eq(copy)
        return m
