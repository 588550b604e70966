"""Clocks of Winograd layers on an NPU: counts by hand, and direct convolutions as the compiler's."""

import numpy as np
import pytest
from tercet.compiler import compile as compile_graph
from tercet.golden.networks.graph import Edge, Graph, Tensor
from tercet.golden.networks.operators import Conv2D, Window
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.instructions import Instruction, Opcode, decode
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import Requant
from tercet.golden.winograd.cycle_model import layer_clocks, one_product, two_products

DUAL = NpuConfig(rows=16, cols=8, requant_lanes=2, mac="ecp5-dual")


def instruction(size, depth, channels, config):
    """The instruction of a layer with SAME padding, from the compiler, and the clocks of its program."""
    params = QuantParams(np.array(0.1), 0)
    layer = Conv2D(
        name="layer",
        inputs=("x",),
        output="y",
        weights=np.ones((channels, 3, 3, depth), np.int8),
        bias=np.zeros(channels, np.int32),
        requant=Requant.from_scale(0.001, 0),
        input_zero_point=0,
        window=Window(kernel=(3, 3), padding=(1, 1, 1, 1)),
    )
    shapes = {"x": (1, *size, depth), "y": (1, *size, channels)}
    known = {name: Tensor(shape, params) for name, shape in shapes.items()}
    x, y = (Edge(name, shape, "int8", 0.1, 0, name) for name, shape in shapes.items())
    program = compile_graph(Graph((x,), (y,), (layer,), known), config)
    return decode(program.memories.instructions[0].tobytes()), program.cycles


def test_the_same_blocks():
    """64 blocks: 16x4 cells of one product, 16x8 of two."""
    one, two = one_product(DUAL), two_products(DUAL)
    assert (one.cols, one.mac, one.lanes) == (4, "ecp5", 2)
    assert (two.cols, two.mac, two.lanes) == (8, "ecp5-dual", 2)
    wide = NpuConfig(rows=16, cols=8, requant_lanes=4, mac="ecp5")
    assert one_product(wide) == wide
    assert two_products(wide).cols == 16
    # A lane needs a column.
    assert one_product(NpuConfig(rows=4, cols=4, requant_lanes=4, mac="ecp5-dual")).lanes == 2


@pytest.mark.parametrize(("size", "depth", "channels"), [((16, 16), 16, 8), ((9, 7), 40, 20)])
def test_direct_is_what_the_compiler_counts(size, depth, channels):
    for config, name in ((one_product(DUAL), "direct"), (two_products(DUAL), "two_products")):
        found, cycles = instruction(size, depth, channels, config)
        assert getattr(layer_clocks(found, DUAL), name) == cycles


def test_counts_by_hand():
    """16 reads per tile, for each 16 input channels and 4 output channels; transformed once for the latter."""
    for size, depth, channels, tiles, slices in (((16, 16), 16, 8, 64, 1), ((15, 13), 48, 8, 56, 3)):
        clocks = layer_clocks(instruction(size, depth, channels, one_product(DUAL))[0], DUAL)
        reads = 16 * tiles * slices * 2
        assert reads < clocks.products < 1.25 * reads
        assert clocks.transform == 16 * tiles * slices
        assert clocks.winograd == clocks.products + clocks.transform
        taps = 9 * slices * size[0] * size[1] * 2
        assert taps < clocks.direct < taps + 250
        assert taps / 2 < clocks.two_products < taps / 2 + 250


def test_short_products_wait_for_the_drain():
    """A single row of K per sum: a row of sums per clock is all that the output transform takes."""
    config = NpuConfig(rows=16, cols=8, requant_lanes=1, mac="ecp5")
    found = instruction((16, 16), 16, 8, config)[0]
    # A lane requantises 4 sums of a tile and column in 4 clocks, for 8 columns: 32 clocks instead of 16 reads.
    assert layer_clocks(found, config).products > 32 * 64
    faster = NpuConfig(rows=16, cols=8, requant_lanes=2, mac="ecp5")
    assert 16 * 64 < layer_clocks(found, faster).products < 16 * 64 + 500


def test_other_instructions_are_refused():
    found = instruction((8, 8), 4, 4, DUAL)[0]
    for wrong in (found.replaced(kernel_rows=1), found.replaced(stride_cols=2), Instruction(Opcode.ADD)):
        with pytest.raises(ValueError, match="is not a 3x3 convolution of stride 1"):
            layer_clocks(wrong, DUAL)
