"""The systolic engine's golden model: its configuration, the product it computes, and the proof that no sum overflows.

Weight stationary (``dataflow="ws"``): a plane of rows x cols weights stays in the array while rows of activations flow
through it; the sums of several planes along K meet in the accumulators. Output stationary (``"os"``): the sums stay,
activations and weights flow.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .checks import INT32, int_array, integer, native, transposed, unsigned_codes
from .config import check_fields, option
from .systolic_timing import cycles as _cycles

__all__ = ["SystolicConfig", "matmul"]

_CHOICES = {"dataflow": ("ws", "os"), "mac": ("infer", "ecp5", "ice40")}
# What the command stream can count.
_M_MAX, _STEPS_MAX, _TILES_MAX = 2**24 - 1, 2**20 - 1, 2**16 - 1


@dataclass(frozen=True, kw_only=True)
class SystolicConfig:
    """Size and kind of a systolic array; one object for the golden model, the RTL, the simulation and the command line.

    Parameters
    ----------
    rows, cols : int
        Processing elements down (the K of a tile) and across (its N), 1..256.
    act_width, weight_width : int
        Operand widths in bits, 4..16, two's complement.
    acc_width : int
        Accumulator width in bits, at most 32.
    acc_depth : int
        Rows of results in each of the two accumulator banks: the longest block of M.
    dataflow : "ws" or "os"
        What stays in the array: weights or outputs.
    mac : "infer", "ecp5" or "ice40"
        The multiplier: left to synthesis, ``MULT18X18D``, or ``SB_MAC16`` (two columns each up to 8 bits).
    requant_lanes : int or None
        Results requantised in a clock, 0 for an engine that only gives sums; None is half of the columns, which keeps
        pace with the array when K spans two tiles or more.

    Raises
    ------
    TypeError, ValueError
        If a field is of the wrong type or out of range, or two do not go together.
    """

    rows: int = option(16, "processing elements down: the K of a tile", (1, 256))
    cols: int = option(16, "processing elements across: the N of a tile", (1, 256))
    act_width: int = option(8, "activation width in bits", (4, 16))
    weight_width: int = option(8, "weight width in bits", (4, 16))
    acc_width: int = option(32, "accumulator width in bits", (9, 32))
    acc_depth: int = option(256, "rows of results in each accumulator bank", (2, 2**16))
    dataflow: Literal["ws", "os"] = option("ws", "what stays in the array: weights (ws) or outputs (os)")
    mac: Literal["infer", "ecp5", "ice40"] = option("infer", "multiplier: left to synthesis, or the FPGA's own block")
    requant_lanes: int | None = option(None, "results requantised in a clock; 0 leaves the requantiser out", (0, 256))

    def __post_init__(self):
        check_fields(self, _CHOICES)
        if self.requant_lanes is None:
            object.__setattr__(self, "requant_lanes", -(-self.cols // 2))
        assert self.requant_lanes is not None
        if self.requant_lanes > self.cols:
            raise ValueError(f"requant_lanes {self.requant_lanes} is above cols {self.cols}; use at most {self.cols}")
        if self.dataflow == "os" and self.acc_depth < self.rows:
            raise ValueError(f"acc_depth {self.acc_depth} is below rows {self.rows}; an os block has that many results")
        if self.cols % self.cell_cols:
            raise ValueError(f"cols {self.cols} is odd; an SB_MAC16 holds two columns of 8 bits, use an even cols")
        if self.acc_width < self.act_width + self.weight_width:
            raise ValueError(
                f"acc_width {self.acc_width} cannot hold one product; use at least {self.act_width + self.weight_width}"
            )

    @classmethod
    def tpu_v1(cls, **overrides: Any) -> "SystolicConfig":
        """Google's TPU v1: 256x256, 4 MiB of accumulators in two banks (Jouppi et al., ISCA 2017)."""
        return cls(**{"rows": 256, "cols": 256, "acc_depth": 2048, **overrides})

    @property
    def cell_cols(self) -> int:
        """Columns that share one cell of the array: 2 where one FPGA block multiplies for two."""
        return 2 if self.mac == "ice40" and max(self.act_width, self.weight_width) <= 8 else 1

    @property
    def multiplier_latency(self) -> int:
        """Clocks from the operands to the registered product."""
        return {"infer": 1, "ecp5": 4, "ice40": 3 if self.cell_cols == 2 else 4}[self.mac]

    @property
    def product_width(self) -> int:
        """Bits of one product."""
        return self.act_width + self.weight_width

    @property
    def sum_width(self) -> int:
        """Bits of a sum in the array: a column of products, or in an output-stationary array all of K."""
        if self.dataflow == "os":
            return self.acc_width
        # Any part of a sum that is proven to fit the accumulator fits it too, so it never needs more.
        return min(self.product_width + math.ceil(math.log2(self.rows)), self.acc_width)

    @property
    def array_latency(self) -> int:
        """Clocks from the last operands of a row of sums to the sums, of the first row if output stationary."""
        # The accumulators want their addresses that long before the sums.
        return max(self.grid_latency, 4)

    @property
    def grid_latency(self) -> int:
        """The same without the register that the very smallest array has at its end."""
        skew = self.cols // self.cell_cols - 1
        if self.dataflow == "ws":
            return self.rows - 1 + skew + 2 + self.multiplier_latency
        return skew + 3 + self.multiplier_latency

    @property
    def block_rows(self) -> int:
        """Most rows of M computed together."""
        return self.acc_depth if self.dataflow == "ws" else self.rows

    def tiles(self, m: int, k: int, n: int) -> tuple[list[int], int, int]:
        """How a product is cut: rows of each block of M, K passes of a block, column tiles.

        Raises
        ------
        ValueError
            If a size is below 1 or more than the command stream can count.
        """
        m = integer("M", m, (1, _M_MAX))
        k = integer("K", k, (1, _STEPS_MAX * (self.rows if self.dataflow == "ws" else 1)))
        n = integer("N", n, (1, _TILES_MAX * self.cols))
        blocks = [min(self.block_rows, m - start) for start in range(0, m, self.block_rows)]
        return blocks, -(-k // self.rows) if self.dataflow == "ws" else 1, -(-n // self.cols)

    def cycles(self, m: int, k: int, n: int, requant: bool = False, *, params: bool = True) -> int:
        """Clocks of ``(m, k) @ (k, n)`` on the RTL when no stream ever stalls: first command to last result.

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
            If a size is out of range, or ``requant`` asked of an engine without a requantiser.
        """
        if requant and not self.requant_lanes:
            raise ValueError("requant_lanes is 0: the engine has no requantiser; use at least 1")
        return _cycles(self, m, k, n, requant=requant, params=params or requant)


def _operand(name: str, value: Any, width: int) -> np.ndarray:
    dtype = np.int8 if width <= 8 else np.int16
    array = native(np.asarray(value))
    if array.dtype != dtype:
        fix = f"{width} bits need {np.dtype(dtype)}, convert them first"
        raise TypeError(f"{name} have dtype {array.dtype}; {fix}{unsigned_codes(array) if width == 8 else ''}")
    if array.ndim != 2:
        raise ValueError(f"{name} have shape {array.shape}; use a matrix")
    if 0 in array.shape:
        raise ValueError(f"{name} have shape {array.shape}; every size must be at least 1")
    low, high = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    if width not in (8, 16):
        int_array(name, array, (low, high), f"operands of {width} bits lie there")
    return array.astype(np.int64)


def check_operands(
    acts: Any, weights: Any, bias: Any, config: SystolicConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Operands as int64 (M, K), (K, N) and (N,), proven to fit the config; see `matmul` for the errors."""
    a = _operand("Activations", acts, config.act_width)
    w = _operand("Weights", weights, config.weight_width)
    if a.shape[1] != w.shape[0]:
        hint = transposed("weights are", a.shape[1] == w.shape[1])
        raise ValueError(f"Activations {a.shape} and weights {w.shape} do not fit; the K of both must be equal{hint}")
    n = w.shape[1]
    config.tiles(a.shape[0], w.shape[0], n)
    b = np.zeros(n, np.int64) if bias is None else int_array("Bias", bias, INT32, "give int32 biases")
    if b.shape != (n,):
        raise ValueError(f"Bias has shape {b.shape} but the weights have {n} columns; use shape ({n},)")
    _prove(w, b, config)
    return a, w, b


def _prove(w: np.ndarray, b: np.ndarray, config: SystolicConfig) -> None:
    """Refuse weights and biases for which some activations could take a sum out of the accumulator.

    Sums that leave the range only on the way wrap and come back: what counts is the last one.
    """
    low, high = -(2 ** (config.act_width - 1)), 2 ** (config.act_width - 1) - 1
    positive, negative = np.maximum(w, 0).sum(axis=0), np.minimum(w, 0).sum(axis=0)
    most, least = positive * high + negative * low, positive * low + negative * high
    limit = 2 ** (config.acc_width - 1)
    bad = (most + b >= limit) | (least + b < -limit)
    if bad.any():
        column = int(np.argmax(bad))
        raise ValueError(
            f"Column {column} can reach [{least[column] + b[column]}, {most[column] + b[column]}], beyond acc_width "
            f"{config.acc_width}; use smaller weights, a smaller bias, a shorter K or a wider accumulator"
        )


def matmul(acts: Any, weights: Any, bias: Any = None, config: SystolicConfig | None = None) -> np.ndarray:
    """``acts @ weights + bias`` in integers.

    Parameters
    ----------
    acts : (M, K) int8 array
        Activations; int16 when ``act_width`` is above 8.
    weights : (K, N) int8 array
        Weights; int16 when ``weight_width`` is above 8.
    bias : (N,) integer array or None
        In units of the sums.
    config : SystolicConfig
        Defaults to ``SystolicConfig()``.

    Returns
    -------
    (M, N) int32 array

    Raises
    ------
    TypeError
        If an array is of the wrong type.
    ValueError
        If shapes do not fit, an operand exceeds its width, or for some activations a sum could exceed ``acc_width``.

    Notes
    -----
    Source: ``spec/systolic.md``.
    """
    a, w, b = check_operands(acts, weights, bias, config or SystolicConfig())
    # Every partial sum is proven to be below 2**31, so float64 holds all of them exactly, and BLAS does the work.
    product = (a.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
    return (product + b).astype(np.int32)
