"""Weight loader: the weights of a pass, while the pass before it runs."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.rtl.common.lookahead_queue import LookaheadQueue

from .layouts import pass_layout

__all__ = ["WeightLoader"]


class WeightLoader(wiring.Component):
    """Load the weights of a pass into the shadow registers of its unit, then hand the pass on.

    A pass enters, its memory words are read one a clock, and the pass leaves: its reads may start. The next pass, which
    has waited in a queue, loads from the next clock on.

    Parameters
    ----------
    config : NpuConfig
        Size of a plane.

    Members
    -------
    i, o : In and Out(stream.Signature(pass_layout(config)))
        Passes before and after their weights are loaded. The payload of `o` is stable a clock before it is valid.
    coming : Out(1)
        `o` is valid in the next clock.
    load : Out(1), address : Out(20)
        Read this memory word in this clock.
    place : Out(range)
        Which of the pass's loads this is, one-hot.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        self.places = max(config.plane_words, config.tap_words, 1)
        layout = pass_layout(config)
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(layout)),
                "coming": Out(1),
                "load": Out(1),
                "address": Out(layout["weights"].shape),
                "place": Out(self.places),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        waiting, full, taken = Signal(name="waiting"), Signal(name="full"), Signal(name="taken")
        m.submodules.queue = queue = LookaheadQueue(shape=self.i.payload.shape())
        wiring.connect(m, wiring.flipped(self.i), queue.i)
        run, new = queue.first, queue.upcoming
        place = Signal(self.places, reset_less=True, name="next_place")
        address = Signal(self.address.shape(), reset_less=True, name="next_address")
        left = Signal(run.loads.shape(), reset_less=True, name="left")
        m.d.comb += [
            taken.eq(full & self.o.ready),
            queue.take.eq(taken),
            self.o.valid.eq(full),
            self.o.payload.eq(run),
            self.coming.eq(waiting & (left == 1)),
            self.load.eq(waiting & ~run.silent),
            self.address.eq(address),
            self.place.eq(place),
        ]
        with m.If(waiting):
            m.d.sync += [address.eq(address + ~run.diagonal), place.eq(place << 1), left.eq(left - 1)]
            with m.If(self.coming):
                m.d.sync += [waiting.eq(0), full.eq(1)]
        with m.Else():
            # Loaded whether the pass begins or not: fewer signals depend on that.
            m.d.sync += [place.eq(1), address.eq(new.weights), left.eq(Mux(new.silent, 1, new.loads))]
        with m.If(taken):
            m.d.sync += full.eq(0)
        with m.If(taken | ~full & ~waiting):
            m.d.sync += waiting.eq(queue.coming)
        return m
