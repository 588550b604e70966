"""Board platforms: those of amaranth-boards, and additions where it lacks a board or is outdated."""

from typing import Any

from amaranth.build import Attrs, Clock, Connector, Pins, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards import orangecrab_r0_2, tang_nano_9k
from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform
from amaranth_boards.ecpix5 import ECPIX545Platform, ECPIX585Platform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.icepi_zero import IcepiZero1_3Platform
from amaranth_boards.resources import LEDResources, UARTResource
from amaranth_boards.ulx3s import ULX3S_12F_Platform, ULX3S_25F_Platform, ULX3S_45F_Platform, ULX3S_85F_Platform

__all__ = [
    "PLATFORMS",
    "ColorlightI5Platform",
    "OrangeCrab25FPlatform",
    "OrangeCrab85FPlatform",
    "TangNano9kPlatform",
]

_LVCMOS33 = Attrs(IO_TYPE="LVCMOS33")
# Pull-up keeps the line idle when nothing is plugged in.
_PULLED_UP = Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")


class ColorlightI5Platform(LatticeECP5Platform):
    """Colorlight i5, revision 7.0, on Muse Lab's extension board, whose debugger provides the UART.

    Pins as in litex-boards and https://github.com/wuxx/Colorlight-FPGA-Projects.
    """

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _LVCMOS33),
        *LEDResources(pins="U16", invert=True, attrs=_LVCMOS33),
        UARTResource(0, rx="H18", tx="J17", attrs=_PULLED_UP),
    ]
    connectors: list[Connector] = []

    def toolchain_prepare(self, fragment: Any, name: str, **kwargs: Any) -> Any:
        return super().toolchain_prepare(fragment, name, **{"ecppack_opts": "--compress", **kwargs})


# The board's USB connects directly to the FPGA, without a UART bridge: use the Feather header's RX and TX pins.
_FEATHER_UART = UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=_PULLED_UP)


class OrangeCrab25FPlatform(orangecrab_r0_2.OrangeCrabR0_2_25FPlatform):
    """OrangeCrab r0.2 with an LFE5U-25F, plus a UART."""

    resources = [*orangecrab_r0_2.OrangeCrabR0_2_25FPlatform.resources, _FEATHER_UART]


class OrangeCrab85FPlatform(orangecrab_r0_2.OrangeCrabR0_2_85FPlatform):
    """OrangeCrab r0.2 with an LFE5U-85F, plus a UART."""

    resources = [*orangecrab_r0_2.OrangeCrabR0_2_85FPlatform.resources, _FEATHER_UART]


class TangNano9kPlatform(tang_nano_9k.TangNano9kPlatform):
    """Tang Nano 9K for current tools: Amaranth still starts ``nextpnr-gowin``, which has been removed."""

    _apicula_required_tools = ["yosys", "nextpnr-himbaechel", "gowin_pack"]
    _apicula_command_templates = [
        template.replace("nextpnr-gowin", "nextpnr-himbaechel")
        .replace("--family ", "--vopt family=")
        .replace("--cst ", "--vopt cst=")
        for template in tang_nano_9k.TangNano9kPlatform._apicula_command_templates
    ]


PLATFORMS: dict[str, Any] = {
    "icebreaker": ICEBreakerPlatform,
    "ulx3s-12f": ULX3S_12F_Platform,
    "ulx3s-25f": ULX3S_25F_Platform,
    "ulx3s-45f": ULX3S_45F_Platform,
    "ulx3s-85f": ULX3S_85F_Platform,
    "orangecrab-25f": OrangeCrab25FPlatform,
    "orangecrab-85f": OrangeCrab85FPlatform,
    "colorlight-i5": ColorlightI5Platform,
    "colorlight-5a75b": Colorlight_5A75B_R70Platform,
    "ecpix5-45f": ECPIX545Platform,
    "ecpix5-85f": ECPIX585Platform,
    "icepi-zero": IcepiZero1_3Platform,
    "tang-nano-9k": TangNano9kPlatform,
}
"""Board name to platform class; an instance is good for one build."""
