"""Presets of the systolic engine for FPGAs and boards."""

from collections.abc import Mapping

from ..engine import BoardPreset, at_clock

__all__ = ["BOARD_PRESETS"]

# iCE40 is short of everything: pipelines are short and there is no requantiser. A buffer deeper than 1024 words is
# placed in the four large RAMs of 16384 words.
_DEVICES = {
    "ecp5-85k": BoardPreset(
        # Uses 128 of the 156 multipliers in the array and 16 in the requantiser.
        {"rows": 16, "cols": 8, "mac": "ecp5", "requant_lanes": 4},
        {"commands": 512, "acts": 4096, "weights": 8192, "params": 512, "sums": 1024, "outs": 4096},
        110_000_000,
        placer="static",
    ),
    # The array uses 64 of the 72 multipliers.
    "ecp5-45k": BoardPreset(
        {"rows": 8, "cols": 8, "mac": "ecp5", "requant_lanes": 1},
        {"commands": 512, "acts": 2048, "weights": 2048, "params": 512, "sums": 512, "outs": 4096},
        120_000_000,
    ),
    "ecp5-25k": BoardPreset(
        # Uses all 28 multipliers, 24 of them in the array.
        {"rows": 6, "cols": 4, "mac": "ecp5", "requant_lanes": 1},
        {"commands": 512, "acts": 4096, "weights": 4096, "params": 512, "sums": 512, "outs": 4096},
        150_000_000,
    ),
    "up5k": BoardPreset(
        {"rows": 8, "cols": 2, "mac": "ice40", "requant_lanes": 0, "acc_width": 24},
        {"commands": 256, "acts": 16384, "weights": 1024, "params": 256, "sums": 256},
        36_000_000,
        frame_bytes=512,
    ),
    "gw1nr-9c": BoardPreset(
        # With a requantiser, the only nextpnr placer for this FPGA never terminates.
        {"rows": 4, "cols": 4, "requant_lanes": 0},
        {"commands": 256, "acts": 1024, "weights": 1024, "params": 256, "sums": 256},
        81_000_000,
        frame_bytes=512,
    ),
}
BOARD_PRESETS: Mapping[str, BoardPreset] = {
    **_DEVICES,
    # The pins of these boards cost some of the clock.
    "colorlight-5a75b": at_clock(_DEVICES["ecp5-25k"], 140),
    "colorlight-i5": at_clock(_DEVICES["ecp5-25k"], 140),
    "icepi-zero": at_clock(_DEVICES["ecp5-25k"], 140),
    # These boards have FPGAs of the fastest speed grade, 8; the others have grade 6.
    "orangecrab-25f": at_clock(_DEVICES["ecp5-25k"], 156),
    "orangecrab-85f": at_clock(_DEVICES["ecp5-85k"], 120),
    "ecpix5-45f": at_clock(_DEVICES["ecp5-45k"], 170),
    "ecpix5-85f": at_clock(_DEVICES["ecp5-85k"], 125),
}
"""Presets by FPGA or board."""
