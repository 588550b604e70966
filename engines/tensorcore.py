"""The tensor-core engine."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from amaranth.lib import wiring
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.cycle_model import RESULT, SUM_LOOP, TILE, block_parts
from tercet.golden.tensorcore.engine import MODEL
from tercet.golden.tensorcore.operands import order
from tercet.rtl.tensorcore.adder_tree import AdderTree
from tercet.rtl.tensorcore.align import Align
from tercet.rtl.tensorcore.conventional import ConventionalUnit
from tercet.rtl.tensorcore.core import Core
from tercet.rtl.tensorcore.cores import multiplier_paths
from tercet.rtl.tensorcore.dot import DotUnit
from tercet.rtl.tensorcore.engine import Engine
from tercet.rtl.tensorcore.exact_product import ExactProduct
from tercet.rtl.tensorcore.grid import Grid
from tercet.rtl.tensorcore.layouts import row_layout
from tercet.rtl.tensorcore.maximum import ExponentMaximum
from tercet.rtl.tensorcore.normalise import Normalise
from tercet.rtl.tensorcore.operands import Operands
from tercet.rtl.tensorcore.pack import Pack
from tercet.rtl.tensorcore.partial_sum_memory import PartialSumMemory
from tercet.rtl.tensorcore.sequencer import Sequencer
from tercet.rtl.tensorcore.specials import Specials

from .spec import EngineSpec

__all__ = ["SPEC"]


def _grid(config: TensorCoreConfig) -> Grid:
    by_rows, by_cols = block_parts(config)
    return Grid(config=config, rows=config.m // by_rows, cols=config.n // by_cols)


def _operands(config: TensorCoreConfig) -> Operands:
    parts, _ = block_parts(config)
    width = row_layout(config).size
    return Operands(width=width, blocks=TILE[0], parts=parts, family=config.family)


def _floating(name: str, component: type) -> Callable[[TensorCoreConfig], wiring.Component]:
    """Unit of the floating-point datapath."""

    def make(config: TensorCoreConfig) -> wiring.Component:
        if config.integers:
            raise ValueError(f"Unit {name!r} is for floating point only, not for int8; use dot for example")
        return component(config=config)

    return make


_FLOAT_PARTS = {
    "product": ExactProduct,
    "maximum": ExponentMaximum,
    "align": Align,
    "sum": AdderTree,
    "normalise": Normalise,
    "pack": Pack,
    "specials": Specials,
    "conventional": ConventionalUnit,
}
# The grid has all dot-product units of a core, the core also their partial sums; "operands" buffers A. The
# conventional unit is not part of an engine: it is the baseline for its dot-product unit.
_UNITS = {
    "dot": lambda config: DotUnit(config=config),
    "core": lambda config: Core(config=config),
    "sums": lambda config: PartialSumMemory(config=config),
    "grid": _grid,
    "operands": _operands,
    "sequencer": lambda config: Sequencer(config=config, under_way=config.pipeline + SUM_LOOP - 1),
    **{name: _floating(name, component) for name, component in _FLOAT_PARTS.items()},
}


def _facts(config: TensorCoreConfig) -> dict[str, Any]:
    return {
        "order": order(config),
        "latency": {
            "dot": config.pipeline,
            "first_result": f"{config.fold} clocks per product of two blocks, plus {config.pipeline + RESULT}",
            "formula": "tercet.golden.tensorcore.cycles(config, m, n, k, batch)",
        },
        "golden": "tercet.golden.tensorcore.mma",
    }


def _multipliers(config: TensorCoreConfig, unit: str) -> list[list[str]]:
    single = replace(config, cores=1) if unit in ("core", "grid") else config
    return multiplier_paths(single) if unit in ("engine", "core", "grid") else []


SPEC = EngineSpec(model=MODEL, component=Engine, units=_UNITS, facts=_facts, multipliers=_multipliers)
"""Mixed-precision D = A B + C on tiles."""
