"""PE with its share of the activations; the engine has `n_pe` of these."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.rtl.emit import shared

from .activations import Activations
from .layouts import broadcast_layout, load_layout, setup_layout, token_layout
from .pe import Pe
from .shallow_activations import ShallowActivations
from .writeback import Writeback

__all__ = ["Tile"]


class Tile(wiring.Component):
    """A PE and its activation buffers: one layer's activations are scanned while the next layer's are produced::

        acts ---> Activations (two buffers) --tokens--> to the detection tree, and back as
                      ^    |
                      |    +--> unloaded                broadcast --> Pe --total--> Writeback --+
                      +--------------------------------------------------------------------------+

    Parameters
    ----------
    config : EieConfig
        Engine configuration.

    Members
    -------
    broadcast, setup, load : In
        See `broadcast_layout`, `setup_layout` and `load_layout`.
    acts : In(16)
        Activation for the source buffer, with ``setup.store``.
    tokens : Out(stream.Signature(token_layout(0)))
        Activations of the source buffer.
    full, done, busy, filler : Out(1)
        As in `Pe`.
    saturated : Out(1)
        A saturated result is written.
    unloaded : Out(16)
        Activation of the source buffer, `unload_latency` clocks after ``setup.unload``.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "broadcast": In(broadcast_layout(config)),
                "setup": In(setup_layout(config)),
                "load": In(load_layout(config, 0)),
                "acts": In(16),
                "tokens": Out(stream.Signature(token_layout(0))),
                "full": Out(1),
                "done": Out(1),
                "busy": Out(1),
                "filler": Out(1),
                "saturated": Out(1),
                "unloaded": Out(16),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        setup: View = self.setup  # pyright: ignore[reportAssignmentType]
        m.submodules.pe = pe = shared(Pe, config=self.config)
        m.submodules.writeback = writeback = shared(Writeback, config=self.config)
        kind = ShallowActivations if self.config.shallow else Activations
        m.submodules.activations = activations = shared(kind, config=self.config)
        wiring.connect(m, activations.tokens, wiring.flipped(self.tokens))
        m.d.comb += [
            pe.broadcast.eq(self.broadcast),
            pe.setup.eq(self.setup),
            pe.load.eq(self.load),
            writeback.valid.eq(pe.total_valid & setup.deliver),
            writeback.acc.eq(pe.total),
            writeback.shift.eq(setup.shift),
            writeback.relu.eq(setup.relu),
            activations.source.eq(setup.source),
            activations.restart.eq(setup.restart),
            activations.scan.eq(setup.scan),
            activations.unload.eq(setup.unload),
            activations.write.eq(setup.store | writeback.o_valid),
            activations.write_data.eq(Mux(setup.store, self.acts, writeback.act)),
            activations.to_source.eq(setup.store),
            self.full.eq(pe.full),
            self.done.eq(pe.done),
            self.busy.eq(pe.busy),
            self.filler.eq(pe.filler),
            self.saturated.eq(writeback.o_valid & writeback.saturated),
            self.unloaded.eq(activations.unloaded),
        ]
        return m
