"""Where the registers are, and how wide everything is."""

from itertools import combinations
from math import ceil, log2

import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore import plan
from tercet.rtl.tensorcore.plan import Plan

COUNTS = (2, 4, 8, 16, 32)
FEWEST, MOST = 4, 20  # registers: three inside of the multiplier and one at the end; behind each step of the largest
INPUTS = [("fp16", "fp16"), ("bf16", "bf16"), ("tf32", "tf32"), ("e4m3", "e4m3"), ("e5m2", "e5m2"), ("e4m3", "e5m2")]


def lengths(steps, registers):
    """Nanoseconds from each register to the next, the longest first."""
    found, length = [], 0.0
    for step in steps:
        length += plan._DELAYS[step.split("_")[0]]
        if step in registers:
            found.append(round(length, 3))
            length = 0.0
    assert length == 0, "no register at the end"
    return sorted(found, reverse=True)


def all_plans(count):
    """Plans of every pipeline there is."""
    steps = Plan(TensorCoreConfig(l=count)).steps
    return [Plan(TensorCoreConfig(l=count, pipeline=pipeline)) for pipeline in range(FEWEST, len(steps) + 1)]


@pytest.mark.parametrize("count", COUNTS)
def test_steps(count):
    """A level of the tree more for twice the products: one of the maximum and one of the sum."""
    steps = Plan(TensorCoreConfig(l=count)).steps
    levels = count.bit_length() - 1
    assert len(steps) == len(set(steps)) == 10 + 2 * levels
    assert [step for step in steps if step.startswith("add_")] == [*(f"add_{n + 1}" for n in range(levels)), "add_c"]
    assert sum(step.startswith("maximum_") for step in steps) == levels - 1


@pytest.mark.parametrize("count", COUNTS)
def test_registers(count):
    """As many as the pipeline is long, of which the multiplier's three lie before significands are shifted."""
    for found in all_plans(count):
        assert found.registers <= set(found.steps)
        assert len(found.registers) == found.config.pipeline
        assert found.clocks(found.steps[0], found.steps[-1]) == found.config.pipeline
        assert found.clocks("exponent", "distance") >= 3
        assert "pack" in found.registers


@pytest.mark.parametrize("count", COUNTS)
def test_longer_is_not_slower(count):
    longest = [lengths(found.steps, found.registers)[0] for found in all_plans(count)]
    assert longest == sorted(longest, reverse=True)
    assert longest[-1] < longest[0] / 2


@pytest.mark.parametrize("count", COUNTS[:2])
def test_best_of_all(count):
    """There is no other choice of registers whose longest parts are shorter."""
    for found in all_plans(count):
        steps = found.steps
        front = set(steps[: steps.index("coarse")])
        choices = [{*some, "pack"} for some in combinations(steps[:-1], found.config.pipeline - 1)]
        best = min(lengths(steps, choice) for choice in choices if len(choice & front) >= 3)
        assert lengths(steps, found.registers) == best


def test_clocks():
    """Registers behind the steps from the first to the last one, both included."""
    found = Plan(TensorCoreConfig(pipeline=9))
    for first in range(len(found.steps)):
        for last in range(first, len(found.steps)):
            count = sum(step in found.registers for step in found.steps[first : last + 1])
            assert found.clocks(found.steps[first], found.steps[last]) == count
        assert found.clocks(found.steps[first]) == (found.steps[first] in found.registers)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("format", ["fp16", "int8"])
def test_too_long(format, count):
    """There are no more registers than steps; what is too short for all of them is no config."""
    most = len(Plan(TensorCoreConfig(a_format=format, l=count)).steps)
    for pipeline in range(most + 1, MOST + 1):
        line = f"Pipeline of {pipeline} clocks; with l {count} use {FEWEST} to {most}$"
        with pytest.raises(ValueError, match=line):
            _ = Plan(TensorCoreConfig(a_format=format, l=count, pipeline=pipeline)).registers
    assert most <= MOST
    for pipeline in (FEWEST - 1, MOST + 1):
        with pytest.raises(ValueError, match=f"pipeline {pipeline} "):
            TensorCoreConfig(a_format=format, l=count, pipeline=pipeline)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"l": 1}, "l 1 is no size of a tree of adders; use 2, 4, 8, 16 or 32$"),
        ({"l": 6}, "l 6 is no size"),
        ({"l": 12, "a_format": "int8"}, "l 12 is no size"),
        ({"a_format": "e4m3", "fp8": "mma_sync"}, "fp8 'mma_sync' is what only the golden model does; use"),
        ({"fraction_bits": 0}, "fraction_bits 0 keeps all, which only the golden model does; use 13 to 25"),
    ],
    ids=str,
)
def test_refused(fields, line):
    with pytest.raises(ValueError, match=line):
        Plan(TensorCoreConfig(**fields))


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize("count", COUNTS)
def test_integers(count, overflow):
    """The multiplier's three registers, and as many of the others as there are clocks left."""
    config = TensorCoreConfig(a_format="int8", l=count, overflow=overflow)
    steps = Plan(config).steps
    assert len(steps) == 5 + (count.bit_length() - 1)
    longest = []
    for pipeline in range(FEWEST, len(steps) + 1):
        found = Plan(TensorCoreConfig(a_format="int8", l=count, overflow=overflow, pipeline=pipeline))
        assert len(found.registers) == pipeline
        assert {"multiply_1", "multiply_2", "multiply_3", "pack"} <= found.registers
        longest.append(lengths(steps[3:], found.registers)[0])
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("fraction_bits", [13, 23, 24, 25])
@pytest.mark.parametrize("count", COUNTS)
def test_widths_of_sums(count, fraction_bits):
    """F + ceil(log2(4 l + 2)) bits of a magnitude: with 4 products F + 5, and one more for twice as many."""
    found = Plan(TensorCoreConfig(l=count, fraction_bits=fraction_bits))
    assert found.sum_width == fraction_bits + ceil(log2(4 * count + 2))
    assert found.sum_width == fraction_bits + {2: 4, 4: 5, 8: 6, 16: 7, 32: 8}[count]
    # Products are below 4, and the addend is below 2.
    assert found.term_width == fraction_bits + 2
    assert count * (2**found.term_width - 1) + 2 ** (fraction_bits + 1) - 1 < 2**found.sum_width


@pytest.mark.parametrize("out_format", ["fp32", "fp16"])
@pytest.mark.parametrize(("a_format", "b_format"), INPUTS)
def test_exponents(a_format, b_format, out_format):
    """One scale for all, never negative, on which `origin` is 1.0."""
    found = Plan(TensorCoreConfig(a_format=a_format, b_format=b_format, out_format=out_format))
    a, b, c = (FORMATS[name] for name in (a_format, b_format, out_format))
    smallest = (1 - a.bias) + (1 - b.bias)
    largest = sum(2**form.exponent_bits - 1 - form.infinities - form.bias for form in (a, b))
    assert found.product_exponents[0] == found.origin + smallest
    assert found.product_exponents[-1] >= found.origin + largest
    assert found.addend_exponents[0] == found.origin + 1 - c.bias
    assert found.addend_exponents[-1] >= found.origin + 2**c.exponent_bits - 2 - c.bias
    assert min(found.product_exponents[0], found.addend_exponents[0]) >= 0
    assert max(found.product_exponents[-1], found.addend_exponents[-1]) < 2**found.exponent_width
    assert found.product_exponents[-1] - found.origin + a.bias + b.bias < 2**found.product_exponent_width
    assert found.addend_offset == found.origin - c.bias


def test_floor():
    """On the common scale; where all terms are above it there is nothing to build."""
    for config in (
        TensorCoreConfig.volta(out_format="fp16"),
        TensorCoreConfig.hopper(a_format="bf16"),
        TensorCoreConfig(min_exponent=-125),
    ):
        found = Plan(config)
        assert found.floor is not None
        assert found.floor - found.origin == config.min_exponent
        assert min(found.product_exponents[0], found.addend_exponents[0]) < found.floor < 2**found.exponent_width
    for config in (
        TensorCoreConfig(),
        TensorCoreConfig.hopper(),
        TensorCoreConfig.hopper(a_format="e4m3"),
        TensorCoreConfig.hopper(a_format="bf16", min_exponent=None),
        TensorCoreConfig(min_exponent=-126),
    ):
        assert Plan(config).floor is None


def test_a_floor_saves_room():
    """Sums of small products need not go far to the right."""
    floored, free = (Plan(TensorCoreConfig.hopper(a_format="bf16", min_exponent=low)) for low in (-133, None))
    assert free.field_width == free.sum_width + 25
    assert floored.field_width == floored.sum_width + 1
    assert floored.lowest_top == 1


@pytest.mark.parametrize(("a_format", "b_format"), INPUTS)
def test_widths_of_products(a_format, b_format):
    found = Plan(TensorCoreConfig(a_format=a_format, b_format=b_format))
    largest = 1
    for format in (a_format, b_format):
        largest *= 2 ** (FORMATS[format].fraction_bits + 1) - 1
    assert largest.bit_length() == found.product_width
    assert found.product_fraction == found.product_width - 2
    assert (found.a_width, found.b_width, found.c_width) == (FORMATS[a_format].width, FORMATS[b_format].width, 32)


def test_integer_widths():
    found = Plan(TensorCoreConfig(a_format="int8"))
    assert (found.a_width, found.b_width, found.c_width) == (8, 8, 32)


@pytest.mark.parametrize(("out_format", "bits", "rounds"), [("fp32", 23, 0), ("fp32", 13, 0), ("fp16", 10, 1)])
def test_results(out_format, bits, rounds):
    found = Plan(TensorCoreConfig(out_format=out_format, out_fraction_bits=bits))
    assert found.kept == bits + 1
    assert found.rounds == rounds
