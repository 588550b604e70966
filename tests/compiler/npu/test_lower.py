"""Instructions chosen by the compiler: passes of depthwise windows, blocks, strips, dense operands."""

import numpy as np
import pytest
from tercet.compiler import compile as compile_graph
from tercet.compiler.npu.lowering import block_sizes
from tercet.compiler.tflite import load_tflite
from tercet.golden.npu import NpuConfig
from tercet.golden.npu.cycle_model import instruction_cycles
from tercet.golden.npu.instructions import Opcode, decode

from ..tflite_files import Network


def instructions(program):
    return [decode(row.tobytes()) for row in program.memories.instructions][:-1]


def compiled(net, output, config=None):
    """Compile a network with one output and check its codes; return the instructions."""
    net.outputs = [output]
    graph = load_tflite(net.file())
    program = compile_graph(graph, config)
    rng = np.random.default_rng(0)
    x = [rng.integers(-128, 128, (2, *edge.sample_shape)).astype(np.int8) for edge in graph.inputs]
    x = x[0] if len(x) == 1 else x
    for got, want in zip(program.run(x), graph.run(x), strict=True):
        np.testing.assert_array_equal(got, want, strict=True)
    return instructions(program)


def test_block_sizes():
    """Blocks fit; the largest comes first, and equal blocks of the fewest number are among them."""
    for depth in (2, 7, 64):
        config = NpuConfig(acc_depth=depth)
        for rows in range(1, 40):
            for cols in range(1, depth + 1):
                found = block_sizes(rows, cols, config)
                assert found == sorted(set(found), reverse=True)
                assert found[0] == min(rows, depth // cols)
                assert found[-1] == 1
                assert -(-rows // -(-rows // found[0])) in found


def test_block():
    """A block that takes the fewest clocks, here not the largest: the drain of the last block is shorter."""
    net, rng, config = Network(), np.random.default_rng(3), NpuConfig()
    x, y = net.input((1, 8, 8, 64)), net.tensor((1, 8, 8, 32), 0.5, 0)
    weights = net.constant(rng.integers(-99, 99, (32, 3, 3, 64)), 0.01, dtype=np.int8)
    net.add("CONV_2D", [x, weights], y, Padding="SAME", StrideH=1, StrideW=1)
    (found,) = compiled(net, y, config)
    clocks = {block: instruction_cycles([found.replaced(block=block)], config)[0].cycles for block in range(1, 9)}
    assert clocks[found.block] == min(clocks.values()) < clocks[8]


@pytest.mark.parametrize(
    ("taps", "width", "kernel", "stride", "dilation", "want"),
    [
        (3, 8, 3, 1, 1, (3, 1, 1)),
        (4, 8, 3, 2, 1, (3, 1, 2)),
        (3, 9, 5, 1, 1, (3, 2, 1)),
        (2, 9, 5, 1, 1, (2, 3, 1)),
        (3, 8, 3, 1, 2, (1, 3, 1)),
        (3, 33, 2, 4, 1, (1, 2, 1)),
        (1, 8, 3, 2, 1, (1, 3, 1)),
        (0, 8, 3, 1, 1, (1, 3, 1)),
    ],
)
def test_depthwise_passes(taps, width, kernel, stride, dilation, want):
    """Kernel columns per pass, passes per kernel row, reads per result: the fewest clocks."""
    net, rng = Network(), np.random.default_rng(1)
    x = net.input((1, 5, width, 5))
    across = (width - (kernel - 1) * dilation - 1) // stride + 1
    down = (5 - dilation - 1) // stride + 1
    y = net.tensor((1, down, across, 5), 0.5, 0)
    weights = net.constant(rng.integers(-99, 99, (1, 2, kernel, 5)), 0.01, dtype=np.int8)
    window = {"Padding": "VALID", "StrideH": stride, "StrideW": stride, "DepthMultiplier": 1}
    net.add("DEPTHWISE_CONV_2D", [x, weights], y, DilationHFactor=dilation, DilationWFactor=dilation, **window)
    (found,) = compiled(net, y, NpuConfig(rows=4, cols=4, depthwise_taps=taps, weight_rows=2))
    assert (found.taps, found.kernel_cols, found.stride_cols) == want


@pytest.mark.parametrize(
    ("shape", "pieces"),
    [
        ((4, 4, 8), [(2, 16)]),
        ((16, 8, 4), [(8, 16)]),
        ((5, 13, 8), [(10, 13)]),
        ((1, 67, 4), [(4, 16), (1, 3)]),
        ((3, 3, 3), [(3, 3)]),
    ],
)
def test_dense_operands(shape, pieces):
    """Pixels of 4 bytes fill the columns where the size allows; pieces of rows and pixels."""
    net = Network()
    x, other, factor = net.input((1, *shape)), net.input((1, *shape)), net.input((1, 1, 1, 1))
    y, z = net.tensor((1, *shape), 0.5, 0), net.tensor((1, *shape), 0.5, 0)
    net.add("ADD", [x, other], y)
    net.add("MUL", [factor, y], z)
    found = compiled(net, z, NpuConfig(rows=4, cols=4))
    assert [i.opcode for i in found] == [Opcode.ADD] * len(pieces) + [Opcode.MULTIPLY] * len(pieces)
    assert [(i.out_rows, i.out_cols) for i in found] == 2 * pieces
    assert {i.other_channel for i in found[-len(pieces) :]} == {0}


@pytest.mark.parametrize(
    ("channels", "taps", "want"),
    [
        (20, 3, (25, 1, 1, 5, 4)),  # five channel tiles as pixels
        (4, 3, (5, 2, 3, 1, 4)),  # one tile: three pixels per pass, and fewer passes
        (4, 5, (5, 1, 5, 1, 4)),
        (18, 3, (5, 2, 3, 1, 18)),
        (18, 0, (25, 1, 1, 1, 18)),
    ],
)
def test_averages_share_ones(channels, taps, want):
    """A whole map is a column of kernel rows, as few passes as possible; the ones serve all rows and channels."""
    net = Network()
    x, y = net.input((1, 5, 5, channels)), net.tensor((1, channels), 0.5, 0)
    net.add("MEAN", [x, net.constant([1, 2])], y)
    (i,) = compiled(net, y, NpuConfig(rows=4, cols=4, depthwise_taps=taps))
    assert (i.kernel_rows, i.kernel_cols, i.taps, i.out_cols, i.channels) == want
    assert (i.same_rows, i.same_tiles) == (1, 1)


@pytest.mark.parametrize("op", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
@pytest.mark.parametrize("shape", [(3, 5, 8), (5, 3, 7), (1, 6, 12), (6, 1, 4), (70, 70, 2), (4, 4, 40)])
def test_whole_maps(op, shape):
    """Pooling to a single pixel, with channels that fill the columns or not, in more pixels than accumulators."""
    net = Network()
    rows, cols, channels = shape
    x, y = net.input((1, *shape)), net.tensor((1, 1, 1, channels), 0.5, 0)
    net.add(op, [x], y, Padding="VALID", FilterHeight=rows, FilterWidth=cols, StrideH=1, StrideW=1)
    found = compiled(net, y, NpuConfig(rows=4, cols=4, acc_depth=8))
    assert len(found) == (2 if channels == 40 else 1)
    assert all(i.kernel_rows * i.kernel_cols * i.taps >= rows * cols for i in found)


def test_means_of_parts():
    """A map whose rows have gaps keeps its kernel rows."""
    net = Network()
    x = net.input((1, 6, 7, 8))
    part, y = net.tensor((1, 3, 4, 8), 0.5, 0), net.tensor((1, 8), 0.5, 0)
    begin, end, step = (net.constant(each) for each in ([0, 1, 2, 0], [1, 4, 6, 8], [1, 1, 1, 1]))
    net.add("STRIDED_SLICE", [x, begin, end, step], part)
    net.add("MEAN", [part, net.constant([1, 2])], y)
    (found,) = compiled(net, y, NpuConfig(rows=4, cols=4))
    assert found.kernel_rows == 3


PACKED = [Opcode.MAXIMUM, Opcode.CONVOLVE]


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "packed"),
    [
        ((20, 10, 1), (10, 4), (2, 2), "SAME", True),
        ((20, 10, 1), (10, 4), (2, 2), "VALID", True),
        ((12, 70, 2), (5, 2), (1, 3), "SAME", True),
        ((60, 3, 1), (7, 5), (3, 2), "SAME", True),  # a kernel row wider than the operand
        ((12, 12, 3), (5, 1), (1, 1), "SAME", True),
        ((12, 12, 16), (3, 3), (1, 1), "SAME", False),  # saves no passes
        ((12, 12, 1), (1, 5), (1, 1), "SAME", False),
    ],
)
def test_packed_windows(shape, kernel, stride, padding, packed):
    """First layers with few channels: a copy in which windows are contiguous, then one run of all their bytes."""
    net, rng = Network(), np.random.default_rng(4)
    rows, cols, depth = shape
    sizes = [
        -(-n // s) if padding == "SAME" else (n - k) // s + 1
        for n, k, s in zip((rows, cols), kernel, stride, strict=True)
    ]
    x, y = net.input((1, *shape), zero_point=-7), net.tensor((1, *sizes, 40), 0.5, 0)
    weights = net.constant(rng.integers(-99, 99, (40, *kernel, depth)), 0.01, dtype=np.int8)
    net.add("CONV_2D", [x, weights], y, Padding=padding, StrideH=stride[0], StrideW=stride[1])
    found = compiled(net, y)
    assert list(dict.fromkeys(i.opcode for i in found)) == (PACKED if packed else PACKED[1:])
    if packed:
        assert found[-1].run == kernel[0] * kernel[1] * depth
        assert {i.fill for i in found} == {-7}


def test_temporary_storage():
    """Packed windows live only during their operator, beside its tensors; without room there are none."""
    net, rng = Network(), np.random.default_rng(5)
    x = net.input((1, 20, 10, 1))
    tensors = [
        net.tensor((1, 20, 10, 32), 0.5, 0),
        net.tensor((1, 20, 10, 1), 0.5, 0),
        net.tensor((1, 20, 10, 32), 0.5, 0),
    ]
    for source, y in zip([x, *tensors], tensors, strict=False):
        channels, depth = (1, 32) if y is tensors[1] else (32, 1)
        weights = net.constant(rng.integers(-99, 99, (channels, 7, 3, depth)), 0.01, dtype=np.int8)
        net.add("CONV_2D", [source, weights], y, Padding="SAME", StrideH=1, StrideW=1)
    net.outputs = [tensors[-1]]
    graph = load_tflite(net.file())
    program = compile_graph(graph)
    temporary = [region for region in program.regions if region.name.startswith("windows of")]
    assert [(region.first, region.last, region.size) for region in temporary] == [(n, n, 26 * 10 * 3) for n in (0, 2)]
    for one in program.regions:
        for other in program.regions:
            if one is not other and one.first <= other.last and other.first <= one.last:
                assert one.address >= other.address + other.size or other.address >= one.address + one.size
    tight = compile_graph(graph, NpuConfig(buffer_bytes=6600))
    assert tight.peak_bytes == 6600
    assert tight.cycles > program.cycles
    batch = rng.integers(-128, 128, (3, 20, 10, 1)).astype(np.int8)
    for found in (program, tight):
        np.testing.assert_array_equal(found.run(batch)[0], graph.run(batch)[0], strict=True)


def test_long_rows():
    """Strips of at most the accumulators' depth, with windows that reach over both ends of the row."""
    net, rng = Network(), np.random.default_rng(2)
    x, y = net.input((1, 2, 150, 3)), net.tensor((1, 2, 150, 6), 0.5, 0)
    weights = net.constant(rng.integers(-99, 99, (6, 3, 5, 3)), 0.01, dtype=np.int8)
    net.add("CONV_2D", [x, weights], y, Padding="SAME", StrideH=1, StrideW=1)
    z = net.tensor((1, 2, 150, 6), 0.5, 0)
    net.add("MAX_POOL_2D", [y], z, Padding="SAME", StrideH=1, StrideW=1, FilterHeight=3, FilterWidth=4)
    found = compiled(net, z)
    assert [i.out_cols for i in found] == [64, 64, 22, 64, 64, 22]
    assert [i.first_byte for i in found] == [-6, 0, 0, -6, 0, 0]


def test_table_per_channel():
    """A folded product with a constant per channel: one LOOKUP for each channel; equal tables are stored once."""
    net = Network()
    x, y = net.input((1, 3, 3, 4)), net.tensor((1, 3, 3, 4), 0.5, 0)
    net.add("MUL", [x, net.constant(np.array([3, -9, 50, 3]), 0.01, dtype=np.int8)], y)
    found = compiled(net, y)
    assert [(i.opcode, i.channels, i.table) for i in found] == [(Opcode.LOOKUP, 1, n) for n in (0, 1, 2, 0)]
    assert [i.source for i in found] == [found[0].source + n for n in range(4)]
