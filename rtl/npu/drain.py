"""Drain: reads finished blocks from the accumulators, some columns of a pixel per clock."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig

from .layouts import beat_layout, block_layout, instruction_layout

__all__ = ["Drain"]


class Drain(wiring.Component):
    """Read the blocks in the order in which they were begun; never stalls within a block.

    Columns beyond the instruction's channels are skipped.

    Parameters
    ----------
    config : NpuConfig
        Columns, lanes and accumulator depth.

    Members
    -------
    began : In(1), instruction : In(instruction_layout())
        An instruction begins.
    block_start : In(1), block : In(block_layout())
        A block begins; at most two are unread.
    full : In(1)
        The oldest block is complete.
    params_ready : In(1)
        The parameters of the next tile are in the lanes.
    draining, bank, address : Out
        Port of `tercet.rtl.systolic.accumulators.Accumulators`.
    chunk, slot : Out
        Columns and set of parameters, in the clock of the address.
    valid : Out(1), beat : Out(beat_layout(config))
        Codes to come of this clock's address.
    freed, params_freed : Out(1)
        The block was read in the clock before; its tile is read.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "began": In(1),
                "instruction": In(instruction_layout()),
                "block_start": In(1),
                "block": In(block_layout()),
                "full": In(1),
                "params_ready": In(1),
                "draining": Out(1),
                "bank": Out(1),
                "address": Out(range(config.acc_depth)),
                "chunk": Out(range(config.chunks)),
                "slot": Out(1),
                "valid": Out(1),
                "beat": Out(beat_layout(config)),
                "freed": Out(1),
                "params_freed": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        cols, lanes = self.config.cols, self.config.lanes
        upcoming = self._queue(m)
        current = Signal(block_layout(), reset_less=True, name="current")
        blocks = Signal(range(3))  # complete and not yet being read
        taken, read = Signal(name="taken"), Signal(name="read")
        out_cols = Signal(self.instruction.out_cols.shape(), reset_less=True, name="out_cols")
        cols_left = Signal(out_cols.shape(), reset_less=True, name="cols_left")
        channels_left = Signal(self.instruction.channels.shape(), reset_less=True, name="channels_left")
        width, left = (Signal(range(cols + 1), reset_less=True, name=name) for name in ("width", "left"))
        # Comparisons are made a step ahead.
        pixel_end, last_col, last_row = (
            Signal(reset_less=True, name=name) for name in ("pixel_end", "last_col", "last_row")
        )
        beat, row_end, last = self.beat, Signal(name="row_end"), Signal(name="last")
        m.d.comb += [
            width.eq(Mux(channels_left < cols, channels_left, cols)),
            row_end.eq(pixel_end & last_col),
            last.eq(row_end & last_row),
            beat.count.eq(Mux(pixel_end, left, lanes)),
            beat.pixel_end.eq(pixel_end),
            beat.row_end.eq(row_end),
            beat.tile_end.eq(last & current.tile_end),
            beat.layer_end.eq(last & current.layer_end),
            self.draining.eq(read),
            self.valid.eq(read),
            self.params_freed.eq(read & last & current.tile_end),
        ]
        m.d.sync += self.freed.eq(read & last)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self.address.eq(0), self.chunk.eq(0), left.eq(width), cols_left.eq(out_cols)]
                m.d.sync += [pixel_end.eq(width <= lanes), last_col.eq(out_cols == 1), last_row.eq(upcoming.rows == 1)]
                m.d.sync += current.eq(upcoming)
                with m.If((blocks != 0) & self.params_ready):
                    m.d.comb += taken.eq(1)
                    m.next = "READ"
            with m.State("READ"):
                m.d.comb += read.eq(1)
                m.d.sync += [self.chunk.eq(self.chunk + 1), left.eq(left - lanes), pixel_end.eq(left <= 2 * lanes)]
                with m.If(pixel_end):
                    m.d.sync += [self.chunk.eq(0), left.eq(width), pixel_end.eq(width <= lanes)]
                    m.d.sync += [self.address.eq(self.address + 1), cols_left.eq(cols_left - 1)]
                    m.d.sync += last_col.eq(cols_left == 2)
                with m.If(row_end):
                    m.d.sync += [cols_left.eq(out_cols), last_col.eq(out_cols == 1)]
                    m.d.sync += [current.rows.eq(current.rows - 1), last_row.eq(current.rows == 2)]
                with m.If(last):
                    m.d.sync += self.bank.eq(~self.bank)
                    with m.If(current.tile_end):
                        m.d.sync += [channels_left.eq(channels_left - cols), self.slot.eq(~self.slot)]
                    m.next = "IDLE"
        with m.If(self.began):
            m.d.sync += [out_cols.eq(self.instruction.out_cols), channels_left.eq(self.instruction.channels)]
            m.d.sync += self.slot.eq(0)
        m.d.sync += blocks.eq(blocks + self.full - taken)
        return m

    def _queue(self, m: Module) -> Any:
        """Keep the description of the block that each bank gathers; return that of the next to be read."""
        started = [Signal(block_layout(), name=f"block_{n}", reset_less=True) for n in "ab"]
        start_bank = Signal(name="start_bank")
        with m.If(self.block_start):
            m.d.sync += start_bank.eq(~start_bank)
            for n in range(2):
                with m.If(start_bank == n):
                    m.d.sync += started[n].eq(self.block)
        upcoming = Signal(block_layout(), name="upcoming")
        m.d.comb += upcoming.eq(Mux(self.bank, started[1], started[0]))
        return upcoming
