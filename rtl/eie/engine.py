"""EIE engine: frames and activations in, results out."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.engine import MODEL
from tercet.rtl.common.delay import EventDelay
from tercet.rtl.common.engine import control_members
from tercet.rtl.common.outlet import HeldOutlet, Outlet
from tercet.rtl.emit import prototype, shared

from .activations import Activations
from .cluster import Cluster
from .control import Control
from .counters import Counters
from .frames import FrameReader
from .issue import Issue
from .layouts import output_layout
from .shallow_frames import ShallowFrameReader

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Compute the layers of a compressed network in sequence::

        frames --> FrameReader --words--------------------> +---------------------+
                       |                                    |                     |
                       +--run--> Control --setup, sweep---> |  Cluster            |--tokens--> Issue --+
                                    ^  ^                    |  (PEs in a tree of  |                    |
        acts -----------------------+--|------------------> |  four branches)     | <---broadcast------+
                                       +---done------------ |                     |
                                                            +---------------------+
                                                                       |
                                                                   Outlet --> outs

    Parameters
    ----------
    config : EieConfig
        Engine configuration.

    Members
    -------
    frames : In(stream.Signature(64))
        Memory contents and run commands; see `FrameReader`.
    acts : In(stream.Signature(ArrayLayout(signed(16), n_pe)))
        Activations, a group of `n_pe` per beat.
    outs : Out(stream.Signature(output_layout(config)))
        Results, a group of `n_pe` per beat.
    counters, clear, running, error
        As in `control_members`; a frame that does not fit is skipped and sets `error`.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(
            {
                "frames": In(stream.Signature(64)),
                "acts": In(stream.Signature(data.ArrayLayout(signed(16), config.n_pe))),
                "outs": Out(stream.Signature(output_layout(config))),
                **control_members(MODEL),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.reader = reader = (ShallowFrameReader if config.shallow else FrameReader)(config=config)
        m.submodules.control = control = Control(config=config)
        m.submodules.issue = issue = shared(Issue, config=config)
        m.submodules.pes = pes = shared(Cluster, config=config, level=config.tree_levels, count=config.n_pe)
        m.submodules.counters = counters = Counters(config=config)
        wiring.connect(m, wiring.flipped(self.frames), reader.i)
        m.d.comb += [
            control.run.eq(reader.run),
            control.first_step.eq(reader.first_step),
            control.vectors.eq(reader.vectors),
            reader.running.eq(control.running),
            control.program.eq(reader.program),
            control.program_address.eq(reader.program_address if config.shallow else reader.load.address),
            control.program_data.eq(reader.program_data),
            pes.load.eq(reader.load),
            pes.setup.eq(control.setup),
            pes.acts.eq(self.acts.payload.as_value()),
            control.acts_valid.eq(self.acts.valid),
            self.acts.ready.eq(control.acts_ready),
            control.done.eq(pes.done),
        ]
        self._broadcast(m, reader, control, issue, pes)
        self._unload(m, control, pes)
        m.d.comb += [
            counters.computing.eq(control.computing),
            counters.loading.eq(control.loading),
            counters.unloading.eq(control.unloading),
            counters.stalled.eq(issue.stalled),
            counters.issued.eq(pes.busy),
            counters.fillers.eq(pes.filler),
            counters.clamped.eq(Mux(self._delivered_result(m, control, pes), pes.saturated, 0)),
            counters.clear.eq(self.clear),
            self.counters.eq(counters.counts),
            self.running.eq(control.running),
            self.error.eq(reader.error),
        ]
        return m

    def _broadcast(self, m: Module, reader, control, issue, pes):
        """Broadcast columns while the detection tree runs, and rows to sweep otherwise."""
        cast: View = pes.broadcast
        other_address = Mux(control.running, control.bias_address, reader.load.address)
        wiring.connect(m, pes.tokens, issue.tokens)
        m.d.comb += [
            issue.start.eq(control.start),
            issue.groups.eq(control.step.groups),
            issue.pointers.eq(control.step.pointers),
            issue.full.eq(pes.full),
            cast.eq(issue.broadcast),
            cast.address.eq(Mux(control.compute, issue.broadcast.address, other_address)),
            cast.sweep.eq(control.sweep),
            cast.first.eq(control.sweep_first),
        ]

    def _delivered_result(self, m: Module, control, pes) -> Value:
        """Return whether the PEs write a result, rather than a leftover in a row that only the next layer has."""
        clocks = self.config.settle_clocks + pes.count_latency
        m.submodules.result = result = EventDelay(clocks=clocks, width=1)
        m.d.comb += result.i.eq(control.result)
        return result.o[0]

    def _unload(self, m: Module, control, pes):
        if self.config.shallow:
            self._unload_held(m, control, pes)
            return
        latency = 2 * self.config.tree_levels + prototype(Activations, config=self.config).unload_latency
        layout = output_layout(self.config)
        m.submodules.outlet = outlet = shared(Outlet, shape=layout, latency=latency)
        wiring.connect(m, outlet.o, wiring.flipped(self.outs))
        m.submodules.last = last = EventDelay(clocks=latency, width=2)
        m.d.comb += [
            control.room.eq(outlet.ready),
            control.delivered.eq(outlet.empty),
            outlet.start.eq(control.unload),
            last.i.eq(Cat(control.unload, control.unload & control.unload_last)),
            outlet.arrive.eq(last.o[0]),
            outlet.value.last.eq(last.o[1]),
            outlet.value.data.eq(pes.unloaded),
        ]

    def _unload_held(self, m: Module, control, pes):
        """Unload without a FIFO: the activation memories hold the group that was read."""
        m.submodules.outlet = outlet = shared(HeldOutlet, shape=output_layout(self.config))
        wiring.connect(m, outlet.o, wiring.flipped(self.outs))
        with m.If(control.unload):
            m.d.sync += outlet.value.last.eq(control.unload_last)
        m.d.comb += [
            control.room.eq(outlet.ready),
            control.delivered.eq(outlet.empty),
            outlet.start.eq(control.unload),
            outlet.value.data.eq(pes.unloaded),
        ]
