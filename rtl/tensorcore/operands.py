"""Operand buffer: holds a step while all pairs of its blocks are multiplied, and loads the next ones meanwhile."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.cycle_model import RING
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.ram import Ram

__all__ = ["Operands"]


class Operands(wiring.Component):
    """Ring buffer of steps, for the blocks of A or of B::

        blocks, part by part --> [step | step | step | step] --> part
                                   release ^     read_block, read_part

    Parameters
    ----------
    width : int
        Bits of a part.
    blocks : int
        Maximum number of blocks in a step.
    parts : int
        Parts of a block.
    family : str
        FPGA family.

    Members
    -------
    sizes : In(stream)
        Steps to load: blocks in each less one, and number of steps less one.
    blocks : In(stream.Signature(width))
        Blocks of these steps, each part by part.
    ready : Out(1)
        The oldest step is loaded.
    release : In(1)
        Free the oldest step. Only when `ready`; reads in flight complete.
    read_block, read_part : In
        Part to read, of the oldest step.
    part : Out(width)
        That part, `latency` clocks later.
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
        """Clocks from a read index to the part."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.words = words = Ram(width=self.width, depth=RING * self.most * self.parts, family=self.family)
        # Steps being loaded: their size, and how many are left, less one.
        size = Signal(range(self.most))
        left = Signal(16)
        taking = Signal()
        block = Signal(range(self.most))
        part = Signal.like(self.read_part)
        write_step, read_step = Signal(range(RING), name="write_step"), Signal(range(RING), name="read_step")
        here = Signal(range(RING + 1))
        room = Signal(init=1)
        loaded = Signal()
        write = Signal()
        # The next part is the last of its step; that step is the last of its size. Known one clock ahead, to keep the
        # path from a block to the next size short.
        closing, final = Signal(name="closing"), Signal(name="final")
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
        # A step loaded in this clock is not yet written.
        m.d.sync += [here.eq(after), room.eq(after != RING), self.ready.eq(here != self.release)]
        with m.If(loaded):
            m.d.sync += write_step.eq(write_step + 1)
        with m.If(self.release):
            m.d.sync += read_step.eq(read_step + 1)

        self._memory(m, words, write, (write_step, block, part), read_step)
        return m

    def _memory(
        self, m: Module, words: Ram, write: Signal, place: tuple[Signal, Signal, Signal], read_step: Signal
    ) -> None:
        """Connect the ports; `place` is the step, block and part that are written."""

        def address(step: Value, block: Value, part: Value) -> Value:
            return Cat(part[: (self.parts - 1).bit_length()], block, step)

        # Memory blocks are far apart: the write port is registered.
        m.d.sync += words.write.eq(write)
        m.d.comb += [
            words.write_address.eq(register(m, "s1_write_place", address(*place))),
            words.write_data.eq(register(m, "s1_payload", self.blocks.payload)),
            words.read_enable.eq(1),
            words.read_address.eq(address(read_step, self.read_block, self.read_part)),
            words.out_enable.eq(1),
            self.part.eq(words.read_data),
        ]
