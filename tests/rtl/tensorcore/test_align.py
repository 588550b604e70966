"""Terms truncated to the last fraction bit, at every distance from the largest exponent."""

import random
from fractions import Fraction
from math import floor

import pytest
from tercet.golden.numerics.floats import FORMATS
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.rtl.tensorcore.align import Align
from tercet.rtl.tensorcore.plan import Plan

# Fraction bits of a product: FP16 and TF32 20, BF16 14, E4M3 6, E5M2 4; of an addend: FP32 23, FP16 10.
CONFIGS = {
    "as many": {"fraction_bits": 23},
    "as many of FP16": {"fraction_bits": 10, "out_format": "fp16"},
    "fewer": {"fraction_bits": 13, "pipeline": 14},
    "one less": {"fraction_bits": 19, "pipeline": 4},
    "more": {"fraction_bits": 25, "pipeline": 9, "l": 8},
    "more of FP16": {"fraction_bits": 24, "out_format": "fp16", "pipeline": 11},
    "more of BF16": {"fraction_bits": 24, "a_format": "bf16", "b_format": "bf16", "pipeline": 8},
    "more of E4M3": {"fraction_bits": 13, "a_format": "e4m3", "b_format": "e4m3", "l": 32},
    "FP8 to FP16": {"fraction_bits": 13, "a_format": "e5m2", "b_format": "e4m3", "out_format": "fp16"},
}


def settings():
    return pytest.mark.parametrize("config", [TensorCoreConfig(**fields) for fields in CONFIGS.values()], ids=CONFIGS)


def make(config, addend):
    """The component, and its terms' fraction bits, largest significand and possible exponents."""
    a, b, c = (FORMATS[name] for name in (config.a_format, config.b_format, config.out_format))
    plan = Plan(config)
    if addend:
        return Align(config=config, addend=True), c.fraction_bits, 2 ** (c.fraction_bits + 1) - 1, plan.addend_exponents
    fraction = a.fraction_bits + b.fraction_bits
    largest = (2 ** (a.fraction_bits + 1) - 1) * (2 ** (b.fraction_bits + 1) - 1)
    return Align(config=config), fraction, largest, plan.product_exponents


def ref_term(config, fraction, significand, distance, invert):
    """Magnitude in units of the last bit kept."""
    magnitude = floor(significand * Fraction(2) ** (config.fraction_bits - fraction - distance))
    return 2 ** (config.fraction_bits + 2) - 1 - magnitude if invert else magnitude


@pytest.mark.parametrize("addend", [False, True], ids=["product", "addend"])
@settings()
def test_every_distance(through, config, addend):
    component, fraction, largest, exponents = make(config, addend)
    generator = random.Random(config.fraction_bits)
    plan = Plan(config)
    highest = max(plan.product_exponents[-1], plan.addend_exponents[-1])
    beyond = config.fraction_bits + 3 + max(0, fraction - config.fraction_bits) + 9
    # Include distances that shift everything out, and distances with a bit above those of the shifts.
    distances = [*range(beyond), *(2**n + more for n in range(6, plan.exponent_width) for more in (0, 1, 7, 8))]
    distances = [d for d in [*distances, highest - exponents[0]] if d <= highest - exponents[0]]
    cases = []
    for distance in distances:
        significands = [largest, 1, 1 << largest.bit_length() - 1, generator.randint(1, largest)]
        for significand in significands:
            exponent = generator.choice([e for e in (*exponents[:3], *exponents[-3:]) if e + distance <= highest])
            cases.append((significand, exponent, exponent + distance, generator.getrandbits(1)))
        if not addend:
            # Both values of negate.
            cases.append((significands[0], exponent, exponent + distance, 1 - cases[-4][-1]))
    generator.shuffle(cases)
    # The addend is never inverted.
    want = [ref_term(config, fraction, s, most - e, invert and not addend) for s, e, most, invert in cases]
    names = ("significand", "exponent", "maximum", "negate")
    late = {"significand": component.lead, "negate": component.lead}
    out = through(component, [dict(zip(names, case, strict=True)) for case in cases], late, term=component.latency)
    assert out.term == want
    # Terms with all bits set, and with none.
    ones = 2 ** (config.fraction_bits + 2) - 1
    assert {0} if addend else {0, ones} <= set(want)
    kept = {ones - term if case[-1] and not addend else term for term, case in zip(want, cases, strict=True)}
    assert max(kept) == ref_term(config, fraction, largest, 0, 0)


@pytest.mark.parametrize("addend", [False, True], ids=["product", "addend"])
@settings()
def test_zero(through, config, addend):
    """A zero stays zero even if its exponent is above the largest."""
    component, _, _, exponents = make(config, addend)
    plan = Plan(config)
    mosts = (plan.product_exponents[0], plan.product_exponents[-1], plan.addend_exponents[0], plan.addend_exponents[-1])
    cases = [
        {"significand": 0, "exponent": exponent, "maximum": most, "negate": negate}
        for exponent in (exponents[0], exponents[len(exponents) // 2], exponents[-1])
        for most in mosts
        for negate in (0, 1)
    ]
    late = {"significand": component.lead, "negate": component.lead}
    out = through(component, cases, late, term=component.latency)
    ones = 2 ** (config.fraction_bits + 2) - 1
    assert out.term == [0 if addend else case["negate"] * ones for case in cases]


@settings()
def test_clocks(config):
    """`lead` counts the register of the distance, `latency` also those of both shifts."""
    registers = Plan(config).registers
    component = Align(config=config)
    assert component.lead == ("distance" in registers)
    assert component.latency == sum(step in registers for step in ("distance", "coarse", "fine"))


def test_settings_differ():
    """The settings cover every lead and latency."""
    components = [Align(config=TensorCoreConfig(**fields)) for fields in CONFIGS.values()]
    assert {component.lead for component in components} == {0, 1}
    assert {component.latency for component in components} == {1, 2, 3}
