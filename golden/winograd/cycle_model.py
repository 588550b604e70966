"""Clocks of Winograd layers on an NPU, beside those of direct convolution.

The NPU does not compute such layers; the model tells what one that did would gain. It is the NPU's own for the reads of
the array, the accumulators and the drain; all else is counted in favour of Winograd:

- Accumulators are at least 256 rows deep in each bank, as a block RAM of 512 rows allows, and hold the sums of all
  sixteen products until an output transform of `cols` columns takes them, one row per clock; the requantiser gets a
  quarter as many rows.
- A block of sums has the best size, may hold several products, and the weights of each are there in time.
- The transformed inputs have a memory of their own, 16 entries of 10 bits for four bytes of input. They are written at
  `rows` entries per clock, which either takes time of its own or, with two such memories, overlaps with the products.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..npu.config import NpuConfig
from ..npu.cycle_model import instruction_cycles
from ..npu.instructions import Instruction, Opcode
from .convolution import PRODUCTS, TILE

__all__ = ["LayerClocks", "layer_clocks", "one_product", "two_products"]

_DEPTH = 256


@dataclass(frozen=True)
class LayerClocks:
    """Clocks of a 3x3 convolution on arrays of the same multiplier blocks.

    Attributes
    ----------
    direct : int
        Direct convolution, an int8 product per block and clock.
    two_products : int
        Direct convolution, two int8 products per block and clock: an array of twice the columns.
    products : int
        The sixteen products of F(2x2, 3x3), which are too wide for two in a block.
    transform : int
        Clocks in which the transformed inputs are written.
    """

    direct: int
    two_products: int
    products: int
    transform: int

    @property
    def winograd(self) -> int:
        """Clocks of the products after the transform, one after the other."""
        return self.products + self.transform


def one_product(config: NpuConfig) -> NpuConfig:
    """Configuration of the same multiplier blocks, each for one product."""
    return replace(
        config, mac="ecp5", cols=config.cols // config.array.cell_cols, lut_rows=0, requant_lanes=_lanes(config)
    )


def two_products(config: NpuConfig) -> NpuConfig:
    """Configuration of the same multiplier blocks, each for two int8 products."""
    return replace(one_product(config), mac="ecp5-dual", cols=2 * one_product(config).cols)


def _lanes(config: NpuConfig) -> int:
    return min(config.lanes, config.cols // config.array.cell_cols)


def layer_clocks(instruction: Instruction, config: NpuConfig) -> LayerClocks:
    """Clocks of a layer, alone, on the multiplier blocks of a configuration.

    Parameters
    ----------
    instruction : Instruction
        CONVOLVE with a 3x3 window of stride 1, as the compiler lowers it.
    config : NpuConfig
        Machine of multiplier blocks, one product each or two.

    Raises
    ------
    ValueError
        If the instruction is another one.
    """
    i = instruction
    if i.opcode != Opcode.CONVOLVE or (i.kernel_rows, i.kernel_cols, i.run % 3) != (3, 1, 0) or i.stride_cols != 1:
        raise ValueError(
            f"{Opcode(i.opcode).name} is not a 3x3 convolution of stride 1; use one that Winograd computes"
        )
    one = one_product(config)
    lanes, depth = min(one.cols, TILE * TILE * one.lanes), max(one.acc_depth, _DEPTH)
    deep = replace(one, requant_lanes=lanes, acc_depth=depth)
    return LayerClocks(
        _alone(i, one),
        _alone(i, two_products(config)),
        min(_alone(each, deep) for each in _products(i, deep)),
        PRODUCTS * _tiles(i.out_rows) * _tiles(i.out_cols) * -(-(i.run // 3) // config.rows),
    )


def _alone(instruction: Instruction, config: NpuConfig) -> int:
    return instruction_cycles([instruction], config)[0].cycles


def _tiles(length: int) -> int:
    return -(-length // TILE)


def _products(i: Instruction, config: NpuConfig) -> Iterator[Instruction]:
    """1x1 convolutions of the rows of tiles of all products, by size of the block: as many reads and sums."""
    rows, cols = _tiles(i.out_rows), _tiles(i.out_cols)
    plain = i.replaced(kernel_rows=1, run=i.run // 3, out_rows=PRODUCTS * rows, out_cols=cols)
    block = max(1, config.acc_depth // cols)
    while block:
        yield plain.replaced(block=block)
        block //= 2
