"""Cells of both arrays: a multiplier, an adder, and the registers towards the neighbours."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.dual import SHIFT
from tercet.rtl.emit import shared

from .multiplier import Multiplier

__all__ = ["Cell", "OsCell", "WsCell", "lane_layout", "sums_layout", "weights_layout"]


def lane_layout(config: SystolicConfig) -> data.StructLayout:
    """Payload that moves along a row of the array: an activation and two flags.

    The flags are ``load`` and ``swap`` in a weight-stationary array, ``clear`` and ``capture`` in an output-stationary
    one.
    """
    flags = ("load", "swap") if config.dataflow == "ws" else ("clear", "capture")
    return data.StructLayout({"act": signed(config.act_width), **dict.fromkeys(flags, 1)})


def weights_layout(config: SystolicConfig) -> data.StructLayout | data.ArrayLayout:
    """Weights that move down through the cells of a column of cells.

    With "ecp5-dual", the two halves of the packed operand: ``lower`` is its weight of column 0, sign-extended to 10
    bits in the cell, ``upper`` the bits above.
    """
    if config.mac == "ecp5-dual":
        return data.StructLayout({"lower": signed(8), "upper": signed(8)})
    return data.ArrayLayout(signed(config.weight_width), config.cell_cols)


def sums_layout(config: SystolicConfig) -> data.StructLayout | data.ArrayLayout:
    """Partial sums that move through a column of cells: one per column or, with "ecp5-dual", one per part.

    The parts are those of `tercet.golden.systolic.dual.split`, wide enough for a sum over all rows. With "binary" there
    are counts of equal signs in place of sums.
    """
    if config.mac == "ecp5-dual":
        more = (config.rows - 1).bit_length()
        return data.StructLayout({"low": SHIFT + more, "h0": signed(5 + more), "high": signed(15 + more)})
    if config.binary:
        return data.ArrayLayout(range(config.rows * config.act_width + 1), 1)
    return data.ArrayLayout(signed(config.sum_width), config.cell_cols)


class Cell(wiring.Component):
    """Base class of a cell of `cell_cols` columns.

    Members
    -------
    lane_i, lane_o : In and Out(lane_layout(config))
        From the left, and to the right one clock later.
    weights_i, weights_o : In and Out(weights_layout(config))
        From above, and downwards one clock later.
    sums_i, sums_o : In and Out(sums_layout(config))
        From above (weight stationary) or below (output stationary), and out on the opposite side.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        lane = lane_layout(config)
        weights, sums = weights_layout(config), sums_layout(config)
        super().__init__(
            {
                "lane_i": In(lane),
                "lane_o": Out(lane),
                "weights_i": In(weights),
                "weights_o": Out(weights),
                "sums_i": In(sums),
                "sums_o": Out(sums),
            }
        )

    @property
    def keep_hierarchy(self) -> bool:
        """Whether the module keeps its boundary in synthesis.

        The enables of cells on a diagonal of the array are equal, and one register in place of them all would drive
        nets across the chip.
        """
        return self.config.family == "ecp5"

    def _move_on(self, m: Module):
        """Register activations and weights towards the neighbours; return the registers."""
        lane = Signal(self.lane_i.shape(), reset_less=True)
        weights = Signal(self.weights_i.shape(), reset_less=True)
        m.d.sync += [lane.eq(self.lane_i), weights.eq(self.weights_i)]
        m.d.comb += [self.lane_o.eq(lane), self.weights_o.eq(weights)]
        return lane, weights

    def _keep_weights(self, m: Module):
        """Store passing weights, and make them the active ones with the swap; return the latter's register."""
        shadow = Signal(self.weights_i.shape(), reset_less=True)
        active = Signal(self.weights_i.shape(), reset_less=True)
        with m.If(self.lane_i.load):
            m.d.sync += shadow.eq(self.weights_i)
        with m.If(self.lane_i.swap):
            m.d.sync += active.eq(shadow)
        return active


class WsCell(Cell):
    """Weight-stationary cell: the next weight arrives while the current one multiplies::

                   weights_i           sums_i
                       |                 |
                       +--[shadow]       |
                       |      |          |
                       |  [active]       |
                       |      |          v
        lane_i --[ ]---|---->(x)--...-->(+)
                  |    |                 |
        lane_o <--+   [ ]               [ ]
                       v                 v
                   weights_o           sums_o

    ``load`` stores the passing weight in ``shadow``; ``swap`` comes with the first activation of a pass and copies
    ``shadow`` to ``active``. With both in one clock, the old shadow becomes active. Parameters and members: see
    `Cell`.
    """

    @property
    def latency(self) -> int:
        """Clocks from `lane_i` to `sums_o`."""
        return 2 + self.config.multiplier_latency

    def elaborate(self, platform) -> Module:
        m = Module()
        lane, weights = self._move_on(m)
        m.submodules.multiplier = multiplier = shared(Multiplier, config=self.config)
        m.d.comb += multiplier.act.eq(lane.act)
        if multiplier.keeps_weights:
            # The multiplier's register is `active`. It loads a clock later, with the activation, and so does `shadow`.
            shadow = Signal(self.weights_i.shape(), reset_less=True)
            with m.If(lane.load):
                m.d.sync += shadow.eq(weights)
            m.d.comb += [multiplier.weights.eq(shadow), multiplier.load.eq(lane.swap)]
        else:
            m.d.comb += multiplier.weights.eq(self._keep_weights(m))
        for n in range(self.config.cell_cols):
            total = Signal(signed(self.config.sum_width), name=f"sum{n}", reset_less=True)
            m.d.sync += total.eq(self.sums_i[n] + multiplier.products[n])
            m.d.comb += self.sums_o[n].eq(total)
        return m


class OsCell(Cell):
    """Output-stationary cell: the sum stays, and leaves upwards when it is complete::

        lane_i --[ ]--+---->(x)--...-->(+)<--+      sums_o
                      |      |          |    |        ^
        lane_o <------+      |         [acc]-+-----> [ ]
                             |                        |
        weights_i --[ ]------+--> weights_o         sums_i

    ``clear`` starts a new sum; ``capture`` copies the sum into the register that otherwise shifts up the sums of the
    rows below. Both flags enter the array later than their activation by the multiplier's latency, so they meet its
    product here. Parameters and members: see `Cell`.
    """

    @property
    def latency(self) -> int:
        """Clocks from the last activation at `lane_i` to `sums_o`."""
        return 3 + self.config.multiplier_latency

    def elaborate(self, platform) -> Module:
        m = Module()
        lane, weights = self._move_on(m)
        m.submodules.multiplier = multiplier = shared(Multiplier, config=self.config)
        m.d.comb += [multiplier.act.eq(lane.act), multiplier.weights.eq(weights), multiplier.load.eq(1)]
        for n in range(self.config.cell_cols):
            acc = Signal(signed(self.config.sum_width), name=f"acc{n}", reset_less=True)
            moving = Signal(signed(self.config.sum_width), name=f"moving{n}", reset_less=True)
            m.d.sync += acc.eq(Mux(lane.clear, 0, acc) + multiplier.products[n])
            m.d.sync += moving.eq(Mux(lane.capture, acc, self.sums_i[n]))
            m.d.comb += self.sums_o[n].eq(moving)
        return m
