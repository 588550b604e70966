"""Delay lines, and the triangular skew of an array's edges.

Both are built from halves that are defined once, so the Verilog and the time to write it grow with the logarithm of the
size.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.emit import shared

__all__ = ["Delay", "EventDelay", "Skew"]

# Longest and widest delay that is not halved further.
_CHAIN, _WIDTH = 8, 64


class Delay(wiring.Component):
    """Chain of registers without reset; one ``width``-bit value per clock.

    Parameters
    ----------
    clocks : int
        Length, at least 0.
    width : int
        Width of a value in bits, at least 1.

    Members
    -------
    i : In(width)
        Value.
    o : Out(width)
        Value of `clocks` clocks ago.
    """

    reset_less = True

    def __init__(self, *, clocks: int, width: int):
        if clocks < 0 or width < 1:
            raise ValueError(f"Delay of {clocks} clocks and width {width}; use at least 0 and 1")
        self.clocks = clocks
        super().__init__({"i": In(width), "o": Out(width)})

    @property
    def latency(self) -> int:
        """Clocks from `i` to `o`."""
        return self.clocks

    def elaborate(self, platform) -> Module:
        m = Module()
        value = self.i
        width = len(self.i)
        if width > _WIDTH and self.clocks:
            cut = width // 2
            for name, part in (("low", slice(cut)), ("high", slice(cut, width))):
                m.submodules[name] = half = shared(type(self), clocks=self.clocks, width=len(value[part]))
                m.d.comb += [half.i.eq(value[part]), self.o[part].eq(half.o)]
            return m
        if self.clocks > _CHAIN:
            for name, clocks in (("front", self.clocks // 2), ("back", self.clocks - self.clocks // 2)):
                m.submodules[name] = half = shared(type(self), clocks=clocks, width=len(self.i))
                m.d.comb += half.i.eq(value)
                value = half.o
        else:
            for stage in range(self.clocks):
                register = Signal(len(self.i), name=f"s{stage + 1}", reset_less=self.reset_less)
                m.d.sync += register.eq(value)
                value = register
        m.d.comb += self.o.eq(value)
        return m


class EventDelay(Delay):
    """A `Delay` cleared by reset, for events, which must not outlive a reset."""

    reset_less = False


class Skew(wiring.Component):
    """Delay lane ``n`` of a vector by ``n`` clocks::

        lane 0 ----------------->        lane 0 --[ ]--[ ]-->
        lane 1 --[ ]------------>        lane 1 --[ ]------->
        lane 2 --[ ]--[ ]------->        lane 2 ------------>
                                              reverse

    Parameters
    ----------
    lanes : int
        Lanes of the vector, at least 1.
    width : int
        Width of a lane in bits.
    reverse : bool
        Delay lane ``n`` by ``lanes - 1 - n`` instead, to remove the skew.

    Members
    -------
    i, o : In and Out(lanes * width)
        The vector, lane 0 in the least significant bits.
    """

    def __init__(self, *, lanes: int, width: int, reverse: bool = False):
        if lanes < 1 or width < 1:
            raise ValueError(f"Skew of {lanes} lanes of width {width}; use at least 1 each")
        self.lanes, self.width, self.reverse = lanes, width, reverse
        super().__init__({"i": In(lanes * width), "o": Out(lanes * width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.lanes == 1:
            m.d.comb += self.o.eq(self.i)
            return m
        # The lanes of one half are delayed by as many clocks as the other half has lanes.
        cut = self.lanes // 2
        for name, first, count, other in (("low", 0, cut, self.lanes - cut), ("high", cut, self.lanes - cut, cut)):
            part = slice(first * self.width, (first + count) * self.width)
            value = self.i[part]
            if (name == "low") == self.reverse:
                m.submodules[f"{name}_delay"] = delay = shared(Delay, clocks=other, width=count * self.width)
                m.d.comb += delay.i.eq(value)
                value = delay.o
            m.submodules[name] = half = shared(Skew, lanes=count, width=self.width, reverse=self.reverse)
            m.d.comb += [half.i.eq(value), self.o[part].eq(half.o)]
        return m
