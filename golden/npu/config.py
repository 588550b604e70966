"""Configuration of the NPU."""

from dataclasses import dataclass
from typing import Literal

from ..config import check_fields, option

__all__ = ["NpuConfig"]

_CHOICES = {"mac": ("infer", "ecp5", "ice40")}


@dataclass(frozen=True, kw_only=True)
class NpuConfig:
    """Size of the machine for whole networks.

    Memory sizes are not tied to a device until a board is named.

    Parameters
    ----------
    rows, cols : int
        Processing elements of the array, down and across.
    requant_lanes : int or None
        Results requantised per clock; None is half the columns.
    depthwise_taps : int
        Taps of a depthwise window taken per clock by the depthwise unit; 0 leaves the unit out, and the array does its
        work.
    weight_rows : int or None
        Rows of a plane of weights loaded per clock; None is 4, or all rows of a smaller array.
    buffer_bytes : int
        Unified buffer: activations, and constant operands.
    weight_bytes : int
        Weight memory.
    channels : int
        Entries of the parameter memory: bias, multiplier and shift of a channel.
    operators : int
        Instructions.
    tables : int
        Tables of 256 words.
    acc_depth : int
        Sums of each column that the accumulators hold, in each of two banks.
    mac : "infer", "ecp5" or "ice40"
        Multiplier, as of `SystolicConfig`.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range, or two of them conflict.
    """

    rows: int = option(16, "processing elements down", (2, 64))
    cols: int = option(16, "processing elements across", (2, 64))
    requant_lanes: int | None = option(None, "results requantised per clock", (1, 64))
    depthwise_taps: int = option(3, "taps per clock of the depthwise unit; 0 leaves it out", (0, 8))
    weight_rows: int | None = option(None, "rows of weights loaded per clock", (1, 64))
    buffer_bytes: int = option(65_536, "unified buffer in bytes", (256, 2**22))
    weight_bytes: int = option(2**19, "weight memory in bytes", (256, 2**22))
    channels: int = option(4096, "entries of the parameter memory", (16, 2**16))
    operators: int = option(256, "instructions", (2, 4096))
    tables: int = option(64, "tables of 256 words", (0, 1024))
    acc_depth: int = option(64, "sums of each column, in each of two banks", (2, 4096))
    mac: Literal["infer", "ecp5", "ice40"] = option("infer", "multiplier: inferred, or the FPGA's hard block")

    def __post_init__(self):
        check_fields(self, _CHOICES)
        if self.requant_lanes is None:
            object.__setattr__(self, "requant_lanes", -(-self.cols // 2))
        if self.weight_rows is None:
            object.__setattr__(self, "weight_rows", min(4, self.rows))
        assert self.requant_lanes is not None
        assert self.weight_rows is not None
        if self.requant_lanes > self.cols:
            raise ValueError(f"requant_lanes {self.requant_lanes} is above cols {self.cols}; use at most {self.cols}")
        if self.weight_rows > self.rows:
            raise ValueError(f"weight_rows {self.weight_rows} is above rows {self.rows}; use at most {self.rows}")
