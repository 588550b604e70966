"""Transforms of Winograd's F(2x2, 3x3) beside a systolic array: of input tiles, and of the sums of sixteen products.

Lane ``4 * i + j`` is element (i, j) of a 4x4 tile. A transform takes the columns first, then the rows. Its coefficients
are 0, 1 and -1, so that all it needs is adders.
"""

import numpy as np
from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from tercet.golden.winograd.transforms import INPUT, OUTPUT, SCALE, entry_bounds, signed_width
from tercet.rtl.common.pipeline import event, register

__all__ = ["InputTransform", "OutputTransform"]

_SCALE_BITS = SCALE.bit_length() - 1

_Tile = list[list[Value]]


class InputTransform(wiring.Component):
    """Transform tiles of the input: ``B' d B``, one tile per clock::

        i --> columns --[ ]--> rows --[ ]--> o        32 adders of two operands

    The registers of both stages move when `o` is free or taken, so that back-pressure passes straight through.

    Parameters
    ----------
    width : int
        Bits of an input, two's complement; at least 1.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(signed(width), 16)))
        Tiles of 4x4 inputs.
    o : Out(stream.Signature(ArrayLayout(signed(width + 2), 16)))
        Their transforms: the entry that each of the sixteen products takes.

    Raises
    ------
    ValueError
        If `width` is below 1.

    Notes
    -----
    Source: ``golden/winograd/transforms.py``.
    """

    def __init__(self, *, width: int = 8):
        if width < 1:
            raise ValueError(f"Input width {width} has no bits; use at least 1")
        bounds = entry_bounds(INPUT, (-(2 ** (width - 1)), 2 ** (width - 1) - 1))
        entry = signed_width(int(bounds[0].min()), int(bounds[1].max()))
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(width), 16))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(entry), 16))),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `i` to `o`."""
        return 2

    def elaborate(self, platform) -> Module:
        m = Module()
        tile = [[self.i.payload[4 * i + j] for j in range(4)] for i in range(4)]
        with m.If(_moving(m, self)):
            s1 = _apply(m, "s1_column", INPUT, tile)
            s2 = _transposed(_apply(m, "s2_row", INPUT, _transposed(s1)))
        _connect(m, self.o.payload, s2)
        return m


class OutputTransform(wiring.Component):
    """Transform sums of sixteen products to four outputs: ``A' m A / 4``, one tile per clock::

        i --> columns --[ ]--[ ]--> rows --[ ]--[ ]--> / 4 --> o        24 adders of two operands

    The sums of a convolution give multiples of 4, so the division drops two zeros; of others it takes the floor. A bias
    has to be in the sums: four times as large, in lane 5. Outputs wrap, as intermediate sums do. The registers move as
    in `InputTransform`.

    Parameters
    ----------
    width : int
        Bits of a sum, and of an output; at least 1.

    Members
    -------
    i : In(stream.Signature(ArrayLayout(signed(width), 16)))
        Sums: lane n is of product n.
    o : Out(stream.Signature(ArrayLayout(signed(width), 4)))
        Outputs of the tile; lane ``2 * i + j`` is output (i, j).

    Raises
    ------
    ValueError
        If `width` is below 1.

    Notes
    -----
    Source: ``golden/winograd/transforms.py``.
    """

    def __init__(self, *, width: int = 32):
        if width < 1:
            raise ValueError(f"Sum width {width} has no bits; use at least 1")
        self.width = width
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(signed(width), 16))),
                "o": Out(stream.Signature(data.ArrayLayout(signed(width), 4))),
            }
        )

    @property
    def latency(self) -> int:
        """Clocks from `i` to `o`."""
        return 4

    def elaborate(self, platform) -> Module:
        m = Module()
        # An output has `width` bits, so that no bits above these and the two of the scale matter.
        width = self.width + _SCALE_BITS
        tile = [[self.i.payload[4 * i + j] for j in range(4)] for i in range(4)]
        with m.If(_moving(m, self)):
            s2 = _apply(m, "s2_column", OUTPUT, tile, width)
            s4 = _transposed(_apply(m, "s4_row", OUTPUT, _transposed(s2), width))
        _connect(m, self.o.payload, [[value[_SCALE_BITS:] for value in row] for row in s4])
        return m


def _moving(m: Module, unit: InputTransform | OutputTransform) -> Value:
    """Pass valid and ready; returns whether the stages move in this clock."""
    move = Signal(name="move")
    m.d.comb += [move.eq(~unit.o.valid | unit.o.ready), unit.i.ready.eq(move)]
    with m.If(move):
        valid = event(m, "valid", unit.i.valid, unit.latency)
    m.d.comb += unit.o.valid.eq(valid)
    return move


def _apply(m: Module, name: str, matrix: np.ndarray, tile: _Tile, width: int | None = None) -> _Tile:
    """Apply a matrix to the columns of a tile: an addition per clock, with results of at most `width` bits."""
    clocks = int(np.abs(matrix).sum(axis=1).max()) - 1
    return [
        [_sum(m, f"{name}{i}{j}", row, column, clocks, width) for j, column in enumerate(_transposed(tile))]
        for i, row in enumerate(matrix)
    ]


def _sum(m: Module, name: str, row: np.ndarray, values: list[Value], clocks: int, width: int | None) -> Value:
    """Sum `clocks` + 1 values with coefficients 1 and -1; those of later additions wait."""
    # A positive term comes first.
    terms = sorted(((int(c), value) for c, value in zip(row, values, strict=True) if c), key=lambda term: -term[0])
    total = terms[0][1]
    for n, (coefficient, value) in enumerate(terms[1:]):
        waited = register(m, f"{name}_waited{n}", value, n)
        result = total + waited if coefficient > 0 else total - waited
        last = n == clocks - 1
        total = register(m, name if last else f"{name}_part{n}", result[:width].as_signed())
    return total


def _transposed(tile: _Tile) -> _Tile:
    return [list(column) for column in zip(*tile, strict=True)]


def _connect(m: Module, lanes: data.View, tile: _Tile) -> None:
    m.d.comb += [lanes[n].eq(value) for n, value in enumerate(value for row in tile for value in row)]
