"""Configuration of the NPU."""

from dataclasses import dataclass
from typing import Literal

from ..config import check_fields, option
from ..systolic.config import SystolicConfig

__all__ = ["NpuConfig"]

_CHOICES = {"mac": ("infer", "ecp5", "ecp5-dual", "ice40")}


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
        Window taps per clock of the depthwise unit; 0 omits the unit, and the array, which then needs at least as many
        rows as columns, does its work.
    weight_rows : int or None
        Rows of a weight plane loaded per clock, a divisor of `rows`; None means the largest divisor up to 4.
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
    mac : "infer", "ecp5", "ecp5-dual" or "ice40"
        Multiplier, as for `SystolicConfig`; with "ecp5-dual" the array has no weight of -128.
    lut_rows : int
        Rows of the array, from the bottom, that multiply in lookup tables; only with "ecp5-dual".

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
    mac: Literal["infer", "ecp5", "ecp5-dual", "ice40"] = option(
        "infer", "multiplier: inferred, or the FPGA's hard block; ecp5-dual has two products per block"
    )
    lut_rows: int = option(0, "rows that multiply in lookup tables, with mac ecp5-dual", (0, 64))

    def __post_init__(self):
        check_fields(self, _CHOICES)
        if self.requant_lanes is None:
            object.__setattr__(self, "requant_lanes", -(-self.cols // 2))
        if self.weight_rows is None:
            object.__setattr__(self, "weight_rows", _divisor(self.rows, 4))
        assert self.requant_lanes is not None
        assert self.weight_rows is not None
        if self.requant_lanes > self.cols:
            raise ValueError(f"requant_lanes {self.requant_lanes} is above cols {self.cols}; use at most {self.cols}")
        if self.rows % self.weight_rows:
            raise ValueError(
                f"weight_rows {self.weight_rows} does not divide rows {self.rows}; "
                f"use {_divisor(self.rows, self.weight_rows)}"
            )
        if not self.depthwise_taps and self.rows < self.cols:
            raise ValueError(
                f"depthwise_taps 0 needs an array with as many rows as columns, and rows {self.rows} is below "
                f"cols {self.cols}; use depthwise_taps=1 or more, or rows={self.cols}"
            )
        _ = self.array  # rejects what the array rejects

    @property
    def array(self) -> SystolicConfig:
        """Configuration of the systolic array, its accumulators and the requantiser."""
        return SystolicConfig(
            rows=self.rows,
            cols=self.cols,
            acc_depth=self.acc_depth,
            mac=self.mac,
            lut_rows=self.lut_rows,
            requant_lanes=self.requant_lanes,
        )

    @property
    def family(self) -> str:
        """FPGA family of the hard blocks: "any", "ecp5" or "ice40"."""
        return self.array.family

    @property
    def read_bytes(self) -> int:
        """Bytes read from the unified buffer per clock, a power of two."""
        return 1 << (max(self.rows, self.cols, 4) - 1).bit_length()

    @property
    def write_bytes(self) -> int:
        """Bytes written to the unified buffer per clock, at most."""
        return max(4, self.lanes)

    @property
    def lanes(self) -> int:
        """Results requantised per clock: `requant_lanes`, which is never None after construction."""
        assert self.requant_lanes is not None
        return self.requant_lanes

    @property
    def chunks(self) -> int:
        """Clocks in which the requantiser takes a row of `cols` sums."""
        return -(-self.cols // self.lanes)

    @property
    def memory_word_rows(self) -> int:
        """Rows of `cols` weights in a word of the weight memory: `weight_rows`, which is never None."""
        assert self.weight_rows is not None
        return self.weight_rows

    @property
    def plane_words(self) -> int:
        """Words of the weight memory in a weight plane of the array."""
        return self.rows // self.memory_word_rows

    @property
    def tap_words(self) -> int:
        """Words of the weight memory in a pass of the depthwise unit; 0 without the unit."""
        return -(-self.depthwise_taps // self.memory_word_rows)

    @property
    def window_taps(self) -> int:
        """Maximum number of kernel columns in a DEPTHWISE pass: at least 1, as the array takes one."""
        return max(1, self.depthwise_taps)

    @property
    def window_words(self) -> int:
        """Words of the weight memory in a DEPTHWISE pass, on the depthwise unit or the array."""
        return max(1, self.tap_words)


def _divisor(number: int, most: int) -> int:
    """Largest divisor of a number up to `most`."""
    return next(n for n in range(min(most, number), 0, -1) if number % n == 0)
