"""The parts of two int8 products without a multiplier block."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.dual import SHIFT
from tercet.rtl.common.lut_multiplier import GatedAdder, LutMultiplier
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

from .cell import weights_layout
from .dual_multiplier import DUAL_CONFIG, parts_layout

__all__ = ["LutDualMultiplier"]


class LutDualMultiplier(wiring.Component):
    """`DualMultiplier` in lookup tables, for the rows of an array beyond the blocks of the FPGA::

                             s1 to s3             s4             s5
        act, weights.lower --[product]---+-------[ ]--+---------[ ]--> low, h0
                                         |            +--(+)----[ ]--> high
        act, weights.upper --[product]--(+)------[ ]------^
        act * (w0 < 0) -----------------'

    ``weights.upper`` is ``w1 - (w0 < 0)``; the other product's upper part is ``h0``, which is as much too high in
    ``high`` as in the product of a block.

    Members
    -------
    act, weights, parts
        As in `DualMultiplier`.
    """

    def __init__(self):
        members = {"act": In(signed(8)), "weights": In(weights_layout(DUAL_CONFIG)), "parts": Out(parts_layout())}
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Clocks from operands to parts."""
        return DUAL_CONFIG.multiplier_latency

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.lower = lower = shared(LutMultiplier, family="ecp5")
        m.submodules.upper = upper = shared(LutMultiplier, family="ecp5")
        m.submodules.negative = negative = shared(GatedAdder, width=len(self.parts.high))
        m.d.comb += [
            lower.a.eq(self.act),
            lower.b.eq(self.weights.lower),
            upper.a.eq(self.act),
            upper.b.eq(self.weights.upper),
            negative.a.eq(upper.o),
            negative.a_gate.eq(1),
            negative.b.eq(register(m, "s3_act", self.act, lower.latency)),
            negative.b_gate.eq(register(m, "s3_negative", self.weights.lower[-1], lower.latency)),
        ]
        s4_lower = register(m, "s4_lower", lower.o)
        s4_upper = register(m, "s4_upper", negative.o.as_signed())
        h0 = s4_lower[SHIFT : SHIFT + len(self.parts.h0)].as_signed()
        m.d.comb += [
            self.parts.low.eq(register(m, "s5_low", s4_lower[:SHIFT])),
            self.parts.h0.eq(register(m, "s5_h0", h0)),
            self.parts.high.eq(register(m, "s5_high", (s4_upper + h0)[: len(self.parts.high)])),
        ]
        return m
