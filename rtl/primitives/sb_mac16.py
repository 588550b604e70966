"""Multiplier of the Lattice iCE40 UltraPlus: one 16x16 or two 8x8 products per clock, with its registers in use.

Synthesis never infers the mode of two products. The register settings here are among those for which Lattice's tools
have timing (``MUL_S_8X8_ALL_PIPELINE``, ``MUL_S_16X16_ALL_PIPELINE`` and, with latency 2, ``MUL_S_16X16_IM_BYPASS`` in
Project IceStorm); yosys can set others (yosys issue 2379).
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SbMac16", "SbMac16Dual"]

_MULT_8X8, _MULT_16X16 = 2, 3  # selections of O other than the adder and its register


def _instance(a: Value, b: Value, b_load: Value, o: Value, *, dual: bool, middle: bool = True) -> Instance:
    """Instantiate a signed multiplier without its adder.

    All registers on the path are used; those of the partial products only with `middle`.
    """
    select = _MULT_8X8 if dual else _MULT_16X16
    zeros = ("AHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP", "OLOADBOT")
    zeros += ("ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")
    return Instance(
        "SB_MAC16",
        p_A_REG=Const(1),
        p_B_REG=Const(1),
        p_TOP_8x8_MULT_REG=Const(middle, 1),
        p_BOT_8x8_MULT_REG=Const(middle, 1),
        p_PIPELINE_16x16_MULT_REG1=Const(middle, 1),
        p_PIPELINE_16x16_MULT_REG2=Const(0 if dual else 1, 1),
        p_TOPOUTPUT_SELECT=Const(select, 2),
        p_BOTOUTPUT_SELECT=Const(select, 2),
        p_MODE_8x8=Const(1 if dual else 0, 1),
        p_A_SIGNED=Const(1),
        p_B_SIGNED=Const(1),
        i_CLK=ClockSignal(),
        i_CE=Const(1),
        i_A=a,
        i_B=b,
        i_BHOLD=~b_load,
        i_C=Const(0, 16),
        i_D=Const(0, 16),
        o_O=o,
        **{f"i_{name}": Const(0) for name in zeros},
    )


class SbMac16(wiring.Component):
    """Multiply a stream of operands by one that is loaded and kept (weight stationary)::

                 A_REG
        a ------>[ reg ]--\\    F, J, K, G    H
        b ------>[ reg ]--(x)---[ reg ]--+--[ reg ]--> p
        b_load -> B_REG         4 partial products, their sum

        clock    0    1    2    3    4
        a        a0   a1   a2
        b        B
        b_load   1    0    0
        p                       a0*B a1*B

    An `a` that arrives together with `b_load` is multiplied by the new `b`. One product per clock; one ``SB_MAC16``.
    There is no reset.

    Parameters
    ----------
    latency : 2 or 3
        Clocks from `a` to `p`; with 2 the partial products have no registers.

    Members
    -------
    a : In(signed(16))
        Multiplicand, taken every clock.
    b : In(signed(16))
        Multiplier, taken when `b_load` is 1.
    b_load : In(1)
        Load `b`; its register holds otherwise.
    p : Out(signed(32))
        Product, `latency` clocks after `a`.

    Raises
    ------
    ValueError
        If `latency` is neither 2 nor 3.
    """

    def __init__(self, *, latency: int = 3):
        if latency not in (2, 3):
            raise ValueError(f"Multiplier latency is {latency}; use 2 or 3")
        self.clocks = latency
        super().__init__({"a": In(signed(16)), "b": In(signed(16)), "b_load": In(1), "p": Out(signed(32))})

    @property
    def latency(self) -> int:
        """Clocks from `a` to `p`."""
        return self.clocks

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.mac = _instance(self.a, self.b, self.b_load, self.p, dual=False, middle=self.latency == 3)
        return m


class SbMac16Dual(wiring.Component):
    """Multiply two streams of operands, each by one that is loaded and kept, in one block::

                  A_REG                F
        a1 ------>[ reg ]--(x)------[ reg ]--> p1 = O[31:16]
        b1 ------>[ reg ]---/
        a0 ------>[ reg ]--(x)------[ reg ]--> p0 = O[15:0]
        b0 ------>[ reg ]---/          G
        b_load --> B_REG

        clock    0    1    2    3
        a0       x0   x1   x2
        b0       B
        b_load   1    0    0
        p0                 x0*B x1*B

    An operand that arrives together with `b_load` is multiplied by the new multiplier. Two products per clock; one
    ``SB_MAC16``. There is no reset.

    Members
    -------
    a0, a1 : In(signed(8))
        Multiplicands, taken every clock.
    b0, b1 : In(signed(8))
        Multipliers, both taken when `b_load` is 1: they share a register.
    b_load : In(1)
        Load `b0` and `b1`; their register holds otherwise.
    p0, p1 : Out(signed(16))
        ``a0 * b0`` and ``a1 * b1``, `latency` clocks after `a0` and `a1`.
    """

    def __init__(self):
        operands = {name: In(signed(8)) for name in ("a0", "a1", "b0", "b1")}
        super().__init__({**operands, "b_load": In(1), "p0": Out(signed(16)), "p1": Out(signed(16))})

    @property
    def latency(self) -> int:
        """Clocks from `a0` and `a1` to `p0` and `p1`."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        a, b, o = Cat(self.a0, self.a1), Cat(self.b0, self.b1), Cat(self.p0, self.p1)
        m.submodules.mac = _instance(a, b, self.b_load, o, dual=True)
        return m
