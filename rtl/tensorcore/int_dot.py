"""Integer dot-product unit: exact products and sums, wrapped or saturated to 32 bits."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.signed_multiplier import SignedMultiplier
from tercet.rtl.emit import shared

from .plan import Plan

__all__ = ["IntDot"]


class IntDot(wiring.Component):
    """Dot product of int8 factors plus an int32 addend. One result per clock; never stalls::

        multiply   0, 1, 2, 3
        add_1      0 + 1      2 + 3
        add_2            +
        add_c            + c
        pack       wrap or saturate to 32 bits

    Parameters
    ----------
    config : TensorCoreConfig
        Number of products, overflow, pipeline.

    Members
    -------
    a, b : In(l of signed(8))
        Factors.
    c : In(32)
        Addend.
    d : Out(32)
        Result, `latency` clocks later.

    Notes
    -----
    Source: ``golden/tensorcore.py``, `dot`.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        factors = ArrayLayout(signed(8), config.l)
        super().__init__({"a": In(factors), "b": In(factors), "c": In(32), "d": Out(32)})

    @property
    def latency(self) -> int:
        """Clocks from operands to result."""
        return self.config.pipeline

    def elaborate(self, platform) -> Module:
        m = Module()
        config, plan = self.config, Plan(self.config)
        values = []
        for n in range(config.l):
            m.submodules[f"multiplier_{n}"] = multiplier = shared(SignedMultiplier, family=config.family)
            m.d.comb += [multiplier.act.eq(self.a[n]), multiplier.weight.eq(self.b[n])]
            values.append(multiplier.product[:16].as_signed())
        for level in range(1, plan.levels + 1):
            values = [
                plan.behind(m, f"add_{level}", f"sum_{level}_{n}", lower + upper)
                for n, (lower, upper) in enumerate(zip(values[0::2], values[1::2], strict=True))
            ]
        clocks = plan.clocks("multiply_1", plan.steps[plan.steps.index("add_c") - 1])
        addend = register(m, "addend", self.c, clocks).as_signed()
        total = plan.behind(m, "add_c", "total", values[0] + addend)
        if config.overflow == "saturate":
            high = total[31:]
            fits = high.all() | ~high.any()
            total = Mux(fits, total[:32], Cat((~total[-1]).replicate(31), total[-1]))
        m.d.comb += self.d.eq(plan.behind(m, "pack", "packed", total[:32]))
        return m
