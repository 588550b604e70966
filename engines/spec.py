"""An engine as one object: its model joined with its Amaranth component."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from amaranth.lib import wiring
from tercet.golden.engine import EngineModel
from tercet.rtl import primitives
from tercet.rtl.common.axi_wrapper import AxiWrapper, axi_interface
from tercet.rtl.common.engine import control_members, stream_ports
from tercet.rtl.emit import prototype, verilog

__all__ = ["EngineSpec"]


@dataclass(frozen=True, kw_only=True, eq=False)
class EngineSpec:
    """An engine: what `tercet` generates, simulates, synthesises, and puts on boards.

    Attributes
    ----------
    model : EngineModel
        Configuration, streams, registers, counters and codec.
    component : type
        Its `wiring.Component`: takes ``config=``, has the model's streams and the `control_members`.
    units : mapping
        Parts that can be synthesised alone: name to a callable that makes one from a config. ``engine`` is always one.
    facts : callable
        From a config: entries of the manifest beside ports and registers, ``order``, ``latency`` and ``golden`` among
        them.
    commands : type or None
        `tercet.rtl.common.axi_wrapper.CommandRegisters`, if registers feed streams.

    Raises
    ------
    TypeError
        If the component of the default config has other streams or control members than the model.
    """

    model: EngineModel
    component: type
    units: Mapping[str, Callable[[Any], wiring.Component]] = field(default_factory=dict)
    facts: Callable[[Any], Mapping[str, Any]] = lambda config: {}
    commands: type | None = None

    def __post_init__(self):
        object.__setattr__(self, "units", {"engine": lambda config: self.component(config=config), **self.units})
        self.check(self.model.config_class())

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    def check(self, config: Any) -> None:
        """Hold the component of a config against the model.

        Raises
        ------
        TypeError
            If streams, counters or control members differ.
        """
        made = prototype(self.component, config=config)
        derived, told = stream_ports(made), list(self.model.streams(config))
        if derived != told:
            raise TypeError(f"Engine {self.name} has the streams {derived}, but its model {told}")
        for name, member in control_members(self.model).items():
            if made.signature.members.get(name) != member:
                raise TypeError(f"Engine {self.name} has no member {name!r} as control_members has it")

    def verilog(self, config: Any, *, name: str | None = None, language: str = "verilog") -> str:
        """Verilog or SystemVerilog of the engine with AXI edges; see :func:`tercet.rtl.emit.verilog`."""
        wrapper = AxiWrapper(model=self.model, component=self.component, config=config, commands=self.commands)
        return verilog(wrapper, name=name or self.name, language=language)

    def sources(self, config: Any) -> dict[str, str]:
        """The engine with its own streams, for simulation: file name to Verilog, models of FPGA blocks included."""
        text = verilog(self.component(config=config), name=self.name)
        return {f"{self.name}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}

    def unit(self, config: Any, name: str) -> wiring.Component:
        """A part of the engine, by its name in `units`.

        Raises
        ------
        ValueError
            If there is no such part, or the config has no use for it.
        """
        if name not in self.units:
            raise ValueError(f"Unit {name!r} is unknown; use one of {', '.join(self.units)}")
        _ = prototype(self.component, config=config)  # refuses what cannot be generated
        return self.units[name](config)

    def interface(self, config: Any) -> dict[str, Any]:
        """What a user of the Verilog needs: ports, packing, registers, order of operands, latency."""
        ports = axi_interface(self.model, self.component, config, self.commands)
        return {**ports, **self.facts(config)}
