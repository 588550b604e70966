"""Command registers of the systolic engine."""

from amaranth import *
from tercet.golden.engine import EngineModel
from tercet.golden.numerics.requantization import ROUNDINGS
from tercet.golden.systolic.config import SystolicConfig

from .layouts import command_layout

__all__ = ["CommandRegisters"]

_SETTINGS = ("m", "k_steps", "n_tiles", "mode", "output")


class CommandRegisters:
    """Implementation of `tercet.rtl.common.axi_wrapper.CommandRegisters`: START sends the command in the others.

    A write to START is answered with SLVERR if the command cannot run: a count of zero, ``requant`` without ``params``
    or on an engine without a requantiser, an unknown ``rounding``, or a previous command that is still waiting.
    """

    STREAMS = ("commands",)

    def __init__(self, m: Module, model: EngineModel, config: SystolicConfig, engine):
        registers = model.registers
        command = Signal(command_layout(config))
        self.pending = pending = Signal(name="pending")
        self.status = (~pending,)
        self.values = {name: Signal(32, name=f"{name}_register") for name in _SETTINGS}
        self._masks = {}
        for name in _SETTINGS:
            fields = registers[name].fields
            self._masks[name] = sum((2**width - 1) << low for low, width in fields.values())
            for field, (low, width) in fields.items():
                m.d.comb += command[field].eq(self.values[name][low : low + width])
        self._runs = (command.m != 0) & (command.k_steps != 0) & (command.n_tiles != 0) & ~pending
        self._runs &= ~command.requant | (command.params if config.requant_lanes else 0)
        self._runs &= command.rounding < len(ROUNDINGS)
        m.d.comb += [engine.commands.payload.eq(command), engine.commands.valid.eq(pending)]
        with m.If(engine.commands.ready):
            m.d.sync += pending.eq(0)

    def write(self, m: Module, port, name: str) -> None:
        """Store a setting, or start."""
        if name in _SETTINGS:
            # Settings are locked while a command is waiting.
            m.d.comb += port.write_error.eq(self.pending)
            with m.If(port.write):
                m.d.sync += self.values[name].eq(port.data & self._masks[name])
        elif name == "start":
            m.d.comb += port.write_error.eq(~self._runs)
            with m.If(port.write):
                m.d.sync += self.pending.eq(1)
