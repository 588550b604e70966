"""NPU: whole networks from the unified buffer to the unified buffer."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.commands import COMMAND_FIELDS, PARAMETER_BITS, Memory
from tercet.golden.npu.engine import MODEL
from tercet.rtl.common.engine import CounterBank, control_members, struct_layout
from tercet.rtl.common.pipeline import register

from .buffer import UnifiedBuffer
from .host import HostPort, capacities, result_layout
from .machine import Machine
from .memories import WordMemory

__all__ = ["Engine"]


class Engine(wiring.Component):
    """Machine, its memories and the host port::

        commands, data --> HostPort --> weights, parameters, tables, instructions --> Machine
                              |  ^                                                     ^  |
                              v  |                                                     |  v
        results <---------  UnifiedBuffer ---------------------------------------------+--+

    Parameters
    ----------
    config : NpuConfig
        Configuration.

    Members
    -------
    commands, data : In, results : Out
        As in `HostPort`.
    counters, clear, running, error
        As in `control_members`.
    """

    def __init__(self, *, config: NpuConfig):
        self.config = config
        super().__init__(
            {
                "commands": In(stream.Signature(struct_layout(COMMAND_FIELDS))),
                "data": In(stream.Signature(32)),
                "results": Out(stream.Signature(result_layout())),
                **control_members(MODEL),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.host = host = HostPort(config=config)
        m.submodules.machine = machine = Machine(config=config)
        m.submodules.counters = counters = CounterBank(steps=dict.fromkeys(MODEL.counters, 1))
        for name in ("commands", "data"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(host, name))
        wiring.connect(m, host.results, wiring.flipped(self.results))
        self._memories(m, host, machine)
        self._buffer(m, host, machine)
        m.d.comb += [
            machine.start.eq(host.start),
            machine.first.eq(host.first),
            host.done.eq(machine.done),
            counters.clear.eq(self.clear),
            counters.steps.load.eq(host.loading),
            counters.steps.unload.eq(host.unloading),
            counters.steps.run.eq(machine.running),
            counters.steps.active.eq(machine.active),
            self.counters.eq(counters.counts),
            self.running.eq(host.loading | host.unloading | host.running | self.commands.valid),
        ]
        with m.If(host.error | machine.error):
            m.d.sync += self.error.eq(1)
        return m

    def _memories(self, m: Module, host, machine):
        """Memories that the host writes and the machine reads."""
        config = self.config
        assert config.weight_rows is not None
        widths = {Memory.WEIGHTS: 8 * config.weight_rows * config.cols, Memory.PARAMETERS: PARAMETER_BITS}
        for kind, depth in capacities(config).items():
            if kind == Memory.BUFFER or not depth:
                continue
            name = kind.name.lower()
            m.submodules[name] = memory = WordMemory(width=widths.get(kind, 32), depth=depth, family=config.family)
            m.d.comb += [
                memory.address.eq(getattr(machine, f"{name}_address")),
                getattr(machine, f"{name}_word").eq(memory.data),
                memory.write.eq(host.write[kind]),
                memory.write_address.eq(host.address),
                memory.write_beat.eq(host.beat),
                memory.write_data.eq(host.value),
            ]

    def _buffer(self, m: Module, host, machine):
        """Unified buffer, shared by the host and the machine, which is idle while the host reads or writes."""
        m.submodules.buffer = buffer = UnifiedBuffer(config=self.config)
        reads = {"read_address": host.read_address, "low": 0, "high": self.config.read_bytes, "splat": 0}
        for name, value in reads.items():
            chosen = Mux(host.unloading, value, getattr(machine, name))
            m.d.comb += getattr(buffer, name).eq(register(m, f"s2_{name}", chosen))
        from_host = host.count != 0
        writes = {
            "write": (host.count, machine.write),
            "write_address": (host.address, machine.write_address),
            "write_data": (host.value, machine.write_data),
        }
        for name, (ours, theirs) in writes.items():
            m.d.comb += getattr(buffer, name).eq(register(m, f"s1_{name}", Mux(from_host, ours, theirs)))
        m.d.comb += [
            buffer.fill.eq(machine.fill),
            machine.read_data.eq(buffer.data),
            host.read_data.eq(buffer.data[:32]),
        ]
