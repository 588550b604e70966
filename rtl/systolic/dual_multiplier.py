"""Two int8 products from one ``MULT18X18D``, in the three parts of `tercet.golden.systolic.dual`."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.dual import SHIFT
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared
from tercet.rtl.primitives.mult18x18d import Mult18x18D

from .cell import weights_layout

__all__ = ["DUAL_CONFIG", "DualMultiplier", "parts_layout"]

DUAL_CONFIG = SystolicConfig(rows=1, cols=2, mac="ecp5-dual")
"""Configuration of a single cell."""


def parts_layout() -> data.StructLayout:
    """Parts of a product: ``low``, ``h0`` and ``high``."""
    return data.StructLayout({"low": SHIFT, "h0": signed(5), "high": signed(15)})


class DualMultiplier(wiring.Component):
    """Multiply an activation by two packed weights; the parts of both products every clock::

                   s1      s2       s3        s4       s5
        act ----+-[INPUT]-[PIPELINE]-[OUTPUT]-[ ]--+--[ ]--> low, high
        weights-|-[INPUT]-/                        |
                |                                 (-)-[ ]--> h0
                +-[3 rows]-[1 + 2]-[+ 3]------[ ]--+ correction, 5 bits

    The correction is ``w1 * act`` modulo 32. ``weights.upper`` is ``w1 - (w0 < 0)``, so its rows are::

        1   act * upper[0] + (act * upper[1] << 1)
        2   (act * upper[2] << 2) + (act * upper[3] << 3)
        3   (act * upper[4] << 4) + act * (w0 < 0)

    The product is registered twice in the fabric, once near the block and once near the adders. Data registers are not
    reset.

    Members
    -------
    act : In(signed(8))
        Activation.
    weights : In(weights_layout(config))
        Packed weights.
    parts : Out(parts_layout())
        Parts of the products, `latency` clocks later.
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
        m.submodules.block = block = shared(Mult18x18D)
        spare = len(block.a) - len(self.act)
        packed = Cat(self.weights.lower, self.weights.lower[-1].replicate(SHIFT - 8), self.weights.upper)
        m.d.comb += [
            # The activation sits at the upper end, as in `Multiplier`.
            block.a.eq(Cat(C(0, spare), self.act)),
            block.b.eq(packed),
            block.b_load.eq(1),
        ]
        product = register(m, "s4_product", block.p[spare : spare + SHIFT + 15])
        correction = register(m, "s4_correction", self._correction(m))
        m.d.comb += [
            self.parts.low.eq(register(m, "s5_low", product[:SHIFT])),
            self.parts.h0.eq(register(m, "s5_h0", (product[SHIFT : SHIFT + 5] - correction)[:5])),
            self.parts.high.eq(register(m, "s5_high", product[SHIFT:])),
        ]
        return m

    def _correction(self, m: Module) -> Value:
        """Multiply the low bits of the upper weight and of the activation modulo 32; three clocks."""
        x, upper, negative = self.act[:5], self.weights.upper, self.weights.lower[-1]

        def row(n: int) -> Value:
            return Cat(C(0, n), x[: 5 - n] & upper[n].replicate(5 - n))

        s1_first = register(m, "s1_first", (row(0) + row(1))[:5])
        s1_second = register(m, "s1_second", (row(2)[2:] + row(3)[2:])[:3])
        third = (x & negative.replicate(5)) ^ row(4)  # only bit 4 has two addends, and its carry is of no interest
        s2_third = register(m, "s2_third", third, 2)
        s2_upper = register(m, "s2_upper", (s1_first[2:] + s1_second)[:3])
        s2_lower = register(m, "s2_lower", s1_first[:2])
        return register(m, "s3_correction", (Cat(s2_lower, s2_upper) + s2_third)[:5])
