"""Performance counters: how the clocks of all PEs were spent, and saturated results."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.engine import MODEL
from tercet.rtl.common.engine import CounterBank, counter_layout
from tercet.rtl.common.pipeline import event

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count the clocks of each phase, and the activity of the PEs summed over all PEs.

    Members
    -------
    computing, loading, unloading, stalled : In(1)
        Phase of this clock.
    issued, fillers, clamped : In(range(n_pe + 1))
        Number of PEs that issue an entry, that issue a filler, and that write a saturated result.
    clear : In(1)
        Zero the counters.
    counts : Out(counter_layout(MODEL.counters))
        ``total, stall, load, unload`` in clocks; ``busy, starve, filler, saturated`` summed over all PEs, where
        ``busy + starve == n_pe * total`` except for the latency from a PE to here.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        members = dict.fromkeys(("computing", "loading", "unloading", "stalled", "clear"), In(1))
        members |= dict.fromkeys(("issued", "fillers", "clamped"), In(range(config.n_pe + 1)))
        super().__init__({**members, "counts": Out(counter_layout(MODEL.counters))})

    def elaborate(self, platform) -> Module:
        m = Module()
        # What is counted comes from all over the chip; a shallow engine is small, and short of registers.
        names = ("computing", "loading", "unloading", "stalled", "issued", "fillers", "clamped", "clear")
        clocks = 0 if self.config.shallow else 1
        now = {name: event(m, f"s1_{name}", getattr(self, name), clocks) for name in names}
        # Negative if a PE's last entry arrives a clock after computing.
        starved = Signal(signed(len(self.issued) + 1))
        m.d.comb += starved.eq(Mux(now["computing"], self.config.n_pe, 0) - now["issued"])
        steps = {"total": now["computing"], "stall": now["stalled"], "load": now["loading"]}
        steps |= {"unload": now["unloading"], "busy": now["issued"], "filler": now["fillers"]}
        steps |= {"saturated": now["clamped"], "starve": starved}
        m.submodules.bank = bank = CounterBank(steps={name: steps[name].shape() for name in MODEL.counters})
        m.d.comb += [bank.steps[name].eq(step) for name, step in steps.items()]
        m.d.comb += [bank.clear.eq(now["clear"]), self.counts.eq(bank.counts)]
        return m
