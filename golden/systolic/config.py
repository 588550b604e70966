"""Configuration of the systolic engine."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from ..checks import integer
from ..config import check_fields, option
from .cycle_model import cycles as _cycles

__all__ = ["SystolicConfig"]

_MACS = ("infer", "ecp5", "ecp5-dual", "ice40", "ternary", "ternary-ecp5", "binary")
_CHOICES = {"dataflow": ("ws", "os"), "mac": _MACS}
# Limits of the command stream's fields.
_M_MAX, _STEPS_MAX, _TILES_MAX = 2**24 - 1, 2**20 - 1, 2**16 - 1


@dataclass(frozen=True, kw_only=True)
class SystolicConfig:
    """Size and kind of a systolic array, shared by the golden model, the RTL, the simulation and the command line.

    Parameters
    ----------
    rows, cols : int
        Processing elements down (the K of a tile) and across (its N), 1..256.
    act_width, weight_width : int
        Operand widths in bits, 4..16, two's complement. Ternary weights have 2, the only width and the default there.
        Binary operands are words of so many signs, an even number and the same for both; see `.binary`.
    acc_width : int
        Accumulator width in bits, at most 32.
    acc_depth : int
        Result rows in each of the two accumulator banks, and so the longest block of M.
    dataflow : "ws" or "os"
        What is stationary in the array: weights or outputs.
    mac : "infer", "ecp5", "ecp5-dual", "ice40", "ternary", "ternary-ecp5" or "binary"
        Multiplier: inferred by synthesis, ``MULT18X18D``, ``MULT18X18D`` shared by two columns (weight stationary,
        8 bits, no weight of -128), or ``SB_MAC16`` (shared by two columns at up to 8 bits). None for the ternary
        weights -1, 0 and 1 (weight stationary), which an adder applies; with "ternary-ecp5" in its ``CCU2C``. None for
        "binary" either, which counts equal signs of two words (weight stationary).
    lut_rows : int
        Rows of the array, from the bottom, that multiply in lookup tables, where the FPGA has too few blocks; only with
        "ecp5-dual".
    requant_lanes : int or None
        Results requantised per clock cycle; 0 omits the requantiser, so the engine outputs only sums. None is half the
        columns, which keeps pace with the array if K spans two tiles or more.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range, or two fields conflict.
    """

    rows: int = option(16, "processing elements down: the K of a tile", (1, 256))
    cols: int = option(16, "processing elements across: the N of a tile", (1, 256))
    act_width: int = option(8, "activation width in bits", (4, 16))
    weight_width: int = option(8, "weight width in bits; 2 with mac ternary", (2, 16))
    acc_width: int = option(32, "accumulator width in bits", (9, 32))
    acc_depth: int = option(256, "result rows in each accumulator bank", (2, 2**16))
    dataflow: Literal["ws", "os"] = option("ws", "what is stationary in the array: weights (ws) or outputs (os)")
    mac: Literal["infer", "ecp5", "ecp5-dual", "ice40", "ternary", "ternary-ecp5", "binary"] = option(
        "infer",
        "multiplier: inferred, or the FPGA's block, in ecp5-dual for two products; none for ternary and binary weights",
    )
    lut_rows: int = option(0, "rows that multiply in lookup tables, with mac ecp5-dual", (0, 256))
    requant_lanes: int | None = option(None, "results requantised per clock cycle; 0 omits the requantiser", (0, 256))

    def __post_init__(self):
        check_fields(self, _CHOICES)
        if self.requant_lanes is None:
            object.__setattr__(self, "requant_lanes", -(-self.cols // 2))
        assert self.requant_lanes is not None
        if self.requant_lanes > self.cols:
            raise ValueError(f"requant_lanes {self.requant_lanes} is above cols {self.cols}; use at most {self.cols}")
        if self.dataflow == "os" and self.acc_depth < self.rows:
            raise ValueError(f"acc_depth {self.acc_depth} is below rows {self.rows}; use at least {self.rows}")
        if self.ternary:
            self._take_ternary()
        elif self.weight_width < 4:
            raise ValueError(f"weight_width {self.weight_width} is below 4; use at least 4, or 2 with mac 'ternary'")
        if self.binary:
            self._check_binary()
        if self.mac == "ecp5-dual":
            self._check_dual()
        elif self.lut_rows:
            raise ValueError(f"lut_rows is {self.lut_rows}, but mac is {self.mac!r}; use 0 or mac 'ecp5-dual'")
        if self.lut_rows > self.rows:
            raise ValueError(f"lut_rows {self.lut_rows} is above rows {self.rows}; use at most {self.rows}")
        if self.cols % self.cell_cols:
            block = "a MULT18X18D" if self.mac == "ecp5-dual" else "an SB_MAC16"
            raise ValueError(f"cols {self.cols} is odd; {block} holds two columns of 8 bits, use an even number")
        if self.acc_width < self.product_width:
            raise ValueError(f"acc_width {self.acc_width} cannot hold one product; use at least {self.product_width}")

    @classmethod
    def tpu_v1(cls, **overrides: Any) -> "SystolicConfig":
        """Google's TPU v1: 256x256, 4 MiB of accumulators in two banks (Jouppi et al., ISCA 2017)."""
        return cls(**{"rows": 256, "cols": 256, "acc_depth": 2048, **overrides})

    def _check_dual(self) -> None:
        """Reject what two products in one multiplier do not cover: the identity of `.dual` is that of int8 operands."""
        for name in ("act_width", "weight_width"):
            if getattr(self, name) != 8:
                raise ValueError(f"{name} is {getattr(self, name)}, but mac 'ecp5-dual' is for 8 bits; use 8 or 'ecp5'")
        if self.dataflow != "ws":
            raise ValueError(
                "dataflow is 'os', but mac 'ecp5-dual' is weight stationary; use dataflow 'ws' or mac 'ecp5'"
            )

    def _take_ternary(self) -> None:
        """Set the width of ternary weights; reject what their cell does not cover."""
        if self.weight_width not in (2, 8):
            raise ValueError(
                f"weight_width is {self.weight_width}, but mac {self.mac!r} is for -1, 0 and 1; use 2 or leave it out"
            )
        self._check_stationary()
        object.__setattr__(self, "weight_width", 2)

    def _check_binary(self) -> None:
        if self.act_width != self.weight_width or self.act_width % 2:
            raise ValueError(
                f"act_width is {self.act_width} and weight_width {self.weight_width}, but mac 'binary' compares words "
                "of as many signs, an even number; use 8 and 8"
            )
        self._check_stationary()

    def _check_stationary(self) -> None:
        if self.dataflow != "ws":
            raise ValueError(f"dataflow is 'os', but mac {self.mac!r} is weight stationary; use dataflow 'ws'")

    @property
    def ternary(self) -> bool:
        """Whether weights are -1, 0 and 1."""
        return self.mac.startswith("ternary")

    @property
    def binary(self) -> bool:
        """Whether operands are words of signs."""
        return self.mac == "binary"

    @property
    def pad_weight(self) -> int:
        """Weight below the last row of K, which with an activation of 0 adds 0: half of a binary word is set."""
        return int("01" * (self.weight_width // 2), 2) if self.binary else 0

    @property
    def family(self) -> str:
        """FPGA family whose hard blocks the engine uses: "any", "ecp5" or "ice40"."""
        return {"ecp5": "ecp5", "ecp5-dual": "ecp5", "ternary-ecp5": "ecp5", "ice40": "ice40"}.get(self.mac, "any")

    @property
    def weight_range(self) -> tuple[int, int]:
        """Smallest and largest weight; "ecp5-dual" has no weight of -128, and ternary weights none of -2."""
        high = 2 ** (self.weight_width - 1) - 1
        return (-high if self.mac == "ecp5-dual" or self.ternary else -high - 1), high

    @property
    def cell_cols(self) -> int:
        """Columns per cell of the array: 2 if one hard multiplier serves two columns."""
        dual = self.mac == "ecp5-dual" or (self.mac == "ice40" and max(self.act_width, self.weight_width) <= 8)
        return 2 if dual else 1

    @property
    def multiplier_latency(self) -> int:
        """Clock cycles from the operands to the registered product; 0 if an adder takes the operands."""
        if self.ternary or self.binary:
            return 3 if self.binary else 0
        return {"infer": 1, "ecp5": 4, "ecp5-dual": 5, "ice40": 3 if self.cell_cols == 2 else 4}[self.mac]

    @property
    def edge_latency(self) -> int:
        """Clock cycles at the edges of the grid: "ecp5-dual" packs weights above it and joins sums below it.

        "binary" turns counts into sums below it.
        """
        return {"ecp5-dual": 2, "binary": 1}.get(self.mac, 0)

    @property
    def product_width(self) -> int:
        """Width of a product in bits."""
        if self.binary:
            return self.act_width.bit_length() + 1
        return self.act_width + (1 if self.ternary else self.weight_width)

    @property
    def sum_width(self) -> int:
        """Width in bits of a sum in the array: over a column of products or, if output stationary, over all of K."""
        if self.dataflow == "os":
            return self.acc_width
        # Partial sums wrap and come back, so no more bits than those of the accumulator are ever needed.
        return min(self.product_width + math.ceil(math.log2(self.rows)), self.acc_width)

    @property
    def array_latency(self) -> int:
        """Clock cycles from the last operands of a row of sums to the sums; of the first row if output stationary."""
        # The accumulators need their addresses at least 4 cycles before the sums.
        return max(self.grid_latency, 4)

    @property
    def grid_latency(self) -> int:
        """`array_latency` without the extra output register of the very smallest arrays."""
        skew = self.cols // self.cell_cols - 1
        if self.dataflow == "ws":
            return self.rows - 1 + skew + 2 + self.multiplier_latency + self.edge_latency
        return skew + 3 + self.multiplier_latency

    @property
    def block_rows(self) -> int:
        """Maximum number of rows of M computed together."""
        return self.acc_depth if self.dataflow == "ws" else self.rows

    def tiles(self, m: int, k: int, n: int) -> tuple[list[int], int, int]:
        """Tiling of a product: rows of each block of M, passes along K per block, column tiles.

        Raises
        ------
        ValueError
            If a size is below 1 or exceeds its command field.
        """
        m = integer("M", m, (1, _M_MAX))
        k = integer("K", k, (1, _STEPS_MAX * (self.rows if self.dataflow == "ws" else 1)))
        n = integer("N", n, (1, _TILES_MAX * self.cols))
        blocks = [min(self.block_rows, m - start) for start in range(0, m, self.block_rows)]
        return blocks, -(-k // self.rows) if self.dataflow == "ws" else 1, -(-n // self.cols)

    def cycles(self, m: int, k: int, n: int, requant: bool = False, *, params: bool = True) -> int:
        """Clock cycles of ``(m, k) @ (k, n)`` on the RTL, from first command to last result, if no stream stalls.

        Parameters
        ----------
        m, k, n : int
            Sizes of the product, at least 1.
        requant : bool
            Whether results leave as int8 through the requantiser.
        params : bool
            Whether per-channel parameters are streamed; without them there is no bias and no requantisation.

        Raises
        ------
        ValueError
            If a size is out of range, or ``requant`` is set for an engine without a requantiser.
        """
        if requant and not self.requant_lanes:
            raise ValueError("requant_lanes is 0: the engine has no requantiser; use at least 1")
        return _cycles(self, m, k, n, requant=requant, params=params or requant)
