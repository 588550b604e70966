"""Signed 16-bit multiplier: the FPGA's own block, or inferred by synthesis."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared
from tercet.rtl.primitives.mult18x18d import Mult18x18D
from tercet.rtl.primitives.sb_mac16 import SbMac16

__all__ = ["SignedMultiplier"]


class SignedMultiplier(wiring.Component):
    """Multiply an activation by a weight; one product per clock.

    Parameters
    ----------
    family : "any", "ecp5" or "ice40"
        Family whose multiplier block is instantiated; "any" leaves it to synthesis.
    latency : int
        Clocks from operands to product: 3, or 2 except on "ecp5".

    Members
    -------
    act, weight : In(signed(16))
        Operands.
    product : Out(signed(32))
        Their product, `latency` clocks later.
    """

    def __init__(self, *, family: str = "any", latency: int = 3):
        self.family, self.clocks = family, latency
        super().__init__({"act": In(signed(16)), "weight": In(signed(16)), "product": Out(signed(32))})

    @property
    def latency(self) -> int:
        """Clocks from operands to product."""
        return self.clocks

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.family == "any":
            act, weight = register(m, "s1_act", self.act), register(m, "s1_weight", self.weight)
            m.d.comb += self.product.eq(register(m, f"s{self.latency}_product", act * weight, self.latency - 1))
            return m
        m.submodules.block = block = self._block()
        # Operands sit at the upper end: constants below cost nothing, sign extension would be routed to many pins.
        spare = len(block.a) - 16
        m.d.comb += [
            block.a.eq(Cat(C(0, spare), self.act)),
            block.b.eq(Cat(C(0, spare), self.weight)),
            block.b_load.eq(1),
            self.product.eq(block.p[2 * spare :]),
        ]
        return m

    def _block(self):
        if self.family == "ecp5":
            return shared(Mult18x18D)
        return shared(SbMac16, latency=self.latency)
