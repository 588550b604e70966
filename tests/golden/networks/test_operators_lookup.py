"""Tables of all 256 codes against TFLite Micro's kernels, for many scales and zero points."""

import numpy as np
import pytest
from tercet.compiler.builder import activation_range
from tercet.golden.networks.operators import Lookup
from tercet.golden.networks.operators.lookup import (
    FUNCTIONS,
    by_float,
    clamp_table,
    hard_swish_table,
    leaky_relu_table,
    logistic_table,
    relu_table,
    requantize_table,
    tanh_table,
)
from tercet.golden.numerics.quantization import QuantParams

from .operator_cases import CODES, kernel, random_params

# Output scales that the kernels prescribe.
LOGISTIC, TANH = QuantParams(1 / 256, -128), QuantParams(1 / 128, 0)
TWO_SCALES = {
    "RELU": relu_table,
    "QUANTIZE": requantize_table,
    "HARD_SWISH": hard_swish_table,
    "ELU": lambda source, target: by_float(source, target, FUNCTIONS["ELU"]),
}


def micro_table(kind, source, target, **options):
    return kernel(kind, (CODES,), (source,), CODES.shape, target, **options)[0]


def pairs(seed, count=40):
    """Scales of inputs and outputs: equal, a power of two apart, and any."""
    rng = np.random.default_rng(seed)
    for n in range(count):
        source = random_params(rng, 0.1)
        target = random_params(rng, float(source.scale), 4 if n % 4 else 0)
        yield source, QuantParams(float(source.scale) / 4, target.zero_point) if n % 8 == 1 else target


@pytest.mark.parametrize("kind", TWO_SCALES)
def test_table_of_two_scales(kind):
    for source, target in pairs(1):
        np.testing.assert_array_equal(TWO_SCALES[kind](source, target), micro_table(kind, source, target))


@pytest.mark.parametrize(
    ("kind", "table", "target"), [("LOGISTIC", logistic_table, LOGISTIC), ("TANH", tanh_table, TANH)]
)
def test_table_of_one_scale(kind, table, target):
    rng = np.random.default_rng(2)
    for _ in range(60):
        source = random_params(rng, 0.02, 10)
        np.testing.assert_array_equal(table(source), micro_table(kind, source, target))


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3, 1.0, 1.7, -0.25])
def test_leaky_relu(alpha):
    for source, target in pairs(3, 20):
        table = leaky_relu_table(source, target, alpha)
        np.testing.assert_array_equal(table, micro_table("LEAKY_RELU", source, target, Alpha=alpha))


def test_relu6_clamps_codes():
    rng = np.random.default_rng(4)
    for _ in range(40):
        source = random_params(rng, 0.05)
        table = clamp_table(*activation_range("RELU6", source))
        np.testing.assert_array_equal(table, micro_table("RELU6", source, source))


def test_elu_of_small_numbers():
    """Where ``exp(x) - 1`` has few bits in single precision."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        source = random_params(rng, 2.0**-22, 3)
        target = random_params(rng, float(source.scale), 1)
        table = by_float(source, target, FUNCTIONS["ELU"])
        np.testing.assert_array_equal(table, micro_table("ELU", source, target))


@pytest.mark.parametrize("exponent", [-15, 0, 1, 9])
def test_hard_swish_at_the_ends_of_its_scales(exponent):
    """Input scales at which the kernel shifts by `exponent`, output scales from 1/128 to 512 of them."""
    for factor in (1.0, 1.9999):
        scale = float(np.float32(factor * 2.0 ** (exponent - 1) * 3 / 256))
        for ratio in (1.01 * 2.0**-7, 1.5 * 2.0**-7, 1.0, 300.0, 511.0):
            source, target = QuantParams(scale, 5), QuantParams(float(np.float32(scale * ratio)), -7)
            table = hard_swish_table(source, target)
            np.testing.assert_array_equal(table, micro_table("HARD_SWISH", source, target))


@pytest.mark.parametrize(
    ("table", "source", "target", "match"),
    [
        (requantize_table, 1.0, 2.0**-26, "sums reach 131, which the output scale shifts left by 27 bits"),
        (relu_table, 1.0, 2.0**-26, "use a larger output scale"),
        (lambda s, t: leaky_relu_table(s, t, 2.0**20), 1.0, 2.0**-6, "beyond int32; use a larger output scale"),
        (TWO_SCALES["ELU"], 1.0, 2.0**-30, "codes overflow int32; use a larger one"),
        (hard_swish_table, 1.0, 2.0**-8, "not above 1/128 of the input's; use a larger one"),
        (hard_swish_table, 1.0, 1024.0, "above 512 times the input's; use a smaller one"),
        (hard_swish_table, 2.0**-23, 2.0**-23, "below 3 [*] 2[*][*]-24; use a larger one"),
        (lambda s, t: logistic_table(s), 2.0**-29, 1.0, "below 2[*][*]-28"),
        (lambda s, t: tanh_table(s), 2.0**-29, 1.0, "below 2[*][*]-28"),
    ],
)
def test_scales_that_overflow_the_kernel_are_refused(table, source, target, match):
    with pytest.raises(ValueError, match=match) as caught:
        table(QuantParams(source, 3), QuantParams(target, 3))
    assert "\n" not in str(caught.value)


def test_lookup_per_channel():
    rng = np.random.default_rng(6)
    table = rng.integers(-128, 128, (3, 256)).astype(np.int8)
    x = rng.integers(-128, 128, (2, 5, 3)).astype(np.int8)
    out = Lookup(name="n", inputs=("x",), output="y", table=table).run(x)
    for channel in range(3):
        np.testing.assert_array_equal(out[..., channel], table[channel][x[..., channel].astype(int) + 128])
