"""The multiplexer of a Lattice ECP5 slice as the second half of a choice of four.

Synthesis uses it for functions of five inputs; a choice of four has six, and takes a third table.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ChooseOfFour"]


class ChooseOfFour(wiring.Component):
    """One of four values, without a register; two tables and a ``PFUMX`` a bit::

        i0[n], i1[n], choice[0] --> table --+
                                            [PFUMX] --> o[n]
        i2[n], i3[n], choice[0] --> table --+   ^
                                            choice[1]

    Parameters
    ----------
    width : int
        Bits, at least 1.

    Members
    -------
    i0, i1, i2, i3 : In(width)
        Values; all of them variable, since a table that vanishes leaves the multiplexer without its input.
    choice : In(2)
        Number of the value.
    o : Out(width)
        The value.
    """

    def __init__(self, *, width: int):
        if width < 1:
            raise ValueError(f"Choice of width {width}; use at least 1")
        self.width = width
        super().__init__({**{f"i{n}": In(width) for n in range(4)}, "choice": In(2), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        lower, upper = Signal(self.width), Signal(self.width)
        m.d.comb += [
            lower.eq(Mux(self.choice[0], self.i1, self.i0)),
            upper.eq(Mux(self.choice[0], self.i3, self.i2)),
        ]
        for n in range(self.width):
            m.submodules[f"bit{n}"] = Instance(
                "PFUMX", i_ALUT=upper[n], i_BLUT=lower[n], i_C0=self.choice[1], o_Z=self.o[n]
            )
        return m
