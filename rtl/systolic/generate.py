"""The systolic engine as files: Verilog, and a manifest that says how to use it."""

from typing import Any

from amaranth.lib import wiring
from tercet.golden.requantize import KERNELS
from tercet.golden.systolic import SystolicConfig
from tercet.rtl.common.delay import Skew
from tercet.rtl.common.edges import axi_interface
from tercet.rtl.common.units import Units, make_unit
from tercet.rtl.emit import verilog

from .accumulators import Accumulators
from .array import SystolicArray
from .axi import REGISTERS, AxiEngine, axi_streams
from .cell import CELLS, lane_layout
from .drain import Drain
from .engine import Engine
from .feed import OsFeeder, WsFeeder
from .layouts import param_layout
from .multiplier import Multiplier
from .requantizer import Requantizer
from .sequencer import Sequencer

__all__ = ["UNITS", "engine_verilog", "interface", "unit"]

_UNITS: Units = {
    "engine": lambda config: Engine(config=config),
    "array": lambda config: SystolicArray(config=config),
    "pe": lambda config: CELLS[config.dataflow](config=config),
    "multiplier": lambda config: Multiplier(config=config),
    "skew": lambda config: Skew(lanes=config.rows, width=lane_layout(config).size),
    "deskew": lambda config: Skew(lanes=config.cols, width=config.sum_width, reverse=True),
    "sequencer": lambda config: Sequencer(config=config),
    "feeder": lambda config: {"ws": WsFeeder, "os": OsFeeder}[config.dataflow](config=config),
    "accumulators": lambda config: Accumulators(config=config),
    "drain": lambda config: Drain(config=config),
    "requantizer": lambda config: Requantizer(mac=config.mac),
}

UNITS = tuple(_UNITS)
"""Parts that can be synthesised alone."""


def engine_verilog(config: SystolicConfig, *, name: str = "systolic", language: str = "verilog") -> str:
    """Verilog or SystemVerilog of the engine with AXI edges; see :func:`tercet.rtl.emit.verilog`."""
    return verilog(AxiEngine(config=config), name=name, language=language)


def unit(config: SystolicConfig, name: str) -> wiring.Component:
    """A part of the engine, by its name in `UNITS`; see `make_unit`."""
    return make_unit(_UNITS, config, name)


def interface(config: SystolicConfig) -> dict[str, Any]:
    """What a user of the Verilog needs to know: ports, packing, registers, latency, order of operands."""
    return {
        **axi_interface(axi_streams(config), _packing(config), REGISTERS),
        "order": _order(config),
        "latency": {
            "array": config.array_latency,
            "formula": "SystolicConfig.cycles(m, k, n, requant): first command to last result, no stream stalled",
            "example": {"m": 64, "k": 64, "n": 64, "cycles": config.cycles(64, 64, 64)},
        },
        **({"rounding": KERNELS} if config.requant_lanes else {}),
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
