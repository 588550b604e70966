"""Performance counters: what the clocks of all PEs were spent on, and results that did not fit."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie_layer import EieConfig

__all__ = ["COUNTERS", "COUNTER_BITS", "Counters"]

COUNTERS = ("total", "busy", "stall", "starve", "filler", "load", "unload", "saturated")
"""Names of the counters."""

COUNTER_BITS = 40


class Counters(wiring.Component):
    """Count clocks, and over all PEs the clocks in which each does something.

    Members
    -------
    computing, loading, unloading, stalled : In(1)
        What this clock belongs to.
    issued, fillers, clamped : In(range(n_pe + 1))
        PEs that issue an entry; PEs whose entry is a filler; PEs that write a result that was saturated.
    clear : In(1)
        Start again from zero.
    total, stall, load, unload : Out(40)
        Clocks.
    busy, starve, filler, saturated : Out(40)
        Sums over all PEs; ``busy + starve == n_pe * total``, but for the clocks on the way from a PE to here.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        members = dict.fromkeys(("computing", "loading", "unloading", "stalled", "clear"), In(1))
        members |= dict.fromkeys(("issued", "fillers", "clamped"), In(range(config.n_pe + 1)))
        super().__init__({**members, **{name: Out(COUNTER_BITS) for name in COUNTERS}})

    def elaborate(self, platform) -> Module:
        m = Module()
        steps = {"total": self.computing, "stall": self.stalled, "load": self.loading, "unload": self.unloading}
        steps |= {"busy": self.issued, "filler": self.fillers, "saturated": self.clamped}
        idle = Signal(signed(len(self.issued) + 1))
        m.d.comb += idle.eq(Mux(self.computing, self.config.n_pe, 0) - self.issued)
        steps["starve"] = idle
        for name in COUNTERS:
            value, step = getattr(self, name), Signal.like(steps[name], name=f"s1_{name}")
            m.d.sync += step.eq(steps[name])
            with m.If(self.clear):
                m.d.sync += value.eq(0)
            with m.Else():
                m.d.sync += value.eq(value + step)
        return m
