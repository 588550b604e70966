"""Conventional unit against NumPy's float32, summed in the order of its tree."""

import numpy as np
import pytest
from tercet.golden.numerics.floats import to_float, to_patterns
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot
from tercet.golden.tensorcore.stimuli import hard_dots
from tercet.rtl.tensorcore.conventional import ConventionalUnit
from tercet.rtl.tensorcore.plan import Plan

from .dot_cases import make_cases

CONFIGS = {
    "FP16": TensorCoreConfig(),
    "FP16, other NaN": TensorCoreConfig(nan=0x7FC00000, pipeline=4),
    "FP16, 2": TensorCoreConfig(l=2),
    "FP16, 8": TensorCoreConfig(l=8),
    "E4M3": TensorCoreConfig(a_format="e4m3"),
    "E5M2 and E4M3": TensorCoreConfig(a_format="e5m2", b_format="e4m3", fraction_bits=13, out_fraction_bits=13),
}


def ref_conventional(config, a, b, c):
    """Reference on bit patterns: (count, l), (count, l) and (count,) to (count,)."""
    with np.errstate(all="ignore"):
        terms = to_float(a, config.a_format).astype(np.float32) * to_float(b, config.b_format).astype(np.float32)
        while terms.shape[1] > 1:
            terms = terms[:, 0::2] + terms[:, 1::2]
        total = terms[:, 0] + c.view(np.float32)
    return np.where(np.isnan(total), config.nan, total.view(np.uint32))


def run(through, config, a, b, c):
    plan, component = Plan(config), ConventionalUnit(config=config)
    cases = [
        {
            "a": sum(int(x) << plan.a_width * n for n, x in enumerate(row_a)),
            "b": sum(int(x) << plan.b_width * n for n, x in enumerate(row_b)),
            "c": int(addend),
        }
        for row_a, row_b, addend in zip(a, b, c, strict=True)
    ]
    return through(component, cases, d=component.latency).d


def check(through, config, a, b, c):
    want = ref_conventional(config, a, b, c)
    for n, (got, d) in enumerate(zip(run(through, config, a, b, c), want, strict=True)):
        details = f"a {[*map(hex, a[n])]}, b {[*map(hex, b[n])]}, c {c[n]:#x}: {got:#x} instead of {d:#x}"
        assert got == d, details
    return want


def arrays(config, cases):
    a, b, c = (np.array(part) for part in zip(*cases, strict=True))
    types = (f"uint{Plan(config).a_width}", f"uint{Plan(config).b_width}", "uint32")
    return [array.astype(type) for array, type in zip((a, b, c), types, strict=True)]


@pytest.mark.parametrize("name", CONFIGS)
def test_against_numpy(through, name):
    """All kinds of dot products, with rare events among them; many results differ from the fused unit's."""
    config = CONFIGS[name]
    groups = arrays(config, make_cases(config, 25)), hard_dots(np.random.default_rng(1), config, 300)
    a, b, c = (np.concatenate(parts) for parts in zip(*groups, strict=True))
    want = check(through, config, a, b, c)
    finite, magnitude = want & 0x7F800000 != 0x7F800000, want & 0x7FFFFFFF
    assert (want == config.nan).sum() > 5
    assert (magnitude == 0x7F800000).sum() > 1
    assert (finite & (magnitude > 0) & (magnitude < 1 << 23)).sum() > 5
    assert 0 in want
    assert (want != dot(a, b, c, config))[finite].mean() > 0.1


def test_by_hand(through):
    """Order of the tree, ties to even, signed zeros."""
    one, minus, tiny = 0x3C00, 0xBC00, 0x0001  # 1, -1, 2**-24
    cases = [
        # 1 + 2**-24 is a tie and rounds to 1, but 2**-24 + 2**-24 is kept.
        ([one, tiny, 0, 0], 0, 0x3F800000),
        ([one, 0, tiny, tiny], 0, 0x3F800001),
        ([one, tiny, tiny, 0], 0, 0x3F800000),
        ([one, tiny, 0, minus], 0, 0),
        ([tiny, 0, one, minus], 0, 0x33800000),
        ([one, minus, one, minus], 1 << 31, 0),
        ([1 << 15] * 4, 1 << 31, 1 << 31),
        ([1 << 15] * 4, 0, 0),
    ]
    config = TensorCoreConfig()
    a = np.array([a for a, _, _ in cases], np.uint16)
    b = to_patterns(np.ones_like(a, np.float16), "fp16")
    c = np.array([c for _, c, _ in cases], np.uint32)
    assert run(through, config, a, b, c) == [d for _, _, d in cases]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"a_format": "bf16"}, "not bf16 times bf16 to fp32; use fp16, e4m3, e5m2 to fp32"),
        ({"a_format": "tf32"}, "not tf32 times tf32 to fp32"),
        ({"a_format": "int8"}, "not int8 times int8 to int32"),
        ({"out_format": "fp16"}, "not fp16 times fp16 to fp16"),
        ({"l": 3}, "l 3 is not a size of an adder tree"),
    ],
)
def test_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        ConventionalUnit(config=TensorCoreConfig(**fields))
