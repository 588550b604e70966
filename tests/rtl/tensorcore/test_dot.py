"""Whole unit, bit by bit, against the specification in fractions: every format and every event of a sum."""

import dataclasses
import random
from fractions import Fraction

import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.dot import DotUnit
from tercet.rtl.tensorcore.plan import Plan

from ...golden.tensorcore.tensorcore_reference import decode, ref_int_dot, ref_of
from .dot_cases import make_cases

# Events that occur with every config, and additional ones per config.
ALWAYS = {"number", "NaN", "infinity", "cancelled", "-0", "subnormal factor", "subnormal addend", "subnormal result"}
CONFIGS = {
    "volta": (TensorCoreConfig.volta(), {"inf - inf", "inf * 0"}),
    "volta to FP16": (TensorCoreConfig.volta(out_format="fp16"), {"inf - inf", "inf * 0", "overflow", "vanished"}),
    "ampere": (TensorCoreConfig.ampere(), {"inf - inf", "inf * 0"}),
    "ampere to FP16": (TensorCoreConfig.ampere(out_format="fp16"), {"inf - inf", "inf * 0", "overflow", "vanished"}),
    "ada E4M3 and E5M2": (TensorCoreConfig.ada(a_format="e4m3", b_format="e5m2"), {"inf - inf", "inf * 0"}),
    "hopper": (TensorCoreConfig.hopper(), {"inf - inf", "inf * 0"}),
    "hopper BF16": (TensorCoreConfig.hopper(a_format="bf16"), {"inf - inf", "inf * 0", "overflow", "vanished"}),
    "hopper TF32": (TensorCoreConfig.hopper(a_format="tf32"), {"inf - inf", "inf * 0", "overflow", "vanished"}),
    "hopper E4M3": (TensorCoreConfig.hopper(a_format="e4m3"), set()),
    "E5M2": (TensorCoreConfig.hopper(a_format="e5m2", l=8), {"inf - inf", "inf * 0"}),
    "E5M2 and E4M3": (
        TensorCoreConfig.hopper(a_format="e5m2", b_format="e4m3", l=8),
        {"inf - inf", "inf * 0"},
    ),
    "E4M3 and E5M2 to FP16": (
        TensorCoreConfig(a_format="e4m3", b_format="e5m2", out_format="fp16", fraction_bits=13, l=8),
        {"inf - inf", "inf * 0", "overflow"},
    ),
    "13 bits": (TensorCoreConfig(fraction_bits=13, nan=0x7FC00000), {"inf - inf", "inf * 0"}),
    "BF16 to FP16": (
        TensorCoreConfig(a_format="bf16", out_format="fp16", l=2, nan=0x7E00),
        {"inf - inf", "inf * 0", "overflow", "vanished"},
    ),
    # Floors above some addends, and above some products too.
    "floor of addends": (TensorCoreConfig(min_exponent=-107), {"inf - inf", "inf * 0", "vanished"}),
    "floor of all": (
        TensorCoreConfig(a_format="bf16", l=2, min_exponent=-119, fraction_bits=24),
        {"inf - inf", "inf * 0", "overflow", "vanished"},
    ),
}


# Events of a case.


def is_zero(number):
    kind, _, significand, _ = number
    return kind == "number" and significand == 0


def is_subnormal(number, format):
    kind, _, significand, _ = number
    return kind == "number" and 0 < significand < 2 ** FORMATS[format].fraction_bits


def of_numbers(config, a, b, c, d):
    """Events of a sum of finite numbers, and distances of the products and the addend from the largest term."""
    bits = FORMATS[config.a_format].fraction_bits + FORMATS[config.b_format].fraction_bits
    products = [(x[1] * y[1] * x[2] * y[2], x[3] + y[3]) for x, y in zip(a, b, strict=True)]
    exact = sum(Fraction(factor) * Fraction(2) ** (exponent - bits) for factor, exponent in products)
    exact += c[1] * c[2] * Fraction(2) ** (c[3] - FORMATS[config.out_format].fraction_bits)
    present = [exponent for factor, exponent in products if factor]
    addends = [c[3]] if c[2] else []
    most = max(present + addends, default=0)
    distances = {most - exponent for exponent in present}, {most - exponent for exponent in addends}
    if d[0] == "inf":
        return {"overflow"}, *distances
    if d[2]:
        return {"subnormal result" if is_subnormal(d, config.out_format) else "number"}, *distances
    if exact:
        return {"vanished"}, *distances
    return {"cancelled"} if present + addends else set(), *distances


def happens(config, a, b, c, d):
    """Events of a case with its result, and the distances of `of_numbers`."""
    a, b = [decode(x, config.a_format) for x in a], [decode(x, config.b_format) for x in b]
    c, d = decode(c, config.out_format), decode(d, config.out_format)
    found = set()
    if any(is_zero(x) and x[1] < 0 for x in (*a, *b, c)):
        found.add("-0")
    if any(is_subnormal(x, config.a_format) for x in a) and any(is_subnormal(x, config.b_format) for x in b):
        found.add("subnormal factor")
    if is_subnormal(c, config.out_format):
        found.add("subnormal addend")
    if {x[0] for x in (*a, *b, c)} == {"number"}:
        more, *distances = of_numbers(config, a, b, c, d)
        return found | more, *distances
    if d[0] == "inf":
        found.add("infinity")
    elif "nan" in {x[0] for x in (*a, *b, c)}:
        found.add("NaN")
    elif any("inf" in (x[0], y[0]) and (is_zero(x) or is_zero(y)) for x, y in zip(a, b, strict=True)):
        found.add("inf * 0")
    else:
        found.add("inf - inf")
    return found, set(), set()


# Tests.


def run(through, config, cases):
    """Results of cases, one per clock."""
    plan = Plan(config)
    component = DotUnit(config=config)
    assert component.latency == config.pipeline
    inputs = [
        {
            "a": sum(x << plan.a_width * n for n, x in enumerate(a)),
            "b": sum(x << plan.b_width * n for n, x in enumerate(b)),
            "c": c,
        }
        for a, b, c in cases
    ]
    return through(component, inputs, d=component.latency).d


def check(through, config, cases):
    """Compare with the reference, and return it."""
    want = [ref_of(config, *case) for case in cases]
    for number, (got, d) in enumerate(zip(run(through, config, cases), want, strict=True)):
        a, b, c = cases[number]
        details = f"case {number}: a {[*map(hex, a)]}, b {[*map(hex, b)]}, c {c:#x}: {got:#x} instead of {d:#x}"
        assert got == d, details
    return want


@pytest.mark.parametrize("name", CONFIGS)
def test_everything(through, name):
    """All kinds of cases; every expected event occurs."""
    config, more = CONFIGS[name]
    cases = make_cases(config, 26)
    seen, product_distances, addend_distances = set(), set(), set()
    for (a, b, c), d in zip(cases, check(through, config, cases), strict=True):
        found, products, addends = happens(config, a, b, c, d)
        seen |= found
        product_distances |= products
        addend_distances |= addends
    assert seen >= ALWAYS | more
    assert seen - ALWAYS - more <= {"vanished"}
    without = dataclasses.replace(config, min_exponent=None)
    lower = [case for case in cases if config.reaches_floor and ref_of(config, *case) != ref_of(without, *case)]
    assert (len(lower) >= 3) == config.reaches_floor, len(lower)
    reached = set(range(config.fraction_bits + 4))
    assert reached <= product_distances
    assert reached <= addend_distances


@pytest.mark.parametrize("pipeline", range(4, 15))
def test_every_pipeline(through, pipeline):
    """Every pipeline length that Volta's unit supports, and no other; every second one with a floor."""
    config = TensorCoreConfig.volta(pipeline=pipeline, out_format=("fp32", "fp16")[pipeline % 2])
    assert config.reaches_floor == pipeline % 2
    assert pipeline <= len(Plan(config).steps) == 14
    check(through, config, make_cases(config, 6, seed=pipeline))


@pytest.mark.parametrize(("l", "pipeline"), [(2, 12), (8, 16), (32, 20), (16, 6)])
def test_longest_and_short_pipelines(through, l, pipeline):  # noqa: E741
    """Units of other sizes with a register after every step, and with few."""
    config = TensorCoreConfig(l=l, pipeline=pipeline, out_format="fp16")
    check(through, config, make_cases(config, 5, seed=l))


@pytest.mark.parametrize(
    "fields",
    [
        {"fraction_bits": 1},
        {"fraction_bits": 48, "a_format": "bf16"},
        {"fraction_bits": 13, "a_format": "tf32"},
        {"fraction_bits": 3, "out_format": "fp16"},
        {"fraction_bits": 11, "out_format": "fp16", "out_fraction_bits": 4},
        {"fraction_bits": 20, "out_fraction_bits": 1},
    ],
)
def test_unusual_bits(through, fields):
    """Fewer and more bits than any tensor core keeps."""
    config = TensorCoreConfig(l=2, **fields)
    check(through, config, make_cases(config, 6, seed=1))


def test_by_hand(through):
    """Volta keeps 23 fraction bits of an aligned term, none below; the order of terms does not matter."""
    one, tiny, half_ulp = 0x3C00, 0x0001, 0x33800000  # 1.0, 2**-24 in FP16, 2**-24 in FP32
    cases = [
        # 1 and four times 2**-24: a tree of FP32 additions would have 1 + 2**-22.
        ([one, tiny, tiny, tiny], [one, one, one, one], half_ulp),
        ([one, tiny, tiny, 0], [one, one, one, 0], 0),
        # 2**-24 is truncated beside 1, also if it is subtracted.
        ([one, tiny | 0x8000, 0, 0], [one, one, 0, 0], 0),
        # It does not come back if 1 - 1 cancels, since it is aligned with 1.
        ([one, one | 0x8000, tiny, 0], [one, one, one, 0], 0),
        ([tiny, one, 0, one | 0x8000], [one, one, 0, one], 0),
    ]
    assert run(through, TensorCoreConfig.volta(), cases) == [0x3F800000] * 3 + [0] * 2


@pytest.mark.parametrize("overflow", ["wrap", "saturate"])
@pytest.mark.parametrize(("l", "pipeline"), [(2, 4), (4, 7), (16, 6), (32, 10)])
def test_integers(through, l, pipeline, overflow):  # noqa: E741
    """Sums of int8 products: at and beyond both limits of int32, and in between."""
    config = TensorCoreConfig(a_format="int8", l=l, pipeline=pipeline, overflow=overflow)
    generator = random.Random(l)
    cases = []
    for turn in range(150):
        extreme = generator.choice(((-128,), (127,), (-128, 127), range(-128, 128)))
        a, b = ([generator.choice(extreme) for _ in range(l)] for _ in range(2))
        edge = (2**31 - 1, 2**31, -(2**31), -(2**31) - 1)[turn // 2 % 4] - sum(x * y for x, y in zip(a, b, strict=True))
        c = edge if turn % 2 else generator.randrange(-(2**31), 2**31)
        cases.append((a, b, min(max(c, -(2**31)), 2**31 - 1)))
    patterns = [([x % 256 for x in a], [x % 256 for x in b], c % 2**32) for a, b, c in cases]
    want = [ref_int_dot(a, b, c, l, overflow) for a, b, c in cases]
    assert run(through, config, patterns) == [d % 2**32 for d in want]
    sums = [sum(x * y for x, y in zip(a, b, strict=True)) + c for a, b, c in cases]
    assert {2**31, 2**31 - 1, -(2**31), -(2**31) - 1} <= set(sums)
