"""Placement of registers, widths and exponents."""

from itertools import combinations
from math import ceil, log2

import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore import plan
from tercet.rtl.tensorcore.plan import Plan

COUNTS = (2, 4, 8, 16, 32)
FEWEST, MOST = 4, 20  # registers: the multiplier's three and one at the end; one after each step of the largest unit
INPUTS = [("fp16", "fp16"), ("bf16", "bf16"), ("tf32", "tf32"), ("e4m3", "e4m3"), ("e5m2", "e5m2"), ("e4m3", "e5m2")]


def lengths(steps, registers):
    """Delays from each register to the next in ns, longest first."""
    delays, length = [], 0.0
    for step in steps:
        length += plan._DELAYS[step.split("_")[0]]
        if step in registers:
            delays.append(round(length, 3))
            length = 0.0
    assert length == 0, "no register at the end"
    return sorted(delays, reverse=True)


def all_plans(count):
    """Plans of every pipeline length."""
    steps = Plan(TensorCoreConfig(l=count)).steps
    return [Plan(TensorCoreConfig(l=count, pipeline=pipeline)) for pipeline in range(FEWEST, len(steps) + 1)]


@pytest.mark.parametrize("count", COUNTS)
def test_steps(count):
    """Twice the products add one level to both trees: the maximum and the sum."""
    steps = Plan(TensorCoreConfig(l=count)).steps
    levels = count.bit_length() - 1
    assert len(steps) == len(set(steps)) == 10 + 2 * levels
    assert [step for step in steps if step.startswith("add_")] == [*(f"add_{n + 1}" for n in range(levels)), "add_c"]
    assert sum(step.startswith("maximum_") for step in steps) == levels - 1


@pytest.mark.parametrize("count", COUNTS)
def test_registers(count):
    """`pipeline` registers, three of them for the multiplier, before the shift of significands."""
    for unit in all_plans(count):
        assert unit.registers <= set(unit.steps)
        assert len(unit.registers) == unit.config.pipeline
        assert unit.clocks(unit.steps[0], unit.steps[-1]) == unit.config.pipeline
        assert unit.clocks("exponent", "distance") >= 3
        assert "pack" in unit.registers


@pytest.mark.parametrize("count", COUNTS)
def test_longer_is_not_slower(count):
    longest = [lengths(unit.steps, unit.registers)[0] for unit in all_plans(count)]
    assert longest == sorted(longest, reverse=True)
    assert longest[-1] < longest[0] / 2


@pytest.mark.parametrize("count", COUNTS[:2])
def test_best_of_all(count):
    """No other placement of registers has shorter stages, compared longest first."""
    for unit in all_plans(count):
        steps = unit.steps
        front = set(steps[: steps.index("coarse")])
        choices = [{*chosen, "pack"} for chosen in combinations(steps[:-1], unit.config.pipeline - 1)]
        best = min(lengths(steps, choice) for choice in choices if len(choice & front) >= 3)
        assert lengths(steps, unit.registers) == best


def test_clocks():
    """Registers after the steps from the first to the last one, inclusive."""
    unit = Plan(TensorCoreConfig(pipeline=9))
    for first in range(len(unit.steps)):
        for last in range(first, len(unit.steps)):
            count = sum(step in unit.registers for step in unit.steps[first : last + 1])
            assert unit.clocks(unit.steps[first], unit.steps[last]) == count
        assert unit.clocks(unit.steps[first]) == (unit.steps[first] in unit.registers)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("format", ["fp16", "int8"])
def test_too_long(format, count):
    """A plan has at most one register per step; lengths that no unit supports are rejected by the config."""
    most = len(Plan(TensorCoreConfig(a_format=format, l=count)).steps)
    for pipeline in range(most + 1, MOST + 1):
        line = f"pipeline {pipeline} is out of range for l {count}; use {FEWEST} to {most}$"
        with pytest.raises(ValueError, match=line):
            _ = Plan(TensorCoreConfig(a_format=format, l=count, pipeline=pipeline)).registers
    assert most <= MOST
    for pipeline in (FEWEST - 1, MOST + 1):
        with pytest.raises(ValueError, match=f"pipeline {pipeline} "):
            TensorCoreConfig(a_format=format, l=count, pipeline=pipeline)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"l": 1}, "l 1 is not a size of an adder tree; use 2, 4, 8, 16 or 32$"),
        ({"l": 6}, "l 6 is not a size"),
        ({"l": 12, "a_format": "int8"}, "l 12 is not a size"),
        ({"a_format": "e4m3", "fp8": "mma_sync"}, "fp8 'mma_sync' is for the golden model only; use"),
        ({"fraction_bits": 0}, r"fraction_bits 0 \(keep all\) is for the golden model only; use 13 to 25"),
    ],
    ids=str,
)
def test_refused(fields, line):
    with pytest.raises(ValueError, match=line):
        Plan(TensorCoreConfig(**fields))


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize("count", COUNTS)
def test_integers(count, overflow):
    """The multiplier's three registers, and the remaining ones after other steps."""
    config = TensorCoreConfig(a_format="int8", l=count, overflow=overflow)
    steps = Plan(config).steps
    assert len(steps) == 5 + (count.bit_length() - 1)
    longest = []
    for pipeline in range(FEWEST, len(steps) + 1):
        unit = Plan(TensorCoreConfig(a_format="int8", l=count, overflow=overflow, pipeline=pipeline))
        assert len(unit.registers) == pipeline
        assert {"multiply_1", "multiply_2", "multiply_3", "pack"} <= unit.registers
        longest.append(lengths(steps[3:], unit.registers)[0])
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("fraction_bits", [13, 23, 24, 25])
@pytest.mark.parametrize("count", COUNTS)
def test_widths_of_sums(count, fraction_bits):
    """A magnitude has F + ceil(log2(4 l + 2)) bits: F + 5 with 4 products, one more for twice as many."""
    unit = Plan(TensorCoreConfig(l=count, fraction_bits=fraction_bits))
    assert unit.sum_width == fraction_bits + ceil(log2(4 * count + 2))
    assert unit.sum_width == fraction_bits + {2: 4, 4: 5, 8: 6, 16: 7, 32: 8}[count]
    # Products are below 4, and the addend is below 2.
    assert unit.term_width == fraction_bits + 2
    assert count * (2**unit.term_width - 1) + 2 ** (fraction_bits + 1) - 1 < 2**unit.sum_width


@pytest.mark.parametrize("out_format", ["fp32", "fp16"])
@pytest.mark.parametrize(("a_format", "b_format"), INPUTS)
def test_exponents(a_format, b_format, out_format):
    """All exponents share one non-negative scale, with 1.0 at `origin`."""
    unit = Plan(TensorCoreConfig(a_format=a_format, b_format=b_format, out_format=out_format))
    a, b, c = (FORMATS[name] for name in (a_format, b_format, out_format))
    smallest = (1 - a.bias) + (1 - b.bias)
    largest = sum(2**form.exponent_bits - 1 - form.infinities - form.bias for form in (a, b))
    assert unit.product_exponents[0] == unit.origin + smallest
    assert unit.product_exponents[-1] >= unit.origin + largest
    assert unit.addend_exponents[0] == unit.origin + 1 - c.bias
    assert unit.addend_exponents[-1] >= unit.origin + 2**c.exponent_bits - 2 - c.bias
    assert min(unit.product_exponents[0], unit.addend_exponents[0]) >= 0
    assert max(unit.product_exponents[-1], unit.addend_exponents[-1]) < 2**unit.exponent_width
    assert unit.product_exponents[-1] - unit.origin + a.bias + b.bias < 2**unit.product_exponent_width
    assert unit.addend_offset == unit.origin - c.bias


def test_floor():
    """The floor is on the common scale, or None if all terms are above it."""
    for config in (
        TensorCoreConfig.volta(out_format="fp16"),
        TensorCoreConfig.hopper(a_format="bf16"),
        TensorCoreConfig(min_exponent=-125),
    ):
        unit = Plan(config)
        assert unit.floor is not None
        assert unit.floor - unit.origin == config.min_exponent
        assert min(unit.product_exponents[0], unit.addend_exponents[0]) < unit.floor < 2**unit.exponent_width
    for config in (
        TensorCoreConfig(),
        TensorCoreConfig.hopper(),
        TensorCoreConfig.hopper(a_format="e4m3"),
        TensorCoreConfig.hopper(a_format="bf16", min_exponent=None),
        TensorCoreConfig(min_exponent=-126),
    ):
        assert Plan(config).floor is None


def test_a_floor_saves_room():
    """With a floor, sums of small products need a shorter right shift."""
    floored, free = (Plan(TensorCoreConfig.hopper(a_format="bf16", min_exponent=low)) for low in (-133, None))
    assert free.field_width == free.sum_width + 25
    assert floored.field_width == floored.sum_width + 1
    assert floored.lowest_top == 1


@pytest.mark.parametrize(("a_format", "b_format"), INPUTS)
def test_widths_of_products(a_format, b_format):
    unit = Plan(TensorCoreConfig(a_format=a_format, b_format=b_format))
    largest = 1
    for format in (a_format, b_format):
        largest *= 2 ** (FORMATS[format].fraction_bits + 1) - 1
    assert largest.bit_length() == unit.product_width
    assert unit.product_fraction == unit.product_width - 2
    assert (unit.a_width, unit.b_width, unit.c_width) == (FORMATS[a_format].width, FORMATS[b_format].width, 32)


def test_integer_widths():
    unit = Plan(TensorCoreConfig(a_format="int8"))
    assert (unit.a_width, unit.b_width, unit.c_width) == (8, 8, 32)


@pytest.mark.parametrize(("out_format", "bits", "rounds"), [("fp32", 23, 0), ("fp32", 13, 0), ("fp16", 10, 1)])
def test_results(out_format, bits, rounds):
    unit = Plan(TensorCoreConfig(out_format=out_format, out_fraction_bits=bits))
    assert unit.kept == bits + 1
    assert unit.rounds == rounds
