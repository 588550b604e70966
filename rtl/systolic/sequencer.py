"""From commands to passes: the loops over column tiles, blocks of M and K."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic import SystolicConfig

from .layouts import command_layout, pass_layout

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Cut each command into passes, column tile by column tile, block of M by block, along K inside.

    Parameters
    ----------
    config : SystolicConfig
        Dataflow and size of a block.

    Members
    -------
    commands : In(stream.Signature(command_layout(config)))
        Products to compute; the next is taken when all passes of this one are on their way.
    passes : Out(stream.Signature(pass_layout(config)))
        A pass a clock inside a block, two or three clocks from one block to the next.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(
            {
                "commands": In(stream.Signature(command_layout(config))),
                "passes": Out(stream.Signature(pass_layout(config))),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        weight_stationary = self.config.dataflow == "ws"
        block_rows = self.config.block_rows
        command = Signal(command_layout(self.config))
        m_left = Signal(command.m.shape())
        k_left = Signal(command.k_steps.shape())
        n_left = Signal(command.n_tiles.shape())
        last_m = Signal()
        run = self.passes.payload
        block = run.block

        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.sync += [command.eq(self.commands.payload), n_left.eq(self.commands.payload.n_tiles)]
                m.d.sync += block.starts.eq(1)
                with m.If(self.commands.valid):
                    m.next = "TILE"
            with m.State("TILE"):
                m.d.sync += [m_left.eq(command.m), run.tile.eq(1)]
                m.next = "SIZE"
            with m.State("SIZE"):
                m.d.sync += [last_m.eq(m_left <= block_rows), k_left.eq(command.k_steps), run.first.eq(1)]
                m.next = "BLOCK"
            with m.State("BLOCK"):
                rows = Mux(last_m, m_left - 1, block_rows - 1)
                m.d.sync += [
                    block.rows.eq(rows),
                    block.ends.eq(last_m & (n_left == 1)),
                    block.frees.eq(last_m & command.params),
                    *(block[name].eq(command[name]) for name in ("requant", "single", "zero_point", "qmin", "qmax")),
                    run.params.eq(command.params),
                    run.steps.eq(rows if weight_stationary else command.k_steps - 1),
                    run.last.eq((k_left == 1) if weight_stationary else 1),
                ]
                m.next = "PASS"
            with m.State("PASS"), m.If(self.passes.ready):
                m.d.sync += [run.first.eq(0), run.tile.eq(0), run.last.eq(k_left == 2), k_left.eq(k_left - 1)]
                with m.If(run.last):
                    m.d.sync += [m_left.eq(m_left - block_rows), block.starts.eq(0)]
                    m.next = "SIZE"
                    with m.If(last_m):
                        m.d.sync += n_left.eq(n_left - 1)
                        m.next = "TILE"
                    with m.If(block.ends):
                        m.next = "IDLE"
        # Written as equations, for Icarus: see AxiLitePort.
        m.d.comb += [self.commands.ready.eq(fsm.ongoing("IDLE")), self.passes.valid.eq(fsm.ongoing("PASS"))]
        return m
