"""The tensor-core engine as files: Verilog, and a manifest that says how to use it."""

from typing import Any

from amaranth.lib import wiring
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.golden.tensorcore_cycles import RESULT, SUM_LOOP, TILE, block_parts
from tercet.rtl.common.edges import axi_interface
from tercet.rtl.common.units import Units, make_unit
from tercet.rtl.emit import verilog

from .align import Align
from .axi import REGISTERS, AxiEngine, axi_streams
from .conventional import ConventionalUnit
from .core import Core
from .dot import DotUnit
from .engine import Engine
from .grid import Grid
from .layouts import command_layout, row_layout
from .maximum import ExponentMaximum
from .normalise import Normalise
from .operands import Operands
from .pack import Pack
from .pair import Pair
from .plan import Plan
from .product import Product
from .sequencer import Sequencer
from .specials import Specials
from .sums import Sums
from .total import Sum

__all__ = ["UNITS", "engine_verilog", "interface", "unit"]


def _grid(config: TensorCoreConfig) -> Grid:
    by_rows, by_cols = block_parts(config)
    return Grid(config=config, rows=config.m // by_rows, cols=config.n // by_cols)


def _operands(config: TensorCoreConfig) -> Operands:
    parts, _ = block_parts(config)
    width = row_layout(config).size
    return Operands(width=width, blocks=TILE[0], parts=parts, family=config.family)


_FLOAT_UNITS: Units = {
    "product": lambda config: Product(config=config),
    "maximum": lambda config: ExponentMaximum(config=config),
    "align": lambda config: Align(config=config),
    "sum": lambda config: Sum(config=config),
    "normalise": lambda config: Normalise(config=config),
    "pack": lambda config: Pack(config=config),
    "specials": lambda config: Specials(config=config),
    "conventional": lambda config: ConventionalUnit(config=config),
}
_UNITS: Units = {
    "engine": lambda config: Engine(config=config),
    "pair": lambda config: Pair(config=config),
    "dot": lambda config: DotUnit(config=config),
    "core": lambda config: Core(config=config),
    "sums": lambda config: Sums(config=config),
    "grid": _grid,
    "operands": _operands,
    "sequencer": lambda config: Sequencer(config=config, under_way=config.pipeline + SUM_LOOP - 1),
    **_FLOAT_UNITS,
}

UNITS = tuple(_UNITS)
"""What can be synthesised alone: parts, and a pair of engines. A grid is the dot-product units of an engine, a core has
their sums, too, and operands are those of A. The conventional unit is no part of an engine but what its dot-product
unit is compared with."""


def engine_verilog(config: TensorCoreConfig, *, name: str = "tensorcore", language: str = "verilog") -> str:
    """Verilog or SystemVerilog of the engine with AXI edges; see :func:`tercet.rtl.emit.verilog`."""
    _check(config)
    return verilog(AxiEngine(config=config), name=name, language=language)


def unit(config: TensorCoreConfig, name: str) -> wiring.Component:
    """A part of the engine, by its name in `UNITS`; see `make_unit`."""
    _check(config)
    if config.integers and name in _FLOAT_UNITS:
        raise ValueError(f"Unit {name!r} is of floating-point sums; int8 has none, use dot for instance")
    return make_unit(_UNITS, config, name)


def _check(config: TensorCoreConfig) -> None:
    """Refuse what only the golden model does."""
    _ = Plan(config).registers


def interface(config: TensorCoreConfig) -> dict[str, Any]:
    """What a user of the Verilog needs to know: ports, packing, registers, order of operands, latency."""
    _check(config)
    rows, cols = Core.size(config)
    return {
        **axi_interface(axi_streams(config), _packing(config), REGISTERS),
        "order": {
            "commands": "one for each tile of D, of up to "
            f"{TILE[0]} x {TILE[1]} blocks of {config.m} x {config.n}; any number of steps along K",
            "a": f"step by step along K, {config.l} columns each: blocks of {config.m} rows from top to bottom, "
            f"{rows} rows at a time",
            "b": f"step by step along K, {config.l} rows each: blocks of {config.n} columns from left to right, "
            f"{cols} columns at a time",
            "c": f"a tile's blocks row by row; of each block parts of {rows} x {cols}, row by row",
            "d": "as c",
        },
        "latency": {
            "dot": config.pipeline,
            "first_result": f"{config.fold} clocks a product of two blocks and {config.pipeline + RESULT} more",
            "formula": "tercet.golden.tensorcore.cycles(config, m, n, k, batch)",
        },
        "golden": "tercet.golden.tensorcore.mma",
    }


def _packing(config: TensorCoreConfig) -> dict[str, str]:
    rows, cols = Core.size(config)
    fields = [f"{name} less 1 ({field.width} bits)" for name, field in command_layout()]
    return {
        "commands": f"least significant first: {', '.join(fields)}: blocks of a tile's height and width, steps along K",
        "a": f"{rows} rows of {config.l} {config.a_format} patterns, the first row's first least significant",
        "b": f"{cols} columns of {config.l} {config.b_format} patterns, the first column's first least significant",
        "c": f"{rows} rows of {cols} {config.out_format} patterns, the first row's first least significant",
        "d": "as c; tlast on the last of a tile",
    }
