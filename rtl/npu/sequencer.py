"""Sequencer: the loops of an instruction, one pass after another."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Opcode
from tercet.rtl.common.pipeline import register

from .layouts import ADDRESS_BITS, instruction_layout, on_array, on_depthwise_unit, on_vector_unit, pass_layout

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Split each instruction into passes: by channel tile, block of rows, kernel row, kernel column and part of a run.

    The instruction is held until all its passes are issued and its first has begun, so that others may read its fields
    then. The next one is fetched while the last pass still runs.

    Parameters
    ----------
    config : NpuConfig
        Size of the array and the units.

    Members
    -------
    start : In(1)
        Run a program.
    fetch_first, fetch_next : Out(1); instruction, valid, malformed : In
        Port of `InstructionFetch`. The instruction is stable from a clock before `valid`.
    tables_ready : In(1)
        The tables that the instruction reads are in place.
    passes : Out(stream.Signature(pass_layout(config)))
        Passes in order.
    began : In(1)
        The first pass of the instruction begins.
    idle : In(1)
        All results are written.
    done : Out(1)
        The program has ended.
    error : Out(1)
        An instruction is malformed.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "fetch_first": Out(1),
                "fetch_next": Out(1),
                "instruction": In(instruction_layout()),
                "valid": In(1),
                "malformed": In(1),
                "tables_ready": In(1),
                "passes": Out(stream.Signature(pass_layout(config))),
                "began": In(1),
                "idle": In(1),
                "done": Out(1),
                "error": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        # Copied here: the fetched bits are spread over the chip.
        i, halt = register(m, "here", self.instruction), register(m, "halt", self.instruction.opcode == Opcode.HALT)
        run = Signal(self.passes.payload.shape(), reset_less=True, name="run")
        begun = Signal()  # the first pass of the instruction has begun
        with m.If(self.began):
            m.d.sync += begun.eq(1)
        m.d.comb += self.passes.payload.eq(run)
        loops = _Loops(m, self.config, i, self._kind(m), run)
        loops.advance()
        with m.FSM():
            self._program(m, halt)
            self._passes(m, loops, run)
            with m.State("LAYER"):
                m.d.sync += begun.eq(0)
                loops.layer()
                m.next = "TILE"
            with m.State("END"), m.If(begun | self.began):
                m.d.comb += self.fetch_next.eq(1)
                m.next = "FETCH"
        return m

    def _kind(self, m: Module) -> data.View:
        """Decode the opcode, as early as the instruction is copied."""
        opcode = self.instruction.opcode
        binary = (opcode == Opcode.ADD) | (opcode == Opcode.MULTIPLY) | (opcode == Opcode.LARGER)
        values = {
            "convolves": opcode == Opcode.CONVOLVE,
            "binary": binary,
            "looks_up": opcode == Opcode.LOOKUP,
            "on_vector": on_vector_unit(opcode),
            "on_depthwise": on_depthwise_unit(self.config, opcode),
            "diagonal": on_array(self.config, opcode) & (opcode != Opcode.CONVOLVE),
        }
        kind = Signal(data.StructLayout(dict.fromkeys(values, 1)), reset_less=True, name="kind")
        m.d.sync += [kind[name].eq(value) for name, value in values.items()]
        return kind

    def _program(self, m: Module, halt: Signal):
        """States between instructions."""
        with m.State("IDLE"), m.If(self.start):
            m.d.comb += self.fetch_first.eq(1)
            m.next = "FETCH"
        with m.State("FETCH"), m.If(self.valid):
            with m.If(self.malformed):
                m.d.comb += self.error.eq(1)
                m.next = "IDLE"
            with m.Elif(halt):
                m.next = "HALT"
            with m.Else():
                m.next = "TABLES"
        with m.State("TABLES"), m.If(self.tables_ready):
            m.next = "LAYER"
        with m.State("HALT"), m.If(self.idle):
            m.d.comb += self.done.eq(1)
            m.next = "IDLE"

    def _passes(self, m: Module, loops: "_Loops", run):
        """States of the loops."""
        with m.State("TILE"):
            loops.tile()
            m.next = "BLOCK"
        with m.State("BLOCK"):
            loops.block()
            m.next = "LAST"
        with m.State("LAST"):
            loops.look_ahead()
            m.next = "PASS"
        with m.State("PASS"):
            m.d.comb += self.passes.valid.eq(1)
            with m.If(self.passes.ready):
                loops.decide()
                m.next = "ADVANCE"
        with m.State("ADVANCE"):
            m.next = "LAST"
            with m.If(run.last):
                m.next = "BLOCK"
                with m.If(loops.last_block):
                    m.next = "TILE"
                with m.If(loops.last_block & loops.last_tile):
                    m.next = "END"


class _Loops:
    """Counters and addresses of the loops; the methods add the assignments of one state."""

    def __init__(self, m: Module, config: NpuConfig, instruction, kind, run):
        self.m, self.config, self.i, self.kind, self.run = m, config, instruction, kind, run
        i = instruction

        def like(name, other, reset_less=True):
            return Signal(other.shape(), name=name, reset_less=reset_less)

        self.channels_left, self.rows_left = like("channels_left", i.channels), like("rows_left", i.out_rows)
        self.ky_left, self.kx_left = like("ky_left", i.kernel_rows), like("kx_left", i.kernel_cols)
        self.run_left = like("run_left", i.run)
        # Starts of the current tile's and block's reads, of its kernel row and of its run.
        names = ("tile_offset", "block_address", "other_address", "ky_address", "kx_address")
        self.tile_offset, self.block_address, self.other_address, self.ky_address, self.kx_address = (
            Signal(ADDRESS_BITS, name=name, reset_less=True) for name in names
        )
        self.block_row, self.block_byte, self.kx_byte = (
            like(name, part, True)
            for name, part in (("block_row", run.row), ("block_byte", run.byte), ("kx_byte", run.byte))
        )
        self.tile_weights, self.next_weights = like("tile_weights", i.weights), like("next_weights", i.weights)
        # What follows the pass that was taken in the clock before.
        choices = ("second", "run", "kx", "ky", "block", "tile")
        self.go = Signal(data.StructLayout(dict.fromkeys(choices, 1)), name="go")
        # Looked ahead: what follows the pass.
        self.more_run, self.more_kx, self.last_block, self.last_tile, self.one_pass = (
            Signal(name=name, reset_less=True)
            for name in ("more_run", "more_kx", "last_block", "last_tile", "one_pass")
        )

    def layer(self):
        i, run, config = self.i, self.run, self.config
        loads = Mux(self.kind.on_depthwise, config.tap_words, config.plane_words)
        self.m.d.sync += [
            self.channels_left.eq(i.channels),
            self.tile_offset.eq(0),
            self.tile_weights.eq(i.weights),
            self.next_weights.eq(i.weights),
            run.layer.eq(1),
            run.diagonal.eq(self.kind.diagonal),
            run.loads.eq(Mux(self.kind.on_vector, 1, loads)),
        ]

    def tile(self):
        i, offset = self.i, Mux(self.kind.convolves, 0, self.tile_offset)
        self.m.d.sync += [
            self.rows_left.eq(i.out_rows),
            self.last_tile.eq(self.channels_left <= self.config.cols),
            self.block_address.eq(i.source + offset),
            self.block_row.eq(i.first_row),
            self.block_byte.eq(i.first_byte + offset),
            self.other_address.eq(i.other + Mux(i.other_channel, offset, 0)),
            self.tile_weights.eq(Mux(i.same_tiles, i.weights, self.next_weights)),
        ]

    def block(self):
        i, run = self.i, self.run
        last = self.rows_left <= i.block
        self.m.d.sync += [
            self.last_block.eq(last),
            run.rows.eq(Mux(last, self.rows_left, i.block)),
            *self._start(self.block_address, self.block_byte),
            self.ky_address.eq(self.block_address),
            run.row.eq(self.block_row),
            run.row_pitch.eq(i.source_row),
            run.pixel_pitch.eq(i.source_pixel),
            run.weights.eq(self.tile_weights),
            run.silent.eq(self.kind.on_vector),
            run.bounded.eq(1),
            run.splat.eq(0),
            run.first.eq(1),
            run.second.eq(0),
            run.tile_end.eq(last),
            run.layer_end.eq(last & self.last_tile),
            self.ky_left.eq(i.kernel_rows),
            self.kx_left.eq(i.kernel_cols),
            self.run_left.eq(i.run),
        ]

    def _start(self, address: Value, byte: Value):
        """Begin a run."""
        run = self.run
        return [self.kx_address.eq(address), run.address.eq(address), self.kx_byte.eq(byte), run.byte.eq(byte)]

    def look_ahead(self):
        more_run = self.kind.convolves & (self.run_left > self.config.rows)
        more_kx, more_ky = self.kx_left != 1, self.ky_left != 1
        more_window = (more_run | more_kx | more_ky) & ~self.kind.looks_up
        more = Mux(self.kind.binary, ~self.run.second, more_window)
        self.m.d.sync += [self.more_run.eq(more_run), self.more_kx.eq(more_kx), self.run.last.eq(~more)]
        step = Mux(self.run.diagonal, 1, self.run.loads)
        one_pass = (self.i.kernel_cols == 1) & (~self.kind.convolves | (self.i.run <= self.config.rows))
        self.m.d.sync += [
            self.next_weights.eq(Mux(self.kind.on_vector, self.run.weights, self.run.weights + step)),
            self.one_pass.eq(one_pass),
        ]

    def decide(self):
        """Choose what follows a pass; a clock ahead, as many registers depend on it."""
        go, more, last = self.go, ~self.run.last, self.run.last
        window = more & ~self.kind.binary
        self.m.d.sync += [
            self.run.layer.eq(0),
            go.second.eq(more & self.kind.binary),
            go.run.eq(window & self.more_run),
            go.kx.eq(window & ~self.more_run & self.more_kx),
            go.ky.eq(window & ~self.more_run & ~self.more_kx),
            go.block.eq(last),
            go.tile.eq(last & self.last_block),
        ]

    def advance(self):
        """Execute the choice."""
        m, go = self.m, self.go
        m.d.sync += go.eq(0)
        with m.If(go.second):
            self._second()
        with m.If(go.run):
            self._run()
        with m.If(go.kx):
            self._kernel_column()
        with m.If(go.ky):
            self._kernel_row()
        with m.If(go.block):
            self._block()
        with m.If(go.tile):
            self._tile()

    def _pass(self):
        return [self.run.first.eq(0), self.run.weights.eq(self.next_weights)]

    def _second(self):
        i, run = self.i, self.run
        self.m.d.sync += [
            *self._pass(),
            run.address.eq(self.other_address),
            run.row_pitch.eq(i.other_row),
            run.pixel_pitch.eq(i.other_pixel),
            run.bounded.eq(0),
            run.splat.eq(~i.other_channel),
            run.second.eq(1),
        ]

    def _run(self):
        run, rows = self.run, self.config.rows
        self.m.d.sync += [*self._pass(), run.address.eq(run.address + rows), run.byte.eq(run.byte + rows)]
        self.m.d.sync += self.run_left.eq(self.run_left - rows)

    def _kernel_column(self):
        i = self.i
        self.m.d.sync += [
            *self._pass(),
            *self._start(self.kx_address + i.kernel_pixel, self.kx_byte + i.kernel_pixel),
            self.kx_left.eq(self.kx_left - 1),
            self.run_left.eq(i.run),
        ]

    def _kernel_row(self):
        m, i, run = self.m, self.i, self.run
        address = Signal(ADDRESS_BITS, name="next_ky_address")
        m.d.comb += address.eq(self.ky_address + i.kernel_row)
        m.d.sync += [
            *self._pass(),
            *self._start(address, self.block_byte),
            self.ky_address.eq(address),
            run.row.eq(run.row + i.dilation_rows),
            self.ky_left.eq(self.ky_left - 1),
            self.kx_left.eq(i.kernel_cols),
            self.run_left.eq(i.run),
        ]
        with m.If(i.same_rows):
            # A kernel row of one pass has its weights already.
            m.d.sync += [run.weights.eq(self.tile_weights), run.silent.eq(run.silent | self.one_pass)]

    def _block(self):
        i = self.i
        self.m.d.sync += [
            self.rows_left.eq(self.rows_left - i.block),
            self.block_address.eq(self.block_address + i.source_block),
            self.other_address.eq(self.other_address + i.other_block),
            self.block_row.eq(self.block_row + i.block_rows),
        ]

    def _tile(self):
        cols = self.config.cols
        self.m.d.sync += [
            self.channels_left.eq(self.channels_left - cols),
            self.tile_offset.eq(self.tile_offset + cols),
        ]
