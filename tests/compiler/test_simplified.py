"""Exact simplification: the same codes on random inputs, and what each pass must find."""

from dataclasses import replace

import numpy as np
import pytest
from tercet.compiler.builder import Operand
from tercet.compiler.report import totals
from tercet.compiler.tflite import load_tflite
from tercet.golden.networks.operators import (
    AveragePool2D,
    Concatenation,
    Lookup,
    Pad,
    ReduceMax,
    Slice,
    Transpose,
    Window,
)
from tercet.golden.numerics.quantization import QuantParams

from .chains import UNIT, Net, same, weights
from .random_networks import random_file


@pytest.mark.parametrize("start", range(0, 100, 25))
def test_random_graphs(start):
    saved = 0
    for seed in range(start, start + 25):
        graph = load_tflite(random_file(seed).data)
        saved += totals(graph).operators - totals(same(graph, 20)).operators
    assert saved > 0


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_random_graphs_with_dead_channels(start):
    before, left = 0, 0
    for seed in range(start, start + 50):
        graph = load_tflite(random_file(seed, dead=0.5).data)
        before += totals(graph).macs
        left += totals(same(graph, 12)).macs
    assert left < 0.98 * before


def test_pad_moves_into_the_convolution():
    def padded(fill):
        net = Net(5, 5, 2)
        before, y = net.last, net.new(8, 6, 2)
        widths = ((0, 0), (1, 2), (0, 1), (0, 0))
        net.build.append(Pad(name=y, inputs=(before,), output=y, widths=widths, fill=fill))
        return same(net.conv(weights(2, 3, 3, 2), None, (0, 1, 0, 0)).graph())

    assert [layer.op for layer in padded(UNIT.zero_point).layers] == ["CONV_2D"]
    assert [layer.op for layer in padded(5).layers] == ["PAD", "CONV_2D"]


def test_reshapes():
    chain = Net(4, 3).reshape(2, 6).reshape(12).dense(weights(12, 2)).graph()
    assert [layer.op for layer in same(chain).layers] == ["RESHAPE", "FULLY_CONNECTED"]
    nothing = Net(12).reshape(12).dense(weights(12, 2)).graph()
    assert [layer.op for layer in same(nothing).layers] == ["FULLY_CONNECTED"]


@pytest.mark.parametrize(
    ("codes", "ops"), [(np.int8(9), ["ADD"]), (weights(3), ["ADD"]), (weights(4, 1, 3), ["ADD", "ADD"])]
)
def test_a_constant_addend_is_a_table(codes, ops):
    """One code, or one per channel; not one per pixel. Two tables become one."""
    graph = Net(4, 4, 3).add_constant(np.asarray(codes)).add_constant(np.asarray(np.int8(3))).graph()
    assert [layer.op for layer in same(graph).layers] == ops


def test_dead_ends():
    net = Net(4, 4, 3).conv(weights(2, 1, 1, 3))
    kept = net.last
    net.conv(weights(5, 1, 1, 2))
    net.last = kept
    assert len(same(net.graph()).layers) == 1


def test_no_number_of_tables_is_too_large():
    net = Net(4)
    for _ in range(130):
        net.clamp(-100, 90).add_constant(np.int8(0))
    assert [layer.op for layer in same(net.graph()).layers] == ["ADD"]


@pytest.mark.parametrize("kind", ["conv", "average", "add", "read twice"])
def test_a_clamp_behind_an_operator(kind):
    net = Net(4, 4, 3)
    if kind == "average":
        net.op(AveragePool2D, (2, 2, 3), window=Window(kernel=(2, 2), stride=(2, 2)))
    elif kind == "add":
        net.build.add(net.new(4, 4, 3), Operand(UNIT, "x"), Operand(UNIT, "x"), net.last)
    else:
        net.conv(weights(2, 1, 1, 3), np.array([900, -900]))
    before = net.last
    net.clamp(-3, 90).clamp(-128, 20)
    graph = net.graph()
    if kind == "read twice":
        graph = replace(graph, outputs=(*graph.outputs, replace(graph.outputs[0], tensor=before)))
    assert len(same(graph).layers) == 1 + (kind == "read twice")


def test_a_clamp_that_its_input_keeps():
    kept = Net(4, 4, 3).clamp(5, 60).op(ReduceMax, (4, 3), axes=(1,))
    assert [layer.op for layer in same(kept.clamp(5, 127).graph()).layers] == ["RELU6", "REDUCE_MAX"]
    cut = Net(4, 4, 3).clamp(5, 60).op(ReduceMax, (4, 3), axes=(1,))
    assert [layer.op for layer in same(cut.clamp(6, 127).graph()).layers] == ["RELU6", "REDUCE_MAX", "RELU6"]


def test_a_table_behind_a_merged_clamp():
    """The convolution alone gives 50, the clamp makes 10 of it, and the table changes 10 only."""
    net = Net(4, 4, 3).conv(weights(2, 1, 1, 3), params=QuantParams(1e6, 50)).clamp(-20, 10)
    table, before = np.arange(-128, 128).astype(np.int8), net.last
    table[128 + 10] = 3
    graph = net.op(Lookup, (4, 4, 2), table=table).graph()
    graph = replace(graph, outputs=(*graph.outputs, replace(graph.outputs[0], tensor=before)))
    assert [layer.op for layer in same(graph).layers] == ["CONV_2D", "LOOKUP"]


@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_an_operand_that_is_constant(first, subtract):
    net = Net(4, 4, 3).conv(np.zeros((3, 1, 1, 3), np.int8), np.array([100, 2000, -900]))
    pair = [Operand(UNIT, "x"), Operand(UNIT, net.last)]
    if first:
        pair.reverse()
    net.build.add("sum", pair[0], pair[1], net.new(4, 4, 3), subtract=subtract)
    assert [layer.op for layer in same(net.graph()).layers] == ["SUB" if subtract else "ADD"]


@pytest.mark.parametrize("before", [True, False])
def test_what_moves_nothing(before):
    net = Net(4, 4, 3)
    if before:
        net.conv(weights(2, 3, 3, 3))
    shape = net.build.shape(net.last)[1:]
    net.reshape(*shape).op(Slice, shape, slices=tuple((0, n, 1) for n in shape), shape=shape)
    net.op(Transpose, shape, order=(0, 1, 2, 3)).op(Pad, shape, widths=((0, 0),) * 4, fill=0)
    net.op(Concatenation, shape, axis=1)
    assert [layer.op for layer in same(net.graph()).layers] == ["CONV_2D"] * before
