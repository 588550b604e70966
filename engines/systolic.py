"""The systolic engine."""

from typing import Any

from tercet.golden.numerics.requantization import KERNELS
from tercet.golden.systolic.config import SystolicConfig
from tercet.golden.systolic.engine import MODEL
from tercet.golden.systolic.operands import order
from tercet.rtl.common.delay import Skew
from tercet.rtl.systolic.accumulators import Accumulators
from tercet.rtl.systolic.array import SystolicArray, cell_class, multiplier_paths
from tercet.rtl.systolic.binary_cell import EqualSigns
from tercet.rtl.systolic.cell import lane_layout
from tercet.rtl.systolic.command_registers import CommandRegisters
from tercet.rtl.systolic.drain import Drain
from tercet.rtl.systolic.dual_multiplier import DualMultiplier
from tercet.rtl.systolic.engine import Engine
from tercet.rtl.systolic.feed import OsFeeder, WsFeeder
from tercet.rtl.systolic.multiplier import Multiplier
from tercet.rtl.systolic.requantizer import Requantizer
from tercet.rtl.systolic.sequencer import Sequencer
from tercet.rtl.systolic.winograd import InputTransform, OutputTransform

from .spec import EngineSpec

__all__ = ["SPEC"]


def _multiplier(config: SystolicConfig) -> Any:
    if config.ternary:
        raise ValueError(f"mac {config.mac!r} has no multiplier; use unit pe, its cell")
    if config.binary:
        return EqualSigns(width=config.act_width)
    return DualMultiplier() if config.mac == "ecp5-dual" else Multiplier(config=config)


_UNITS = {
    "array": lambda config: SystolicArray(config=config),
    "pe": lambda config: cell_class(config)(config=config),
    "multiplier": _multiplier,
    "skew": lambda config: Skew(lanes=config.rows, width=lane_layout(config).size),
    "deskew": lambda config: Skew(lanes=config.cols, width=config.sum_width, reverse=True),
    "sequencer": lambda config: Sequencer(config=config),
    "feeder": lambda config: {"ws": WsFeeder, "os": OsFeeder}[config.dataflow](config=config),
    "accumulators": lambda config: Accumulators(config=config),
    "drain": lambda config: Drain(config=config),
    "requantizer": lambda config: Requantizer(mac=config.mac),
    "winograd_input": lambda config: InputTransform(),
    "winograd_output": lambda config: OutputTransform(width=config.acc_width),
}


def _facts(config: SystolicConfig) -> dict[str, Any]:
    return {
        "order": order(config),
        "latency": {
            "array": config.array_latency,
            "formula": "SystolicConfig.cycles(m, k, n, requant): first command to last result, without stalls",
            "example": {"m": 64, "k": 64, "n": 64, "cycles": config.cycles(64, 64, 64)},
        },
        **({"rounding": KERNELS} if config.requant_lanes else {}),
        "golden": "tercet.golden.systolic.matmul",
    }


def _multipliers(config: SystolicConfig, unit: str) -> list[list[str]]:
    return multiplier_paths(config) if unit in ("engine", "array") else []


SPEC = EngineSpec(
    model=MODEL, component=Engine, units=_UNITS, facts=_facts, multipliers=_multipliers, commands=CommandRegisters
)
"""Integer matrix products on a systolic array."""
