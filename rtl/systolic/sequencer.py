"""Sequencer from commands to passes: loops over column tiles, blocks of M, and K."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig

from .layouts import OUTPUT_SETTINGS, command_layout, pass_layout

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Split each command into passes: column tile by column tile, block of M by block, with K innermost.

    Parameters
    ----------
    config : SystolicConfig
        Dataflow and size of a block.

    Members
    -------
    commands : In(stream.Signature(command_layout(config)))
        Products to compute; the next is taken when all passes of the current one have been issued.
    passes : Out(stream.Signature(pass_layout(config)))
        One pass per clock within a block, two or three idle clocks between blocks.
    coming : Out(1)
        A pass is valid in the next clock unless it is taken in this one; its ``first``, ``tile`` and ``params`` already
        are.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {
                "commands": In(stream.Signature(command_layout(config))),
                "passes": Out(stream.Signature(pass_layout(config))),
                "coming": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        weight_stationary = self.config.dataflow == "ws"
        block_rows = self.config.block_rows
        command = Signal(command_layout(self.config), reset_less=True)
        m_left = Signal(command.m.shape(), reset_less=True)
        k_left = Signal(command.k_steps.shape(), reset_less=True)
        n_left = Signal(command.n_tiles.shape(), reset_less=True)  # tiles after this one
        last_m = Signal(reset_less=True)
        starts = Signal(reset_less=True)
        run = Signal(self.passes.payload.shape(), reset_less=True)
        block = run.block
        m.d.comb += self.passes.payload.eq(run)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.commands.ready.eq(1)
                m.d.sync += [command.eq(self.commands.payload), n_left.eq(self.commands.payload.n_tiles), starts.eq(1)]
                with m.If(self.commands.valid):
                    m.next = "TILE"
            with m.State("TILE"):
                m.d.sync += [m_left.eq(command.m), n_left.eq(n_left - 1), run.tile.eq(1), run.params.eq(command.params)]
                m.next = "SIZE"
            with m.State("SIZE"):
                m.d.sync += [last_m.eq(m_left <= block_rows), k_left.eq(command.k_steps), run.first.eq(1)]
                m.next = "BLOCK"
            with m.State("BLOCK"):
                m.d.comb += self.coming.eq(1)
                rows = Mux(last_m, m_left - 1, block_rows - 1)
                m.d.sync += [
                    m_left.eq(m_left - block_rows),
                    starts.eq(0),
                    block.rows.eq(rows),
                    block.starts.eq(starts),
                    block.ends.eq(last_m & (n_left == 0)),
                    block.frees.eq(last_m & command.params),
                    *(block[name].eq(command[name]) for name in OUTPUT_SETTINGS),
                    run.steps.eq(rows if weight_stationary else command.k_steps - 1),
                    run.last.eq((k_left == 1) if weight_stationary else 1),
                ]
                m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += [self.passes.valid.eq(1), self.coming.eq(1)]
                with m.If(self.passes.ready):
                    m.d.sync += [run.first.eq(0), run.tile.eq(0), run.last.eq(k_left == 2), k_left.eq(k_left - 1)]
                    with m.If(run.last & block.ends):
                        m.next = "IDLE"
                    with m.Elif(run.last & last_m):
                        m.next = "TILE"
                    with m.Elif(run.last):
                        m.next = "SIZE"
        return m
