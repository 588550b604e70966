"""Operands of a step, kept while all pairs of its blocks are multiplied, and those of the next ones meanwhile."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.cycle_model import RING
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.ram import Ram

__all__ = ["Operands"]


class Operands(wiring.Component):
    """Blocks of A, or of B, in a ring of steps::

        blocks, part by part --> [step | step | step | step] --> part
                                   release ^     read_block, read_part

    Parameters
    ----------
    width : int
        Bits of a part.
    blocks : int
        Most blocks of a step.
    parts : int
        Parts of a block.
    family : str
        FPGA family.

    Members
    -------
    sizes : In(stream)
        For steps to come: blocks of each less one, and how many steps less one.
    blocks : In(stream.Signature(width))
        Blocks of these steps, each part by part.
    ready : Out(1)
        The oldest step is here.
    release : In(1)
        Give its place free. Only when `ready`; what was asked for before may still be read.
    read_block, read_part : In
        Of the oldest step.
    part : Out(width)
        Part of a block, `latency` clocks after its number.
    """

    def __init__(self, *, width: int, blocks: int, parts: int, family: str):
        self.width, self.most, self.parts, self.family = width, blocks, parts, family
        super().__init__(
            {
                "sizes": In(stream.Signature(data.StructLayout({"blocks": range(blocks), "steps": 16}))),
                "blocks": In(stream.Signature(width)),
                "ready": Out(1),
                "release": In(1),
                "read_block": In(range(blocks)),
                "read_part": In(range(max(2, parts))),
                "part": Out(width),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from a part's number to the part."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.words = words = Ram(width=self.width, depth=RING * self.most * self.parts, family=self.family)
        # The steps that are being taken in: their size, and how many are left less one.
        size = Signal(range(self.most))
        left = Signal(16)
        taking = Signal()
        block = Signal(range(self.most))
        part = Signal.like(self.read_part)
        write_step, read_step = Signal(range(RING)), Signal(range(RING))
        here = Signal(range(RING + 1))
        room = Signal(init=1)
        loaded = Signal()
        write = Signal()
        # What comes next is the last part of a step; that is the last of its size. Known a clock ahead, so that the way
        # from a block to the next size is short.
        closing, final = Signal(), Signal()
        last_part = part == self.parts - 1 if self.parts > 1 else Const(1, 1)
        m.d.comb += [
            write.eq(taking & room & self.blocks.valid),
            self.blocks.ready.eq(taking & room),
            loaded.eq(taking & room & self.blocks.valid & closing),
            self.sizes.ready.eq(~taking | (room & self.blocks.valid & closing & final)),
        ]
        alone = self.parts == 1
        with m.If(self.sizes.ready):
            m.d.sync += [
                taking.eq(self.sizes.valid),
                size.eq(self.sizes.payload.blocks),
                left.eq(self.sizes.payload.steps),
                final.eq(self.sizes.payload.steps == 0),
                closing.eq((self.sizes.payload.blocks == 0) & alone),
            ]
        with m.Elif(loaded):
            m.d.sync += [left.eq(left - 1), final.eq(left == 1), closing.eq((size == 0) & alone)]
        with m.Elif(write):
            if alone:
                m.d.sync += closing.eq(block + 1 == size)
            else:
                m.d.sync += closing.eq((block == size) & (part == self.parts - 2))
        with m.If(write):
            m.d.sync += part.eq(Mux(last_part, 0, part + 1))
            with m.If(last_part):
                m.d.sync += block.eq(Mux(closing, 0, block + 1))
        after = Signal.like(here)
        m.d.comb += after.eq(here + loaded - self.release)
        # What is loaded in this clock is not yet written.
        m.d.sync += [here.eq(after), room.eq(after != RING), self.ready.eq(here != self.release)]
        with m.If(loaded):
            m.d.sync += write_step.eq(write_step + 1)
        with m.If(self.release):
            m.d.sync += read_step.eq(read_step + 1)

        def place(step: Value, number: Value, piece: Value) -> Value:
            return Cat(piece[: (self.parts - 1).bit_length()], number, step)

        # Words lie far apart: what writes them comes from registers.
        m.d.sync += words.write.eq(write)
        m.d.comb += [
            words.write_address.eq(register(m, "s1_write_place", place(write_step, block, part))),
            words.write_data.eq(register(m, "s1_payload", self.blocks.payload)),
            words.read_enable.eq(1),
            words.read_address.eq(place(read_step, self.read_block, self.read_part)),
            words.out_enable.eq(1),
            self.part.eq(words.read_data),
        ]
        return m
