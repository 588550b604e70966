"""AXI wrapper of an engine: AXI4-Stream for its streams, AXI4-Lite for its registers and counters."""

from typing import Any, Protocol

from amaranth import *
from amaranth.lib import wiring
from tercet.golden.engine import EngineModel
from tercet.golden.registers import Register
from tercet.golden.streams import StreamPort
from tercet.rtl.emit import prototype, shared

from .axi import AxiLitePort, axi_lite_members, axi_stream_members, connect_axi_stream, tdata_bits
from .engine import stream_ports
from .registers import counter_values, decode

__all__ = ["AxiWrapper", "CommandRegisters", "axi_interface"]


class CommandRegisters(Protocol):
    """Registers that feed streams of an engine; instantiated after the engine and the port.

    Attributes
    ----------
    STREAMS : tuple of str
        Streams that the registers feed; these get no AXI4-Stream port.
    values : dict
        Register values by name in the model.
    pending : Value
        A command is waiting; the engine counts as running.
    status : tuple of Value
        Bits of the ``status`` register above ``running`` and ``error``, in the order of `EngineModel.status`.
    """

    STREAMS: tuple[str, ...]
    values: dict[str, Any]
    pending: Value
    status: tuple[Value, ...]

    def __init__(self, m: Module, model: EngineModel, config: Any, engine: Any): ...

    def write(self, m: Module, port: Any, name: str) -> None:
        """Add the effects of a write to register `name`; called within its case of the decoder."""


class AxiWrapper(wiring.Component):
    """An engine with AXI4-Stream and AXI4-Lite ports.

    Parameters
    ----------
    model : EngineModel
        Register map and counters.
    component : type
        Engine: a `wiring.Component` that takes ``config=`` and has `control_members`. Payloads of its outputs have
        the fields ``data`` and ``last``.
    config : frozen dataclass
        Engine configuration.
    commands : type or None
        Implementation of `CommandRegisters`; None leaves every stream to an AXI4-Stream port.

    Members
    -------
    s_axis_<input>_*, m_axis_<output>_*
        Streams of the engine; an output's ``tlast`` is its payload's ``last``.
    s_axil_*
        Registers; see `EngineModel.registers`.
    """

    def __init__(self, *, model: EngineModel, component: type, config: Any, commands: type | None = None):
        self._model, self._component, self._config, self._commands = model, component, config, commands
        self._streams = axi_streams(component, config, commands)
        members = {}
        for port in self._streams:
            members |= axi_stream_members(port.name, _payload_bits(port), is_input=port.direction == "in")
        super().__init__({**members, **axi_lite_members(_address_bits(model))})

    def elaborate(self, platform) -> Module:
        m = Module()
        model = self._model
        m.submodules.engine = engine = shared(self._component, config=self._config)
        m.submodules.port = port = shared(AxiLitePort, address_bits=_address_bits(model))
        for name, member in axi_lite_members(_address_bits(model)).items():
            ours, inner = getattr(self, name), getattr(port, name)
            m.d.comb += inner.eq(ours) if member.flow == wiring.In else ours.eq(inner)
        for stream in self._streams:
            inner = getattr(engine, stream.name)
            out = stream.direction == "out"
            last, data = (inner.payload.last, inner.payload.data) if out else (None, None)
            connect_axi_stream(m, self, stream.name, inner, payload=data, last=last)
        commands = None if self._commands is None else self._commands(m, model, self._config, engine)
        running = engine.running if commands is None else engine.running | commands.pending
        status = Cat(running, engine.error, *(() if commands is None else commands.status))
        values = {**model.constants(self._config), "status": status, **counter_values(engine.counters, model.counters)}
        values |= {} if commands is None else commands.values
        for name in decode(m, port, model.registers, values):
            if name == "control":
                m.d.comb += engine.clear.eq(port.write & port.data[0])
            elif commands is not None:
                commands.write(m, port, name)
        return m


def axi_streams(component: type, config: Any, commands: type | None) -> list[StreamPort]:
    """List the streams of an engine that get an AXI4-Stream port."""
    fed = () if commands is None else commands.STREAMS
    return [port for port in stream_ports(prototype(component, config=config)) if port.name not in fed]


def axi_interface(model: EngineModel, component: type, config: Any, commands: type | None) -> dict[str, Any]:
    """Describe clock, reset and ports for the manifest."""
    packing = {port.name: port.packing for port in model.streams(config)}
    ports: list[dict[str, Any]] = []
    for port in axi_streams(component, config, commands):
        width = _payload_bits(port)
        ports.append(
            {
                "name": f"{'s' if port.direction == 'in' else 'm'}_axis_{port.name}",
                "protocol": "AXI4-Stream",
                "direction": port.direction,
                "payload_bits": width,
                "tdata_bits": tdata_bits(width),
                "packing": packing[port.name],
            }
        )
    ports.append({"name": "s_axil", "protocol": "AXI4-Lite", "direction": "in", "registers": _listed(model.registers)})
    return {
        "clock": {"name": "clk", "edge": "rising"},
        "reset": {"name": "rst", "active": "high", "synchronous": True, "clocks": 1},
        "ports": ports,
    }


def _payload_bits(port: StreamPort) -> int:
    """Payload width without an output's ``last``, which has its own signal."""
    return port.width - (port.direction == "out")


def _address_bits(model: EngineModel) -> int:
    return max(register.address for register in model.registers.values()).bit_length()


def _listed(registers: dict[str, Register]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "address": register.address,
            "access": register.access,
            "text": register.text,
            "fields": {field: {"low": low, "bits": bits} for field, (low, bits) in register.fields.items()},
        }
        for name, register in registers.items()
    }
