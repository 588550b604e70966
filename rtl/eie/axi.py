"""The EIE engine with AXI edges: what `tercet generate` writes."""

from amaranth import *
from amaranth.lib import wiring
from tercet.golden.eie_layer import EieConfig
from tercet.rtl.common.edges import connect_edges, edge_members
from tercet.rtl.common.registers import Register, counter_registers, counter_values, decode, identity, joined
from tercet.rtl.emit import shared

from .counters import COUNTERS
from .engine import Engine
from .layouts import output_layout

__all__ = ["IDENTITY", "REGISTERS", "AxiEngine", "axi_streams"]

ADDRESS_BITS = 7

IDENTITY = identity("TEIE")

_COUNTED = {
    "total": "clocks of computing",
    "busy": "entries issued in all PEs",
    "stall": "clocks in which a column waited for a full queue",
    "starve": "clocks of computing without an entry, of all PEs",
    "filler": "fillers among the entries",
    "load": "clocks in which activations were taken",
    "unload": "clocks in which results were given",
    "saturated": "results that did not fit 16 bits",
}
_DEPTHS = {
    "matrix_depth": "words of entries in each PE",
    "pointer_depth": "pointers in each PE",
    "act_depth": "activations of each PE in each buffer",
    "constant_depth": "codebook weights and biases in each PE",
    "program_depth": "steps of a program",
}

REGISTERS: dict[str, Register] = {
    "id": Register(0x00, "r", "the letters TEIE"),
    "size": Register(
        0x04,
        "r",
        "processing elements, bits of an entry's code and of its count of zeros",
        {"n_pe": (0, 16), "code_bits": (16, 8), "index_bits": (24, 8)},
    ),
    "status": Register(
        0x08,
        "r",
        "running: a run is not over; error: a frame was skipped since the reset, because it does not fit",
        {"running": (0, 1), "error": (1, 1)},
    ),
    "control": Register(0x0C, "rw", "clear: set the counters to zero; reads as 0", {"clear": (0, 1)}),
    "numbers": Register(
        0x10,
        "r",
        "fraction bits of activations and weights, for a layer without its own; bits of an accumulator and of a word "
        "of the matrix memory",
        {"act_frac": (0, 8), "weight_frac": (8, 8), "acc_width": (16, 8), "word_width": (24, 8)},
    ),
    **{name: Register(0x14 + 4 * n, "r", text) for n, (name, text) in enumerate(_DEPTHS.items())},
    **counter_registers({name: _COUNTED[name] for name in COUNTERS}, 0x40),
}
"""Registers of the AXI4-Lite port."""


def axi_streams(config: EieConfig) -> dict[str, tuple[int, bool]]:
    """AXI4-Stream ports: name to payload width, without ``last``, and whether it is an input."""
    return {"frames": (64, True), "acts": (16 * config.n_pe, True), "outs": (output_layout(config).size - 1, False)}


class AxiEngine(wiring.Component):
    """`Engine` between AXI4-Stream and AXI4-Lite ports.

    A frame starts a run, so that no register does.

    Parameters
    ----------
    config : EieConfig
        The engine.

    Members
    -------
    s_axis_frames_*, s_axis_acts_*, m_axis_outs_*
        Streams of `Engine`; ``tlast`` marks the last group of a vector's results.
    s_axil_*
        Registers; see `REGISTERS`.
    """

    def __init__(self, *, config: EieConfig):
        self.config = config
        super().__init__(edge_members(axi_streams(config), ADDRESS_BITS))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.engine = engine = shared(Engine, config=self.config)
        port = connect_edges(m, self, engine, axi_streams(self.config), ADDRESS_BITS)
        values = {"id": IDENTITY, "status": Cat(engine.running, engine.error), **counter_values(engine, COUNTERS)}
        for name in ("size", "numbers"):
            fields = {field: getattr(self.config, field) for field in REGISTERS[name].fields}
            values[name] = joined(REGISTERS[name], **fields)
        values |= {name: getattr(self.config, name) for name in _DEPTHS}
        for name in decode(m, port, REGISTERS, values):
            if name == "control":
                m.d.comb += engine.clear.eq(port.write & port.data[0])
        return m
