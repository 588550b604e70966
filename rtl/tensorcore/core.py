"""Dot-product units with their partial-sum memories."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import block_parts
from tercet.rtl.common.delay import Delay
from tercet.rtl.common.fanout_register import FanoutRegister
from tercet.rtl.common.pipeline import register
from tercet.rtl.emit import prototype, shared

from .grid import Grid
from .partial_sum_memory import PartialSumMemory
from .plan import Plan
from .sequencer import issue_layout

__all__ = ["Core"]


class Core(wiring.Component):
    """Array of dot-product units. The sums of an issued part are kept for the next step, or leave::

        a, b ----------> [    ]
                         [Grid] --+--> d
        c --> [Sums] --> [    ]   |
                ^-----------------+

    Parameters
    ----------
    config : TensorCoreConfig
        Configuration of the engine.

    Members
    -------
    issue : In(1), item : In(issue_layout(config))
        A part is issued; the latencies below count from this clock.
    a, b : In
        Rows of A and columns of B of the part, 2 clocks later.
    c : In
        C of the part, 2 clocks later; ignored unless ``item.first``.
    retire : Out(1)
        Parts issued from the next clock on can use the oldest sum in flight as their addend.
    arrive : Out(1)
        `d` is a result; `latency` clocks later.
    d : Out
        Results of all units, row by row.
    close : Out(1)
        `d` is the last of its tile.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config, self._grid_size = config, self.size(config)
        # Otherwise synthesis merges the equal registers of several cores, with wires across the chip.
        self.keep_hierarchy = config.cores > 1
        grid = prototype(Grid, config=config, rows=self._grid_size[0], cols=self._grid_size[1])
        # Addresses pass two registers on their way to the partial sums.
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
        """Rows and columns of a core's units."""
        by_rows, by_cols = block_parts(config)
        return config.m // by_rows, config.n // by_cols

    @property
    def latency(self) -> int:
        """Clocks from issue to results."""
        return self._clocks

    @property
    def under_way(self) -> int:
        """Clocks from issue to `retire`."""
        return self._clocks - self._lead

    def elaborate(self, platform) -> Module:
        m = Module()
        (rows, cols), item = self._grid_size, self.item
        by_rows, by_cols = block_parts(self.config)
        width = Plan(self.config).c_width
        m.submodules.grid = grid = shared(Grid, config=self.config, rows=rows, cols=cols)
        # Address of a partial sum: by block and part, not by position in the tile.
        address = Cat(
            item.col_part[: (by_cols - 1).bit_length()],
            item.row_part[: (by_rows - 1).bit_length()],
            item.col,
            item.row,
        )
        # Leaves three clocks early: the middle, the row and the unit add a register each.
        m.submodules.places = places = shared(Delay, clocks=self.latency - 3, width=len(address) + 2)
        # Unlike the address, the valid bits are reset.
        valid = Signal(self.latency - 1)
        m.d.sync += [
            valid.eq(Cat(self.issue, valid)),
            self.arrive.eq(valid[-1] & register(m, "lasts", places.o[-2], 2)),
        ]
        m.submodules.retires = retires = shared(FanoutRegister, width=1)
        addend = register(m, "addend", self.c, 2)
        # Fan out from the sequencer to the middle of the array, and from there to each row.
        control = Cat(address, register(m, "first", item.first), valid[-3], places.o[: len(address)])
        m.submodules.middle = middle = shared(FanoutRegister, width=len(control))
        m.d.comb += middle.i.eq(control)
        for n in range(rows * cols):
            if n % cols == 0:
                m.submodules[f"spread_{n // cols}"] = spread = shared(FanoutRegister, width=len(control))
                m.d.comb += spread.i.eq(middle.o)
            m.submodules[f"sums_{n}"] = sums = shared(PartialSumMemory, config=self.config)
            lane = slice(n * width, (n + 1) * width)
            m.d.comb += [
                Cat(sums.place, sums.first, sums.write, sums.write_place).eq(spread.o),
                sums.addend.eq(addend[lane]),
                Value.cast(grid.c)[lane].eq(sums.c),
                sums.value.eq(Value.cast(grid.d)[lane]),
            ]
        m.d.comb += [
            Value.cast(grid.a).eq(self.a),
            Value.cast(grid.b).eq(self.b),
            places.i.eq(Cat(address, item.last, item.close)),
            # A part issued in the clock of the write reads in the next one. A register covers the way to the sequencer.
            retires.i.eq(valid[self.under_way - 2]),
            self.retire.eq(retires.o),
            self.d.eq(Value.cast(grid.d)),
            self.close.eq(register(m, "closes", places.o[-1], 3)),
        ]
        return m
