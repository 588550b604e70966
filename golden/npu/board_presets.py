"""Presets of the NPU for FPGAs and boards."""

from collections.abc import Mapping

from ..engine import BoardPreset, at_clock

__all__ = ["BOARD_PRESETS"]

_DEPTHS = {"commands": 512, "data": 1024, "results": 512}

# iCE40 has none: its large RAMs are single-port, whereas the unified buffer is read and written in the same clock, and
# its multipliers do not suffice for both array and requantiser. Gowin has none: 58 KiB of block RAM are too few, and
# its only nextpnr placer never terminates with a requantiser.
#
# A memory of wide words costs fewest block RAMs where its depth is a sum of few powers of two.
_DEVICES = {
    "ecp5-85k": BoardPreset(
        # Uses 152 of the 156 multipliers: 120 in the array with two products each, whose last row multiplies in lookup
        # tables, and 32 in the requantiser; and 207 of the 208 block RAMs. Weights suffice for MLPerf Tiny's anomaly
        # detection, channels for its visual wake words.
        {
            "rows": 16,
            "cols": 16,
            "requant_lanes": 8,
            "depthwise_taps": 3,
            "weight_rows": 4,
            "buffer_bytes": 65_536,
            "weight_bytes": 266_240,
            "channels": 3072,
            "operators": 32,
            "tables": 8,
            "mac": "ecp5-dual",
            "lut_rows": 1,
        },
        _DEPTHS,
        120_000_000,
    ),
    "ecp5-45k": BoardPreset(
        # Uses all 72 multipliers, 64 of them in the array with two products each, and 100 of the 108 block RAMs.
        {
            "rows": 16,
            "cols": 8,
            "requant_lanes": 2,
            "depthwise_taps": 3,
            "weight_rows": 4,
            "buffer_bytes": 65_536,
            "weight_bytes": 81_920,
            "channels": 1024,
            "operators": 32,
            "tables": 8,
            "mac": "ecp5-dual",
        },
        _DEPTHS,
        125_000_000,
    ),
    "ecp5-25k": BoardPreset(
        # Uses all 28 multipliers, 24 of them in the array with two products each, and 54 of the 56 block RAMs: weights
        # suffice for MLPerf Tiny's keyword spotting.
        {
            "rows": 6,
            "cols": 8,
            "requant_lanes": 1,
            "depthwise_taps": 3,
            "weight_rows": 3,
            "buffer_bytes": 32_768,
            "weight_bytes": 24_576,
            "channels": 1024,
            "operators": 32,
            "tables": 4,
            "mac": "ecp5-dual",
        },
        _DEPTHS,
        125_000_000,
    ),
}
BOARD_PRESETS: Mapping[str, BoardPreset] = {
    **_DEVICES,
    # The pins of this board cost some of the clock.
    "icepi-zero": at_clock(_DEVICES["ecp5-25k"], 115),
    # These boards have FPGAs of the fastest speed grade, 8; the others have grade 6.
    "orangecrab-25f": at_clock(_DEVICES["ecp5-25k"], 156),
    "ecpix5-45f": at_clock(_DEVICES["ecp5-45k"], 170),
    "orangecrab-85f": at_clock(_DEVICES["ecp5-85k"], 132),
    "ecpix5-85f": at_clock(_DEVICES["ecp5-85k"], 140),
}
"""Presets by FPGA or board."""
