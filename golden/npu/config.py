"""Configuration of the NPU."""

from dataclasses import dataclass
from typing import Literal

from ..config import check_fields, option

__all__ = ["NpuConfig"]

_CHOICES = {"mac": ("infer", "ecp5", "ice40")}


@dataclass(frozen=True, kw_only=True)
class NpuConfig:
    """Configuration of the NPU.

    Memory sizes are not checked against a device.

    Parameters
    ----------
    rows, cols : int
        Rows and columns of processing elements in the array.
    requant_lanes : int or None
        Results requantised per clock; None means half the columns.
    depthwise_taps : int
        Window taps per clock of the depthwise unit; 0 omits the unit, and the array does its work.
    weight_rows : int or None
        Rows of a weight plane loaded per clock; None means 4, or all rows of a smaller array.
    buffer_bytes : int
        Size of the unified buffer, which holds activations and constant operands.
    weight_bytes : int
        Size of the weight memory.
    channels : int
        Entries of the parameter memory, each the bias, multiplier and shift of a channel.
    operators : int
        Capacity of the instruction memory, in instructions.
    tables : int
        Number of 256-word tables.
    acc_depth : int
        Accumulator depth: sums per column in each of two banks.
    mac : "infer", "ecp5" or "ice40"
        Multiplier, as for `SystolicConfig`.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range, or two fields conflict.
    """

    rows: int = option(16, "rows of processing elements", (2, 64))
    cols: int = option(16, "columns of processing elements", (2, 64))
    requant_lanes: int | None = option(None, "results requantised per clock", (1, 64))
    depthwise_taps: int = option(3, "taps per clock of the depthwise unit; 0 omits it", (0, 8))
    weight_rows: int | None = option(None, "rows of weights loaded per clock", (1, 64))
    buffer_bytes: int = option(65_536, "unified buffer in bytes", (256, 2**22))
    weight_bytes: int = option(2**19, "weight memory in bytes", (256, 2**22))
    channels: int = option(4096, "entries of the parameter memory", (16, 2**16))
    operators: int = option(256, "instructions", (2, 4096))
    tables: int = option(64, "256-word tables", (0, 1024))
    acc_depth: int = option(64, "accumulator depth: sums per column in each of two banks", (2, 4096))
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
