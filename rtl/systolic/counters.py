"""Performance counters: how every clock of a run was spent."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.engine import MODEL
from tercet.rtl.common.engine import CounterBank, counter_layout

__all__ = ["Counters"]


class Counters(wiring.Component):
    """Count the clocks from a command to its last result, each in exactly one counter.

    Members
    -------
    started, finished : In(1)
        A command is accepted; the last result of a command is taken. Both clocks count.
    computing, shifting, stalled : In(1)
        The array takes activations; it waits for weights, and a row of them arrives; it waits, and none arrives.
    clear : In(1)
        Zero the counters.
    counts : Out(counter_layout(MODEL.counters))
        Clocks, by the first of `computing`, `shifting`, `stalled` that is 1; `non_matrix` counts the rest.
    running : Out(1)
        A command is unfinished.
    """

    def __init__(self):
        ins = dict.fromkeys(("started", "finished", "computing", "shifting", "stalled", "clear"), In(1))
        super().__init__({**ins, "counts": Out(counter_layout(MODEL.counters)), "running": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.bank = bank = CounterBank(steps=dict.fromkeys(MODEL.counters, 1))
        commands = Signal(4)
        m.d.comb += self.running.eq(commands != 0)
        m.d.sync += commands.eq(commands + self.started - self.finished)
        shifting = ~self.computing & self.shifting
        stalled = ~self.computing & ~self.shifting & self.stalled
        idle = ~self.computing & ~self.shifting & ~self.stalled
        m.d.comb += [
            bank.steps.active.eq(self.computing),
            bank.steps.weight_shift.eq(shifting),
            bank.steps.weight_stall.eq(stalled),
            bank.steps.non_matrix.eq((self.started | self.running) & idle),
            bank.clear.eq(self.clear),
            self.counts.eq(bank.counts),
        ]
        return m
