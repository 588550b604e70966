"""Specification of an engine: its model joined with its Amaranth component."""

from collections.abc import Callable, Mapping, Sequence
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
    """Engine that `tercet` generates, simulates, synthesises and puts on boards.

    Attributes
    ----------
    model : EngineModel
        Configuration, streams, registers, counters and codec.
    component : type
        `wiring.Component` of the engine: takes ``config=``, has the model's streams and the `control_members`.
    units : mapping
        Units that can be synthesised alone: name to a callable that makes one from a config. Always has ``engine``.
    facts : callable
        Makes the manifest's entries beside ports and registers from a config, among them ``order``, ``latency`` and
        ``golden``.
    multipliers : callable
        Maps a config and a unit's name to the multiplier blocks that a floorplan fixes: the ends of their instance
        paths, by row and column of the unit's array; empty for none.
    commands : type or None
        Implementation of `tercet.rtl.common.axi_wrapper.CommandRegisters`, if registers feed streams.

    Raises
    ------
    TypeError
        If the component of the default config has other streams or control members than the model.
    """

    model: EngineModel
    component: type
    units: Mapping[str, Callable[[Any], wiring.Component]] = field(default_factory=dict)
    facts: Callable[[Any], Mapping[str, Any]] = lambda config: {}
    multipliers: Callable[[Any, str], Sequence[Sequence[str]]] = lambda config, unit: ()
    commands: type | None = None

    def __post_init__(self):
        object.__setattr__(self, "units", {"engine": lambda config: self.component(config=config), **self.units})
        self.check(self.model.config_class())

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.model.name

    def check(self, config: Any) -> None:
        """Check the component of a config against the model.

        Raises
        ------
        TypeError
            If streams, counters or control members differ.
        """
        component = prototype(self.component, config=config)
        derived, declared = stream_ports(component), list(self.model.streams(config))
        if derived != declared:
            raise TypeError(f"Engine {self.name} has streams {derived}, but its model declares {declared}")
        for name, member in control_members(self.model).items():
            if component.signature.members.get(name) != member:
                raise TypeError(f"Engine {self.name} must have the member {name!r} of control_members: {member!r}")

    def verilog(self, config: Any, *, name: str | None = None, language: str = "verilog") -> str:
        """Verilog or SystemVerilog of the engine with AXI ports; see :func:`tercet.rtl.emit.verilog`."""
        wrapper = AxiWrapper(model=self.model, component=self.component, config=config, commands=self.commands)
        return verilog(wrapper, name=name or self.name, language=language)

    def sources(self, config: Any) -> dict[str, str]:
        """Engine with its native streams, for simulation: file name to Verilog, with models of FPGA primitives."""
        text = verilog(self.component(config=config), name=self.name)
        return {f"{self.name}.v": text, **{path.name: path.read_text() for path in primitives.used(text)}}

    def unit(self, config: Any, name: str) -> wiring.Component:
        """Make a unit of the engine, by its name in `units`.

        Raises
        ------
        ValueError
            If the unit is unknown, or the config does not use it.
        """
        if name not in self.units:
            raise ValueError(f"Unit {name!r} is unknown; use one of {', '.join(self.units)}")
        _ = prototype(self.component, config=config)  # rejects configs that cannot be generated
        return self.units[name](config)

    def interface(self, config: Any) -> dict[str, Any]:
        """Interface for users of the Verilog: ports, packing, registers, order of operands, latency."""
        ports = axi_interface(self.model, self.component, config, self.commands)
        return {**ports, **self.facts(config)}
