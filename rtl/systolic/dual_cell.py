"""Weight-stationary cells of two columns that share a ``MULT18X18D``, or do without one."""

from amaranth import *
from tercet.rtl.emit import shared

from .cell import Cell
from .dual_multiplier import DualMultiplier
from .lut_dual_multiplier import LutDualMultiplier

__all__ = ["DualCell", "LutDualCell"]


class DualCell(Cell):
    """Weight-stationary cell of two columns: three narrow sums instead of two wide ones::

                   weights_i              sums_i
                       |                    |  low, h0, high
                       +--[shadow]          |
                       |      |             |
                       |  [active]          |
                       |      |             v
        lane_i --[ ]---|---->(x)--...----->(+) x 3
                  |    |                    |
        lane_o <--+   [ ]                  [ ] x 3
                       v                    v
                   weights_o              sums_o

    Flags as in `WsCell`. Parameters and members: see `Cell`.
    """

    multiplier = DualMultiplier

    @property
    def latency(self) -> int:
        """Clocks from `lane_i` to `sums_o`."""
        return 2 + self.config.multiplier_latency

    def elaborate(self, platform) -> Module:
        m = Module()
        lane, _ = self._move_on(m)
        m.submodules.multiplier = multiplier = shared(self.multiplier)
        m.d.comb += [multiplier.act.eq(lane.act), multiplier.weights.eq(self._keep_weights(m))]
        for name in ("low", "h0", "high"):
            total = Signal(self.sums_i[name].shape(), name=f"sum_{name}", reset_less=True)
            m.d.sync += total.eq(self.sums_i[name] + multiplier.parts[name])
            m.d.comb += self.sums_o[name].eq(total)
        return m


class LutDualCell(DualCell):
    """`DualCell` whose multiplier is in lookup tables."""

    multiplier = LutDualMultiplier
