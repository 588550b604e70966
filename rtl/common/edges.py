"""AXI ports around an engine: the streams it has inside, and a register port."""

from collections.abc import Mapping
from typing import Any

from amaranth import *
from amaranth.lib import wiring
from tercet.rtl.emit import shared

from .axi import AxiLitePort, axi_lite_members, axi_stream_members, connect_axi_stream
from .registers import Register

__all__ = ["Streams", "axi_interface", "connect_edges", "edge_members"]

Streams = Mapping[str, tuple[int, bool]]
"""AXI4-Stream ports: name to payload width, without ``last``, and whether it is an input."""


def edge_members(streams: Streams, address_bits: int) -> dict[str, wiring.Member]:
    """Members of a component with these streams and an AXI4-Lite port."""
    members = {}
    for name, (width, is_input) in streams.items():
        members |= axi_stream_members(name, width, is_input=is_input)
    return {**members, **axi_lite_members(address_bits)}


def connect_edges(m: Module, component, engine, streams: Streams, address_bits: int) -> AxiLitePort:
    """Connect the streams to those of the same name in the engine, and a new register port to the AXI4-Lite ones.

    An output's payload in the engine has the fields ``data`` and ``last``.
    """
    m.submodules.port = port = shared(AxiLitePort, address_bits=address_bits)
    for name, member in axi_lite_members(address_bits).items():
        ours, inner = getattr(component, name), getattr(port, name)
        m.d.comb += inner.eq(ours) if member.flow == wiring.In else ours.eq(inner)
    for name, (_, is_input) in streams.items():
        inner = getattr(engine, name)
        last, data = (None, None) if is_input else (inner.payload.last, inner.payload.data)
        connect_axi_stream(m, component, name, inner, payload=data, last=last)
    return port  # pyright: ignore[reportReturnType]


def axi_interface(streams: Streams, packing: Mapping[str, str], registers: Mapping[str, Register]) -> dict[str, Any]:
    """What a manifest says of clock, reset and ports; `packing` tells what a beat of each stream holds."""
    ports = []
    for name, (width, is_input) in streams.items():
        ports.append(
            {
                "name": f"{'s' if is_input else 'm'}_axis_{name}",
                "protocol": "AXI4-Stream",
                "direction": "in" if is_input else "out",
                "payload_bits": width,
                "tdata_bits": -(-width // 8) * 8,
                "packing": packing[name],
            }
        )
    ports.append({"name": "s_axil", "protocol": "AXI4-Lite", "direction": "in", "registers": _listed(registers)})
    return {
        "clock": {"name": "clk", "edge": "rising"},
        "reset": {"name": "rst", "active": "high", "synchronous": True, "clocks": 1},
        "ports": ports,
    }


def _listed(registers: Mapping[str, Register]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "address": register.address,
            "access": register.access,
            "text": register.text,
            "fields": {field: {"low": low, "bits": bits} for field, (low, bits) in register.fields.items()},
        }
        for name, register in registers.items()
    }
