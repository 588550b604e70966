"""The systolic engine as files: Verilog, and a manifest that says how to use it."""

from typing import Any

from amaranth import Elaboratable
from tercet.golden.systolic import SystolicConfig
from tercet.rtl.emit import verilog

from .array import SystolicArray
from .axi import REGISTERS, AxiEngine, axi_streams
from .cell import CELLS
from .engine import Engine
from .layouts import param_layout
from .requantizer import Requantizer

__all__ = ["UNITS", "engine_verilog", "interface", "unit"]

UNITS = ("engine", "array", "pe", "requantizer")
"""Parts that can be synthesised alone."""


def engine_verilog(config: SystolicConfig) -> str:
    """Verilog of the engine with AXI edges; its top module is ``systolic``."""
    return verilog(AxiEngine(config=config), name="systolic")


def unit(config: SystolicConfig, name: str) -> Elaboratable:
    """A part of the engine, by its name in `UNITS`.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if name == "engine":
        return Engine(config=config)
    if name == "array":
        return SystolicArray(config=config)
    if name == "pe":
        return CELLS[config.dataflow](config=config)
    if name == "requantizer":
        return Requantizer(mac=config.mac)
    raise ValueError(f"Unit {name!r} is unknown; use one of {', '.join(UNITS)}")


def interface(config: SystolicConfig) -> dict[str, Any]:
    """What a user of the Verilog needs to know: ports, packing, registers, latency, order of operands."""
    ports = []
    for name, (width, is_input) in axi_streams(config).items():
        ports.append(
            {
                "name": f"{'s' if is_input else 'm'}_axis_{name}",
                "protocol": "AXI4-Stream",
                "direction": "in" if is_input else "out",
                "payload_bits": width,
                "tdata_bits": -(-width // 8) * 8,
                "packing": _packing(config)[name],
            }
        )
    ports.append({"name": "s_axil", "protocol": "AXI4-Lite", "direction": "in", "registers": _registers()})
    return {
        "clock": {"name": "clk", "edge": "rising"},
        "reset": {"name": "rst", "active": "high", "synchronous": True},
        "ports": ports,
        "order": _order(config),
        "latency": {
            "array": config.array_latency,
            "formula": "SystolicConfig.cycles(m, k, n, requant): first command to last result, no stream stalled",
            "example": {"m": 64, "k": 64, "n": 64, "cycles": config.cycles(64, 64, 64)},
        },
        "golden": "tercet.golden.systolic.matmul",
    }


def _packing(config: SystolicConfig) -> dict[str, str]:
    lane = "least significant first, two's complement"
    params = ", ".join(f"{name}: {field.width} bits" for name, field in param_layout(config))
    row = "a row of A" if config.dataflow == "ws" else "a column of A"
    return {
        "acts": f"{config.rows} activations of {config.act_width} bits, {row}, {lane}",
        "weights": f"{config.cols} weights of {config.weight_width} bits, a row of W, {lane}",
        "params": f"one output channel a beat, least significant first: {params}",
        "sums": f"{config.cols} sums of {config.acc_width} bits, {lane}; tlast on the final row of a command",
        "outs": f"{config.requant_lanes} results of 8 bits, {lane}; a row of {config.cols} in consecutive beats, "
        "columns beyond the last undefined; tlast on the final beat of a command",
    }


def _registers() -> dict[str, dict[str, Any]]:
    return {
        name: {
            "address": register.address,
            "access": register.access,
            "text": register.text,
            "fields": {field: {"low": low, "bits": bits} for field, (low, bits) in register.fields.items()},
        }
        for name, register in REGISTERS.items()
    }


def _order(config: SystolicConfig) -> str:
    if config.dataflow == "ws":
        return (
            f"For each {config.cols} columns of W, for each {config.acc_depth} rows of A, for each {config.rows} of K: "
            f"weights has {config.rows} rows of W, acts has the rows of A; all padded with zeros"
        )
    return (
        f"For each {config.cols} columns of W, for each {config.rows} rows of A: acts has K columns of A, "
        "weights has K rows of W; all padded with zeros"
    )
