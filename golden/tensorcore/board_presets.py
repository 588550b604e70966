"""Presets of the tensor-core engine for FPGAs and boards."""

from collections.abc import Mapping

from ..engine import BoardPreset, at_clock

__all__ = ["BOARD_PRESETS"]

# iCE40 is short of everything, so its pipeline is short. A buffer deeper than 1024 words is placed in the four large
# RAMs of 16384 words.
_DEVICES = {
    "ecp5-85k": BoardPreset(
        {"fold": 1, "family": "ecp5"},
        {"commands": 512, "a": 2048, "b": 2048, "c": 1024, "d": 1024},
        80_000_000,
        placer="static",
    ),
    "ecp5-45k": BoardPreset(
        {"fold": 1, "family": "ecp5"},
        {"commands": 512, "a": 1024, "b": 1024, "c": 512, "d": 512},
        90_000_000,
        # Uses 64 of 72 multipliers; in such designs the heap placer has been seen never to terminate.
        placer="static",
    ),
    "ecp5-25k": BoardPreset(
        {"fold": 4, "family": "ecp5"},
        {"commands": 512, "a": 1024, "b": 1024, "c": 512, "d": 512},
        135_000_000,
    ),
    "up5k": BoardPreset(
        {"m": 4, "n": 2, "l": 2, "fold": 8, "pipeline": 5, "family": "ice40"},
        {"commands": 256, "a": 256, "b": 256, "c": 256, "d": 256},
        24_000_000,
        frame_bytes=512,
    ),
    "gw1nr-9c": BoardPreset(
        {"fold": 16, "pipeline": 8},
        {"commands": 256, "a": 256, "b": 256, "c": 256, "d": 256},
        67_500_000,
        frame_bytes=512,
    ),
}
BOARD_PRESETS: Mapping[str, BoardPreset] = {
    **_DEVICES,
    # Not placed and routed at more yet.
    "colorlight-5a75b": at_clock(_DEVICES["ecp5-25k"], 110),
    "colorlight-i5": at_clock(_DEVICES["ecp5-25k"], 110),
    "icepi-zero": at_clock(_DEVICES["ecp5-25k"], 110),
    # These boards have FPGAs of the fastest speed grade, 8; the others have grade 6.
    "orangecrab-25f": at_clock(_DEVICES["ecp5-25k"], 168),
    "orangecrab-85f": at_clock(_DEVICES["ecp5-85k"], 96),
    "ecpix5-45f": at_clock(_DEVICES["ecp5-45k"], 115),
    "ecpix5-85f": at_clock(_DEVICES["ecp5-85k"], 100),
}
"""Presets by FPGA or board."""
