"""RESHAPE, TRANSPOSE, PAD, CONCATENATION, STRIDED_SLICE and SPLIT against TFLite Micro's kernels."""

from itertools import permutations

import numpy as np
import pytest
from tercet.compiler.tflite import load_tflite
from tercet.golden.networks.operators import Concatenation, Pad, Reshape, Slice, Transpose
from tercet.golden.numerics.quantization import QuantParams

from ...compiler.micro import Micro
from ...compiler.tflite_files import Network
from .operator_cases import kernel, random_codes

PARAMS = QuantParams(0.5, -7)
ENDS = {"name": "n", "inputs": ("x",), "output": "y"}
X = random_codes(np.random.default_rng(0), (1, 4, 5, 6))


def micro(kind, x, shape, *constants, **fields):
    return kernel(kind, (x,), (PARAMS,), shape, PARAMS, constants=constants, **fields)


@pytest.mark.parametrize("shape", [(120,), (4, 30), (6, 5, 4)])
def test_reshape(shape):
    node = Reshape(**ENDS, shape=shape)
    np.testing.assert_array_equal(node.run(X), micro("RESHAPE", X, (1, *shape), (1, *shape)), strict=True)


@pytest.mark.parametrize("axes", list(permutations((1, 2, 3))))
def test_transpose(axes):
    node = Transpose(**ENDS, order=(0, *axes))
    want = micro("TRANSPOSE", X, node.output_shape(X.shape), (0, *axes))
    np.testing.assert_array_equal(node.run(X), want, strict=True)


@pytest.mark.parametrize("widths", [((1, 2), (3, 0), (0, 0)), ((0, 0), (0, 0), (2, 1)), ((0, 0),) * 3])
def test_pad(widths):
    """PAD fills with the zero point."""
    node = Pad(**ENDS, widths=((0, 0), *widths), fill=PARAMS.zero_point)
    want = micro("PAD", X, node.output_shape(X.shape), ((0, 0), *widths))
    np.testing.assert_array_equal(node.run(X), want, strict=True)


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_concatenation(axis):
    rng = np.random.default_rng(1)
    parts = [random_codes(rng, (*X.shape[:axis], n, *X.shape[axis + 1 :])) for n in (1, 3, 2)]
    node = Concatenation(name="n", inputs=("a", "b", "c"), output="y", axis=axis)
    shape = node.output_shape(*(part.shape for part in parts))
    want = kernel("CONCATENATION", tuple(parts), (PARAMS,) * 3, shape, PARAMS, Axis=axis)
    np.testing.assert_array_equal(node.run(*parts), want, strict=True)


def strided(begin, end, step, shape, **masks):
    """Codes of the graph and of TFLite Micro."""
    net = Network()
    x, y = net.input(X.shape, 0.5), net.tensor(shape, 0.5)
    net.add("STRIDED_SLICE", [x, *(net.constant(v) for v in (begin, end, step))], y, **masks)
    net.outputs = [y]
    return load_tflite(net.file()).run(X)[0], Micro(net.file()).run(X)[0]


@pytest.mark.parametrize(
    ("begin", "end", "step", "shape", "masks"),
    [
        ((0, 1, 0, 2), (1, 3, 5, 6), (1, 1, 2, 3), (1, 2, 3, 2), {}),
        ((0, -3, -100, 1), (1, -1, 100, 2), (1, 1, 1, 1), (1, 2, 5, 1), {}),
        ((0, 3, 4, 5), (1, 0, -6, -7), (1, -1, -2, -1), (1, 3, 3, 6), {}),
        ((0, 3, 3, 3), (1, 3, 3, 3), (1, 1, 1, 1), (1, 4, 5, 6), {"BeginMask": 15, "EndMask": 15}),
        ((0, 2, 0, 0), (1, 3, 5, 6), (1, 1, 1, 1), (1, 5, 6), {"ShrinkAxisMask": 2}),
        ((0, 0, 0, -1), (1, 4, 5, 0), (1, 1, 1, 1), (1, 4, 5), {"ShrinkAxisMask": 8}),
        ((0, 0, -2, 0), (1, 4, 0, 6), (1, 2, 1, 1), (1, 2, 6), {"ShrinkAxisMask": 4, "BeginMask": 2, "EndMask": 8}),
    ],
)
def test_strided_slice(begin, end, step, shape, masks):
    found, want = strided(begin, end, step, shape, **masks)
    np.testing.assert_array_equal(found, want, strict=True)


@pytest.mark.parametrize(("axis", "parts"), [(1, 2), (2, 5), (3, 3), (-1, 2)])
def test_split(axis, parts):
    net = Network()
    x = net.input(X.shape, 0.5)
    shape = [n // parts if k == axis % 4 else n for k, n in enumerate(X.shape)]
    net.outputs = [net.tensor(shape, 0.5) for _ in range(parts)]
    net.add("SPLIT", [net.constant(axis), x], *net.outputs, NumSplits=parts)
    for found, want in zip(load_tflite(net.file()).run(X), Micro(net.file()).run(X), strict=True):
        np.testing.assert_array_equal(found, want, strict=True)


def test_slice_with_a_negative_step_to_the_beginning():
    node = Slice(**ENDS, slices=((3, None, -1), (0, 5, 1), (5, 0, -2)), shape=(4, 5, 3))
    np.testing.assert_array_equal(node.run(X), X[:, ::-1, :, 5:0:-2])
    assert node.output_shape(X.shape) == (1, 4, 5, 3)
