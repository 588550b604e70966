"""FP8 ``mma.sync`` on Hopper and Blackwell: two FP16 steps from zero, then an IEEE addition."""

import ml_dtypes
import numpy as np
import pytest
from tercet.golden.numerics.floats import convert
from tercet.golden.tensorcore.config import TensorCoreConfig
from tercet.golden.tensorcore.model import dot

from .tensorcore_cases import TYPES, bits, check, make, near_cases, random_patterns

SETTINGS = [(a, b, out) for a, b in (("e4m3", "e4m3"), ("e5m2", "e4m3")) for out in ("fp32", "fp16")]


def emulated(a, b, out):
    return make("blackwell", a, b, out)


def test_it_is_a_rule_of_its_own():
    """Half the products of a native step, all the fraction bits of FP16, and a result of all bits."""
    for config in (emulated("e4m3", "e5m2", "fp32"), make("hopper", "e4m3", "e5m2", "fp32", "mma_sync")):
        assert (config.l, config.fraction_bits, config.out_fraction_bits) == (16, 25, 23)
        assert (config.k, config.k_step, config.emulated) == (32, 32, True)
    for other in (make("hopper", "e4m3"), make("ada", "e4m3"), make("blackwell"), make("hopper", fp8="mma_sync")):
        assert not other.emulated
        assert other.k_step == other.l


@pytest.mark.parametrize("setting", SETTINGS, ids="-".join)
def test_c_is_added_as_numpy_adds(setting):
    """K = 32: the result equals the sum without c, plus c by NumPy's addition in the output format."""
    config = emulated(*setting)
    rng = np.random.default_rng(30)
    a, b, c = near_cases(rng, config, 600, 32)
    dtype = TYPES[setting[2]]
    total = dot(a, b, np.zeros(len(c), dtype), config)
    # Addends near the sum's ULP, addends that cancel all but a few ULP, infinities and NaNs.
    c[:300] = bits((total[:300] * -(1 + rng.integers(-2, 3, 300) * np.finfo(dtype).eps)).astype(dtype), setting[2])
    c[300:450] = bits((total[300:450] * np.finfo(dtype).eps * rng.integers(1, 8, 150) / 4).astype(dtype), setting[2])
    c[590:595], c[595:] = convert(np.array([0xFFC00000, 0xFF800000], np.uint32), "fp32", setting[2])
    with np.errstate(all="ignore"):
        want = total + c.view(dtype)
    got = dot(a, b, c, config)
    nan = np.isnan(want)
    assert nan.any()
    assert np.isinf(want).any()
    assert (bits(got, setting[2])[nan] == config.nan).all()
    # Zeros are +0 either way.
    np.testing.assert_array_equal(bits(got, setting[2])[~nan], bits(want, setting[2])[~nan])
    check(a[::3], b[::3], c[::3], config)


@pytest.mark.parametrize("setting", SETTINGS, ids="-".join)
def test_steps_are_those_of_fp16(setting):
    """Products with k mod 4 in {0, 1}, of operands widened to FP16; then the others, continuing the first."""
    config = emulated(*setting)
    half = make("hopper", out_format=setting[2])
    rng = np.random.default_rng(31)
    a, b, _ = near_cases(rng, config, 300, 32)
    zero = np.zeros(300, TYPES[setting[2]])
    x, y = convert(a, setting[0], "fp16"), convert(b, setting[1], "fp16")
    # Group k by four.
    x, y = x.reshape(300, 8, 4), y.reshape(300, 8, 4)
    want = zero
    for pair in (slice(0, 2), slice(2, 4)):
        want = dot(x[:, :, pair].reshape(300, 16), y[:, :, pair].reshape(300, 16), want, half)
    assert dot(a, b, zero, config).tobytes() == want.tobytes()
    # Another order gives another result.
    plain = dot(x.reshape(300, 32), y.reshape(300, 32), zero, half)
    assert (plain != want).mean() > 0.02


def test_d_of_one_is_c_of_the_next():
    config = emulated("e5m2", "e5m2", "fp32")
    rng = np.random.default_rng(32)
    a, b, c = near_cases(rng, config, 200, 96)
    d = c
    for k in (0, 32, 64):
        d = dot(a[:, k : k + 32], b[:, k : k + 32], d, config)
    assert dot(a, b, c, config).tobytes() == d.tobytes()
    check(a, b, c, config)


def test_by_hand():
    config = make("hopper", "e4m3", fp8="mma_sync")
    a, b = np.zeros((2, 32), ml_dtypes.float8_e4m3fn)
    a[5], b[5] = 2.0**-9, 2.0**-9
    c = np.float32(64.0)
    # Half of the last place of 64: a tie, to even; and up if there is more.
    assert float(dot(a, b, c, config)) == 64.0
    assert float(dot(a, b, np.float32(64 + 2.0**-17), config)) == 64 + 2.0**-16
    a[30], b[30] = 2.0**-9, 2.0**-9
    assert float(dot(a, b, c, config)) == 64 + 2.0**-17
    # A native step of Hopper and of Ada keeps nothing of either.
    assert float(dot(a, b, c, make("hopper", "e4m3"))) == 64.0
    assert float(dot(a, b, c, make("ada", "e4m3"))) == 64.0


@pytest.mark.parametrize("l", [2, 4, 8, 32])
def test_steps_of_other_sizes(l):  # noqa: E741
    config = TensorCoreConfig(l=l, a_format="e4m3", fraction_bits=9, out_fraction_bits=7, fp8="mma_sync")
    assert config.k == max(4, 2 * l)
    check(*near_cases(np.random.default_rng(33), config, 600 // l, 4 * l), config)


@pytest.mark.parametrize("special", ["inf", "nan"])
def test_infinities_and_nans(special):
    config = emulated("e5m2", "e5m2", "fp16")
    rng = np.random.default_rng(34)
    a, b = (random_patterns(rng, (400, 32), "e5m2", special=0.02 if special == "nan" else 0) for _ in range(2))
    a[:, 7] = np.where(rng.random(400) < 0.5, 0x7C, 0xFC) if special == "inf" else a[:, 7]
    c = random_patterns(rng, (400,), "fp16", special=0.2)
    check(a, b, c, config)


@pytest.mark.parametrize(
    ("preset", "fields", "message"),
    [
        ("ada", {"a_format": "e4m3", "fp8": "mma_sync"}, "Preset ada has no fp8 'mma_sync'; use native"),
        ("blackwell", {"a_format": "e4m3", "fp8": "native"}, "Preset blackwell has no fp8 'native'; use mma_sync"),
        ("exact", {"a_format": "e4m3", "fp8": "mma_sync"}, "Preset exact has no fp8 'mma_sync'; use native"),
        ("hopper", {"a_format": "e4m3", "fp8": "both"}, "fp8 'both' is unknown; use one of native, mma_sync"),
        ("blackwell", {"a_format": "e4m3", "fp8": "both"}, "fp8 'both' is unknown; use one of native, mma_sync"),
        ("hopper", {"a_format": "e4m3", "fp8": "mma_sync", "k": 48}, "k 48 is not a multiple of 2 \\* l = 32; use 64"),
        ("hopper", {"a_format": "e4m3", "fp8": "mma_sync", "l": 5}, "l 5 is odd, but fp8 'mma_sync' .*; use 6"),
        ("hopper", {"a_format": "e4m3", "fp8": "mma_sync", "fraction_bits": 0, "min_exponent": None},
         "fp8 'mma_sync' rounds twice and fraction_bits 0 once"),
    ],
)  # fmt: skip
def test_refuses(preset, fields, message):
    with pytest.raises(ValueError, match=message):
        getattr(TensorCoreConfig, preset)(**fields)


def test_a_ragged_k_is_refused():
    config = emulated("e4m3", "e4m3", "fp32")
    a = np.zeros(48, np.uint8)
    with pytest.raises(ValueError, match=r"K is 48, not a positive multiple of 2 \* l = 32; pad A and B with .* 64"):
        dot(a, a, np.float32(0), config)
