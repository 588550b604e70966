"""18x18 multiplier of the Lattice ECP5, with every register of the block in use.

Synthesis infers the multiplier but leaves its registers in the fabric, and the unregistered block takes 3.9 ns, so it
is instantiated here.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Mult18x18D"]


class Mult18x18D(wiring.Component):
    """Multiply a stream of operands by one that is loaded and kept (weight stationary)::

                 INPUTA
        a ------>[ reg ]--\\    PIPELINE   OUTPUT
                           (x)--[ reg ]---[ reg ]--> p
        b ------>[ reg ]--/
        b_load ->  INPUTB

        clock    0    1    2    3    4
        a        a0   a1   a2
        b        B
        b_load   1    0    0
        p                       a0*B a1*B

    An `a` that arrives together with `b_load` is multiplied by the new `b`. One product per clock; one ``MULT18X18D``.
    There is no reset: the registers are 0 after configuration.

    Four neighbouring multipliers share four enables, one of which is constant here: with more than three different
    `b_load` signals among them nextpnr's placement never ends. Either share `b_load`, or leave a quarter of the
    device's multipliers free, or tie it to 1 and keep `b` outside. nextpnr times the block at its ports only, never
    between its registers.

    Members
    -------
    a : In(signed(18))
        Multiplicand, taken every clock.
    b : In(signed(18))
        Multiplier, taken when `b_load` is 1.
    b_load : In(1)
        Clock enable of the register of `b`.
    p : Out(signed(36))
        Product, `latency` clocks after `a`.
    """

    def __init__(self):
        super().__init__({"a": In(signed(18)), "b": In(signed(18)), "b_load": In(1), "p": Out(signed(36))})

    @property
    def latency(self) -> int:
        """Clocks from `a` to `p`."""
        return 3

    def elaborate(self, platform) -> Module:
        m = Module()
        registers = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")
        parameters = {f"p_REG_{register}_CLK": "CLK0" for register in registers}
        # nextpnr supports only CE0 as the enable of the output register, so CE0 is the constant one.
        parameters |= {f"p_REG_{register}_CE": "CE0" for register in registers} | {"p_REG_INPUTB_CE": "CE1"}
        bits = {f"i_A{n}": self.a[n] for n in range(18)} | {f"i_B{n}": self.b[n] for n in range(18)}
        # The cascade inputs SRIA and SRIB stay open: nextpnr cannot route a constant to them (nextpnr issue 208).
        m.submodules.mult = Instance(
            "MULT18X18D",
            **parameters,
            **bits,
            **{f"o_P{n}": self.p[n] for n in range(36)},
            i_SIGNEDA=Const(1),
            i_SIGNEDB=Const(1),
            i_SOURCEA=Const(0),
            i_SOURCEB=Const(0),
            i_CLK0=ClockSignal(),
            i_CE0=Const(1),
            i_CE1=self.b_load,
            i_RST0=Const(0),
        )
        return m
