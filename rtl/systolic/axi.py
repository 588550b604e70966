"""The systolic engine with AXI edges: what `tercet generate` writes."""

from amaranth import *
from amaranth.lib import wiring
from tercet.golden.requantize import ROUNDINGS, rounding_code
from tercet.golden.systolic import SystolicConfig
from tercet.rtl.common.edges import connect_edges, edge_members
from tercet.rtl.common.registers import Register, counter_registers, counter_values, decode, identity, joined
from tercet.rtl.emit import shared

from .counters import COUNTERS
from .engine import Engine
from .layouts import command_layout, output_layout, param_layout

__all__ = ["IDENTITY", "REGISTERS", "AxiEngine", "axi_streams"]

ADDRESS_BITS = 7

IDENTITY = identity("TSYS")

REGISTERS: dict[str, Register] = {
    "id": Register(0x00, "r", "the letters TSYS"),
    "size": Register(0x04, "r", "rows and cols of the array", {"rows": (0, 16), "cols": (16, 16)}),
    "status": Register(
        0x08,
        "r",
        "busy: a command is not finished; ready: START is accepted",
        {"busy": (0, 1), "ready": (1, 1)},
    ),
    "control": Register(0x0C, "rw", "clear: set the counters to zero; reads as 0", {"clear": (0, 1)}),
    "m": Register(0x10, "rw", "rows of A", {"m": (0, 24)}),
    "k_steps": Register(0x14, "rw", "tiles along K, or K itself if output stationary", {"k_steps": (0, 20)}),
    "n_tiles": Register(0x18, "rw", "tiles along N", {"n_tiles": (0, 16)}),
    "mode": Register(
        0x1C,
        "rw",
        "per-channel parameters are streamed; results leave as int8; their rounding: "
        + ", ".join(f"{rounding_code(name)} {name}" for name in ROUNDINGS),
        {"params": (0, 1), "requant": (1, 1), "rounding": (2, 2)},
    ),
    "output": Register(
        0x20,
        "rw",
        "output zero point and clamp, two's complement",
        {"zero_point": (0, 8), "qmin": (8, 8), "qmax": (16, 8)},
    ),
    "start": Register(0x24, "rw", "write anything: run the product set up in the registers above; reads as 0"),
    **counter_registers(dict.fromkeys(COUNTERS, "clocks"), 0x40),
}
"""Registers of the AXI4-Lite port."""

_SETTINGS = ("m", "k_steps", "n_tiles", "mode", "output")


def axi_streams(config: SystolicConfig) -> dict[str, tuple[int, bool]]:
    """AXI4-Stream ports: name to payload width, without ``last``, and whether it is an input."""
    streams = {
        "acts": (config.rows * config.act_width, True),
        "weights": (config.cols * config.weight_width, True),
        "params": (param_layout(config).size, True),
        "sums": (output_layout(config.acc_width, config.cols).size - 1, False),
    }
    if config.requant_lanes:
        streams["outs"] = (output_layout(8, config.requant_lanes).size - 1, False)
    return streams


class AxiEngine(wiring.Component):
    """`Engine` between AXI4-Stream and AXI4-Lite ports.

    A write to START that cannot be run answers SLVERR: a count of zero, ``requant`` without ``params`` or on an engine
    without a requantiser, a ``rounding`` that there is not, or the command before not yet taken.

    Parameters
    ----------
    config : SystolicConfig
        The engine.

    Members
    -------
    s_axis_acts_*, s_axis_weights_*, s_axis_params_*, m_axis_sums_*, m_axis_outs_*
        Streams of `Engine`; ``tlast`` marks the final beat of a command.
    s_axil_*
        Registers; see `REGISTERS`.
    """

    def __init__(self, *, config: SystolicConfig):
        self.config = config
        super().__init__(edge_members(axi_streams(config), ADDRESS_BITS))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.engine = engine = shared(Engine, config=self.config)
        port = connect_edges(m, self, engine, axi_streams(self.config), ADDRESS_BITS)
        self._registers(m, engine, port)
        return m

    def _registers(self, m: Module, engine, port):
        command = Signal(command_layout(self.config))
        pending = Signal()
        stored = {name: Signal(32, name=f"{name}_register") for name in _SETTINGS}
        for name in _SETTINGS:
            for field, (low, width) in REGISTERS[name].fields.items():
                m.d.comb += command[field].eq(stored[name][low : low + width])
        runs = (command.m != 0) & (command.k_steps != 0) & (command.n_tiles != 0) & ~pending
        runs &= ~command.requant | (command.params if self.config.requant_lanes else 0)
        runs &= command.rounding < len(ROUNDINGS)
        m.d.comb += [engine.commands.payload.eq(command), engine.commands.valid.eq(pending)]
        with m.If(engine.commands.ready):
            m.d.sync += pending.eq(0)

        status = Cat(engine.busy | pending, ~pending)
        size = joined(REGISTERS["size"], rows=self.config.rows, cols=self.config.cols)
        values = {"id": IDENTITY, "size": size, "status": status, **stored, **counter_values(engine, COUNTERS)}
        for name in decode(m, port, REGISTERS, values):
            if name in _SETTINGS:
                # What is set up does not change while it waits to be taken.
                m.d.comb += port.write_error.eq(pending)
                mask = sum((2**width - 1) << low for low, width in REGISTERS[name].fields.values())
                with m.If(port.write):
                    m.d.sync += stored[name].eq(port.data & mask)
            elif name == "control":
                m.d.comb += engine.clear.eq(port.write & port.data[0])
            elif name == "start":
                m.d.comb += port.write_error.eq(~runs)
                with m.If(port.write):
                    m.d.sync += pending.eq(1)
