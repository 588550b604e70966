"""Whole blocks of results from their parts."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.golden.tensorcore_cycles import block_parts

from .layouts import addend_layout
from .plan import Plan

__all__ = ["Assemble"]


class Assemble(wiring.Component):
    """Parts are kept until the last one of a block is here, which goes through::

        i --+--> [part 0]--[part 1]--[part 2] --> o
            +---------------------------------->

    Parameters
    ----------
    config : TensorCoreConfig
        Size of a block, fold.

    Members
    -------
    i : In(stream)
        Parts, columns of parts first; `last` with the last one of a tile.
    o : Out(stream)
        Blocks.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        block = addend_layout(config)
        width = Shape.cast(block).width // config.fold
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"data": width, "last": 1}))),
                "o": Out(stream.Signature(data.StructLayout({"data": block, "last": 1}))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, width = self.config, Plan(self.config).c_width
        by_rows, by_cols = block_parts(config)
        rows, cols = config.m // by_rows, config.n // by_cols
        kept = [Signal(self.i.payload.data.shape(), name=f"part_{n}", reset_less=True) for n in range(config.fold - 1)]
        number = Signal(range(max(2, config.fold)))
        whole = number == config.fold - 1
        m.d.comb += [
            self.o.valid.eq(self.i.valid & whole),
            self.i.ready.eq(self.o.ready | ~whole),
            self.o.payload.last.eq(self.i.payload.last),
        ]
        pieces = [*kept, self.i.payload.data]
        for row in range(config.m):
            for col in range(config.n):
                piece = pieces[row // rows * by_cols + col // cols]
                place = row % rows * cols + col % cols
                m.d.comb += self.o.payload.data[row][col].eq(piece[place * width :][:width])
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += number.eq(Mux(whole, 0, number + 1))
            for n, part in enumerate(kept):
                with m.If(number == n):
                    m.d.sync += part.eq(self.i.payload.data)
        return m
