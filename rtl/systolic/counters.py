"""Performance counters: what every clock of a run was spent on."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["COUNTERS", "COUNTER_BITS", "Counters"]

COUNTERS = ("active", "weight_stall", "weight_shift", "non_matrix")
"""Names of the counters, those of the TPU's published cycle shares (Jouppi et al., ISCA 2017, table 3)."""

COUNTER_BITS = 40


class Counters(wiring.Component):
    """Count the clocks from a command to its last result, each in exactly one counter.

    Members
    -------
    started, finished : In(1)
        A command is taken; the last result of a command is taken. Both clocks count.
    computing, shifting, stalled : In(1)
        The array takes activations; it waits for weights, and one comes or none comes.
    clear : In(1)
        Start again from zero.
    active, weight_shift, weight_stall, non_matrix : Out(40)
        Clocks, by the first that holds of `computing`, `shifting`, `stalled`; `non_matrix` is the rest.
    busy : Out(1)
        A command is not finished.
    """

    def __init__(self):
        outs = {name: Out(COUNTER_BITS) for name in COUNTERS}
        ins = dict.fromkeys(("started", "finished", "computing", "shifting", "stalled", "clear"), In(1))
        super().__init__({**ins, **outs, "busy": Out(1)})

    def elaborate(self, platform) -> Module:
        m = Module()
        commands = Signal(4)
        counts = {name: Signal(name=f"s1_{name}") for name in COUNTERS}
        running = Signal()
        m.d.comb += [self.busy.eq(commands != 0), running.eq(self.started | self.busy)]
        m.d.sync += [
            commands.eq(commands + self.started - self.finished),
            counts["active"].eq(self.computing),
            counts["weight_shift"].eq(~self.computing & self.shifting),
            counts["weight_stall"].eq(~self.computing & ~self.shifting & self.stalled),
            counts["non_matrix"].eq(running & ~self.computing & ~self.shifting & ~self.stalled),
        ]
        for name, count in counts.items():
            value = getattr(self, name)
            with m.If(self.clear):
                m.d.sync += value.eq(0)
            with m.Elif(count):
                m.d.sync += value.eq(value + 1)
        return m
