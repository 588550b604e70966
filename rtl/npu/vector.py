"""Vector unit: tables, factors of products, and maxima, one code of each channel per clock."""

from enum import IntEnum

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.latencies import VECTOR_CLOCKS
from tercet.rtl.common.pipeline import event, register
from tercet.rtl.common.ram import Ram
from tercet.rtl.common.side_by_side import SideBySide
from tercet.rtl.emit import shared

__all__ = ["VectorLane", "VectorLanes", "VectorOperation", "VectorUnit"]

_TABLE_WORDS = 512  # a table for each of two operands


class VectorOperation(IntEnum):
    """Operations of the vector unit."""

    TABLE = 0
    FACTOR = 1
    LARGEST = 2


class VectorLane(wiring.Component):
    """Channel of the vector unit::

        s1    code                    code                code, zero
        s2    [table]                 code                code - zero
        s3    [     ]                 code, held          factor
        s4    table or factor         the larger one
        s5    value: any of these

    Parameters
    ----------
    config : NpuConfig
        Tables and family.

    Members
    -------
    s1_code : In(signed(8))
        Code.
    s1_zero : In(signed(8))
        Zero point of the factor.
    s1_factor : In(1)
        The operation is FACTOR.
    s1_second, s3_second : In(1)
        The code belongs to the second operand.
    s3_table : In(1)
        The operation is TABLE.
    s2_held : In(signed(8))
        Maximum of the passes before.
    s3_first : In(1)
        There were none: ignore `s2_held`.
    s4_largest : In(1)
        Output the maximum.
    table_write : In(1), table_address : In(9), table_data : In(32)
        Write a word of the tables.
    value : Out(signed(32))
        Result, at s5.
    maximum : Out(signed(8))
        Maximum including this code, at s4.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "s1_code": In(signed(8)),
                "s1_zero": In(signed(8)),
                "s1_factor": In(1),
                "s1_second": In(1),
                "s3_second": In(1),
                "s3_table": In(1),
                "s2_held": In(signed(8)),
                "s3_first": In(1),
                "s4_largest": In(1),
                "table_write": In(1),
                "table_address": In(range(_TABLE_WORDS)),
                "table_data": In(32),
                "value": Out(signed(32)),
                "maximum": Out(signed(8)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # 0 for the other operations, so that it need not be masked where it is output.
        s2_factor = register(m, "s2_factor", Mux(self.s1_factor, self.s1_code - self.s1_zero, 0).as_signed())
        s3_factor = register(m, "s3_factor", s2_factor)
        s3_word = Mux(self.s3_second, s3_factor << 9, s3_factor.as_unsigned()).as_signed()
        if self.config.tables:
            s3_word = Mux(self.s3_table, self._tables(m), s3_word)
        s4_word = Signal(signed(32), reset_less=True)
        m.d.sync += s4_word.eq(s3_word)

        s3_code, s3_held = register(m, "s3_code", self.s1_code, 2), register(m, "s3_held", self.s2_held)
        # The sign of the difference leaves the ECP5's carry chain as a sum; a comparison's carry would take two more
        # chains.
        s3_less = (s3_code - s3_held)[-1]
        s4_maximum = register(m, "s4_maximum", Mux(self.s3_first | ~s3_less, s3_code, s3_held))
        m.d.comb += self.maximum.eq(s4_maximum)
        s5_value = Signal(signed(32), reset_less=True)
        m.d.sync += s5_value.eq(Mux(self.s4_largest, s4_maximum, s4_word))
        m.d.comb += self.value.eq(s5_value)
        return m

    def _tables(self, m: Module) -> Value:
        """Add the tables of both operands; return the word at s3."""
        m.submodules.tables = tables = shared(Ram, width=32, depth=_TABLE_WORDS, family=self.config.family)
        m.d.comb += [
            tables.read_enable.eq(1),
            tables.out_enable.eq(1),
            # Inverting the sign adds 128.
            tables.read_address.eq(Cat(self.s1_code[:7], ~self.s1_code[7], self.s1_second)),
            tables.write.eq(self.table_write),
            tables.write_address.eq(self.table_address),
            tables.write_data.eq(self.table_data),
        ]
        return tables.read_data.as_signed()


class VectorLanes(SideBySide):
    """All channels."""

    unit = VectorLane
    split = frozenset({"s1_code", "s2_held", "value", "maximum"})


class VectorUnit(wiring.Component):
    """Element-wise operations on `cols` channels at a time; the accumulators add the passes.

    TABLE looks a code up in the operand's table. FACTOR subtracts the zero point; with the first operand in bits 0 to 8
    and the second from bit 9 up, the sum of two passes holds both factors. LARGEST holds the maximum over all passes of
    a block for each of the pass's steps, by their index, and outputs it in the last one.

    The same index may recur `ACCUMULATE_CLOCKS` clocks later, but not before: a maximum is read in s0 and written
    back in s4.

    Parameters
    ----------
    config : NpuConfig
        Columns, tables, accumulator depth and family.

    Members
    -------
    bytes : In(8 * cols)
        Codes of a read, channel 0 in the least significant bits.
    step : In(1)
        `bytes` and the flags are valid.
    start : In(1)
        First step of a pass; a pass has at most `acc_depth` steps.
    operation : In(2)
        `VectorOperation`.
    second : In(1)
        The pass reads the second operand.
    first, last : In(1)
        First and last pass of a block.
    zero : In(signed(8))
        Zero point of the pass's factor.
    table_write : In(1), table_address : In(9), table_data : In(32)
        Write a word of every channel's tables, which the steps of the next clocks read. Bit 8 of the address selects
        the second operand's table; the others are code + 128.
    values : Out(32 * cols)
        Values, signed, `latency` clocks after their step. LARGEST gives 0 before the last pass, and TABLE 0 where the
        configuration has no tables.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "bytes": In(8 * config.cols),
                "step": In(1),
                "start": In(1),
                "operation": In(2),
                "second": In(1),
                "first": In(1),
                "last": In(1),
                "zero": In(signed(8)),
                "table_write": In(1),
                "table_address": In(range(_TABLE_WORDS)),
                "table_data": In(32),
                "values": Out(32 * config.cols),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a step to its values."""
        return VECTOR_CLOCKS

    def elaborate(self, platform) -> Module:
        m = Module()
        is_operation = {name: self.operation == VectorOperation[name] for name in ("TABLE", "FACTOR", "LARGEST")}
        s1_second = register(m, "s1_second", self.second)
        m.submodules.lanes = lanes = shared(VectorLanes, config=self.config, count=self.config.cols)
        m.d.comb += [
            lanes.s1_code.eq(register(m, "s1_codes", self.bytes)),
            lanes.s1_zero.eq(register(m, "s1_zero", self.zero)),
            lanes.s1_factor.eq(register(m, "s1_factor", is_operation["FACTOR"])),
            lanes.s1_second.eq(s1_second),
            lanes.s3_second.eq(register(m, "s3_second", s1_second, 2)),
            lanes.s3_table.eq(register(m, "s3_table", is_operation["TABLE"], 3)),
            lanes.s3_first.eq(register(m, "s3_first", self.first, 3)),
            lanes.s2_held.eq(self._held(m, lanes.maximum, self.step & is_operation["LARGEST"])),
            lanes.s4_largest.eq(register(m, "s4_largest", is_operation["LARGEST"] & self.last, 4)),
            lanes.table_write.eq(event(m, "s1_table_write", self.table_write)),
            lanes.table_address.eq(register(m, "s1_table_address", self.table_address)),
            lanes.table_data.eq(register(m, "s1_table_data", self.table_data)),
            self.values.eq(lanes.value),
        ]
        return m

    def _held(self, m: Module, s4_maximum: Value, s0_write: Value) -> Value:
        """Add the memory of maxima, one row for each index; return the row at s2."""
        depth = self.config.acc_depth
        index = Signal(range(depth), name="index", reset_less=True)  # of the next step that does not start a pass
        s0_index = Signal(range(depth), name="s0_index")
        m.d.comb += s0_index.eq(Mux(self.start, 0, index))
        with m.If(self.step):
            m.d.sync += index.eq(s0_index + 1)
        m.submodules.held = held = shared(Ram, width=len(s4_maximum), depth=depth, family=self.config.family)
        m.d.comb += [
            held.read_enable.eq(1),
            held.out_enable.eq(1),
            held.read_address.eq(s0_index),
            held.write.eq(event(m, "s4_write", s0_write, 4)),
            held.write_address.eq(register(m, "s4_index", s0_index, 4)),
            held.write_data.eq(s4_maximum),
        ]
        return held.read_data
