"""The largest engines that fit an FPGA, with their buffers and clocks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ECP5_25K", "ECP5_45K", "ECP5_85K", "GW1NR9", "RATES", "UP5K", "Preset"]

RATES = (3_000_000, 1_000_000)
"""Rates of the presets' UARTs, which a host tries in this order."""


@dataclass(frozen=True)
class Preset:
    """An engine on a board.

    Attributes
    ----------
    params : mapping
        Fields of the engine's config.
    depths : mapping
        Words of the buffer of each of its streams.
    clock_hz, baud, frame_bytes : int
        As in `SocConfig`.
    placer : str
        One of nextpnr's `PLACERS`.
    """

    params: Mapping[str, Any]
    depths: Mapping[str, int]
    clock_hz: int
    baud: int = RATES[0]
    frame_bytes: int = 2048
    placer: str = "heap"


ECP5_85K = {
    "systolic": Preset(
        # 128 of its 156 multipliers in the array, 16 in the requantiser.
        {"rows": 16, "cols": 8, "mac": "ecp5", "requant_lanes": 4},
        {"commands": 512, "acts": 4096, "weights": 8192, "params": 512, "sums": 1024, "outs": 4096},
        110_000_000,
        placer="static",
    ),
    "eie": Preset(
        {"n_pe": 16, "family": "ecp5"},
        {"frames": 8192, "acts": 1024, "outs": 1024},
        110_000_000,
        placer="static",
    ),
    "tensorcore": Preset(
        {"fold": 1, "family": "ecp5"},
        {"commands": 512, "a": 2048, "b": 2048, "c": 1024, "d": 1024},
        80_000_000,
        placer="static",
    ),
}
ECP5_45K = {
    # Of its 72 multipliers, the array takes 64.
    "systolic": Preset(
        {"rows": 8, "cols": 8, "mac": "ecp5", "requant_lanes": 1},
        {"commands": 512, "acts": 2048, "weights": 2048, "params": 512, "sums": 512, "outs": 4096},
        120_000_000,
    ),
    "eie": Preset({"n_pe": 8, "family": "ecp5"}, {"frames": 4096, "acts": 1024, "outs": 1024}, 125_000_000),
    "tensorcore": Preset(
        {"fold": 1, "family": "ecp5"},
        {"commands": 512, "a": 1024, "b": 1024, "c": 512, "d": 512},
        90_000_000,
        # 64 of 72 multipliers: the heap placer has been seen to search without end in such designs.
        placer="static",
    ),
}
ECP5_25K = {
    "systolic": Preset(
        # All of its 28 multipliers: 24 in the array.
        {"rows": 6, "cols": 4, "mac": "ecp5", "requant_lanes": 1},
        {"commands": 512, "acts": 4096, "weights": 4096, "params": 512, "sums": 512, "outs": 4096},
        130_000_000,
    ),
    "eie": Preset({"n_pe": 4, "family": "ecp5"}, {"frames": 2048, "acts": 512, "outs": 512}, 120_000_000),
    "tensorcore": Preset(
        {"fold": 4, "family": "ecp5"},
        {"commands": 512, "a": 1024, "b": 1024, "c": 512, "d": 512},
        110_000_000,
    ),
}
# An EIE engine for what is short of everything.
_SMALL_EIE = {
    "n_pe": 2,
    "fifo_depth": 2,
    "word_width": 16,
    "pointer_depth": 512,
    "act_depth": 128,
    "constant_depth": 256,
    # Fewer fraction bits than by default: the accumulators of a network of real use stay within 32 bits.
    "weight_frac": 10,
    "acc_width": 32,
}
# Short of everything: the pipelines are short, and nothing requantises. What is deeper than 1024 words goes to the four
# large RAMs of 16384 words.
UP5K = {
    "systolic": Preset(
        {"rows": 8, "cols": 2, "mac": "ice40", "requant_lanes": 0, "acc_width": 24},
        {"commands": 256, "acts": 16384, "weights": 1024, "params": 256, "sums": 256},
        36_000_000,
        frame_bytes=512,
    ),
    "eie": Preset(
        {**_SMALL_EIE, "family": "ice40", "matrix_depth": 2**14 - 1},
        {"frames": 256, "acts": 256, "outs": 256},
        33_000_000,
        frame_bytes=512,
    ),
    "tensorcore": Preset(
        {"m": 4, "n": 2, "l": 2, "fold": 8, "pipeline": 5, "family": "ice40"},
        {"commands": 256, "a": 256, "b": 256, "c": 256, "d": 256},
        24_000_000,
        frame_bytes=512,
    ),
}
GW1NR9 = {
    "systolic": Preset(
        # With a requantiser nextpnr's only placer for it searches without end.
        {"rows": 4, "cols": 4, "requant_lanes": 0},
        {"commands": 256, "acts": 1024, "weights": 1024, "params": 256, "sums": 256},
        81_000_000,
        frame_bytes=512,
    ),
    "eie": Preset(
        {**_SMALL_EIE, "matrix_depth": 2**12 - 1},
        {"frames": 256, "acts": 256, "outs": 256},
        67_500_000,
        frame_bytes=512,
    ),
    "tensorcore": Preset(
        {"fold": 16, "pipeline": 8},
        {"commands": 256, "a": 256, "b": 256, "c": 256, "d": 256},
        67_500_000,
        frame_bytes=512,
    ),
}
