"""Writer: the addresses of results in the unified buffer."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.rtl.common.pipeline import event, register

from .layouts import ADDRESS_BITS, beat_layout, instruction_layout

__all__ = ["Writer"]


class Writer(wiring.Component):
    """Write codes in the order of the drain: columns of a pixel, pixels, rows, channel tiles.

    Parameters
    ----------
    config : NpuConfig
        Lanes, columns and size of the buffer.

    Members
    -------
    began : In(1), instruction : In(instruction_layout())
        An instruction begins.
    valid : In(1), beat : In(beat_layout(config))
        Codes come in the next clock.
    codes : In(requant_lanes * 8)
        Codes.
    count, address, data : Out
        Bytes to write, none if 0; their address; the bytes; two clocks after the codes.
    done : Out(1)
        The instruction's last codes are written in the next clock.
    error : Out(1)
        Codes lie outside the buffer; they are not written.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "began": In(1),
                "instruction": In(instruction_layout()),
                "valid": In(1),
                "beat": In(beat_layout(config)),
                "codes": In(8 * config.lanes),
                "count": Out(range(config.lanes + 1)),
                "address": Out(ADDRESS_BITS),
                "data": Out(8 * config.lanes),
                "done": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        i, beat, size = self.instruction, self.beat, self.config.buffer_bytes
        row_pitch, pixel_pitch = (
            Signal(i[name].shape(), reset_less=True, name=name) for name in ("target_row", "target_pixel")
        )
        # Of the next codes; of the next pixel, row and tile, each computed a step ahead.
        address, pixel, row, tile = (
            Signal(ADDRESS_BITS, reset_less=True, name=f"{name}_address")
            for name in ("next", "next_pixel", "next_row", "next_tile")
        )
        valid = event(m, "valid_now", self.valid)
        count, ends = register(m, "count_now", beat.count), register(m, "ends", self.valid & beat.layer_end)
        to_tile = event(m, "to_tile", self.began | self.valid & beat.tile_end)
        to_row = event(m, "to_row", self.valid & beat.row_end)
        to_pixel = event(m, "to_pixel", self.began | self.valid & beat.pixel_end)
        turn = Signal(ADDRESS_BITS, name="turn")
        m.d.comb += turn.eq(Mux(to_tile, tile, Mux(to_row, row, pixel)))
        with m.If(self.began):
            m.d.sync += [tile.eq(i.target), row_pitch.eq(i.target_row), pixel_pitch.eq(i.target_pixel)]
        with m.Elif(to_tile):
            m.d.sync += tile.eq(tile + self.config.cols)
        with m.If(to_pixel):
            m.d.sync += [address.eq(turn), pixel.eq(turn + pixel_pitch)]
        with m.Elif(valid):
            m.d.sync += address.eq(address + self.config.lanes)
        with m.If(to_tile | to_row):
            m.d.sync += row.eq(Mux(to_tile, tile, row) + row_pitch)
        s1_count = register(m, "s1_count", Mux(valid, count, 0))
        s1_address = register(m, "s1_address", address)
        s1_end = register(m, "s1_end", address + count)
        s2_count, s2_outside = register(m, "s2_count", s1_count), register(m, "s2_outside", s1_end > size)
        m.d.sync += [
            self.address.eq(s1_address),
            self.data.eq(register(m, "s1_codes", self.codes)),
            self.done.eq(ends),
        ]
        m.d.comb += [
            self.count.eq(Mux(s2_outside, 0, s2_count)),
            self.error.eq((s2_count != 0) & s2_outside),
        ]
        return m
