"""Chains of operators under construction, and the check that simplification keeps every code."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tercet.compiler.builder import GraphBuilder, Operand
from tercet.golden.networks.graph import Edge, Graph
from tercet.golden.networks.operators import Lookup, Operator, Reshape, Window
from tercet.golden.numerics.quantization import QuantParams

__all__ = ["RNG", "UNIT", "Net", "same", "weights"]

UNIT = QuantParams(0.5, -3)
RNG = np.random.default_rng(7)


class Net:
    """A chain of operators on one tensor after the other."""

    def __init__(self, *shape, params=UNIT):
        self.build = GraphBuilder("test")
        self.build.tensor("x", (1, *shape), params)
        self.build.inputs.append(Edge("x", (1, *shape), "int8", float(params.scale), params.zero_point, "x"))
        self.last, self.count = "x", 0

    def new(self, *shape, params=UNIT):
        self.count += 1
        self.last = f"t{self.count}"
        self.build.tensor(self.last, (1, *shape), params)
        return self.last

    def conv(self, weights, bias=None, padding=(0, 0, 0, 0), params=UNIT, activation="NONE"):
        before = self.last
        _, height, width, _ = self.build.shape(before)
        window = Window(kernel=weights.shape[1:3], padding=padding)
        y = self.new(*window.output_size(height, width), len(weights), params=params)
        self.build.conv2d(y, before, y, weights, np.array([0.02]), bias, window, activation)
        return self

    def depthwise(self, weights, bias=None, padding=(0, 0, 0, 0)):
        before = self.last
        _, height, width, _ = self.build.shape(before)
        window = Window(kernel=weights.shape[:2], padding=padding)
        y = self.new(*window.output_size(height, width), weights.shape[2])
        self.build.depthwise(y, before, y, weights, np.array([0.02]), bias, window)
        return self

    def dense(self, weights, bias=None):
        before, y = self.last, self.new(weights.shape[1])
        self.build.fully_connected(y, before, y, weights, np.array([0.02]), bias)
        return self

    def op(self, kind: type[Operator], shape: Sequence[int], /, **fields: Any):
        """An operator without weights, its output of this shape."""
        before, y = self.last, self.new(*shape)
        self.build.append(kind(name=y, inputs=(before,), output=y, **fields))
        return self

    def reshape(self, *shape):
        return self.op(Reshape, shape, shape=shape)

    def clamp(self, low, high):
        """A table that clamps codes."""
        table = np.arange(-128, 128).clip(low, high).astype(np.int8)
        return self.op(Lookup, self.build.shape(self.last)[1:], table=table, op="RELU6")

    def add_constant(self, codes):
        before, y = self.last, self.new(*self.build.shape(self.last)[1:])
        self.build.add(y, Operand(UNIT, before), Operand(UNIT, codes=codes), y)
        return self

    def graph(self) -> Graph:
        shape = self.build.shape(self.last)
        params = self.build.params(self.last)
        self.build.outputs.append(Edge("y", shape, "int8", float(params.scale), params.zero_point, self.last))
        return self.build.graph()


def weights(*shape):
    return RNG.integers(-90, 91, shape).astype(np.int8)


def same(graph, count=40):
    """Simplify; both give the same codes for random inputs."""
    found = graph.simplified()
    x = [RNG.integers(-128, 128, (count, *edge.sample_shape)).astype(np.int8) for edge in graph.inputs]
    for one, other in zip(graph.run(x), found.run(x), strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
    return found
