"""Literal implementation of the tensor-core specification, one element at a time, in Python integers and fractions."""

import math
from fractions import Fraction

__all__ = ["decode", "encode", "ref_dot", "ref_exact", "ref_int_dot", "ref_of"]

# Exponent bits, fraction bits, bits below them, whether there are infinities.
LAYOUTS = {
    "fp32": (8, 23, 0, True),
    "tf32": (8, 10, 13, True),
    "fp16": (5, 10, 0, True),
    "bf16": (8, 7, 0, True),
    "e4m3": (4, 3, 0, False),
    "e5m2": (5, 2, 0, True),
}


def decode(pattern, format):
    """Decode to "nan", "inf" or "number", sign (1 or -1), significand, and the exponent of a significand of 1.0."""
    exponent_bits, fraction_bits, spare, infinities = LAYOUTS[format]
    digits = f"{pattern >> spare:0{1 + exponent_bits + fraction_bits}b}"
    sign = -1 if digits[0] == "1" else 1
    biased, fraction = int(digits[1 : 1 + exponent_bits], 2), int(digits[1 + exponent_bits :], 2)
    if "0" not in digits[1 : 1 + exponent_bits]:
        if infinities:
            return ("nan" if fraction else "inf"), sign, 0, 0
        if "0" not in digits[1:]:
            return "nan", sign, 0, 0
    hidden = 2**fraction_bits if biased else 0
    return "number", sign, hidden + fraction, max(biased, 1) - (2 ** (exponent_bits - 1) - 1)


def encode(value, format, rounding, fraction_bits=None):
    """Pattern of a Fraction, truncated ("zero") or rounded to nearest even ("nearest"); a zero is +0."""
    exponent_bits, all_bits, spare, infinities = LAYOUTS[format]
    kept = all_bits if fraction_bits is None else fraction_bits
    spare += all_bits - kept
    bias = 2 ** (exponent_bits - 1) - 1
    magnitude = abs(value)
    exponent = 1 - bias
    if magnitude:
        # The guess may be off by one in either direction.
        guess = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        while Fraction(2) ** guess > magnitude:
            guess -= 1
        while Fraction(2) ** (guess + 1) <= magnitude:
            guess += 1
        exponent = max(guess, exponent)
    units = magnitude / Fraction(2) ** (exponent - kept)
    units = math.floor(units) if rounding == "zero" else round(units)
    if units == 2 ** (kept + 1):
        units, exponent = 2**kept, exponent + 1
    biased = exponent + bias if units >= 2**kept else 0
    top = 2**exponent_bits - 1
    fraction = units % 2**kept
    if infinities and biased >= top:
        biased, fraction = top, 0
    elif biased > top or (biased == top and not infinities and fraction == 2**kept - 1):
        biased, fraction = top, 2**kept - 1
    negative = value < 0 and units > 0
    return (((negative << exponent_bits | biased) << kept) | fraction) << spare


def _special(a, b, c):
    """The result if infinities or NaNs determine it, otherwise None."""
    infinities = set()
    for (kind_a, sign_a, significand_a, _), (kind_b, sign_b, significand_b, _) in zip(a, b, strict=True):
        if "nan" in (kind_a, kind_b):
            return "nan"
        if kind_a == "inf":
            if kind_b == "number" and significand_b == 0:
                return "nan"
            infinities.add(sign_a * sign_b)
        elif kind_b == "inf":
            if significand_a == 0:
                return "nan"
            infinities.add(sign_a * sign_b)
    if c[0] == "nan":
        return "nan"
    if c[0] == "inf":
        infinities.add(c[1])
    if len(infinities) == 2:
        return "nan"
    return infinities.pop() if infinities else None


def _step(a, b, c, config, formats):
    """One step: patterns to a pattern."""
    a_format, b_format, out_format = formats
    a, b = [decode(p, a_format) for p in a], [decode(p, b_format) for p in b]
    c = decode(c, out_format)
    exponent_bits, out_bits = LAYOUTS[out_format][:2]
    special = _special(a, b, c)
    if special == "nan":
        return config["nan"]
    if special is not None:
        infinity = (2**exponent_bits - 1) << out_bits
        return infinity if special > 0 else infinity | 1 << (exponent_bits + out_bits)
    # Each term as (exponent, factor of 2**exponent).
    terms = [
        (ea + eb, sa * sb * Fraction(ma * mb, 2 ** (LAYOUTS[a_format][1] + LAYOUTS[b_format][1])))
        for (_, sa, ma, ea), (_, sb, mb, eb) in zip(a, b, strict=True)
    ]
    terms.append((c[3], c[1] * Fraction(c[2], 2**out_bits)))
    alive = [exponent for exponent, factor in terms if factor]
    if not alive:
        return 0
    floor = config["min_exponent"]
    largest = max(alive) if floor is None else max(*alive, floor)
    unit = Fraction(2) ** (largest - config["fraction_bits"])
    total = 0
    for exponent, factor in terms:
        term = factor * Fraction(2) ** exponent / unit
        total += math.trunc(term)
    assert abs(total).bit_length() <= config["fraction_bits"] + math.ceil(math.log2(4 * len(a) + 2))
    rounding = "nearest" if out_format == "fp16" else "zero"
    return encode(total * unit, out_format, rounding, config["out_fraction_bits"])


def _widened(patterns, format):
    """Widen FP8 patterns to FP16; E4M3 subnormals become normal."""
    widened = []
    for number in (decode(p, format) for p in patterns):
        kind, sign, *_ = number
        odd = {"nan": 0x7FFF, "inf": 0x7C00 if sign > 0 else 0xFC00}
        widened.append(odd[kind] if kind in odd else encode(_value(number, format), "fp16", "nearest"))
    return widened


def _ieee_sum(a, b, config, out_format):
    """IEEE 754 sum, except that a zero is +0."""
    exponent_bits, out_bits = LAYOUTS[out_format][:2]
    x, y = decode(a, out_format), decode(b, out_format)
    signs = {sign for kind, sign, *_ in (x, y) if kind == "inf"}
    if "nan" in (x[0], y[0]) or len(signs) == 2:
        return config["nan"]
    if signs:
        return (((1 if signs.pop() < 0 else 0) << exponent_bits) | (2**exponent_bits - 1)) << out_bits
    return encode(_value(x, out_format) + _value(y, out_format), out_format, "nearest", config["out_fraction_bits"])


def _mma_sync(a, b, c, config, formats, l):  # noqa: E741
    """2 l FP8 products as FP16: two steps from zero, k mod 4 in {0, 1} first, then c."""
    a, b = _widened(a, formats[0]), _widened(b, formats[1])
    total = 0
    for rests in ((0, 1), (2, 3)):
        chosen = [k for k in range(2 * l) if k % 4 in rests]
        assert len(chosen) == l
        total = _step([a[k] for k in chosen], [b[k] for k in chosen], total, config, ("fp16", "fp16", formats[2]))
    return _ieee_sum(total, c, config, formats[2])


def ref_dot(
    a, b, c, formats, l, fraction_bits, out_fraction_bits=None, nan=None, min_exponent=None, fp8="native"  # noqa: E741
):  # fmt: skip
    """Chain of steps on lists of patterns `a` and `b` and a pattern `c`; `formats` are of a, b and the output."""
    if nan is None:
        nan = 0x7FFF if formats[2] == "fp16" else 0x7FFFFFFF
    config = {
        "fraction_bits": fraction_bits,
        "out_fraction_bits": out_fraction_bits,
        "nan": nan,
        "min_exponent": min_exponent,
    }
    if fp8 == "mma_sync" and formats[0] in ("e4m3", "e5m2"):
        for k in range(0, len(a), 2 * l):
            c = _mma_sync(a[k : k + 2 * l], b[k : k + 2 * l], c, config, formats, l)
        return c
    for k in range(0, len(a), l):
        c = _step(a[k : k + l], b[k : k + l], c, config, formats)
    return c


def ref_of(config, a, b, c):
    """Call `ref_dot` with the parameters of a `TensorCoreConfig`."""
    formats = (config.a_format, config.b_format, config.out_format)
    numbers = (config.l, config.fraction_bits, config.out_fraction_bits, config.nan, config.min_exponent, config.fp8)
    return ref_dot(a, b, c, formats, *numbers)


def _value(number, format):
    _, sign, significand, exponent = number
    return sign * Fraction(significand) * Fraction(2) ** (exponent - LAYOUTS[format][1])


def ref_exact(a, b, c, formats):
    """The full sum in fractions, rounded once."""
    numbers = [decode(p, formats[0]) for p in a], [decode(p, formats[1]) for p in b], decode(c, formats[2])
    special = _special(*numbers)
    exponent_bits, out_bits = LAYOUTS[formats[2]][:2]
    if special == "nan":
        return 2 ** (exponent_bits + out_bits) - 1
    if special is not None:
        return ((1 if special < 0 else 0) << exponent_bits | 2**exponent_bits - 1) << out_bits
    pairs = zip(*numbers[:2], strict=True)
    total = sum((_value(x, formats[0]) * _value(y, formats[1]) for x, y in pairs), _value(numbers[2], formats[2]))
    return encode(total, formats[2], "nearest")


def ref_int_dot(a, b, c, l, overflow):  # noqa: E741
    """Dot product of int8 operands, reduced to int32 after each step."""
    for k in range(0, len(a), l):
        for x, y in zip(a[k : k + l], b[k : k + l], strict=True):
            c += x * y
        if overflow == "saturate":
            c = max(-(2**31), min(c, 2**31 - 1))
        else:
            while c >= 2**31:
                c -= 2**32
            while c < -(2**31):
                c += 2**32
    return c
