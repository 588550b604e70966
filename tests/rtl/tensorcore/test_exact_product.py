"""Products of all kinds of numbers: exact values, and detection of infinities and NaNs."""

import random
from fractions import Fraction
from itertools import product as pairs

import pytest
from amaranth import Const
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.exact_product import ExactProduct
from tercet.rtl.tensorcore.plan import Plan
from tercet.rtl.tensorcore.unpack import number_layout

from ...golden.tensorcore.tensorcore_reference import decode

FORMAT_PAIRS = [
    ("fp16", "fp16"),
    ("bf16", "bf16"),
    ("tf32", "tf32"),
    ("e4m3", "e4m3"),
    ("e5m2", "e5m2"),
    ("e4m3", "e5m2"),
    ("e5m2", "e4m3"),
]
# Only the longer one has a register after the step "exponent".
PIPELINES = (5, 14)


def patterns(format, generator):
    """Both zeros, the limits of the subnormal and normal numbers, infinities or the numbers with their encoding, NaNs,
    and random patterns.
    """
    form = FORMATS[format]
    spare = form.width - 1 - form.exponent_bits - form.fraction_bits
    one = 1 << form.fraction_bits
    top = (2**form.exponent_bits - 1) * one
    corners = [0, 1, one - 1, one, one + 1, top - 1, top, top + 1, top + one - 1, form.bias * one]
    corners += [generator.getrandbits(form.exponent_bits + form.fraction_bits) for _ in range(8)]
    sign = one << form.exponent_bits
    return [(pattern | generator.choice((0, sign))) << spare for pattern in corners] + [sign << spare]


def number(format, pattern):
    """Bits of `number_layout`, built independently of the RTL."""
    form = FORMATS[format]
    kind, sign, significand, exponent = decode(pattern, format)
    below = pattern >> form.width - 1 - form.exponent_bits - form.fraction_bits
    normal = (below >> form.fraction_bits) % 2**form.exponent_bits > 0
    some = below % 2**form.fraction_bits > 0
    value = {
        "sign": sign < 0,
        "exponent": exponent + form.bias,
        "significand": significand,
        "kind": {"normal": normal, "some": some, "special": kind != "number"},
    }
    return Const(value, number_layout(format)).as_bits()  # pyright: ignore[reportArgumentType]


def ref_kind(a, b):
    """Kind of the product: "nan", "inf", "zero" or "number"."""
    kinds = {kind if kind != "number" or significand else "zero" for kind, _, significand, _ in (a, b)}
    if "nan" in kinds or kinds == {"inf", "zero"}:
        return "nan"
    return next((kind for kind in ("inf", "zero") if kind in kinds), "number")


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize(("a_format", "b_format"), FORMAT_PAIRS)
def test_all_kinds(through, a_format, b_format, pipeline):
    config = TensorCoreConfig(a_format=a_format, b_format=b_format, pipeline=pipeline)
    generator = random.Random(pipeline)
    operands = list(pairs(patterns(a_format, generator), patterns(b_format, generator)))
    # Shuffled, so that neighbours differ and a wrong latency shows.
    generator.shuffle(operands)
    cases = [{"a": number(a_format, a), "b": number(b_format, b)} for a, b in operands]
    early = Plan(config).clocks("exponent")
    assert early == (pipeline == PIPELINES[-1])
    component = ExactProduct(config=config)
    assert component.latency == 3
    flags = dict.fromkeys(("exponent", "sign", "nonzero", "nan", "infinite"), early)
    out = through(component, cases, product=component.latency, **flags)

    fraction = FORMATS[a_format].fraction_bits + FORMATS[b_format].fraction_bits
    bias = FORMATS[a_format].bias + FORMATS[b_format].bias
    seen = set()
    for n, (a, b) in enumerate(operands):
        details = f"{a:#x} times {b:#x}"
        a, b = decode(a, a_format), decode(b, b_format)
        kind = ref_kind(a, b)
        seen.add(kind)
        assert out.nan[n] == (kind == "nan"), details
        if kind == "inf":
            assert out.infinite[n], details
        if kind in ("number", "zero"):
            assert out.nonzero[n] == (kind == "number"), details
            assert not out.infinite[n], details
            (_, _, a_significand, a_exponent), (_, _, b_significand, b_exponent) = a, b
            scale = Fraction(2) ** (a_exponent + b_exponent - fraction)
            got = out.product[n] * Fraction(2) ** (out.exponent[n] - bias - fraction)
            assert got == a_significand * b_significand * scale, details
            assert out.exponent[n] == a_exponent + b_exponent + bias, details
        if kind != "nan":
            assert out.sign[n] == (a[1] != b[1]), details
    infinities = FORMATS[a_format].infinities or FORMATS[b_format].infinities
    assert seen == {"nan", "zero", "number"} | ({"inf"} if infinities else set())
