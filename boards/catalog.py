"""The boards that can be built for, as amaranth-boards describes them."""

import importlib
from dataclasses import dataclass

from .devices import DEVICES, Device

__all__ = ["BOARDS", "Board", "board"]

# Name: module of amaranth-boards, and platform class in it.
_PLATFORMS = {
    "icebreaker": ("icebreaker", "ICEBreakerPlatform"),
    "upduino-v3": ("upduino_v3", "UpduinoV3Platform"),
    "icesugar": ("icesugar", "ICESugarPlatform"),
    "fomu-pvt": ("fomu_pvt", "FomuPVTPlatform"),
    "ulx3s-25f": ("ulx3s", "ULX3S_25F_Platform"),
    "ulx3s-85f": ("ulx3s", "ULX3S_85F_Platform"),
    "orangecrab-25f": ("orangecrab_r0_2", "OrangeCrabR0_2_25FPlatform"),
    "orangecrab-85f": ("orangecrab_r0_2", "OrangeCrabR0_2_85FPlatform"),
    "colorlight-5a75b": ("colorlight_5a75b_r7_0", "Colorlight_5A75B_R70Platform"),
}
# The vendor's names of our devices.
_DEVICES = {"iCE40UP5K": "up5k", "LFE5U-25F": "ecp5-25k", "LFE5U-45F": "ecp5-45k", "LFE5U-85F": "ecp5-85k"}

BOARDS = tuple(_PLATFORMS)
"""Names of the boards."""


@dataclass(frozen=True)
class Board:
    """A board: its name, its FPGA as the vendor calls it with package, and the device of `DEVICES` that it is."""

    name: str
    part: str
    device: Device


def board(name: str) -> Board:
    """Look a board up.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if name not in _PLATFORMS:
        raise ValueError(f"Board {name!r} is unknown; use one of {', '.join(BOARDS)}")
    module, platform_class = _PLATFORMS[name]
    platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), platform_class)
    return Board(name, f"{platform.device} {platform.package}", DEVICES[_DEVICES[platform.device]])
