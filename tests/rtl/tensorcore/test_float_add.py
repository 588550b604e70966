"""FP32 adder against NumPy, bit for bit."""

import numpy as np
import pytest
from tercet.rtl.tensorcore.float32 import Float32
from tercet.rtl.tensorcore.float_add import FloatAdd

INFINITE = 0x7F800000
LARGEST = 0x7F7FFFFF
NAN = 0x7FFFFFFF
# Corner cases: zero, one, the limits of the subnormal and normal numbers, infinity, NaNs.
EDGES = [0, 1, 2, 0x7FFFFE, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF, 0x1000000, 0x3F800000, 0x3F800001, 0x3FFFFFFF]
EDGES += [0x7EFFFFFF, 0x7F000000, 0x7F7FFFFE, LARGEST, INFINITE, INFINITE + 1, NAN]


# Cases: patterns of a and b.


def numbers(rng, exponents):
    """Patterns with these biased exponents; fractions are random, all zeros, all ones, or have one or two bits set."""
    count = len(exponents)
    one, other = (1 << rng.integers(0, 23, count) for _ in range(2))
    fraction = rng.choice([0, 2**23 - 1, -1, -2, -3], count)
    for kind, value in ((-1, rng.integers(0, 2**23, count)), (-2, one), (-3, one | other)):
        fraction = np.where(fraction == kind, value, fraction)
    return (rng.integers(0, 2, count) << 31 | exponents << 23 | fraction).astype(np.uint32)


def distances(rng, count):
    """Every distance of exponents up to 30, in both orders, with both signs; includes ties and far terms."""
    distance = np.arange(count) % 31
    small = rng.integers(1, 254 - distance)
    a, b = numbers(rng, small), numbers(rng, small + distance)
    swap = rng.random(count) < 0.5
    return np.where(swap, b, a), np.where(swap, a, b)


def ties(rng, count):
    """The smaller term is half an ULP of the larger one, or next to that; the larger one is odd or even."""
    large = rng.integers(26, 254, count)
    a = numbers(rng, large)
    # 2**-24 of the larger term's power of two; half of that for a difference below the power of two.
    below = rng.choice([24, 25], count)
    b = (large - below << 23) + rng.choice([-1, 0, 0, 0, 1, 1 << 22], count)
    return a, (b | rng.integers(0, 2, count) << 31).astype(np.uint32)


def cancel(rng, count):
    """Differences that leave few bits or none, also of the smallest numbers."""
    a = numbers(rng, rng.choice([0, 1, 2, 3, 20, 24, 25, 26, 100, 253], count))
    near = rng.choice([0, 0, 1, 2, 3, 1 << 5, 1 << 11, 1 << 22, 1 << 23], count) * rng.choice([-1, 1], count)
    magnitude = np.clip((a & 0x7FFFFFFF).astype(np.int64) + near, 0, LARGEST)
    return a, ((~a & 0x80000000) | magnitude).astype(np.uint32)


def subnormal(rng, count):
    """Around the smallest normal number, in and out."""
    return numbers(rng, rng.integers(0, 4, count)), numbers(rng, rng.integers(0, 26, count))


def overflow(rng, count):
    """Around the largest numbers."""
    return numbers(rng, rng.integers(252, 255, count)), numbers(rng, rng.integers(228, 255, count))


def edges(rng, count):
    """Pairs of `EDGES` with all signs, at most `count` of them."""
    signed = np.array([edge | sign for edge in EDGES for sign in (0, 1 << 31)], np.uint32)
    a, b = (x.ravel() for x in np.meshgrid(signed, signed))
    order = rng.permutation(len(a))[:count]
    return a[order], b[order]


def anything(rng, count):
    return tuple(rng.integers(0, 2**32, count).astype(np.uint32) for _ in range(2))


KINDS = (distances, ties, cancel, subnormal, overflow, edges, anything)


# Reference, and conversion to and from `Float32`.


def ref_add(a, b):
    with np.errstate(all="ignore"):
        total = (a.view(np.float32) + b.view(np.float32)).view(np.uint32)
    return np.where((total & 0x7FFFFFFF) > INFINITE, NAN, total)


def is_nan(patterns):
    return (patterns & 0x7FFFFFFF) > INFINITE


def float32_bits(rng, pattern, other):
    """Bits of `Float32`. Infinities in both encodings, some with the other term's magnitude; NaNs with any pattern."""
    pattern = int(pattern)
    fields = {"fraction": pattern % 2**23, "exponent": pattern >> 23 & 0xFF, "sign": pattern >> 31}
    fields["normal"] = fields["exponent"] > 0
    if pattern & 0x7FFFFFFF >= INFINITE:
        below = int(other) if rng.random() < 0.5 else int(rng.integers(2**31))
        fields["fraction"], fields["normal"] = below % 2**23, below >> 23 & 0xFF > 0
        fields["infinite"] = int(rng.integers(2))
        fields["nan"] = bool(is_nan(pattern))
        if fields["infinite"] or fields["nan"]:
            fields["exponent"] = below >> 23 & 0xFF
    return Float32.const(fields).as_bits()


def pattern(value):
    """Bit pattern of a `Float32`."""
    number = Float32.from_bits(value)
    if number.nan:
        return NAN
    if number.infinite or number.exponent == 0xFF:
        return number.sign << 31 | INFINITE
    assert number.normal == (number.exponent > 0)
    return number.sign << 31 | number.exponent << 23 | number.fraction


def run(through, family, a, b, seed=0):
    rng = np.random.default_rng(seed)
    component = FloatAdd(family=family)
    cases = [{"a": float32_bits(rng, x, y), "b": float32_bits(rng, y, x)} for x, y in zip(a, b, strict=True)]
    return [pattern(value) for value in through(component, cases, o=component.latency).o]


@pytest.mark.parametrize("kind", KINDS)
def test_against_numpy(through, kind):
    """Thousands of hard cases; every event expected of their kind occurs."""
    rng = np.random.default_rng(KINDS.index(kind))
    a, b = kind(rng, 3000)
    want = ref_add(a, b)
    for x, y, got, total in zip(a, b, run(through, "any", a, b), want, strict=True):
        assert got == total, f"{x:#010x} + {y:#010x}: {got:#010x} instead of {total:#010x}"
    happens = events(a, b, want)
    assert happens >= HAPPENS[kind], HAPPENS[kind] - happens


def events(a, b, total):
    """Names of the events that occur in the cases."""
    x, y = a.view(np.float32), b.view(np.float32)
    finite = np.isfinite(x) & np.isfinite(y)
    with np.errstate(all="ignore"):
        exact = x.astype(np.float64) + y.astype(np.float64)
        inexact = finite & (exact != total.view(np.float32))
        high = np.spacing(np.abs(total.view(np.float32)))
        tie = inexact & (np.abs(exact - total.view(np.float32).astype(np.float64)) * 2 == high)
    magnitude, differ = total & 0x7FFFFFFF, (a ^ b) >> 31 == 1
    found = {
        "tie": tie & (magnitude < INFINITE),
        "tie up": tie & (np.abs(exact) < np.abs(total.view(np.float32))),
        "inexact difference": inexact & differ,
        "zero from numbers": finite & (magnitude == 0) & (a << 1 != 0),
        "subnormal": finite & (magnitude > 0) & (magnitude < 1 << 23),
        "overflow": finite & (magnitude == INFINITE),
        "inf - inf": np.isinf(x) & np.isinf(y) & differ,
        "inf": np.isinf(x) & np.isfinite(y),
        "NaN": is_nan(a) & ~is_nan(b),
        "-0": total == 1 << 31,
        "0 - 0": (a << 1 == 0) & (b << 1 == 0) & differ,
    }
    return {name for name, cases in found.items() if cases.any()}


HAPPENS = {
    distances: {"tie", "tie up", "inexact difference"},
    ties: {"tie", "tie up", "inexact difference"},
    cancel: {"zero from numbers", "subnormal"},
    subnormal: {"subnormal", "tie"},
    overflow: {"overflow", "inexact difference"},
    edges: {"inf - inf", "inf", "NaN", "-0", "0 - 0", "overflow", "subnormal", "zero from numbers"},
    anything: {"inexact difference"},
}
