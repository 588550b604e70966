"""Directed dot products, each of which tests one property of tensor cores, after Fasi et al., PeerJ CS 7:e330, 2021."""

from collections.abc import Iterator, Sequence

import numpy as np
from tercet.golden.numerics.floats import FORMATS, convert
from tercet.golden.tensorcore.config import TensorCoreConfig

__all__ = ["directed_dots"]

# A product is its two factors; a dot product is its products and c.
Term = tuple[float, float]
Dot = tuple[Sequence[Term], float]

_ONE = (1.0, 1.0)
_INFINITE = float("inf")


def directed_dots(config: TensorCoreConfig, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Directed cases for a config's formats, each with both signs.

    Parameters
    ----------
    config : TensorCoreConfig
        Formats, and the fraction bits whose limits the cases target.
    k : int
        Number of products of a dot product.

    Returns
    -------
    (count, k), (count, k) and (count,) arrays
        Bit patterns in the config's formats, or int8 and int32. Values that a format cannot hold are rounded.
    """
    chosen = _integers(k) if config.integers else _floats(config, k)
    dots = [(products, sign * c, sign) for products, c in chosen for sign in (1, -1)]
    padded = [[*products, *[(0.0, 0.0)] * (k - len(products))] for products, _, _ in dots]
    factors = np.array(padded, np.float64)
    signs = np.array([sign for _, _, sign in dots])
    a, b, c = factors[..., 0] * signs[:, None], factors[..., 1], np.array([c for _, c, _ in dots])
    if config.integers:
        c = np.clip(c, -(2**31), 2**31 - 1)
        return np.clip(a, -128, 127).astype(np.int8), b.astype(np.int8), c.astype(np.int32)
    formats = (config.a_format, config.b_format, config.out_format)
    return tuple(_patterns(values, format) for values, format in zip((a, b, c), formats, strict=True))  # pyright: ignore[reportReturnType]


def _patterns(values: np.ndarray, format: str) -> np.ndarray:
    return convert(values.astype(np.float32).view(np.uint32), "fp32", format)


def _power(exponent: int) -> Term:
    """A power of two as a product of two powers of two."""
    return 2.0 ** (exponent // 2), 2.0 ** (exponent - exponent // 2)


def _negative(product: Term) -> Term:
    return -product[0], product[1]


def _floats(config: TensorCoreConfig, k: int) -> Iterator[Dot]:
    yield from _kept_bits(config.fraction_bits)
    yield from _order(config.fraction_bits, k)
    yield from _rounding(config)
    yield from _ends(config, k)
    if config.min_exponent is not None and config.reaches_floor:
        yield from _floor(config, config.min_exponent)
    yield from _specials()


def _kept_bits(fraction: int) -> Iterator[Dot]:
    """Smallest term that counts beside 1: a product or c beside a product, or a product beside c."""
    for below in range(1, fraction + 5):
        small = _power(-below)
        yield [_ONE, _negative(small)], 0.0
        yield [_ONE], -(2.0**-below)
        yield [_negative(small)], 1.0
        # The large terms cancel, but the truncated bits do not come back.
        yield [_negative(_ONE), small], 1.0


def _order(fraction: int, k: int) -> Iterator[Dot]:
    """1 at every index among terms too small for it: shows where steps end, and whether steps follow the order of k."""
    for below in (fraction - 1, fraction, fraction + 1):
        small = [_power(-below)] * k
        yield small, 1.0
        yield small, 1 - 2.0**-24
        for index in range(k):
            yield [*small[:index], _ONE, *small[index + 1 :]], 2.0**-below


def _rounding(config: TensorCoreConfig) -> Iterator[Dot]:
    """Sums between two results: a quarter, a half and three quarters of an ULP above an even and an odd one."""
    last = FORMATS[config.out_format].fraction_bits
    for kept in {last, config.out_fraction_bits}:
        for odd in ([], [_power(-kept)]):
            half, quarter = _power(-kept - 1), _power(-kept - 2)
            for more in ([quarter], [half], [half, quarter]):
                yield [_ONE, *odd, *more], 0.0
                yield [_ONE, *odd, *more], 1.0
                yield [*odd, *more], 1.0


def _ends(config: TensorCoreConfig, k: int) -> Iterator[Dot]:
    """Carries, overflow, subnormal factors, addends and results."""
    a, b, out = (FORMATS[name] for name in (config.a_format, config.b_format, config.out_format))
    below_two = 2 - 2.0**-a.fraction_bits, 2 - 2.0**-b.fraction_bits
    yield [below_two] * k, 2 - 2.0**-out.fraction_bits
    yield [below_two] * k, 0.0
    smallest = 2.0 ** (a.min_exponent - a.fraction_bits), 2.0 ** (b.min_exponent - b.fraction_bits)
    lowest = 2.0 ** (out.min_exponent - out.fraction_bits)
    largest = 2.0**out.bias * (2 - 2.0**-out.fraction_bits)
    for product in (smallest, (smallest[0], 1.0), (1.0, smallest[1])):
        yield [product] * k, 0.0
        yield [product], lowest
        yield [product], -lowest
    yield [], lowest
    yield [], lowest * 3
    # Above the largest result: 1/4 ULP is lost, 1/2 ULP may round up to infinity, 1 ULP overflows.
    for down in (2, 1, 0):
        yield [_power(out.bias - out.fraction_bits - down)], largest
    most = 2.0 ** min(a.bias, b.bias, out.bias // 2)
    yield [(most, most)] * k, largest
    yield [(most, most), (-most, most)], largest


def _floor(config: TensorCoreConfig, floor: int) -> Iterator[Dot]:
    """Products below the floor, beside one near the last bit that the floor keeps. Only these cases show 2**-160 beside
    2**-149 in FP32, and 2**-48 beside 2**-25, half an ULP, in FP16.
    """
    out = FORMATS[config.out_format]
    last = out.smallest_exponent - (config.rounding == "nearest")
    smallest = FORMATS[config.a_format].smallest_exponent + FORMATS[config.b_format].smallest_exponent
    for large in {last, last + 1, floor - 2, floor - 1, floor, floor + 1}:
        for below in range(-2, 12):
            small = _power(max(floor - config.fraction_bits - below, smallest))
            yield [_power(large), small], 0.0
            yield [_power(large), _negative(small)], 0.0
    yield [_power(floor - 1)], 0.0


def _specials() -> Iterator[Dot]:
    """Infinities, NaNs and signed zeros. E4M3 has no infinities and uses NaN for them."""
    nan = float("nan")
    infinite = (_INFINITE, 1.0)
    yield [infinite], 1.0
    yield [infinite, infinite], _INFINITE
    yield [infinite, _negative(infinite)], 0.0
    yield [infinite], -_INFINITE
    yield [(_INFINITE, 0.0)], 1.0
    yield [(0.0, _INFINITE)], 1.0
    yield [_ONE], _INFINITE
    yield [_ONE], nan
    yield [(nan, 1.0)], 0.0
    yield [(nan, 0.0)], _INFINITE
    yield [(-0.0, 1.0)], -0.0
    yield [(0.0, 1.0)], -0.0
    yield [_ONE, _negative(_ONE)], 0.0
    yield [_ONE, _negative(_ONE)], -0.0


def _integers(k: int) -> Iterator[Dot]:
    """Largest products, sums at both limits of int32, and sums that leave its range and return."""
    up, down = (-128.0, -128.0), (127.0, -128.0)
    for c in (0, 1, 2**31 - 1, -(2**31), 2**31 - 1 - k * 2**14, 2**31 - k * 2**14):
        yield [up] * k, c
        yield [down] * k, c
        # The first half leaves the range of int32, the second returns.
        yield [*[up] * (k // 2), *[down] * (k - k // 2)], c
        yield [*[down] * (k // 2), *[up] * (k - k // 2)], c
        yield [up, down] * (k // 2), c
