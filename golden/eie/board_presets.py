"""Presets of the EIE engine for FPGAs and boards."""

from collections.abc import Mapping

from ..engine import BoardPreset, at_clock

__all__ = ["BOARD_PRESETS"]

# An EIE engine for FPGAs that are short of everything.
_SMALL_EIE = {
    "n_pe": 2,
    "fifo_depth": 2,
    "word_width": 16,
    "pointer_depth": 512,
    "act_depth": 128,
    "constant_depth": 256,
    # Fewer fraction bits than the default keep the accumulators of real networks within 32 bits.
    "weight_frac": 10,
    "acc_width": 32,
}
_DEVICES = {
    "ecp5-85k": BoardPreset(
        {"n_pe": 16, "family": "ecp5"},
        {"frames": 8192, "acts": 1024, "outs": 1024},
        110_000_000,
        placer="static",
    ),
    "ecp5-45k": BoardPreset({"n_pe": 8, "family": "ecp5"}, {"frames": 4096, "acts": 1024, "outs": 1024}, 125_000_000),
    "ecp5-25k": BoardPreset({"n_pe": 4, "family": "ecp5"}, {"frames": 2048, "acts": 512, "outs": 512}, 150_000_000),
    "up5k": BoardPreset(
        {**_SMALL_EIE, "family": "ice40", "matrix_depth": 2**14 - 1},
        {"frames": 256, "acts": 256, "outs": 256},
        33_000_000,
        frame_bytes=512,
    ),
    "gw1nr-9c": BoardPreset(
        {**_SMALL_EIE, "matrix_depth": 2**12 - 1},
        {"frames": 256, "acts": 256, "outs": 256},
        67_500_000,
        frame_bytes=512,
    ),
}
BOARD_PRESETS: Mapping[str, BoardPreset] = {
    **_DEVICES,
    # These boards have FPGAs of the fastest speed grade, 8; the others have grade 6.
    "orangecrab-25f": at_clock(_DEVICES["ecp5-25k"], 156),
    "orangecrab-85f": at_clock(_DEVICES["ecp5-85k"], 126),
    "ecpix5-45f": at_clock(_DEVICES["ecp5-45k"], 160),
    "ecpix5-85f": at_clock(_DEVICES["ecp5-85k"], 130),
}
"""Presets by FPGA or board."""
