"""Multiplier of a cell: inferred by synthesis, or the FPGA's own block with its registers in use."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.emit import shared
from tercet.rtl.primitives.mult18x18d import Mult18x18D
from tercet.rtl.primitives.sb_mac16 import SbMac16, SbMac16Dual

__all__ = ["Multiplier"]


class Multiplier(wiring.Component):
    """Multiply an activation by the weights of a cell's columns; one product per column and clock.

    With any block, the product is registered once more in the fabric: the path from a block to an adder's carry chain
    would otherwise be the critical path of the array. Data registers are not reset.

    Parameters
    ----------
    config : SystolicConfig
        Widths and ``mac``; "ecp5-dual" has its own component, `DualMultiplier`.

    Members
    -------
    act : In(signed(act_width))
        Activation.
    weights : In(ArrayLayout(signed(weight_width), cell_cols))
        One weight per column of the cell.
    load : In(1)
        Load the weights, with the first activation that they multiply; no effect unless `keeps_weights`.
    products : Out(ArrayLayout(signed(product_width), cell_cols))
        ``act * weights[n]``, `latency` clocks later.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {
                "act": In(signed(config.act_width)),
                "weights": In(data.ArrayLayout(signed(config.weight_width), config.cell_cols)),
                "load": In(1),
                "products": Out(data.ArrayLayout(signed(config.product_width), config.cell_cols)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from operands to products."""
        return self.config.multiplier_latency

    @property
    def keeps_weights(self) -> bool:
        """Whether the block's own register holds the weights until the next `load`."""
        return self.config.mac == "ice40"

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.config.cell_cols == 2:
            m.submodules.block = block = shared(SbMac16Dual)
            m.d.comb += [block.a0.eq(self.act), block.a1.eq(self.act), block.b_load.eq(self.load)]
            m.d.comb += [block.b0.eq(self.weights[0]), block.b1.eq(self.weights[1])]
            raw = [block.p0, block.p1]
        elif self.config.mac == "infer":
            raw = [self.act * self.weights[0]]
        else:
            m.submodules.block = block = shared({"ecp5": Mult18x18D, "ice40": SbMac16}[self.config.mac])
            # Operands sit at the upper end: constants below cost nothing, sign extension would be routed to many pins.
            spare_a, spare_b = len(block.a) - self.config.act_width, len(block.b) - self.config.weight_width
            m.d.comb += [
                block.a.eq(Cat(C(0, spare_a), self.act)),
                block.b.eq(Cat(C(0, spare_b), self.weights[0])),
                block.b_load.eq(self.load if self.keeps_weights else 1),
            ]
            raw = [block.p[spare_a + spare_b :]]
        for n, product in enumerate(raw):
            register = Signal(signed(self.config.product_width), name=f"product{n}", reset_less=True)
            m.d.sync += register.eq(product)
            m.d.comb += self.products[n].eq(register)
        return m
