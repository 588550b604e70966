"""Weight-stationary cell for weights of -1, 0 and 1: an adder, and no multiplier."""

from amaranth import *
from tercet.rtl.common.choice import add_ternary

from .cell import Cell

__all__ = ["TernaryCell"]


class TernaryCell(Cell):
    """Weight-stationary cell of one column that adds its activation, subtracts it, or lets the sum pass::

                   weights_i           sums_i
                       |                 |
                       +--[shadow]       |
                       |      |          |
                       |  [active]       |
                       |      |          v
        lane_i --[ ]---|------+-------->(+) a, 0 or -a
                  |    |                 |
        lane_o <--+   [ ]               [ ]
                       v                 v
                   weights_o           sums_o

    A weight has two bits: whether it counts, and whether it is negative. Flags as in `WsCell`. Parameters and members:
    see `Cell`.
    """

    @property
    def latency(self) -> int:
        """Clocks from `lane_i` to `sums_o`."""
        return 2 + self.config.multiplier_latency

    def elaborate(self, platform) -> Module:
        m = Module()
        lane, _ = self._move_on(m)
        active = self._keep_weights(m)
        width = self.config.sum_width
        total = Signal(signed(width), name="sum0", reset_less=True)
        added = add_ternary(m, "added", self.config.family, self.sums_i[0], lane.act, active[0], width)
        m.d.sync += total.eq(added)
        m.d.comb += self.sums_o[0].eq(total)
        return m
