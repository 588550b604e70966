"""ADD, SUB, MUL, MAXIMUM and MINIMUM against TFLite Micro's kernels: all 65536 pairs of codes, and broadcasting."""

import numpy as np
import pytest
from tercet.compiler.builder import GraphBuilder, Operand
from tercet.golden.networks.operators import Maximum, Minimum, Mul
from tercet.golden.networks.operators.elementwise import add_parameters
from tercet.golden.numerics.quantization import QuantParams
from tercet.golden.numerics.requantization import Requant

from .operator_cases import ACTIVATIONS, PAIRS, kernel, random_codes, random_params

ARITHMETIC = ("ADD", "SUB", "MUL")


def operator(kind, first, second, target, activation="NONE", shape=PAIRS[0].shape):
    """The operator of two activations, or of one and the constant codes of an `Operand`."""
    builder = GraphBuilder("test")
    builder.tensor("y", shape, target)
    if kind == "MUL":
        builder.multiply("n", first, second, "y", activation)
    else:
        builder.add("n", first, second, "y", activation, subtract=kind == "SUB")
    return builder.operators[0]


def scales(rng, kind):
    """Scales of two operands, equal or up to 2**8 apart, and of the output."""
    first = random_params(rng, 0.1, 5)
    second = random_params(rng, float(first.scale), float(rng.choice([0, 1, 8])))
    if kind == "MUL":
        return first, second, random_params(rng, 60 * float(first.scale) * float(second.scale), 5)
    return first, second, random_params(rng, max(float(first.scale), float(second.scale)), 4)


@pytest.mark.parametrize("kind", ARITHMETIC)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_all_pairs(kind, activation):
    rng = np.random.default_rng(ACTIVATIONS.index(activation))
    for _ in range(5):
        first, second, target = scales(rng, kind)
        found = operator(kind, Operand(first, "a"), Operand(second, "b"), target, activation).run(*PAIRS)
        want = kernel(kind, PAIRS, (first, second), PAIRS[0].shape, target, FusedActivationFunction=activation)
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize(("kind", "cls"), [("MAXIMUM", Maximum), ("MINIMUM", Minimum)])
def test_extremes(kind, cls):
    params = random_params(np.random.default_rng(0))
    want = kernel(kind, PAIRS, (params, params), PAIRS[0].shape, params)
    np.testing.assert_array_equal(cls(name="n", inputs=("a", "b"), output="y").run(*PAIRS), want)


@pytest.mark.parametrize("kind", ARITHMETIC)
@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 5, 3), (1, 4, 1, 3), (1, 4, 5, 1), (1, 1, 1, 1), (1, 5, 3)])
@pytest.mark.parametrize("swapped", [False, True])
def test_broadcasting(kind, shape, swapped):
    rng = np.random.default_rng(1)
    first, second, target = scales(rng, kind)
    arrays = random_codes(rng, (1, 4, 5, 3)), random_codes(rng, shape)
    pair, params = (arrays[::-1], (second, first)) if swapped else (arrays, (first, second))
    node = operator(kind, Operand(params[0], "a"), Operand(params[1], "b"), target, shape=(1, 4, 5, 3))
    assert node.output_shape(*(x.shape for x in pair)) == (1, 4, 5, 3)
    np.testing.assert_array_equal(node.run(*pair), kernel(kind, pair, params, (1, 4, 5, 3), target))


@pytest.mark.parametrize("kind", ARITHMETIC)
@pytest.mark.parametrize("shape", [(), (3,), (5, 1), (4, 1, 1), (4, 5, 3)])
@pytest.mark.parametrize("constant_first", [False, True])
def test_constant_operand_equals_an_activation_of_its_codes(kind, shape, constant_first):
    rng = np.random.default_rng(2)
    first, second, target = scales(rng, kind)
    x, codes = random_codes(rng, (6, 4, 5, 3)), random_codes(rng, shape)
    first_end, second_end = Operand(first, "a"), Operand(second, codes=codes)
    other, pair = Operand(second, "b"), [x, np.broadcast_to(codes, x.shape)]
    if constant_first:
        node, both = operator(kind, second_end, first_end, target), operator(kind, other, first_end, target)
        pair.reverse()
    else:
        node, both = operator(kind, first_end, second_end, target), operator(kind, first_end, other, target)
    assert node.inputs == ("a",)
    assert node.output_shape((1, 4, 5, 3)) == (1, 4, 5, 3)
    np.testing.assert_array_equal(node.run(x), both.run(*pair))


def test_output_scale_below_the_fraction_bits():
    with pytest.raises(ValueError, match=r"output scale 1e-07 is below .*; use a larger one"):
        add_parameters((0.5, 0.5), 1e-7, 0, -128, 127)


def test_product_that_leaves_int32():
    requant = Requant.from_scale(2.0**16, 0)
    with pytest.raises(ValueError, match="sums reach 65025, which the output scale shifts left by 17 bits"):
        Mul(name="n", inputs=("a", "b"), output="y", zero_points=(-128, -128), requant=requant)


def test_largest_product_scale_that_is_taken():
    """Products up to 16384 may be shifted left by 16 bits and still fit int32."""
    params, target = QuantParams(1.0, 0), QuantParams(2.0**-15, 0)
    node = operator("MUL", Operand(params, "a"), Operand(params, "b"), target)
    np.testing.assert_array_equal(node.run(*PAIRS), kernel("MUL", PAIRS, (params, params), PAIRS[0].shape, target))
