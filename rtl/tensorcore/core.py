"""Dot-product units with the sums that stay beside them."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import block_parts
from tercet.rtl.common.delay import Delay
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import prototype, shared

from .fanout_register import FanoutRegister
from .grid import Grid
from .partial_sum_memory import PartialSumMemory
from .plan import Plan
from .sequencer import issue_layout

__all__ = ["Core"]


class Core(wiring.Component):
    """What is started goes through, and its sums are kept for the next step, or leave::

        a, b ----------> [    ]
                         [Grid] --+--> d
        c --> [Sums] --> [    ]   |
                ^-----------------+

    Parameters
    ----------
    config : TensorCoreConfig
        Everything.

    Members
    -------
    issue : In(1), item : In(issue_layout(config))
        A part is started; all else is counted from that clock.
    a, b : In
        Its rows of A and columns of B, 2 clocks later.
    c : In
        Its part of C, at once; matters only with ``item.first``.
    retire : Out(1)
        What is started from the next clock on can have the oldest sum that is under way as its addend.
    arrive : Out(1)
        `d` is a result; `latency` clocks later.
    d : Out
        Results of all units, row by row.
    close : Out(1)
        They are the last of a tile.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config, self._grid_size = config, self.size(config)
        grid = prototype(Grid, config=config, rows=self._grid_size[0], cols=self._grid_size[1])
        # Places go through two registers on their way to the sums.
        self._clocks = 2 + prototype(PartialSumMemory, config=config).latency - grid.lead + grid.latency
        self._lead = grid.lead
        members = {name: len(Value.cast(getattr(grid, name))) for name in "abcd"}
        super().__init__(
            {
                "issue": In(1),
                "item": In(issue_layout(config)),
                **{name: In(members[name]) for name in "abc"},
                "retire": Out(1),
                "arrive": Out(1),
                "d": Out(members["d"]),
                "close": Out(1),
            }
        )

    @staticmethod
    def size(config: TensorCoreConfig) -> tuple[int, int]:
        """Rows and columns of units."""
        by_rows, by_cols = block_parts(config)
        return config.m // by_rows, config.n // by_cols

    @property
    def latency(self) -> int:
        """Clocks from a start to its results."""
        return self._clocks

    @property
    def under_way(self) -> int:
        """Clocks from a start to its `retire`."""
        return self._clocks - self._lead

    def elaborate(self, platform) -> Module:
        m = Module()
        (rows, cols), item = self._grid_size, self.item
        by_rows, by_cols = block_parts(self.config)
        width = Plan(self.config).c_width
        m.submodules.grid = grid = shared(Grid, config=self.config, rows=rows, cols=cols)
        # Where a sum is kept: by block and part, not by its place in the tile.
        place = Cat(
            item.col_part[: (by_cols - 1).bit_length()],
            item.row_part[: (by_rows - 1).bit_length()],
            item.col,
            item.row,
        )
        # What the middle, rows and units register for themselves leaves here three clocks before.
        m.submodules.places = places = shared(Delay, clocks=self.latency - 3, width=len(place) + 2)
        # Unlike what it is, whether there is a sum is reset.
        valid = Signal(self.latency - 1)
        m.d.sync += [
            valid.eq(Cat(self.issue, valid)),
            self.arrive.eq(valid[-1] & register(m, "lasts", places.o[-2], 2)),
        ]
        m.submodules.retires = retires = shared(FanoutRegister, width=1)
        addend = register(m, "addend", self.c, 4)
        # From the sequencer to the middle of the units, and from there to each row.
        control = Cat(place, register(m, "first", item.first), valid[-3], places.o[: len(place)])
        m.submodules.middle = middle = shared(FanoutRegister, width=len(control))
        m.d.comb += middle.i.eq(control)
        for n in range(rows * cols):
            if n % cols == 0:
                m.submodules[f"spread_{n // cols}"] = spread = shared(FanoutRegister, width=len(control))
                m.d.comb += spread.i.eq(middle.o)
            m.submodules[f"sums_{n}"] = sums = shared(PartialSumMemory, config=self.config)
            here = slice(n * width, (n + 1) * width)
            m.d.comb += [
                Cat(sums.place, sums.first, sums.write, sums.write_place).eq(spread.o),
                sums.addend.eq(addend[here]),
                Value.cast(grid.c)[here].eq(sums.c),
                sums.value.eq(Value.cast(grid.d)[here]),
            ]
        m.d.comb += [
            Value.cast(grid.a).eq(self.a),
            Value.cast(grid.b).eq(self.b),
            places.i.eq(Cat(place, item.last, item.close)),
            # What is started in the clock of the write reads in the one after. The sequencer is far from sums.
            retires.i.eq(valid[self.under_way - 2]),
            self.retire.eq(retires.o),
            self.d.eq(Value.cast(grid.d)),
            self.close.eq(register(m, "closes", places.o[-1], 3)),
        ]
        return m
