"""Generated engine in a LiteX SoC, through the documented module, synthesised by LiteX's own yosys script."""

# LiteX and Migen have no annotations, and pyright infers wrong types for their signals and modules.
# pyright: reportOperatorIssue=false, reportOptionalMemberAccess=false, reportArgumentType=false

import importlib.util
import json
import subprocess
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from tercet.rtl.emit import yosys_command

from .command import tercet

pytest.importorskip("litex", reason="LiteX is not installed; run: pip install litex")

from litex.build.generic_platform import IOStandard, Pins, Subsignal
from litex.build.lattice import LatticeECP5Platform
from litex.gen import LiteXModule
from litex.soc.integration.builder import Builder
from litex.soc.integration.soc import SoCRegion
from litex.soc.integration.soc_core import SoCMini
from migen import Cat, ClockDomain

LVCMOS33 = IOStandard("LVCMOS33")
PINS = [
    ("clk", 0, Pins("G2"), LVCMOS33),
    ("rst", 0, Pins("R1"), LVCMOS33),
    ("led", 0, Pins("B2"), LVCMOS33),
    ("serial", 0, Subsignal("tx", Pins("L4")), Subsignal("rx", Pins("M1")), LVCMOS33),
]


def documented():
    """Import ``docs/litex_systolic.py``."""
    example = Path(__file__).parents[2] / "docs" / "litex_systolic.py"
    spec = importlib.util.spec_from_file_location("litex_systolic", example)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Clocks(LiteXModule):
    """System clock domain from the board's clock and reset pins."""

    def __init__(self, platform):
        self.cd_sys = ClockDomain()
        self.comb += [self.cd_sys.clk.eq(platform.request("clk")), self.cd_sys.rst.eq(platform.request("rst"))]


class Soc(SoCMini):
    """Engine on the bus of a UART bridge, with its sums fed back as activations."""

    def __init__(self, platform, folder):
        self.crg = Clocks(platform)
        super().__init__(platform, 25e6)
        self.add_uartbone("serial")
        self.engine = engine = documented().Systolic(platform, folder)
        self.bus.add_slave("engine", engine.bus, SoCRegion(origin=0x9000_0000, size=0x80, cached=False))
        self.comb += [engine.sums.connect(engine.acts, omit={"data"}), engine.acts.data.eq(engine.sums.data)]
        # Unobserved logic would be removed by synthesis.
        self.comb += platform.request("led").eq(reduce(xor, Cat(engine.sums.data, engine.outs.data)))
        self.comb += [engine.weights.valid.eq(1), engine.weights.data.eq(engine.sums.data)]


def test_soc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = ["--rows", "2", "--cols", "2", "--acc-depth", "8", "--mac", "ecp5"]
    assert tercet("generate", "systolic", *sizes, "--name", "npu0", "-o", "engine").exit_code == 0
    platform = LatticeECP5Platform("LFE5U-25F-6BG381C", PINS, toolchain="trellis")
    platform.default_clk_name, platform.default_clk_period = "clk", 40.0
    Builder(Soc(platform, "engine"), output_dir="soc", compile_software=False).build(build_name="soc", run=False)
    script = Path("soc/gateware/soc.ys").read_text()
    assert "engine/npu0.v" in script
    # WebAssembly yosys sees only folders below its working folder.
    Path("soc.ys").write_text(script.replace(f"{tmp_path}/", ""))
    done = subprocess.run([*yosys_command(), "-q", "soc.ys"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    modules = json.loads(Path("soc.json").read_text())["modules"]

    def blocks(kind: str) -> int:
        # Modules that keep their boundary are still there; nextpnr flattens them.
        inside = modules.get(kind, {}).get("cells", {}).values()
        return (kind == "MULT18X18D") + sum(blocks(cell["type"]) for cell in inside)

    assert blocks("soc") == 4 + 4  # the array, and one 32 x 32 multiplication
