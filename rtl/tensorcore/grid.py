"""Array of dot-product units: the elements of a tile that are computed at once."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import shared

from .dot import Dot
from .int_dot import IntDot
from .plan import Plan
from .unpack import take_apart

__all__ = ["Grid"]


class Grid(wiring.Component):
    """Rows and columns of dot-product units: each row of A meets all columns of B. A factor is unpacked once for its
    row or column::

                  b[0]   b[1]
                   |      |
        a[0] --> [Dot]  [Dot]
        a[1] --> [Dot]  [Dot]

    Parameters
    ----------
    config : TensorCoreConfig
        Formats and arithmetic; the size of a tile is not used.
    rows, cols : int
        Rows and columns of units.

    Members
    -------
    a : In(rows of l patterns)
        Rows of A.
    b : In(cols of l patterns)
        Columns of B.
    c : In(rows of cols patterns)
        Addends, `lead` clocks after their factors.
    d : Out(rows of cols patterns)
        Results, `latency` clocks after their factors.
    """

    def __init__(self, *, config: TensorCoreConfig, rows: int, cols: int):
        self.config, self.rows, self.cols = config, rows, cols
        plan = Plan(config)
        tile = ArrayLayout(ArrayLayout(plan.c_width, cols), rows)
        super().__init__(
            {
                "a": In(ArrayLayout(ArrayLayout(plan.a_width, config.l), rows)),
                "b": In(ArrayLayout(ArrayLayout(plan.b_width, config.l), cols)),
                "c": In(tile),
                "d": Out(tile),
            }
        )

    @property
    def lead(self) -> int:
        """Clocks by which factors precede addends: registers for their long wires."""
        return 3

    @property
    def latency(self) -> int:
        """Clocks from factors to results."""
        return self.lead + self.config.pipeline

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        a = [self._factors(m, f"a{n}", config.a_format, self.a[n]) for n in range(self.rows)]
        b = [self._factors(m, f"b{n}", config.b_format, self.b[n]) for n in range(self.cols)]
        for row in range(self.rows):
            for col in range(self.cols):
                m.submodules[f"dot_{row}_{col}"] = dot = shared(IntDot if config.integers else Dot, config=config)
                m.d.comb += [dot.a.eq(a[row]), dot.b.eq(b[col]), dot.c.eq(self.c[row][col]), self.d[row][col].eq(dot.d)]
        return m

    def _factors(self, m: Module, name: str, format: str, patterns: Any) -> Value:
        return register(m, f"{name}_numbers", take_apart(m, f"{name}_", format, patterns), self.lead)
