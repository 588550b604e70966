"""The tensor-core engine: tiles of D = A B + C from streams of blocks."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.golden.tensorcore_cycles import TILE, block_parts
from tercet.rtl.common.delay import Delay
from tercet.rtl.common.outlet import Outlet
from tercet.rtl.common.pipeline import register
from tercet.rtl.common.ram import Ram
from tercet.rtl.common.register_slice import RegisterSlice
from tercet.rtl.emit import shared

from .assemble import Assemble
from .counters import COUNTER_BITS, COUNTERS, Counters
from .grid import Grid
from .layouts import addend_layout, column_layout, command_layout, row_layout
from .operands import Operands
from .plan import Plan
from .sequencer import Sequencer

__all__ = ["Engine"]


class Engine(wiring.Component):
    """A part of a product of two blocks is started each clock; `fold` parts are a whole one::

        a --> Operands --rows-------> [    ]
        b --> Operands --columns----> [Grid] --+--> Outlet --> Assemble --> d
        c --------+-----------------> [    ]   |
                  +-- sums <-------------------+
        commands --> Sequencer: which blocks, which sums

    Parameters
    ----------
    config : TensorCoreConfig
        Everything.

    Members
    -------
    commands : In(stream.Signature(command_layout()))
        Tiles.
    a, b : In(stream)
        Blocks of a tile, step by step along K: of A from top to bottom, its rows one after the other; of B from left to
        right, its columns one after the other.
    c : In(stream)
        Blocks of a tile, row by row.
    d : Out(stream)
        The same of the results; `last` with the last one of a tile.
    busy, operand_wait, addend_wait, sum_wait, room_wait : Out(40)
        Performance counters; see `Counters`.
    clear : In(1)
        Set the counters to zero.
    running : Out(1)
        A command has been taken, and not all results of its tile.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        block = addend_layout(config)
        super().__init__(
            {
                "commands": In(stream.Signature(command_layout())),
                "a": In(stream.Signature(row_layout(config))),
                "b": In(stream.Signature(column_layout(config))),
                "c": In(stream.Signature(block)),
                "d": Out(stream.Signature(data.StructLayout({"data": block, "last": 1}))),
                **{name: Out(COUNTER_BITS) for name in COUNTERS},
                "clear": In(1),
                "running": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config, plan = self.config, Plan(self.config)
        by_rows, by_cols = block_parts(config)
        rows, cols = config.m // by_rows, config.n // by_cols
        grid = shared(Grid, config=config, rows=rows, cols=cols)
        m.submodules.grid = grid

        # Operands are read in the clocks before the grid; addends are needed, and so are sums read, later.
        sums = Ram(width=rows * cols * plan.c_width, depth=TILE[0] * TILE[1] * config.fold, family=config.family)
        m.submodules.sums = sums
        before = sums.latency
        latency = before + grid.latency
        m.submodules.sequencer = sequencer = shared(Sequencer, config=config, under_way=latency - grid.lead)
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
            Value.cast(grid.a).eq(a.part),
            Value.cast(grid.b).eq(b.part),
        ]

        # Where a sum is kept: by block and part, not by its place in the tile.
        place = Cat(
            item.col_part[: (by_cols - 1).bit_length()],
            item.row_part[: (by_rows - 1).bit_length()],
            item.col,
            item.row,
        )
        addend = register(m, "addend", self._part(item, rows, cols), grid.lead + before)
        first = register(m, "first", item.first, grid.lead + before)
        m.submodules.places = places = shared(Delay, clocks=latency, width=len(place) + 2)
        # Unlike what it is, whether there is a result is reset.
        valid = Signal(latency)
        m.d.sync += valid.eq(Cat(sequencer.issue, valid))
        m.d.comb += [
            sums.read_enable.eq(1),
            sums.out_enable.eq(1),
            sums.read_address.eq(register(m, "read_place", place, grid.lead)),
            Value.cast(grid.c).eq(Mux(first, addend, sums.read_data)),
            places.i.eq(Cat(place, item.last, item.close)),
            sums.write.eq(valid[-1]),
            sums.write_address.eq(places.o[: len(place)]),
            sums.write_data.eq(Value.cast(grid.d)),
            # What is started in the clock of the write reads in the one after.
            sequencer.retire.eq(valid[-1 - grid.lead]),
        ]

        result = data.StructLayout({"data": rows * cols * plan.c_width, "last": 1})
        m.submodules.outlet = outlet = shared(Outlet, shape=result, latency=latency)
        last, close = places.o[-2], places.o[-1]
        m.submodules.assemble = assemble = shared(Assemble, config=config)
        m.d.comb += [
            sequencer.room.eq(outlet.ready),
            outlet.start.eq(sequencer.issue & item.last),
            outlet.arrive.eq(valid[-1] & last),
            outlet.value.data.eq(Value.cast(grid.d)),
            outlet.value.last.eq(close),
        ]
        # Tiles in the register slices, in the sequencer and in the outlet.
        tiles = Signal(range(outlet.depth + 8))
        begins, ends = Signal(), Signal()
        m.d.comb += [
            begins.eq(self.commands.valid & self.commands.ready),
            ends.eq(self.d.valid & self.d.ready & self.d.payload.last),
            self.running.eq(tiles != 0),
        ]
        m.d.sync += tiles.eq(tiles + begins - ends)
        m.submodules.counters = counters = Counters()
        for name in ("running", "issue", "operands", "addend", "sum"):
            m.d.comb += getattr(counters, name).eq(getattr(sequencer, name))
        m.d.comb += [getattr(self, name).eq(getattr(counters, name)) for name in COUNTERS]
        m.d.comb += counters.clear.eq(self.clear)
        wiring.connect(m, outlet.o, assemble.i)
        wiring.connect(m, assemble.o, wiring.flipped(self.d))
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
                m.submodules.waiting = waiting = RegisterSlice(shape=taker.payload.shape())
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

    def _part(self, item, rows: int, cols: int) -> Value:
        """The part of the block of C that is started."""
        config, width = self.config, Plan(self.config).c_width
        pieces = []
        for row_part in range(config.m // rows):
            for col_part in range(config.n // cols):
                lines = [
                    Value.cast(self.c.payload[row_part * rows + r])[col_part * cols * width :][: cols * width]
                    for r in range(rows)
                ]
                pieces.append(Cat(lines))
        number = Cat(
            item.col_part[: (config.n // cols - 1).bit_length()], item.row_part[: (config.m // rows - 1).bit_length()]
        )
        return Array(pieces)[number] if len(pieces) > 1 else pieces[0]
