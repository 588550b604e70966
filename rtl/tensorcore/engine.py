"""The tensor-core engine: tiles of D = A B + C from streams of blocks."""

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

from .core import Core
from .counters import Counters
from .layouts import addend_layout, column_layout, command_layout, row_layout
from .operands import Operands
from .plan import Plan
from .sequencer import Sequencer

__all__ = ["Engine"]


class Engine(wiring.Component):
    """A part of a product of two blocks is started each clock; `fold` parts are a whole one. Blocks come and go in the
    same parts::

        a --> Operands --rows-------> [    ]
        b --> Operands --columns----> [Core] --> Outlet --> d
        c --------------------------> [    ]
        commands --> Sequencer: which blocks, which sums

    Parameters
    ----------
    config : TensorCoreConfig
        The engine.

    Raises
    ------
    ValueError
        If only the golden model computes what the config asks for.

    Members
    -------
    commands : In(stream.Signature(command_layout()))
        Tiles.
    a, b : In(stream)
        Blocks of a tile, step by step along K: of A from top to bottom, its rows one after the other; of B from left to
        right, its columns one after the other. Each comes in the parts of `block_parts`.
    c : In(stream)
        Blocks of a tile, row by row; of each its parts row by row.
    d : Out(stream)
        The same of the results; `last` with the last one of a tile.
    counters, clear, running, error
        As in `control_members`; `running` until all results of a tile are taken; every command is accepted, so `error`
        stays 0.
    """

    def __init__(self, *, config: TensorCoreConfig):
        _ = Plan(config).registers  # refuses what only the golden model computes
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
        m.submodules.core = core = shared(Core, config=config)
        m.submodules.sequencer = sequencer = shared(Sequencer, config=config, under_way=core.under_way)
        item = sequencer.item
        m.submodules.a_blocks = a = shared(
            Operands, width=len(Value.cast(self.a.payload)), blocks=TILE[0], parts=by_rows, family=config.family
        )
        m.submodules.b_blocks = b = shared(
            Operands, width=len(Value.cast(self.b.payload)), blocks=TILE[1], parts=by_cols, family=config.family
        )
        self._connect_inputs(m, sequencer, a, b)
        m.d.comb += [
            a.read_block.eq(item.row),
            a.read_part.eq(item.row_part),
            b.read_block.eq(item.col),
            b.read_part.eq(item.col_part),
            core.issue.eq(sequencer.issue),
            core.item.eq(item),
            core.a.eq(a.part),
            core.b.eq(b.part),
            core.c.eq(Value.cast(self.c.payload)),
            sequencer.retire.eq(core.retire),
        ]

        width = Plan(config).c_width
        m.submodules.outlet = outlet = shared(
            Outlet, shape=self.d.payload.shape(), latency=core.latency, lanes=(cols * width,) * rows + (1,)
        )
        m.d.comb += [
            sequencer.room.eq(outlet.ready),
            outlet.start.eq(sequencer.issue & item.last),
            outlet.arrive.eq(core.arrive),
            Value.cast(outlet.value.data).eq(core.d),
            outlet.value.last.eq(core.close),
        ]
        # Tiles in the register slices, in the sequencer and in the outlet; that one has ended is known a
        # clock later.
        tiles = Signal(range(outlet.depth + 11))
        begins, ended = Signal(), Signal()
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

    def _connect_inputs(self, m: Module, sequencer, a, b) -> None:
        """A command goes to three places, each of which takes it when it can."""
        taken = Signal(3)
        command = self.commands.payload
        takers = (sequencer.command, a.sizes, b.sizes)
        ready = []
        for n, (name, taker) in enumerate(zip(("tile", "a_sizes", "b_sizes"), takers, strict=True)):
            m.submodules[name] = cut = RegisterSlice(shape=taker.payload.shape())
            after = cut.o
            if taker is sequencer.command:
                # Operands come some clocks later: the next tiles wait for them here.
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
            sequencer.c_valid.eq(self.c.valid),
            self.c.ready.eq(sequencer.c_take),
        ]
        with m.If(self.commands.valid):
            m.d.sync += taken.eq(Mux(self.commands.ready, 0, taken | ready))
