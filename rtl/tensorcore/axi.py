"""The tensor-core engine with AXI edges: what `tercet generate` writes."""

from amaranth import *
from amaranth.lib import wiring
from tercet.golden.floats import FORMATS
from tercet.golden.tensorcore_config import TensorCoreConfig
from tercet.rtl.common.edges import connect_edges, edge_members
from tercet.rtl.common.registers import Register, counter_registers, counter_values, decode, identity, joined
from tercet.rtl.emit import shared

from .counters import COUNTERS
from .engine import Engine
from .layouts import addend_layout, column_layout, command_layout, row_layout

__all__ = ["FORMAT_NUMBERS", "IDENTITY", "REGISTERS", "AxiEngine", "axi_streams"]

ADDRESS_BITS = 7

IDENTITY = identity("TTCR")

FORMAT_NUMBERS = {name: number for number, name in enumerate((*FORMATS, "int8", "int32"))}
"""Formats as the register ``formats`` names them."""

_COUNTED = {
    "busy": "clocks in which a part was started",
    "operand_wait": "clocks without a part for want of blocks of A or B",
    "addend_wait": "clocks without a part for want of its part of C",
    "sum_wait": "clocks without a part because its sum was not there yet",
    "room_wait": "clocks without a part because results were not taken",
}

REGISTERS: dict[str, Register] = {
    "id": Register(0x00, "r", "the letters TTCR"),
    "size": Register(
        0x04,
        "r",
        "rows and columns of a block of D, products of a step, clocks of a product of two blocks",
        {"m": (0, 8), "n": (8, 8), "l": (16, 8), "fold": (24, 8)},
    ),
    "status": Register(0x08, "r", "running: a tile is not finished, or a result not taken", {"running": (0, 1)}),
    "control": Register(0x0C, "rw", "clear: set the counters to zero; reads as 0", {"clear": (0, 1)}),
    "formats": Register(
        0x10,
        "r",
        "formats by number: " + ", ".join(f"{number} {name}" for name, number in FORMAT_NUMBERS.items()),
        {"a_format": (0, 8), "b_format": (8, 8), "out_format": (16, 8)},
    ),
    "numbers": Register(
        0x14,
        "r",
        "fraction bits kept in alignment and of D, clocks of a dot-product unit",
        {"fraction_bits": (0, 8), "out_fraction_bits": (8, 8), "pipeline": (16, 8)},
    ),
    **counter_registers({name: _COUNTED[name] for name in COUNTERS}, 0x40),
}
"""Registers of the AXI4-Lite port."""


def axi_streams(config: TensorCoreConfig) -> dict[str, tuple[int, bool]]:
    """AXI4-Stream ports: name to payload width, without ``last``, and whether it is an input."""
    layouts = {"a": row_layout(config), "b": column_layout(config), "c": addend_layout(config)}
    widths = {name: layout.size for name, layout in layouts.items()}
    return {
        "commands": (command_layout().size, True),
        **{name: (width, True) for name, width in widths.items()},
        "d": (widths["c"], False),
    }


class AxiEngine(wiring.Component):
    """`Engine` between AXI4-Stream and AXI4-Lite ports.

    Parameters
    ----------
    config : TensorCoreConfig
        The engine.

    Members
    -------
    s_axis_commands_*, s_axis_a_*, s_axis_b_*, s_axis_c_*, m_axis_d_*
        Streams of `Engine`; ``tlast`` marks the last of a tile's results.
    s_axil_*
        Registers; see `REGISTERS`.
    """

    def __init__(self, *, config: TensorCoreConfig):
        self.config = config
        super().__init__(edge_members(axi_streams(config), ADDRESS_BITS))

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        m.submodules.engine = engine = shared(Engine, config=config)
        port = connect_edges(m, self, engine, axi_streams(config), ADDRESS_BITS)
        values = {"id": IDENTITY, "status": engine.running, **counter_values(engine, COUNTERS)}
        for name in ("size", "numbers", "formats"):
            found = {field: getattr(config, field) for field in REGISTERS[name].fields}
            numbers = {
                field: FORMAT_NUMBERS[value] if isinstance(value, str) else value for field, value in found.items()
            }
            values[name] = joined(REGISTERS[name], **numbers)
        for name in decode(m, port, REGISTERS, values):
            if name == "control":
                m.d.comb += engine.clear.eq(port.write & port.data[0])
        return m
