"""The floor under the largest exponent, against the reference and against recorded silicon."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot
from tercet.golden.tensorcore.presets import ARCHITECTURES
from tercet.golden.tensorcore.stimuli import floor_dots

from .tensorcore_cases import bits, check, make, random_patterns

# Floors for FP16 operands, by output format.
FLOORS = {
    "volta": {"fp32": None, "fp16": -19},
    "turing": {"fp32": -132, "fp16": -20},
    "ampere": {"fp32": -132, "fp16": -20},
    "ada": {"fp32": -132, "fp16": -20},
    "hopper": {"fp32": -133, "fp16": -21},
    "blackwell": {"fp32": -133, "fp16": -21},
    "exact": {"fp32": None, "fp16": None},
}
# Configs with a floor that terms can reach: presets, and floors of no architecture.
REACHED = [
    make("volta", out_format="fp16"),
    make("ampere", out_format="fp16"),
    make("hopper", out_format="fp16"),
    make("ampere", "bf16"),
    make("ada", "tf32"),
    make("hopper", "bf16"),
    make("blackwell", "tf32"),
    make("volta", min_exponent=-100),
    make("volta", min_exponent=-24, fraction_bits=10),
    TensorCoreConfig(a_format="bf16", out_format="fp16", l=2, min_exponent=-18),
    make("ampere", "bf16", min_exponent=-80, out_fraction_bits=9),
    make("volta", "fp16", out_format="fp16", min_exponent=0),
]


def name_of(config):
    return f"{config.a_format}-{config.out_format}-l{config.l}-{config.min_exponent}"


def test_floors_of_the_presets():
    assert set(ARCHITECTURES) == set(FLOORS)
    for preset, floors in FLOORS.items():
        for out_format, floor in floors.items():
            assert make(preset, out_format=out_format).min_exponent == floor
        for format in ARCHITECTURES[preset].formats:
            assert make(preset, format).min_exponent == (None if format == "int8" else floors["fp32"])
    # FP8 products with FP16 results use the floor of FP32 results, unless they are multiplied as FP16.
    for preset, floor in (("ada", -132), ("hopper", -133), ("blackwell", -21)):
        assert make(preset, "e5m2", out_format="fp16").min_exponent == floor
    assert make("hopper", "e5m2", out_format="fp16", fp8="mma_sync").min_exponent == -21
    assert make("hopper", "e5m2", fp8="mma_sync").min_exponent == -133


def plain(**fields):
    return TensorCoreConfig(**fields)


def test_a_plain_config_has_that_of_volta():
    assert plain(out_format="fp16").min_exponent == -19
    assert plain(out_format="fp16", l=8, fraction_bits=24).min_exponent == -19
    for fields in ({}, {"a_format": "bf16"}, {"a_format": "int8"}, {"fraction_bits": 0, "out_format": "fp16"}):
        assert plain(**fields).min_exponent is None
    assert plain(a_format="e4m3", out_format="fp16").min_exponent is None
    # None and "none" both mean no floor.
    for floor in (None, "none"):
        assert plain(out_format="fp16", min_exponent=floor).min_exponent is None
        assert TensorCoreConfig.hopper(min_exponent=floor).min_exponent is None
    assert TensorCoreConfig.hopper(out_format="fp16", min_exponent="volta").min_exponent == -19
    assert plain(min_exponent=np.int64(-100)).min_exponent == -100


@pytest.mark.parametrize("config", REACHED, ids=name_of)
def test_floors_agree_with_the_reference(config):
    rng = np.random.default_rng(20)
    assert config.reaches_floor
    operands = floor_dots(rng, config, 8_000 // config.l)
    got = check(*operands, config)
    without = bits(dot(*operands, dataclasses.replace(config, min_exponent=None)), config.out_format)
    # The test is worthless if the floor seldom matters.
    assert np.mean(got != without) > 0.02
    # Exponents near the floor, random fractions.
    exponent = config.min_exponent + rng.integers(-8, 3, (4_000 // config.l, config.l))
    a = random_patterns(rng, exponent.shape, config.a_format, exponent // 2)
    b = random_patterns(rng, exponent.shape, config.b_format, exponent - exponent // 2)
    check(a, b, operands[2][: len(a)], config)


@pytest.mark.parametrize(
    "config",
    [make("ampere"), make("hopper"), make("hopper", "e5m2", out_format="fp16"), make("ada", "e4m3"), make("volta")],
    ids=name_of,
)
def test_floors_that_no_term_reaches(config):
    """A floor below all products and addends has no effect."""
    assert not config.reaches_floor
    rng = np.random.default_rng(21)
    a, b = (random_patterns(rng, (2000, config.l), format) for format in (config.a_format, config.b_format))
    # The smallest numbers of the formats.
    a[:500], b[:500] = a[:500] & 1, b[:500] & 1
    c = random_patterns(rng, (2000,), config.out_format)
    c[:1000] = rng.integers(0, 4, 1000)
    without = dataclasses.replace(config, min_exponent=None)
    assert dot(a, b, c, config).tobytes() == dot(a, b, c, without).tobytes()


# Recorded from an H100: BF16, c = 0, K = 16.
H100_A = "9b94 19f3 9a2e 1a67 9a25 9b4e 9b29 9a33 99e0 1a14 9914 99d1 9ae9 1b1a 9a9c 1b3a"
H100_B = "9aaf 99f3 9acc 1b7c 19ed 1b25 9a1b 9a20 9af7 9a48 1ae1 1b32 1b12 1b0e 9a68 1735"


def test_recorded_h100():
    a, b = (np.array([int(digits, 16) for digits in text.split()], np.uint16) for text in (H100_A, H100_B))
    c = np.float32(0)
    assert float(dot(a, b, c, make("hopper", "bf16"))) == float.fromhex("0x1.6p-146")
    assert float(dot(a, b, c, make("hopper", "bf16", min_exponent=None))) == float.fromhex("0x1.4p-146")


def products(config, dtype, *pairs):
    a, b = np.zeros((2, config.l), dtype)
    for index, (x, y) in enumerate(pairs):
        a[index], b[index] = x, y
    return a, b


def test_a_small_term_beside_an_ulp():
    config = make("hopper", "bf16")
    a, b = products(config, ml_dtypes.bfloat16, (2.0**-75, 2.0**-74), (-(2.0**-80), 2.0**-80))
    assert float(dot(a, b, np.float32(0), config)) == 2.0**-149
    # Without the floor the subtracted term counts, and nothing is left.
    assert float(dot(a, b, np.float32(0), make("hopper", "bf16", min_exponent=None))) == 0
    # The last bit kept.
    a, b = products(config, ml_dtypes.bfloat16, (2.0**-75, 2.0**-74), (-(2.0**-79), 2.0**-79))
    assert float(dot(a, b, np.float32(0), config)) == 0


def test_a_small_term_beside_half_an_ulp():
    config = make("volta", out_format="fp16")
    a, b = products(config, np.float16, (2.0**-12, 2.0**-13), (2.0**-24, 2.0**-24))
    assert dot(a, b, np.float16(0), config) == 0
    assert dot(a, b, np.float16(0), make("volta", out_format="fp16", min_exponent=None)) == np.float16(2.0**-24)
    # The last bit kept.
    a, b = products(config, np.float16, (2.0**-12, 2.0**-13), (2.0**-21, 2.0**-21))
    assert dot(a, b, np.float16(0), config) == np.float16(2.0**-24)


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_below_the_floor_are_plus_zero(sign):
    config = make("hopper", "bf16", min_exponent=-100)
    a, b = products(config, ml_dtypes.bfloat16, (sign * 2.0**-63, 2.0**-63))
    assert int(bits(dot(a, b, np.float32(0), config))) == 0
    zero = np.zeros(16, ml_dtypes.bfloat16)
    # So is a lone addend; one that reaches the floor is truncated toward zero.
    for c, left in ((2.0**-126, 0), (2.0**-125 + 2.0**-126, 2.0**-125), (2.0**-100, 2.0**-100)):
        assert float(dot(zero, zero, np.float32(sign * c), config)) == sign * left
    assert int(bits(dot(zero, zero, np.float32(sign * 2.0**-126), config))) == 0
