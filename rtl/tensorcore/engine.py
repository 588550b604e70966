"""Tensor-core engine: computes tiles of D = A B + C from streams of blocks."""

from typing import Any

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import TILE, block_parts
from tercet.golden.tensorcore.engine import MODEL
from tercet.rtl.common.engine import control_members
from tercet.rtl.common.outlet import Outlet
from tercet.rtl.common.register_slice import RegisterSlice
from tercet.rtl.emit import shared

from .addends import Addends
from .core import Core
from .cores import Cores
from .counters import Counters
from .layouts import addend_layout, column_layout, command_layout, row_layout
from .operands import Operands
from .plan import Plan
from .sequencer import Sequencer

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Issue one part of the product of two blocks per clock; `fold` parts make a whole product. Blocks are streamed in
    the same parts::

        a --> Operands --rows-------> [    ]
        b --> Operands --columns----> [Core] --> Outlet --> d
        c --> Addends --------------> [    ]
        commands --> Sequencer: which blocks, which sums

    Parameters
    ----------
    config : TensorCoreConfig
        Configuration of the engine.

    Raises
    ------
    ValueError
        If only the golden model supports `config`, or `Plan` rejects its `l` or `pipeline`.

    Members
    -------
    commands : In(stream.Signature(command_layout()))
        Tiles to compute.
    a, b : In(stream)
        Blocks of a tile, step by step along K: A's from top to bottom, their rows in order; B's from left to right,
        their columns in order. Each block is cut into the parts of `block_parts`.
    c : In(stream)
        Blocks of a tile, row by row; the parts of each block, row by row.
    d : Out(stream)
        Results in the order of `c`; `last` marks the last beat of a tile.
    counters, clear, running, error
        As in `control_members`. `running` stays high until all results of a tile are taken. Every command is accepted,
        so `error` stays 0.
    """

    def __init__(self, *, config: TensorCoreConfig):
        _ = Plan(config).registers  # rejects what only the golden model supports
        self.config = config
        block = addend_layout(config)
        super().__init__(
            {
                "commands": In(stream.Signature(command_layout())),
                "a": In(stream.Signature(row_layout(config))),
                "b": In(stream.Signature(column_layout(config))),
                "c": In(stream.Signature(block)),
                "d": Out(stream.Signature(data.StructLayout({"data": block, "last": 1}))),
                **control_members(MODEL),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        by_rows, by_cols = block_parts(config)
        rows, cols = Core.size(config)
        m.submodules.core = core = shared(Cores if config.cores > 1 else Core, config=config)
        m.submodules.sequencer = sequencer = shared(Sequencer, config=config, under_way=core.under_way)
        item = sequencer.item
        m.submodules.a_blocks = a = shared(
            Operands, width=len(Value.cast(self.a.payload)), blocks=TILE[0], parts=by_rows, family=config.family
        )
        m.submodules.b_blocks = b = shared(
            Operands, width=len(Value.cast(self.b.payload)), blocks=TILE[1], parts=by_cols, family=config.family
        )
        self._connect_inputs(m, sequencer, a, b)
        c = self._addends(m, sequencer)
        width = Plan(config).c_width
        m.d.comb += [
            a.read_block.eq(item.row),
            a.read_part.eq(item.row_part),
            b.read_block.eq(item.col),
            b.read_part.eq(item.col_part),
            core.issue.eq(sequencer.issue),
            core.item.eq(item),
            core.a.eq(a.part),
            core.b.eq(b.part),
            core.c.eq(c.part),
            sequencer.retire.eq(core.retire),
        ]

        m.submodules.outlet = outlet = shared(
            Outlet,
            shape=self.d.payload.shape(),
            latency=core.latency,
            lanes=(cols * width,) * (rows * config.cores) + (1,),
        )
        m.d.comb += [
            sequencer.room.eq(outlet.ready),
            outlet.start.eq(sequencer.issue & item.last),
            outlet.arrive.eq(core.arrive),
            Value.cast(outlet.value.data).eq(core.d),
            outlet.value.last.eq(core.close),
        ]
        # Tiles in the register slices, the sequencer and the outlet. The end of a tile is known one clock later.
        tiles = Signal(range(outlet.depth + 11))
        begins, ended = Signal(name="begins"), Signal(name="ended")
        m.d.comb += [
            begins.eq(self.commands.valid & self.commands.ready),
            self.running.eq(Mux(ended, tiles != 1, tiles != 0)),
        ]
        m.d.sync += [
            ended.eq(self.d.valid & self.d.ready & self.d.payload.last),
            tiles.eq(tiles + begins - ended),
        ]
        m.submodules.counters = counters = Counters()
        for name in ("running", "issue", "operands", "addend", "sum"):
            m.d.comb += getattr(counters, name).eq(getattr(sequencer, name))
        m.d.comb += [counters.clear.eq(self.clear), self.counters.eq(counters.counts)]
        wiring.connect(m, outlet.o, wiring.flipped(self.d))
        return m

    def _addends(self, m: Module, sequencer: Any) -> Any:
        """Add the queue of C."""
        rows, cols = Core.size(self.config)
        width = self.config.cores * cols * Plan(self.config).c_width
        m.submodules.c_parts = addends = shared(Addends, rows=rows, width=width, family=self.config.family)
        m.d.comb += [
            addends.c.payload.eq(Value.cast(self.c.payload)),
            addends.c.valid.eq(self.c.valid),
            self.c.ready.eq(addends.c.ready),
            sequencer.c_valid.eq(addends.valid),
            addends.take.eq(sequencer.c_take),
        ]
        return addends

    def _connect_inputs(self, m: Module, sequencer, a, b) -> None:
        """Fork each command to three consumers, which accept it independently; connect the operand streams."""
        taken = Signal(3)
        command = self.commands.payload
        takers = (sequencer.command, a.sizes, b.sizes)
        ready = []
        for n, (name, taker) in enumerate(zip(("tile", "a_sizes", "b_sizes"), takers, strict=True)):
            m.submodules[name] = cut = RegisterSlice(shape=taker.payload.shape())
            after = cut.o
            if taker is sequencer.command:
                # Operands arrive some clocks later: the next tiles wait for theirs here.
                for number in range(2):
                    m.submodules[f"waiting_{number}"] = waiting = RegisterSlice(shape=taker.payload.shape())
                    wiring.connect(m, after, waiting.i)
                    after = waiting.o
            wiring.connect(m, after, taker)
            m.d.comb += [
                cut.i.valid.eq(self.commands.valid & ~taken[n]),
                cut.i.payload.steps.eq(command.steps),
            ]
            ready.append(cut.i.ready)
            if taker is not sequencer.command:
                m.d.comb += cut.i.payload.blocks.eq(command.rows if taker is a.sizes else command.cols)
            else:
                m.d.comb += [cut.i.payload.rows.eq(command.rows), cut.i.payload.cols.eq(command.cols)]
        ready = Cat(ready)
        m.d.comb += [
            self.commands.ready.eq((taken | ready).all()),
            a.blocks.payload.eq(Value.cast(self.a.payload)),
            a.blocks.valid.eq(self.a.valid),
            self.a.ready.eq(a.blocks.ready),
            b.blocks.payload.eq(Value.cast(self.b.payload)),
            b.blocks.valid.eq(self.b.valid),
            self.b.ready.eq(b.blocks.ready),
            sequencer.a_ready.eq(a.ready),
            sequencer.b_ready.eq(b.ready),
            a.release.eq(sequencer.release),
            b.release.eq(sequencer.release),
        ]
        with m.If(self.commands.valid):
            m.d.sync += taken.eq(Mux(self.commands.ready, 0, taken | ready))
