"""Multiplier of signed bytes in lookup tables, for what leaves the multiplier blocks to others."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.choice import add_inverted
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

__all__ = ["GatedAdder", "LutMultiplier"]

# (A & B) ^ (C & D), and the same with ~(A & B). Where this is 0 the carry is the table's value for C = D = 0.
_GATED = sum(((n & n >> 1 ^ n >> 2 & n >> 3) & 1) << n for n in range(16))
_GATED_INVERTED = _GATED ^ 0xFFFF


class GatedAdder(wiring.Component):
    """Adder for two gated terms on the ECP5, combinational; half a ``CCU2C`` per bit::

        a[n], a_gate, b[n], b_gate --> table --(^)--> o[n]
                                          carry ^

    Synthesis would put each gate into a lookup table per bit in front of the carry chain.

    Parameters
    ----------
    width : int
        Width in bits.
    invert : bool
        Invert the gated `a` bitwise.

    Members
    -------
    a, b : In(width)
        Terms.
    a_gate, b_gate : In(1)
        Where 0, the term counts as 0.
    o : Out(width)
        ``a * a_gate + b * b_gate``, or with `invert` ``~(a * a_gate) + b * b_gate``; truncated to `width` bits.
    """

    def __init__(self, *, width: int, invert: bool = False):
        self.width, self.invert = width, invert
        super().__init__({"a": In(width), "a_gate": In(1), "b": In(width), "b_gate": In(1), "o": Out(width)})

    def elaborate(self, platform) -> Module:
        m = Module()
        table = Const(_GATED_INVERTED if self.invert else _GATED, 16)
        carry: Value = Const(0, 1)
        for low in range(0, self.width, 2):
            after = Signal(name=f"carry{low + 2}")
            ports = {}
            for half in range(2):
                n, inside = low + half, low + half < self.width
                ports |= {f"i_A{half}": self.a[n] if inside else Const(0, 1), f"i_B{half}": self.a_gate}
                ports |= {f"i_C{half}": self.b[n] if inside else Const(0, 1), f"i_D{half}": self.b_gate}
                ports[f"o_S{half}"] = self.o[n] if inside else Signal(name="unused")
            m.submodules[f"bits{low}"] = Instance(
                "CCU2C",
                p_INIT0=table,
                p_INIT1=table,
                p_INJECT1_0="NO",
                p_INJECT1_1="NO",
                i_CIN=carry,
                o_COUT=after,
                **ports,
            )
            carry = after
        return m


class LutMultiplier(wiring.Component):
    """Multiply two signed bytes; one product per clock.

    On "ecp5", where yosys maps ``*`` to a block or to an unregistered tree of lookup tables, each row multiplies
    the first by two bits of the second, and every adder is a carry chain between registers::

        bits of b     1, 0     3, 2     5, 4     7, 6 (7 is the sign)
        s1            row_0    row_1    row_2    row_3, inverted
        s2               low               high
        s3                      product

    72 lookup tables and 80 registers.

    Parameters
    ----------
    family : "any", "ecp5" or "ice40"
        FPGA family; all but "ecp5" leave the product to synthesis.

    Members
    -------
    a, b : In(signed(8))
        Factors.
    o : Out(signed(16))
        Product, `latency` clocks later.
    """

    def __init__(self, *, family: str = "any"):
        self.family = family
        super().__init__({"a": In(signed(8)), "b": In(signed(8)), "o": Out(signed(16))})

    @property
    def latency(self) -> int:
        """Clocks from factors to product."""
        return 3

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.family != "ecp5":
            m.d.comb += self.o.eq(register(m, "s3_product", self.a * self.b, 3))
            return m
        rows = [self._row(m, n) for n in range(4)]
        low = self._pair(m, "s2_low", rows[0], 2, rows[1], inverted=False)
        high = self._pair(m, "s2_high", rows[2], 2, rows[3], inverted=True)
        m.d.comb += self.o.eq(self._pair(m, "s3_product", low, 4, high, inverted=False))
        return m

    def _row(self, m: Module, n: int) -> Signal:
        """Multiply `a` by bits 2n and 2n + 1 of `b`; the last row, with the sign, is inverted.

        With the sign's negative weight the row is ``a * bit_6 - 2 * a * bit_7``. The inverse, the negative less
        1, takes the place of this subtraction.
        """
        m.submodules[f"row_{n}"] = row = shared(GatedAdder, width=10, invert=n == 3)
        m.d.comb += [row.a.eq(self.a), row.b.eq(self.a << 1)]
        m.d.comb += [row.a_gate.eq(self.b[2 * n]), row.b_gate.eq(self.b[2 * n + 1])]
        return register(m, f"s1_row_{n}", row.o.as_signed())

    def _pair(self, m: Module, name: str, lower: Value, shift: int, upper: Value, *, inverted: bool) -> Signal:
        """Add the upper term, weighted by ``2**shift``, at the width of both; the lower bits pass."""
        rest = lower[shift:].as_signed()
        if inverted:
            total = add_inverted(m, f"{name}_sum", self.family, rest, upper, Const(1, 1), len(upper))
        else:
            total = (rest + upper)[: len(upper)]
        return register(m, name, Cat(lower[:shift], total).as_signed())
