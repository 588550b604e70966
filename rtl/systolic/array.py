"""Systolic array: a grid of cells between the skew of its inputs and the de-skew of its sums."""

import itertools
from typing import Any

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.systolic.config import SystolicConfig
from tercet.rtl.common.delay import Delay, Skew
from tercet.rtl.emit import shared

from .binary_cell import BinaryCell, CountsToSums
from .cell import OsCell, WsCell, lane_layout, sums_layout, weights_layout
from .dual_cell import DualCell, LutDualCell
from .dual_edges import SumJoiner, WeightPacker
from .ternary_cell import TernaryCell

__all__ = ["Grid", "SystolicArray", "cell_class", "multiplier_paths"]


def cell_class(config: SystolicConfig) -> type:
    """Component of a cell."""
    if config.mac == "ecp5-dual":
        return DualCell
    if config.ternary:
        return TernaryCell
    if config.binary:
        return BinaryCell
    return WsCell if config.dataflow == "ws" else OsCell


class Grid(wiring.Component):
    """Rectangle of cells, each wired to its neighbours only.

    A grid consists of two grids side by side or one above the other, down to a single cell. Halves of equal size share
    a module, so a 256x256 array takes some twenty definitions.

    Parameters
    ----------
    config : SystolicConfig
        Configuration of the cells.
    rows, cells : int
        Cells down and across.
    lut_rows : int
        Rows from the bottom whose cells have no multiplier block.

    Members
    -------
    lanes_i, lanes_o : In and Out(rows * lane)
        Left and right edge, row 0 in the least significant bits.
    weights_i, weights_o : In and Out(cells * weights_layout(config).size)
        Top and bottom edge.
    sums_i, sums_o : In and Out(cells * sums_layout(config).size)
        Top and bottom edge, or bottom and top edge in an output-stationary grid.
    """

    def __init__(self, *, config: SystolicConfig, rows: int, cells: int, lut_rows: int = 0):
        self.config, self.rows, self.cells, self.lut_rows = config, rows, cells, lut_rows
        lanes = rows * lane_layout(config).size
        weights = cells * weights_layout(config).size
        sums = cells * sums_layout(config).size
        super().__init__(
            {
                "lanes_i": In(lanes),
                "lanes_o": Out(lanes),
                "weights_i": In(weights),
                "weights_o": Out(weights),
                "sums_i": In(sums),
                "sums_o": Out(sums),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        if self.rows * self.cells == 1:
            cell = shared(LutDualCell if self.lut_rows else cell_class(self.config), config=self.config)
            m.submodules.pe = cell
            for name in ("lane", "weights", "sums"):
                edge = "lanes" if name == "lane" else name
                m.d.comb += Value.cast(getattr(cell, f"{name}_i")).eq(getattr(self, f"{edge}_i"))
                m.d.comb += getattr(self, f"{edge}_o").eq(Value.cast(getattr(cell, f"{name}_o")))
        elif self.rows >= self.cells:
            height = self.rows - self.rows // 2
            upper = self._part(m, "upper", rows=self.rows - height, lut_rows=max(self.lut_rows - height, 0))
            lower = self._part(m, "lower", rows=height, lut_rows=min(self.lut_rows, height))
            self._in_series(m, "weights", upper, lower)
            self._in_series(m, "sums", *((upper, lower) if self.config.dataflow == "ws" else (lower, upper)))
            self._in_parallel(m, "lanes", upper, lower)
        else:
            left = self._part(m, "left", cells=self.cells // 2)
            right = self._part(m, "right", cells=self.cells - self.cells // 2)
            self._in_series(m, "lanes", left, right)
            self._in_parallel(m, "weights", left, right)
            self._in_parallel(m, "sums", left, right)
        return m

    def _part(self, m: Module, name: str, **size: int):
        """Add a half; what is not given is as in the whole."""
        size = {"rows": self.rows, "cells": self.cells, "lut_rows": self.lut_rows} | size
        m.submodules[name] = part = _grid(self.config, **size)
        return part

    def _in_series(self, m: Module, edge: str, first, second):
        m.d.comb += getattr(first, f"{edge}_i").eq(getattr(self, f"{edge}_i"))
        m.d.comb += getattr(second, f"{edge}_i").eq(getattr(first, f"{edge}_o"))
        m.d.comb += getattr(self, f"{edge}_o").eq(getattr(second, f"{edge}_o"))

    def _in_parallel(self, m: Module, edge: str, low, high):
        m.d.comb += Cat(getattr(low, f"{edge}_i"), getattr(high, f"{edge}_i")).eq(getattr(self, f"{edge}_i"))
        m.d.comb += getattr(self, f"{edge}_o").eq(Cat(getattr(low, f"{edge}_o"), getattr(high, f"{edge}_o")))


def _grid(config: SystolicConfig, rows: int, cells: int, lut_rows: int):
    # A size of 0 stays out of the module's name.
    return shared(Grid, config=config, rows=rows, cells=cells, **({"lut_rows": lut_rows} if lut_rows else {}))


def multiplier_paths(config: SystolicConfig, weight_rows: int = 1) -> list[list[str]]:
    """Instance paths of the multiplier blocks of a `SystolicArray`, as a flat netlist names them.

    Rows without blocks are left out.

    Returns
    -------
    list of list of str
        Path below the array by row and cell, such as ``grid.upper.left.pe.multiplier.block.mult``; none unless the
        cells instantiate ``MULT18X18D``.
    """
    if not config.mac.startswith("ecp5"):
        return []
    height = config.rows // weight_rows
    names = ["grid"] if weight_rows == 1 else [f"grid_{n}" for n in range(weight_rows)]
    cells = _cell_paths(height, config.cols // config.cell_cols)
    paths = [[f"{name}{cell}.pe.multiplier.block.mult" for cell in row] for name in names for row in cells]
    return paths[: config.rows - config.lut_rows]


def _cell_paths(rows: int, cells: int) -> list[list[str]]:
    """Paths of the cells below a `Grid`, with a leading dot, by row and cell."""
    if rows * cells == 1:
        return [[""]]
    if rows >= cells:
        halves = {"upper": _cell_paths(rows // 2, cells), "lower": _cell_paths(rows - rows // 2, cells)}
        return [[f".{name}{path}" for path in row] for name, half in halves.items() for row in half]
    left, right = _cell_paths(rows, cells // 2), _cell_paths(rows, cells - cells // 2)
    return [
        [f".left{path}" for path in first] + [f".right{path}" for path in second]
        for first, second in zip(left, right, strict=True)
    ]


class SystolicArray(wiring.Component):
    """Grid with skewed inputs and de-skewed sums: whole rows in and out, every clock::

                       weights (one row per clock)
                          |
                        [skew]
                          v
        acts --[skew]--> grid
                          |
                       [de-skew]
                          v
                        sums

    It is purely feed-forward. Sums in clocks without a pass are garbage; the consumer knows which clocks these are.

    With several rows of weights per clock, as many grids stand one above the other. The lanes of a grid arrive later
    than those of the grid above it, and its weights are delayed to meet them::

        weights[0] --[skew]-------------------------> grid of rows 0 to h - 1
                                                        | sums
        weights[1] --[delay of h clocks]--[skew]----> grid of rows h to 2 * h - 1        h = rows / weight_rows
                                                        | sums

    With "ecp5-dual", pairs of weights are packed before all skews and delays, while the lanes wait for a clock, and the
    three sums of a pair of columns are joined between grid and de-skew. With "binary" counts become sums there.

    Parameters
    ----------
    config : SystolicConfig
        Size, widths, dataflow and multiplier.
    weight_rows : int
        Rows of weights per clock, a divisor of the array's rows; 1 unless weight stationary.

    Members
    -------
    acts : In(ArrayLayout(signed(act_width), rows))
        One activation per row: a row of A (weight stationary) or a column of A (output stationary).
    weights : In(ArrayLayout(signed(weight_width), cols))
        A row of W; with `weight_rows` above 1 an ArrayLayout of that many rows.
    load : In(rows)
        Weight stationary: rows of the array that load this row of weights, usually one. Row ``r`` loads row
        ``r * weight_rows // rows`` of `weights`.
    swap : In(1)
        Weight stationary: these activations are the first to use the weights loaded before.
    clear : In(1)
        Output stationary: these operands begin new sums.
    capture : In(1)
        Output stationary: these operands end the sums. At least ``2 * rows - 1`` clocks apart.
    sums : Out(ArrayLayout(signed(sum_width), cols))
        Sums, `latency` clocks after the operands. Output stationary: row 0 of the block `latency` clocks after
        ``capture``, each further row two clocks later.

    Raises
    ------
    ValueError
        If `weight_rows` does not divide the rows, or is not 1 in an output-stationary array.
    """

    def __init__(self, *, config: SystolicConfig, weight_rows: int = 1):
        if weight_rows < 1 or config.rows % weight_rows:
            raise ValueError(f"weight_rows {weight_rows} does not divide rows {config.rows}; use a divisor")
        if weight_rows > 1 and config.dataflow != "ws":
            raise ValueError(f"weight_rows is {weight_rows} in an output-stationary array; use 1")
        self.config, self.weight_rows = config, weight_rows
        row = data.ArrayLayout(signed(config.weight_width), config.cols)
        weight_stationary = {"load": In(config.rows), "swap": In(1)}
        output_stationary = {"clear": In(1), "capture": In(1)}
        super().__init__(
            {
                "acts": In(data.ArrayLayout(signed(config.act_width), config.rows)),
                "weights": In(data.ArrayLayout(row, weight_rows) if weight_rows > 1 else row),
                **(weight_stationary if config.dataflow == "ws" else output_stationary),
                "sums": Out(data.ArrayLayout(signed(config.sum_width), config.cols)),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from the last operands of a sum to the sum; in an output-stationary array, to that of row 0."""
        return self.config.array_latency

    def elaborate(self, platform) -> Module:
        m = Module()
        config = self.config
        cells = config.cols // config.cell_cols
        lane_width = lane_layout(config).size
        height = config.rows // self.weight_rows
        grids = []
        for n in range(self.weight_rows):
            below = (self.weight_rows - 1 - n) * height
            grid = _grid(config, height, cells, min(max(config.lut_rows - below, 0), height))
            m.submodules[self._name("grid", n)] = grid
            grids.append(grid)
        m.submodules.lane_skew = lanes = shared(Skew, lanes=config.rows, width=lane_width)
        skews = self._weight_skews(m, cells)
        m.submodules.deskew = deskew = shared(
            Skew, lanes=cells, width=config.cell_cols * config.sum_width, reverse=True
        )
        marks = self._marks(m)
        rows = Cat(Cat(self.acts[row], *marks[row]) for row in range(config.rows))
        m.d.comb += lanes.i.eq(self._meet_packed(m, rows))
        for grid, (skew, row), part in zip(grids, skews, self._parts(lanes.o), strict=True):
            m.d.comb += [skew.i.eq(row), grid.lanes_i.eq(part), grid.weights_i.eq(skew.o)]
        for upper, lower in itertools.pairwise(grids):
            m.d.comb += lower.sums_i.eq(upper.sums_o)
        sums = deskew.o
        if late := config.array_latency - config.grid_latency:
            m.submodules.late = delay = shared(Delay, clocks=late, width=len(sums))
            m.d.comb += delay.i.eq(sums)
            sums = delay.o
        m.d.comb += [deskew.i.eq(self._joined(m, grids[-1].sums_o)), Value.cast(self.sums).eq(sums)]
        return m

    def _packed(self, m: Module) -> Value:
        """Return the weights of all grids in the form of the cells."""
        if self.config.mac != "ecp5-dual":
            return Value.cast(self.weights)
        m.submodules.packer = packer = shared(WeightPacker, pairs=self.weight_rows * self.config.cols // 2)
        m.d.comb += packer.i.eq(Value.cast(self.weights))
        return packer.o

    def _meet_packed(self, m: Module, lanes: Value) -> Value:
        """Delay the lanes as the packing delays the weights."""
        if self.config.mac != "ecp5-dual":
            return lanes
        m.submodules.lane_delay = delay = shared(Delay, clocks=WeightPacker.latency, width=len(lanes))
        m.d.comb += delay.i.eq(lanes)
        return delay.o

    def _joined(self, m: Module, sums: Value) -> Value:
        """Return one sum per column."""
        if self.config.mac != "ecp5-dual" and not self.config.binary:
            return sums
        m.submodules.joiner = joiner = shared(CountsToSums if self.config.binary else SumJoiner, config=self.config)
        m.d.comb += joiner.i.eq(sums)
        return joiner.o

    def _name(self, stem: str, n: int) -> str:
        """Name a submodule of grid `n`."""
        return stem if self.weight_rows == 1 else f"{stem}_{n}"

    def _parts(self, value: Value) -> list[Value]:
        """Split a value over the grids, from the top."""
        if self.weight_rows == 1:
            return [value]
        width = len(value) // self.weight_rows
        return [value[n * width : (n + 1) * width] for n in range(self.weight_rows)]

    def _weight_skews(self, m: Module, cells: int) -> list[tuple[Any, Value]]:
        """Add a skew per grid; return each with its row of weights, delayed to meet the grid's lanes."""
        skews = []
        width = cells * weights_layout(self.config).size
        for n, row in enumerate(self._parts(self._packed(m))):
            if n:
                clocks = n * (self.config.rows // self.weight_rows)
                m.submodules[f"weight_delay_{n}"] = delay = shared(Delay, clocks=clocks, width=width)
                m.d.comb += delay.i.eq(row)
                row = delay.o
            m.submodules[self._name("weight_skew", n)] = skew = shared(Skew, lanes=cells, width=width // cells)
            skews.append((skew, row))
        return skews

    def _marks(self, m: Module) -> list[tuple[Value, Value]]:
        """Return the two flags of every row."""
        rows = range(self.config.rows)
        if self.config.dataflow == "ws":
            return [(self.load[row], self.swap) for row in rows]
        # The flags are aligned with the products: `clear` with the first, `capture` after the last has been added.
        clocks = self.config.multiplier_latency
        m.submodules.clear_delay = clear = shared(Delay, clocks=clocks, width=1)
        m.submodules.capture_delay = capture = shared(Delay, clocks=clocks + 1, width=1)
        m.d.comb += [clear.i.eq(self.clear), capture.i.eq(self.capture)]
        return [(clear.o, capture.o) for _ in rows]
