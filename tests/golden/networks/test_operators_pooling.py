"""AVERAGE_POOL_2D, MAX_POOL_2D, MEAN and REDUCE_MAX against TFLite Micro's kernels."""

from itertools import combinations

import numpy as np
import pytest
from tercet.compiler.builder import activation_range
from tercet.golden.networks.operators import AveragePool2D, MaxPool2D, Mean, ReduceMax, Window
from tercet.golden.numerics.quantization import QuantParams

from .operator_cases import ACTIVATIONS, kernel, random_codes, random_params

POOLS = {"AVERAGE_POOL_2D": AveragePool2D, "MAX_POOL_2D": MaxPool2D}
SHAPES = [(1, 6), (1, 7, 3), (1, 3, 5, 4), (1, 8, 8, 2), (1, 1, 49, 3)]
# Every combination of axes but the batch.
REDUCTIONS = [
    (shape, axes)
    for shape in SHAPES
    for count in range(1, len(shape))
    for axes in combinations(range(1, len(shape)), count)
]


def pool(kind, x, params, kernel_size, stride, padding, activation):
    """An operator's codes, and TFLite Micro's."""
    sides = Window.same(x.shape[1:3], kernel_size, stride) if padding == "SAME" else (0, 0, 0, 0)
    window = Window(kernel=kernel_size, stride=stride, padding=sides)
    low, high = activation_range(activation, params)
    node = POOLS[kind](name="n", inputs=("x",), output="y", window=window, qmin=low, qmax=high)
    fields = {"Padding": padding, "FusedActivationFunction": activation}
    fields |= {"FilterHeight": kernel_size[0], "FilterWidth": kernel_size[1]}
    fields |= {"StrideH": stride[0], "StrideW": stride[1]}
    return node.run(x), kernel(kind, (x,), (params,), node.output_shape(x.shape), params, **fields)


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_pools(kind, padding, activation):
    rng = np.random.default_rng(1)
    for _ in range(25):
        x = random_codes(rng, (1, *rng.integers(4, 10, 2).tolist(), int(rng.integers(1, 5))))
        size, stride = (tuple(int(n) for n in rng.integers(1, top, 2)) for top in (5, 4))
        found, want = pool(kind, x, random_params(rng, 0.05), size, stride, padding, activation)
        np.testing.assert_array_equal(found, want, strict=True)


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("size", [(5, 5), (7, 7), (9, 3)])
def test_windows_larger_than_the_picture(kind, size):
    """SAME padding on each side: many counts of valid elements."""
    rng = np.random.default_rng(2)
    x = random_codes(rng, (1, 5, 4, 3))
    np.testing.assert_array_equal(*pool(kind, x, random_params(rng), size, (1, 1), "SAME", "NONE"))


def test_average_of_all_sums():
    """Ties of both signs: two codes of any sum."""
    x = np.stack([np.arange(-128, 128), np.repeat([3, -4], 128)]).astype(np.int8)[None, :, :, None]
    np.testing.assert_array_equal(*pool("AVERAGE_POOL_2D", x, QuantParams(0.5, 7), (2, 1), (2, 1), "VALID", "NONE"))


def mean(x, axes, source, target, keep=False):
    node = Mean.of("n", "x", "y", axes, x.shape, source, target, keep_dims=keep)
    want = kernel("MEAN", (x,), (source,), node.output_shape(x.shape), target, constants=(axes,), KeepDims=keep)
    return node.run(x), want


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(("shape", "axes"), REDUCTIONS)
def test_mean(shape, axes, keep):
    rng = np.random.default_rng(3)
    for n in range(6):
        source = random_params(rng, 0.1, 8)
        target = random_params(rng, float(source.scale), 3) if n % 2 else source
        x = random_codes(rng, shape)
        if n > 3:
            # Codes near each other: means that are not all near the middle.
            x = x // 16 + np.int8(rng.integers(-100, 100))
        np.testing.assert_array_equal(*mean(x, axes, source, target, keep), strict=True)


@pytest.mark.parametrize("count", [2, 3, 5, 6, 7, 10, 11, 48, 49, 100])
@pytest.mark.parametrize("ratio", [1.0, 1 + 2.0**-6, 1 + 2.0**-7, 1 + 2.0**-8])
def test_mean_of_every_sum(count, ratio):
    """Sums that lie on ties, but for the truncated multiplier."""
    sums = np.arange(-128 * count, 127 * count)[:, None]
    x = (sums // count + (np.arange(count) < sums % count)).astype(np.int8)[None]
    source, target = QuantParams(ratio, 0), QuantParams(1.0, 0)
    np.testing.assert_array_equal(*mean(x, (2,), source, target))


def test_mean_whose_sums_leave_int32():
    with pytest.raises(ValueError, match="beyond int32; use a larger output scale"):
        Mean.of("n", "x", "y", (1,), (1, 4096), QuantParams(1.0, 0), QuantParams(2.0**-28, 0), keep_dims=False)


@pytest.mark.parametrize(("shape", "axes"), REDUCTIONS)
def test_reduce_max(shape, axes):
    rng = np.random.default_rng(4)
    x, params = random_codes(rng, shape) // 2, random_params(rng)
    node = ReduceMax(name="n", inputs=("x",), output="y", axes=axes)
    want = kernel("REDUCE_MAX", (x,), (params,), node.output_shape(shape), params, constants=(axes,), KeepDims=False)
    np.testing.assert_array_equal(node.run(x), want, strict=True)
