"""Parameter fetch: bias, multiplier and shift of each channel, for the lanes."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.latencies import WORD_CLOCKS
from tercet.golden.systolic.cycle_model import READ_CLOCKS
from tercet.rtl.common.pipeline import event, register

from .layouts import instruction_layout

__all__ = ["ParameterFetch"]


class ParameterFetch(wiring.Component):
    """Copy the parameters of a tile's channels into one of the two slots of the lanes, a channel per clock.

    Without ``parameter_channel`` one entry serves all channels and tiles.

    Parameters
    ----------
    config : NpuConfig
        Columns of a tile and size of the parameter memory.

    Members
    -------
    began : In(1), instruction : In(instruction_layout())
        An instruction begins; all results of the one before are written.
    freed : In(1)
        The oldest tile is drained.
    address : Out(range(channels))
        Entry to read; it arrives at the lanes with `write`.
    write, slot, column, common : Out
        Store the entry for this column; it is the entry of all columns, which stays stable.
    ready : Out(1)
        The parameters of the oldest tile that is not drained are in the lanes.
    error : Out(1)
        An entry lies outside the memory.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "began": In(1),
                "instruction": In(instruction_layout()),
                "freed": In(1),
                "address": Out(range(config.channels)),
                "write": Out(1),
                "slot": Out(1),
                "column": Out(range(config.cols)),
                "common": Out(1),
                "ready": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i = self.instruction
        entry = Signal(len(i.parameters) + 1, reset_less=True, name="entry")
        left = Signal(i.channels.shape(), name="left")
        loading, slot, ended = Signal(name="loading"), Signal(name="next_slot"), Signal(name="ended")
        column = Signal(self.column.shape(), reset_less=True, name="next_column")
        unread = Signal(range(3), name="unread")  # tiles loaded or being loaded
        loaded = Signal(range(3), name="loaded")
        begin = Signal(name="begin")
        # The lanes read a drained tile's parameters some clocks after its address.
        freed = event(m, "freed_late", self.freed & ~self.common, READ_CLOCKS + 1)
        m.d.comb += [
            begin.eq(~loading & (left != 0) & (unread != 2)),
            ended.eq(loading & ((left == 1) | (column == self.config.cols - 1))),
            self.address.eq(entry),
            self.ready.eq(loaded != 0),
            self.error.eq(loading & (entry >= self.config.channels)),
        ]
        with m.If(begin):
            m.d.sync += [loading.eq(1), column.eq(0)]
        with m.If(loading):
            m.d.sync += [entry.eq(entry + 1), left.eq(left - 1), column.eq(column + 1)]
        with m.If(ended):
            m.d.sync += [loading.eq(0), slot.eq(~slot)]
        # An entry is in the lanes two clocks after its write.
        stored = event(m, "stored", ended, WORD_CLOCKS + 2)
        m.d.sync += [unread.eq(unread + begin - freed), loaded.eq(loaded + stored - (self.freed & ~self.common))]
        with m.If(self.began):
            m.d.sync += [
                entry.eq(i.parameters),
                left.eq(Mux(i.parameter_channel, i.channels, 1)),
                self.common.eq(~i.parameter_channel),
                unread.eq(0),
                loaded.eq(0),
                slot.eq(0),
            ]
        m.d.comb += [
            self.write.eq(event(m, "arrive", loading, WORD_CLOCKS)),
            self.slot.eq(register(m, "arrive_slot", slot, WORD_CLOCKS)),
            self.column.eq(register(m, "arrive_column", column, WORD_CLOCKS)),
        ]
        return m
