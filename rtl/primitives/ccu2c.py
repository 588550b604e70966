"""Carry cell of the Lattice ECP5 with a multiplexer, an inversion or a ternary product folded into its adder.

Synthesis puts either into separate lookup tables in front of the carry chain, which costs a table per bit and a quarter
of the clock period.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AddChosen", "AddInverted", "AddTernary"]

# A ^ (B ? D : C). Where this is 0 the carry is A, which is the table's value for C = D = 0.
_CHOSEN = sum(((n & 1) ^ (n >> 3 & 1 if n & 2 else n >> 2 & 1)) << n for n in range(16))
# A ^ C ^ D, with the same carry.
_INVERTED = sum(((n ^ n >> 2 ^ n >> 3) & 1) << n for n in range(16))
# A ^ ((B ^ C) & D), with the same carry.
_TERNARY = sum(((n ^ (n >> 1 ^ n >> 2) & n >> 3) & 1) << n for n in range(16))


class AddChosen(wiring.Component):
    """Adder for ``a + (choice ? c : b)``, combinational; half a ``CCU2C`` per bit::

        a[n], choice, b[n], c[n] --> table --(^)--> o[n]
                                        carry ^

    Parameters
    ----------
    width : int
        Width in bits, at least 1.

    Members
    -------
    a, b, c : In(width)
        Terms.
    choice : In(1)
        Add `c` instead of `b`.
    o : Out(width)
        Sum, truncated to `width` bits.
    """

    def __init__(self, *, width: int):
        if width < 1:
            raise ValueError(f"Adder of width {width}; use at least 1")
        self.width = width
        super().__init__({"a": In(width), "b": In(width), "c": In(width), "choice": In(1), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        _chain(m, _CHOSEN, self.a, [self.choice] * self.width, self.b, self.c, self.o)
        return m


class AddInverted(wiring.Component):
    """Adder for ``a + (invert ? ~b : b)``, combinational; half a ``CCU2C`` per bit.

    Parameters
    ----------
    width : int
        Width in bits, at least 1.

    Members
    -------
    a, b : In(width)
        Terms.
    invert : In(1)
        Invert `b` bitwise.
    o : Out(width)
        Sum, truncated to `width` bits.
    """

    def __init__(self, *, width: int):
        if width < 1:
            raise ValueError(f"Adder of width {width}; use at least 1")
        self.width = width
        super().__init__({"a": In(width), "b": In(width), "invert": In(1), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        unused = Const(0, self.width)
        _chain(m, _INVERTED, self.a, unused, self.b, [self.invert] * self.width, self.o)
        return m


class AddTernary(wiring.Component):
    """Adder for ``a + b * weight`` with a weight of -1, 0 or 1, combinational; half a ``CCU2C`` per bit, and one more::

        a[n], b[n], negative, used --> table --(^)--> o[n]
                                          carry ^

    ``-b`` is ``~b + 1``; the first half of a cell, below the LSB, generates that carry.

    Parameters
    ----------
    width : int
        Width in bits, at least 1.

    Members
    -------
    a, b : In(width)
        Terms.
    weight : In(signed(2))
        Weight; -2 counts as 0 but adds 1.
    o : Out(width)
        Sum, truncated to `width` bits.
    """

    def __init__(self, *, width: int):
        if width < 1:
            raise ValueError(f"Adder of width {width}; use at least 1")
        self.width = width
        super().__init__({"a": In(width), "b": In(width), "weight": In(signed(2)), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        used, negative = self.weight[0], self.weight[1]
        # The cell below the LSB: neither bit of the sum, both of the carry.
        a, b = Cat(negative, self.a), Cat(negative, self.b)
        c, d = [Const(0, 1), *[negative] * self.width], [Const(1, 1), *[used] * self.width]
        carry = Signal(name="carry0")
        _chain(m, _TERNARY, a, b, c, d, Cat(carry, self.o))
        return m


def _chain(m: Module, init: int, a, b, c, d, o: Value) -> None:
    """Add the cells from the LSB up; inputs are indexed by bit, and the carry into the LSB is 0."""
    carry: Value = Const(0, 1)
    for low in range(0, len(o), 2):
        after = Signal(name=f"carry{low + 2}")
        ports = {}
        for half in range(2):
            n, inside = low + half, low + half < len(o)
            for port, value in {"A": a, "B": b, "C": c, "D": d}.items():
                ports[f"i_{port}{half}"] = value[n] if inside else Const(0, 1)
            ports[f"o_S{half}"] = o[n] if inside else Signal(name="unused")
        m.submodules[f"bits{low}"] = Instance(
            "CCU2C",
            p_INIT0=Const(init, 16),
            p_INIT1=Const(init, 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_CIN=carry,
            o_COUT=after,
            **ports,
        )
        carry = after
