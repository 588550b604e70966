"""Sequencer: issues the block products of a tile, step by step."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import TILE, block_parts

from .layouts import command_layout

__all__ = ["Sequencer", "issue_layout"]


def issue_layout(config: TensorCoreConfig) -> data.StructLayout:
    """Payload of an issue: a part of the product of two blocks."""
    by_rows, by_cols = block_parts(config)
    return data.StructLayout(
        {
            "row": range(TILE[0]),
            "col": range(TILE[1]),
            # At least one bit: Verilog has no zero-width signals.
            "row_part": range(max(2, by_rows)),
            "col_part": range(max(2, by_cols)),
            "first": 1,  # the addend comes from C
            "last": 1,  # the result goes to D
            "close": 1,  # the last of the tile
        }
    )


class Sequencer(wiring.Component):
    """Issue, for each step along K, all pairs of its blocks, and for each pair all pairs of their parts.

    A part's result is its addend in the next step, as many issues later as a step has parts. It is available once fewer
    parts than that are in flight.

    Parameters
    ----------
    config : TensorCoreConfig
        Size of a block, fold.
    under_way : int
        Clocks from issue to `retire`, and thus the maximum number of parts in flight.

    Members
    -------
    command : In(stream.Signature(command_layout()))
        Next tile.
    a_ready, b_ready : In(1)
        Operands of the step are loaded.
    release : Out(1)
        The step ends; its operands can be dropped.
    c_valid : In(1)
        The next part of C is available.
    c_take : Out(1)
        Consume that part of C.
    room : In(1)
        There is room for a result.
    issue : Out(1), item : Out(issue_layout(config))
        A part is issued.
    retire : In(1)
        Parts issued from the next clock on can use the oldest result in flight as their addend.
    running : Out(1)
        A tile is in progress.
    operands, addend, sum : Out(1)
        Inputs of the next part that are available: operands of its step, its part of C, its partial sum.
    """

    def __init__(self, *, config: TensorCoreConfig, under_way: int):
        self.config, self.under_way = config, under_way
        super().__init__(
            {
                "command": In(stream.Signature(command_layout())),
                "a_ready": In(1),
                "b_ready": In(1),
                "release": Out(1),
                "c_valid": In(1),
                "c_take": Out(1),
                "room": In(1),
                "issue": Out(1),
                "item": Out(issue_layout(config)),
                "retire": In(1),
                "running": Out(1),
                "operands": Out(1),
                "addend": Out(1),
                "sum": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        by_rows, by_cols = block_parts(config)
        tile = Signal(command_layout())
        row, col = Signal(range(TILE[0]), name="row"), Signal(range(TILE[1]), name="col")
        row_part = Signal.like(self.item.row_part)
        col_part = Signal.like(self.item.col_part)
        # Parts per step; parts left in this step; parts in flight, also plus one.
        starts = Signal(range(TILE[0] * TILE[1] * config.fold + 1))
        left = Signal.like(starts)
        under_way = Signal(range(self.under_way + 1))
        one_more = Signal(range(self.under_way + 2), init=1)
        # Known one clock ahead, to keep the paths to and from `issue` short: the step is the first of its tile, or
        # the last; the next part is the last of its step; fewer parts are in flight than a step has.
        first, last, ends, free = Signal(name="first"), Signal(name="last"), Signal(name="ends"), Signal(name="free")
        last_col_part, last_row_part = col_part == by_cols - 1, row_part == by_rows - 1
        last_part = last_col_part & last_row_part
        last_col = last_part & (col == tile.cols)
        over = Signal()
        m.d.comb += [
            self.operands.eq(self.a_ready & self.b_ready),
            self.addend.eq(self.c_valid | ~first),
            self.sum.eq(free | first),
            self.issue.eq(self.running & self.operands & self.addend & self.sum & (self.room | ~last)),
            self.c_take.eq(self.issue & first),
            self.release.eq(self.issue & ends),
            over.eq(self.release & last),
            self.command.ready.eq(~self.running | over),
        ]
        fields = {"row": row, "col": col, "row_part": row_part, "col_part": col_part, "first": first, "last": last}
        m.d.comb += [self.item[name].eq(value) for name, value in {**fields, "close": over}.items()]
        self._track(m, under_way, one_more, starts, free)
        self._count(
            m,
            (self.issue, last_col_part, col_part),
            (self.issue & last_col_part, last_row_part, row_part),
            (self.issue & last_part, col == tile.cols, col),
            (self.issue & last_col, row == tile.rows, row),
        )
        with m.If(self.issue):
            m.d.sync += [left.eq(left - 1), ends.eq(left == 2)]
        with m.If(self.release):
            m.d.sync += [first.eq(0), tile.steps.eq(tile.steps - 1), last.eq(tile.steps == 1), left.eq(starts)]
            m.d.sync += ends.eq(starts == 1)
        with m.If(self.command.ready):
            new = self.command.payload
            count = Signal.like(starts)
            m.d.comb += count.eq((new.rows + 1) * (new.cols + 1) * config.fold)
            m.d.sync += [
                self.running.eq(self.command.valid),
                tile.eq(new),
                first.eq(1),
                last.eq(new.steps == 0),
                starts.eq(count),
                left.eq(count),
                ends.eq((new.rows == 0) & (new.cols == 0) & (config.fold == 1)),
            ]
        return m

    def _track(self, m: Module, under_way: Signal, one_more: Signal, starts: Signal, free: Signal) -> None:
        """Count parts in flight, and set `free` for the next clock: fewer of them than a step has."""
        for counter in (under_way, one_more):
            m.d.sync += counter.eq(counter + self.issue - self.retire)
        with m.If(self.issue == self.retire):
            m.d.sync += free.eq(under_way < starts)
        with m.Elif(self.issue):
            m.d.sync += free.eq(one_more < starts)
        with m.Else():
            m.d.sync += free.eq(under_way <= starts)

    def _count(self, m: Module, *counters: tuple[Value, Value, Signal]) -> None:
        """Advance each index in the clocks of its step, from its last value to 0."""
        for step, wrap, index in counters:
            with m.If(step):
                m.d.sync += index.eq(Mux(wrap, 0, index + 1))
