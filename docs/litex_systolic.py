"""LiteX module of the generated systolic engine: registers on the SoC's bus, data on LiteX streams.

tercet generate systolic --rows 8 --cols 8 --mac ecp5 -o build/systolic
self.engine = Systolic(platform, "build/systolic")
self.bus.add_slave("engine", self.engine.bus, SoCRegion(origin=0x9000_0000, size=0x80, cached=False))
self.comb += self.dma_reader.source.connect(self.engine.acts)
"""

import json
from pathlib import Path

from litex.gen import LiteXModule
from litex.soc.interconnect import stream
from litex.soc.interconnect.axi import AXILiteInterface
from migen import ClockSignal, Instance, ResetSignal

# AXI4-Lite signals by channel, those that the master drives and those that the slave drives.
_MASTER = {"aw": ("valid", "addr", "prot"), "w": ("valid", "data", "strb"), "b": ("ready",)}
_MASTER |= {"ar": ("valid", "addr", "prot"), "r": ("ready",)}
_SLAVE = {"aw": ("ready",), "w": ("ready",), "b": ("valid", "resp"), "ar": ("ready",), "r": ("valid", "data", "resp")}


class Systolic(LiteXModule):
    """``bus`` (AXI4-Lite, 128 bytes), and endpoints ``acts``, ``weights``, ``params``, ``sums``, ``outs``."""

    def __init__(self, platform, folder):
        folder = Path(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        self.bus = AXILiteInterface(data_width=32, address_width=32)
        pins = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for direction, channels in (("i", _MASTER), ("o", _SLAVE)):
            for channel, names in channels.items():
                for name in names:
                    signal = getattr(getattr(self.bus, channel), name)
                    pins[f"{direction}_s_axil_{channel}{name}"] = signal[:7] if name == "addr" else signal
        for port in manifest["ports"]:
            if port["protocol"] == "AXI4-Stream":
                endpoint = stream.Endpoint([("data", port["tdata_bits"])])
                setattr(self, port["name"].rpartition("_")[2], endpoint)
                data, back = ("i", "o") if port["direction"] == "in" else ("o", "i")
                pins[f"{data}_{port['name']}_tdata"] = endpoint.data
                pins[f"{data}_{port['name']}_tvalid"] = endpoint.valid
                pins[f"{back}_{port['name']}_tready"] = endpoint.ready
                if port["direction"] == "out":
                    pins[f"o_{port['name']}_tlast"] = endpoint.last
        self.specials += Instance(manifest["top"], **pins)
        for name in manifest["files"]:
            platform.add_source(str(folder / name))
