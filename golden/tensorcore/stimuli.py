"""Operands for the tensor-core engine: plain random ones, and hard ones on which rare events are frequent."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..numerics.floats import FORMATS, convert, unpack
from .config import TensorCoreConfig

__all__ = ["Events", "events", "floor_dots", "hard_dots", "random_operands"]

Operands = tuple[np.ndarray, np.ndarray, np.ndarray]


def random_operands(
    rng: np.random.Generator, config: TensorCoreConfig, m: int, k: int, n: int, *batch: int
) -> Operands:
    """Random patterns A (..., M, K), B (..., K, N) and C (..., M, N): normally distributed, or uniform for int8."""
    shapes = ((*batch, m, k), (*batch, k, n), (*batch, m, n))
    if config.integers:
        a, b = (rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes[:2])
        return a, b, rng.integers(-(2**20), 2**20, shapes[2]).astype(np.int32)
    formats = (config.a_format, config.b_format, config.out_format)
    a, b, c = (
        convert(rng.standard_normal(shape, np.float32).view(np.uint32), "fp32", format)
        for shape, format in zip(shapes, formats, strict=True)
    )
    return a, b, c


def hard_dots(rng: np.random.Generator, config: TensorCoreConfig, count: int) -> Operands:
    """Hard dot products as patterns: two factors (count, l) and addends (count,).

    The cases mix terms at all distances from the largest, cancelling terms, the smallest and largest exponents,
    infinities, NaNs and zeros of both signs, a lone small addend, arbitrary patterns, and `floor_dots` if the floor has
    an effect.
    """
    if config.integers:
        return _hard_integers(rng, config, count)
    shape = (count, config.l)
    form_a, form_b, form_c = (FORMATS[name] for name in (config.a_format, config.b_format, config.out_format))
    kind = rng.integers(0, 9 + config.reaches_floor, count)
    # Exponents of the largest product, and the distances of the others below it.
    top = rng.integers(1, 2**form_a.exponent_bits + 2**form_b.exponent_bits - 2, count)
    top = np.where(kind == 4, rng.integers(2, 8, count), top)
    top = np.where(kind == 5, 2**form_a.exponent_bits + 2**form_b.exponent_bits - rng.integers(3, 8, count), top)
    reach = rng.choice([2, 6, config.fraction_bits + 4], count)
    below = rng.integers(0, reach[:, None], shape)
    below[:, 0] = 0
    field = np.maximum(top[:, None] - below, 0)
    field_a = np.clip(field - rng.integers(0, 2**form_b.exponent_bits, shape), 0, 2**form_a.exponent_bits - 2)
    field_b = np.clip(field - field_a, 0, 2**form_b.exponent_bits - 2)
    a, b = _number(rng, form_a, field_a), _number(rng, form_b, field_b)
    offset = form_c.bias - form_a.bias - form_b.bias
    field_c = np.clip(top + offset + rng.integers(-reach, reach + 1), 0, 2**form_c.exponent_bits - 2)
    c = _number(rng, form_c, field_c)
    if config.l > 1:
        # Every second product is the previous one negated.
        pair = (kind == 2) | (kind == 3)
        sign_a, sign_b = 1 << (form_a.width - 1), form_b.dtype.type(0)
        even = slice(0, config.l // 2 * 2, 2)
        odd = slice(1, config.l // 2 * 2, 2)
        a[:, odd] = np.where(pair[:, None], a[:, even] ^ form_a.dtype.type(sign_a), a[:, odd])
        b[:, odd] = np.where(pair[:, None], b[:, even] ^ sign_b, b[:, odd])
    c = np.where((kind == 3) | (rng.random(count) < 0.05), c & form_c.dtype.type(1 << (form_c.width - 1)), c)
    # Zero products, with an addend of the lowest exponents.
    a[kind == 8] &= form_a.dtype.type(1 << (form_a.width - 1))
    lowest = _number(rng, form_c, rng.integers(0, 3, count))
    c = np.where(kind == 8, lowest, c)
    special = kind == 6
    for array, form in ((a, form_a), (b, form_b), (c, form_c)):
        chosen = special.reshape(-1, *[1] * (array.ndim - 1)) & (rng.random(array.shape) < 0.15)
        array[...] = np.where(chosen, _special(rng, form, array.shape), array)
        array[kind == 7] = rng.integers(0, 2**form.width, array[kind == 7].shape, dtype=np.uint64).astype(form.dtype)
    at_floor = kind == 9
    if at_floor.any():
        a[at_floor], b[at_floor], c[at_floor] = floor_dots(rng, config, int(at_floor.sum()))
    return a, b, c


def floor_dots(rng: np.random.Generator, config: TensorCoreConfig, count: int) -> Operands:
    """Dot products as patterns, two factors (count, l) and addends (count,), on which a reachable floor has an effect.

    One product is near the floor, near a result's ULP or near half of it. All others are near or below the last bit
    kept at the floor. The addend is zero in most cases and the only non-zero term in some.
    """
    form = FORMATS[config.out_format]
    if config.min_exponent is None:
        raise ValueError("min_exponent None sets no floor; use an int")
    floor, kept = config.min_exponent, config.min_exponent - config.fraction_bits
    last = form.smallest_exponent - (config.rounding == "nearest")
    large = last + rng.choice([0, 0, 0, 1, 3], count)
    large = np.where(rng.random(count) < 0.4, floor + rng.integers(-10, 3, count), large)
    shape = (count, config.l)
    # The largest of these lies at the last bit kept, or one or two below it.
    below = rng.integers(0, 3, (count, 1)) + rng.integers(0, 6, shape)
    small = kept + np.where(rng.random((count, 1)) < 0.7, -below, rng.integers(-6, 4, shape))
    exponent, share = small, np.full(shape, 0.1)
    exponent[:, 0], share[:, 0] = large, 0.5
    order = rng.permuted(np.broadcast_to(np.arange(config.l), shape), axis=1)
    exponent, share = np.take_along_axis(exponent, order, 1), np.take_along_axis(share, order, 1)
    # Split each exponent into two factors, neither below its format's range.
    lowest = [FORMATS[name].smallest_exponent for name in (config.a_format, config.b_format)]
    exponent = np.maximum(exponent, sum(lowest))
    half = np.clip(exponent // 2 + rng.integers(-2, 3, shape), lowest[0], exponent - lowest[1])
    a = _odd_multiple(rng, config.a_format, half, share)
    b = _odd_multiple(rng, config.b_format, exponent - half, 0.0)
    c = _odd_multiple(rng, config.out_format, np.where(rng.random(count) < 0.5, large, small[:, -1]), 0.5)
    kind = rng.random(count)
    c[kind < 0.7] = 0
    a[kind > 0.9] &= a.dtype.type(1 << (FORMATS[config.a_format].width - 1))
    return a, b, c


def _odd_multiple(rng: np.random.Generator, format: str, exponent: np.ndarray, share: Any) -> np.ndarray:
    """Patterns of powers of two, of either sign, a fraction `share` of which is multiplied by 3, 5 or 7."""
    factor = np.where(rng.random(exponent.shape) < share, rng.choice([3, 5, 7], exponent.shape), 1)
    sign = rng.choice([-1.0, 1.0], exponent.shape)
    values = np.ldexp(sign * factor, np.maximum(exponent, FORMATS[format].smallest_exponent)).astype(np.float32)
    return convert(values.view(np.uint32), "fp32", format)


def _hard_integers(rng: np.random.Generator, config: TensorCoreConfig, count: int) -> Operands:
    shape = (count, config.l)
    extreme = rng.random(count) < 0.5
    a, b = (
        np.where(extreme[:, None], rng.choice([-128, 127], shape), rng.integers(-128, 128, shape)).astype(np.int8)
        for _ in range(2)
    )
    near = rng.choice([-(2**31), 2**31 - 1, 0], count) + rng.integers(-(2**18), 2**18, count)
    return a, b, np.clip(near, -(2**31), 2**31 - 1).astype(np.int32)


def _number(rng: np.random.Generator, form: Any, field: np.ndarray) -> np.ndarray:
    """Patterns with the given exponent fields and fractions that are random, all zeros, all ones or a single bit."""
    ones = 2**form.fraction_bits - 1
    choice = rng.integers(0, 8, field.shape)
    fraction = rng.integers(0, ones, field.shape, endpoint=True)
    fraction = np.where(choice == 0, 0, np.where(choice == 1, ones, fraction))
    fraction = np.where(choice == 2, 1 << rng.integers(0, form.fraction_bits, field.shape), fraction)
    sign = rng.integers(0, 2, field.shape)
    pattern = (((sign << form.exponent_bits) | field) << form.fraction_bits) | fraction
    return (pattern << form.spare_bits).astype(form.dtype)


def _special(rng: np.random.Generator, form: Any, shape: tuple[int, ...]) -> np.ndarray:
    sign = 1 << (form.width - 1)
    choices = [0, sign, form.overflow, sign | form.overflow, form.nan]
    return rng.choice(np.array(choices, np.uint64), shape, p=[0.25, 0.25, 0.2, 0.2, 0.1]).astype(form.dtype)


@dataclass(frozen=True)
class Events:
    """Counts of single-step dot products with rare events.

    Attributes
    ----------
    distances : (F + 5,) int64 array
        Dot products with a term at each distance from the largest; the last entry counts all larger distances.
    cancelled : int
        Non-zero terms sum to zero.
    floored : int
        The largest exponent is below the floor.
    subnormal_in, subnormal_out, overflow : int
        A subnormal operand; a subnormal result; an infinite result of finite operands.
    infinite, nan, negative_zero : int
        An infinite operand; a NaN operand; a negative zero.
    """

    distances: np.ndarray
    cancelled: int
    floored: int
    subnormal_in: int
    subnormal_out: int
    overflow: int
    infinite: int
    nan: int
    negative_zero: int

    def __add__(self, other: "Events") -> "Events":
        return Events(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


def events(config: TensorCoreConfig, operands: Operands, results: np.ndarray) -> Events:
    """Count rare events in patterns (count, l), (count, l), (count,) and (count,)."""
    forms = [FORMATS[name] for name in (config.a_format, config.b_format, config.out_format)]
    x, y, z = (unpack(array, form) for array, form in zip(operands, forms, strict=True))
    d = unpack(results, forms[2])
    product = x.significand * y.significand
    exponents = np.concatenate(
        (
            x.exponent + y.exponent + forms[0].fraction_bits + forms[1].fraction_bits,
            (z.exponent + forms[2].fraction_bits)[:, None],
        ),
        axis=1,
    )
    used = np.concatenate((product != 0, (z.significand != 0)[:, None]), axis=1)
    largest = np.where(used, exponents, -(2**20)).max(axis=1)
    far = config.fraction_bits + 4
    distance = np.where(used, np.minimum(largest[:, None] - exponents, far), -1)
    special = x.nan.any(1) | y.nan.any(1) | z.nan | x.infinite.any(1) | y.infinite.any(1) | z.infinite
    rare = [_any(number, form) for number, form in zip((x, y, z), forms, strict=True)]
    return Events(
        distances=np.array([int((distance == n).any(axis=1).sum()) for n in range(far + 1)]),
        cancelled=int((used.any(axis=1) & ~special & (d.significand == 0) & ~d.infinite & ~d.nan).sum()),
        floored=int((_floored(config, largest) & used.any(axis=1) & ~special).sum()),
        subnormal_in=int(np.logical_or.reduce([one[0] for one in rare]).sum()),
        subnormal_out=int(((d.significand != 0) & (d.significand < 2 ** forms[2].fraction_bits)).sum()),
        overflow=int((~special & d.infinite).sum()),
        infinite=int((x.infinite.any(1) | y.infinite.any(1) | z.infinite).sum()),
        nan=int((x.nan.any(1) | y.nan.any(1) | z.nan).sum()),
        negative_zero=int(np.logical_or.reduce([one[1] for one in rare]).sum()),
    )


def _floored(config: TensorCoreConfig, largest: np.ndarray) -> np.ndarray:
    if config.min_exponent is None:
        return np.zeros(largest.shape, bool)
    return largest < config.min_exponent


def _any(number: Any, form: Any) -> tuple[np.ndarray, np.ndarray]:
    """Flags per case: any subnormal number, and any negative zero."""
    plain = ~(number.infinite | number.nan)
    subnormal = plain & (number.significand > 0) & (number.significand < 2**form.fraction_bits)
    zero = plain & (number.significand == 0) & number.sign
    return tuple(flags.reshape(len(flags), -1).any(axis=1) for flags in (subnormal, zero))  # pyright: ignore[reportReturnType]
