"""Multiplexer of a Lattice ECP5 slice as the second stage of a 4:1 multiplexer.

Synthesis uses it for functions of five inputs; a 4:1 multiplexer has six, and would take a third lookup table.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ChooseOfFour"]

# C ? B : A.
_INIT = sum((n >> 1 & 1 if n & 4 else n & 1) << n for n in range(16))


class ChooseOfFour(wiring.Component):
    """4:1 multiplexer, combinational; two lookup tables and a ``PFUMX`` per bit::

        i0[n], i1[n], choice[0] --> table --+
                                            [PFUMX] --> o[n]
        i2[n], i3[n], choice[0] --> table --+   ^
                                            choice[1]

    Parameters
    ----------
    width : int
        Width of a value in bits, at least 1.

    Members
    -------
    i0, i1, i2, i3 : In(width)
        Values.
    choice : In(2)
        Index of the value.
    o : Out(width)
        Selected value.
    """

    def __init__(self, *, width: int):
        if width < 1:
            raise ValueError(f"Choice of width {width}; use at least 1")
        self.width = width
        super().__init__({**{f"i{n}": In(width) for n in range(4)}, "choice": In(2), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        for n in range(self.width):
            lower, upper = Signal(name=f"lower{n}"), Signal(name=f"upper{n}")
            for name, table, first, second in (("lower", lower, self.i0, self.i1), ("upper", upper, self.i2, self.i3)):
                # Not left to synthesis, which would share a table between two multiplexers or optimise one away; a
                # PFUMX is wired to its own two tables only.
                m.submodules[f"{name}{n}"] = Instance(
                    "LUT4",
                    p_INIT=Const(_INIT, 16),
                    i_A=first[n],
                    i_B=second[n],
                    i_C=self.choice[0],
                    i_D=Const(0, 1),
                    o_Z=table,
                )
            m.submodules[f"bit{n}"] = Instance("PFUMX", i_ALUT=upper, i_BLUT=lower, i_C0=self.choice[1], o_Z=self.o[n])
        return m
