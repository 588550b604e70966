"""Every position of the leading 1, with every exponent that can limit the shift."""

import random

import pytest
from tercet.rtl.tensorcore.float_normalise import FloatNormalise


def ref_normalise(width, value, exponent):
    zeros = width - value.bit_length()
    shift = min(zeros, exponent)
    return value << shift, exponent - shift if value else 0, value == 0


def check(through, component, width, cases):
    inputs = [{"value": value, "exponent": exponent} for value, exponent in cases]
    latency = dict.fromkeys(("significand", "lowered", "zero"), component.latency)
    got = through(component, inputs, **latency)
    outcomes = zip(got.significand, got.lowered, got.zero, strict=True)
    for case, outcome in zip(cases, outcomes, strict=True):
        want = ref_normalise(width, *case)
        assert outcome == want, case


@pytest.mark.parametrize("width", [27, 32, 9, 7, 1])
def test_limited(through, width):
    generator = random.Random(width)
    component = FloatNormalise(width=width)
    cases = []
    for length in range(width + 1):
        for exponent in (*range(width + 2), 64, 128, 254):
            value = generator.getrandbits(length) | 1 << length - 1 if length else 0
            cases.append((value, exponent))
    check(through, component, width, cases)


@pytest.mark.parametrize("width", [22, 8])
def test_not_limited(through, width):
    generator = random.Random(width)
    component = FloatNormalise(width=width, limited=False)
    cases = [
        (generator.getrandbits(length), generator.randint(width, 255)) for length in range(width + 1) for _ in "ab"
    ]
    check(through, component, width, cases)


def test_refused():
    with pytest.raises(ValueError, match="Significand width 33 is out of range; use 1 to 32"):
        FloatNormalise(width=33)
