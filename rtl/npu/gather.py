"""Gather: the reads of a pass, one a clock, at any byte address of the unified buffer."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.systolic.cycle_model import ACCUMULATE_CLOCKS
from tercet.rtl.common.pipeline import event, register

from .layouts import ADDRESS_BITS, block_layout, instruction_layout, pass_layout
from .read_counter import ReadCounter

__all__ = ["Gather", "step_layout"]


def step_layout() -> data.StructLayout:
    """Flags of a read, for the units and the accumulators.

    ``step``: a read; ``start``: the first of a pass. ``emit``: its sums are results; ``begin``: the first of a pass's
    results, ``end``: the last of a block. ``first``, ``last``: first and last pass of a block; ``second``: reads the
    second operand.
    """
    return data.StructLayout(dict.fromkeys(("step", "start", "emit", "begin", "end", "first", "last", "second"), 1))


class Gather(wiring.Component):
    """Run passes: a read per clock along the rows of a block, and which of its bytes lie outside the operand.

    Parameters
    ----------
    config : NpuConfig
        Size of the buffer and of a read.

    Members
    -------
    passes : In(stream.Signature(pass_layout(config)))
        Passes whose weights are loaded.
    coming : In(1)
        A pass is valid in the next clock; its payload already is.
    instruction : In(instruction_layout())
        Instruction of a pass with ``layer``.
    bank_free, idle : In(1)
        A block may begin in the next clock; so may an instruction.
    began, block_start : Out(1), block : Out(block_layout())
        An instruction begins with this clock's read; a block does, and which.
    flags : Out(step_layout())
        Flags of this clock's read.
    address : Out(24), low, high : Out(range(read_bytes + 1)), splat : Out(1), fill : Out(signed(8))
        The read, three clocks after its flags; see `tercet.rtl.npu.buffer.UnifiedBuffer`.
    error : Out(1)
        A read lies outside the buffer, or a block has more sums than the accumulators.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        lanes = range(config.read_bytes + 1)
        super().__init__(
            {
                "passes": In(stream.Signature(pass_layout(config))),
                "coming": In(1),
                "instruction": In(instruction_layout()),
                "bank_free": In(1),
                "idle": In(1),
                "began": Out(1),
                "block_start": Out(1),
                "block": Out(block_layout()),
                "flags": Out(step_layout()),
                "address": Out(ADDRESS_BITS),
                "low": Out(lanes),
                "high": Out(lanes),
                "splat": Out(1),
                "fill": Out(signed(8)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i, new = self.instruction, self.passes.payload
        run = Signal(new.shape(), reset_less=True, name="run")
        fields = ("height", "row_bytes", "stride_rows", "fill", "taps", "stride_cols", "out_cols")
        layer = Signal(data.StructLayout({name: i[name].shape() for name in fields}), reset_less=True, name="layer")
        # The first pass of an instruction begins in the clock in which the fields arrive.
        now = Signal(layer.shape(), name="now")
        m.d.comb += now.eq(Mux(new.layer, Cat(i[name] for name in fields), layer))
        busy, allowed, ending, free, take = (
            Signal(name=name) for name in ("busy", "allowed", "ending", "free", "take")
        )
        age = Signal(range(ACCUMULATE_CLOCKS))
        room = (self.bank_free | ~new.first) & (self.idle | ~new.layer) & (age == 0)
        # Decided a clock ahead: a pass is valid, and may begin.
        m.d.sync += allowed.eq(room & (self.coming | self.passes.valid & ~take))
        m.d.sync += [self.began.eq(take & new.layer), self.block_start.eq(take & new.first)]
        m.d.comb += [
            free.eq(~busy | ending),
            self.passes.ready.eq(allowed & free),
            take.eq(allowed & free),
            self.block.rows.eq(run.rows),
            self.block.tile_end.eq(run.tile_end),
            self.block.layer_end.eq(run.layer_end),
            self.fill.eq(layer.fill),
        ]
        with m.If(take):
            m.d.sync += [busy.eq(1), age.eq(ACCUMULATE_CLOCKS - 2), layer.eq(now)]
        with m.Else():
            with m.If(ending):
                m.d.sync += busy.eq(0)
            with m.If(age != 0):
                m.d.sync += age.eq(age - 1)
        too_many = self._count(m, take, free, now, run, layer, ending, busy)
        outside = self._bounds(m, run, layer, busy)
        m.d.sync += self.error.eq(too_many | outside)
        return m

    def _count(self, m: Module, take, free, now, run, layer, ending, busy) -> Signal:
        """Walk over the reads of a pass; return whether it has more results than the accumulators."""
        new = self.passes.payload
        m.submodules.counter = counter = ReadCounter()
        start, begun = Signal(reset_less=True, name="start"), Signal(reset_less=True, name="begun")
        row_end, emit, flags = counter.row_end, counter.emit, self.flags
        m.d.comb += [
            counter.rows.eq(new.rows),
            counter.cols.eq(now.out_cols),
            counter.taps.eq(now.taps),
            counter.stride.eq(now.stride_cols),
            counter.take.eq(take),
            counter.free.eq(free),
            ending.eq(counter.ending),
            flags.step.eq(busy),
            flags.start.eq(busy & start),
            flags.emit.eq(emit),
            flags.begin.eq(emit & ~begun),
            flags.end.eq(ending & run.last),
            flags.first.eq(run.first),
            flags.last.eq(run.last),
            flags.second.eq(run.second),
        ]
        sums = Signal(range(self.config.acc_depth + 1), reset_less=True, name="sums")  # of this pass so far
        m.d.sync += sums.eq(Mux(free, 0, sums + emit))
        too_many = event(m, "too_many", emit & (sums == self.config.acc_depth))
        # The address of the next row is computed a row ahead.
        next_row, row_byte = (
            Signal(part.shape(), reset_less=True, name=name)
            for name, part in (("next_row", run.address), ("row_byte", run.byte))
        )
        upcoming_row = register(m, "upcoming_row", (new.address + new.row_pitch)[:ADDRESS_BITS])
        # Loaded whether a pass is taken or not: fewer signals depend on that.
        with m.If(free | row_end):
            m.d.sync += next_row.eq(Mux(free, upcoming_row, next_row + run.row_pitch))
        with m.If(free):
            m.d.sync += [run.eq(new), row_byte.eq(new.byte), start.eq(1), begun.eq(0)]
        with m.Else():
            m.d.sync += [start.eq(0), begun.eq(begun | emit)]
            with m.If(row_end):
                m.d.sync += [run.address.eq(next_row), run.byte.eq(row_byte), run.row.eq(run.row + layer.stride_rows)]
            with m.Else():
                m.d.sync += [run.address.eq(run.address + run.pixel_pitch), run.byte.eq(run.byte + run.pixel_pitch)]
        return too_many

    def _bounds(self, m: Module, run, layer, busy) -> Value:
        """Lanes of a read that lie inside the operand, in three clocks; return whether it lies outside the buffer."""
        lanes, size = self.config.read_bytes, self.config.buffer_bytes
        low_bits = lanes.bit_length() - 1
        s1_address = register(m, "s1_address", run.address.as_signed())
        s1_byte = register(m, "s1_byte", run.byte)
        s1_rest = register(m, "s1_rest", (layer.row_bytes - run.byte)[: len(run.byte) + 1].as_signed())
        s1_inside = register(m, "s1_inside", (run.row >= 0) & (run.row < layer.height) | ~run.bounded)
        s1_bounded = register(m, "s1_bounded", run.bounded)
        # Lanes before the operand's first byte, and up to its last; `lanes` is a power of two.
        s2_far = register(m, "s2_far", ~s1_byte[low_bits:].all())
        s2_long = register(m, "s2_long", s1_rest[low_bits:].any())
        s2_low = register(m, "s2_low", lanes - s1_byte[:low_bits])
        s2_high = register(m, "s2_high", s1_rest[:low_bits])
        s2_before = register(m, "s2_before", s1_byte[-1] & s1_bounded)
        s2_none = register(m, "s2_none", ~s1_inside | s1_bounded & s1_rest[-1])
        s2_whole = register(m, "s2_whole", ~s1_bounded)
        low, high = Signal(range(lanes + 1), name="low_now"), Signal(range(lanes + 1), name="high_now")
        m.d.comb += [
            low.eq(Mux(s2_before, Mux(s2_far, lanes, s2_low), 0)),
            high.eq(Mux(s2_none, 0, Mux(s2_long | s2_whole, lanes, s2_high))),
        ]
        # Without reset: it would add a level of logic to the lanes.
        m.d.comb += [
            self.address.eq(register(m, "s3_address", s1_address, 2)),
            self.low.eq(register(m, "s3_low", low)),
            self.high.eq(register(m, "s3_high", high)),
            self.splat.eq(register(m, "s3_splat", run.splat, 3)),
        ]
        # A read may begin before its operand and end behind it, by less than its width.
        s3_outside = register(m, "s3_outside", (s1_address >= size) | (s1_address <= -lanes), 2)
        s3_read = event(m, "s3_read", busy, 3)
        return s3_read & s3_outside & (self.low < self.high)
