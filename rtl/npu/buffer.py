"""Unified buffer: activations and constant operands, read and written at any byte address."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu.config import NpuConfig
from tercet.golden.npu.latencies import READ_CLOCKS, WRITE_CLOCKS
from tercet.rtl.common.pipeline import event, register
from tercet.rtl.common.ram import Ram
from tercet.rtl.emit import shared

from .rotator import Rotator

__all__ = ["UnifiedBuffer"]


class UnifiedBuffer(wiring.Component):
    """Memory of bytes: reads `read_bytes` of them and writes up to `write_bytes` per clock, both at any address::

        read_address --> row, row + 1 --[ ]--> column's row --[ ]--> column --[ ]--[ ]--> rotate --[ ]--[ ]--+
               clock 0                    1                     2               3    4               5    6  |
                        low, high, fill -------------------------------> byte or fill? <---------------------+
                                                                              +--[ ]--> data
                                                                                   7

        write_address --> row, row + 1 --[ ]-------------[ ]--[ ]--> column's row -----[ ]--> column
        write_data ----------------------[ ]--> rotate --[ ]--[ ]--> column's enable --[ ]-->
               clock 0                    1               2    3                        4

    The byte at ``address`` is in column ``address % read_bytes``, row ``address // read_bytes``. Columns before that of
    lane 0 belong to the last lanes, which are one row further on.

    Addresses count modulo the power of two from `buffer_bytes` up, so a negative one may be given in two's complement.
    Bytes beyond `buffer_bytes` are undefined. All bytes are initially 0.

    A byte written is returned to reads from `write_latency` clocks later on; reads in the last clock before return an
    undefined byte, earlier ones the old.

    Parameters
    ----------
    config : NpuConfig
        Sizes and FPGA family.

    Members
    -------
    read_address : In(24)
        Address of lane 0.
    low, high : In(range(read_bytes + 1))
        Lanes ``low <= lane < high`` are read; others are set to `fill`.
    splat : In(1)
        The lanes that are read are all set to the byte at `read_address`.
    fill : In(8)
        Code of the lanes that are not read; not delayed, so it must be stable from read to `data`.
    data : Out(read_bytes * 8)
        Bytes, lane 0 least significant, `latency` clocks after `read_address`, `low`, `high` and `splat`.
    write : In(range(write_bytes + 1))
        Number of bytes to write, 0 for none.
    write_address : In(24)
        Address of the first byte.
    write_data : In(write_bytes * 8)
        Bytes, the first least significant.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        lanes = config.read_bytes
        super().__init__(
            {
                "read_address": In(24),
                "low": In(range(lanes + 1)),
                "high": In(range(lanes + 1)),
                "splat": In(1),
                "fill": In(8),
                "data": Out(lanes * 8),
                "write": In(range(config.write_bytes + 1)),
                "write_address": In(24),
                "write_data": In(config.write_bytes * 8),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `read_address` to `data`."""
        return READ_CLOCKS

    @property
    def write_latency(self) -> int:
        """Clocks from bytes on `write_data` to the first `read_address` that may read them."""
        return WRITE_CLOCKS

    @property
    def depth(self) -> int:
        """Rows of the memory."""
        return -(-self.config.buffer_bytes // self.config.read_bytes)

    def elaborate(self, platform) -> Module:
        m = Module()
        lanes, family = self.config.read_bytes, self.config.family
        columns = []
        for n in range(lanes):
            m.submodules[f"column{n}"] = column = shared(Ram, width=8, depth=self.depth, family=family)
            columns.append(column)
        self._write(m, columns)

        row, shift = self._split(self.read_address)
        s1_row, s1_next = register(m, "s1_row", row), register(m, "s1_next", (row + 1)[: len(row)])
        for n, column in enumerate(columns):
            s1_wrapped = register(m, f"s1_wrapped{n}", _above(shift, n))
            s2_row = register(m, f"s2_row{n}", Mux(s1_wrapped, s1_next, s1_row))
            m.d.comb += [column.read_enable.eq(1), column.out_enable.eq(1), column.read_address.eq(s2_row)]
        m.submodules.read_rotator = rotator = shared(Rotator, lanes=lanes, width=8, family=family)
        m.d.comb += [
            rotator.amount.eq(register(m, "s3_shift", shift, 3)),
            rotator.splat.eq(register(m, "s3_splat", self.splat, 3)),
            rotator.i.eq(Cat(column.read_data for column in columns)),
        ]

        s4_low, s4_high = (register(m, f"s4_{name}", getattr(self, name), 4) for name in ("low", "high"))
        for n in range(lanes):
            s5_begun, s5_ended = register(m, f"s5_begun{n}", s4_low <= n), register(m, f"s5_ended{n}", s4_high <= n)
            s6_inside = register(m, f"s6_inside{n}", s5_begun & ~s5_ended)
            s7_lane = register(m, f"s7_lane{n}", Mux(s6_inside, rotator.o.word_select(n, 8), self.fill))
            m.d.comb += self.data.word_select(n, 8).eq(s7_lane)
        return m

    def _split(self, address: Value) -> tuple[Value, Value]:
        """Return the row and the column of an address."""
        low = self.config.read_bytes.bit_length() - 1
        return address[low : low + (self.depth - 1).bit_length()], address[:low]

    def _write(self, m: Module, columns: list):
        """Rotate the bytes over `count` neighbouring columns, and enable those columns that get one."""
        count = 1 << (self.config.write_bytes - 1).bit_length()
        low = count.bit_length() - 1
        _, shift = self._split(self.write_address)
        m.submodules.write_rotator = rotator = shared(Rotator, lanes=count, width=9, family=self.config.family)
        m.d.comb += rotator.amount.eq(-shift[:low])
        for n in range(self.config.write_bytes):
            s1_byte = register(m, f"s1_byte{n}", self.write_data.word_select(n, 8))
            s1_used = register(m, f"s1_used{n}", n < self.write)
            m.d.comb += rotator.i.word_select(n, 9).eq(Cat(s1_byte, s1_used))

        s3_active = event(m, "s3_active", self.write != 0, 3)
        s2_shift = register(m, "s2_shift", shift, 2)
        rows = self._write_rows(m, count)
        for n in range(count):
            # Columns before that of the first byte belong to the next `count` columns.
            s3_part = register(m, f"s3_part{n}", (s2_shift[low:] + _above(s2_shift[:low], n))[: len(shift) - low])
            s3_byte = rotator.o.word_select(n, 9)
            s4_byte = register(m, f"s4_byte{n}", s3_byte[:8])
            for k, column in enumerate(columns[n::count]):
                used = s3_active & s3_byte[8] & (s3_part == k)
                m.d.comb += [
                    column.write.eq(event(m, f"s4_write{n + k * count}", used)),
                    column.write_address.eq(rows[n + k * count]),
                    column.write_data.eq(s4_byte),
                ]

    def _write_rows(self, m: Module, count: int) -> list[Signal]:
        """Return the row of each column to which a byte may be written, in clock 4."""
        lanes = self.config.read_bytes
        row, shift = self._split(self.write_address)
        s3_row = register(m, "s3_write_row", row, 3)
        s3_next = register(m, "s3_next_write_row", register(m, "s1_next_write_row", (row + 1)[: len(row)]), 2)
        if count == lanes:
            wrapped = [register(m, f"s3_write_wrapped{n}", _above(shift, n), 3) for n in range(lanes)]
            return [register(m, f"s4_write_row{n}", Mux(wrapped[n], s3_next, s3_row)) for n in range(lanes)]
        # Of at most half the columns, those in the lower half are one row further on if the first is in the upper.
        s3_upper = register(m, "s3_upper", shift[-1], 3)
        s4_lower_row = register(m, "s4_lower_write_row", Mux(s3_upper, s3_next, s3_row))
        s4_upper_row = register(m, "s4_upper_write_row", s3_row)
        return [s4_lower_row] * (lanes // 2) + [s4_upper_row] * (lanes // 2)


def _above(value: Value, n: int) -> Value:
    """``value > n``; no comparison where the value has too few bits."""
    return value > n if n < (1 << len(value)) - 1 else C(0)
