"""The tensor-core engine's golden model: a fused dot product as the silicon takes it, bit for bit.

A step sums `l` products and c; it aligns them to the largest exponent, drops what lies below, and adds the rest as
integers. K longer than `l` is a chain of steps, each of which rounds its D::

    a * b  --significand, exponent-->  align  --\\
      ..                                 ..      >-- sum -- normalise, cut or round --> D
    c      --significand, exponent-->  align  --/
                                     emax - F: what a 1 in a sum stands for

Where the config has a floor, emax is not less than that. FP8 operands by ``mma.sync`` are two such steps, of operands
widened to FP16 and from a start of zero, and an IEEE addition of c.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..checks import INT32, int_array, show, transposed, unsigned_codes
from ..numerics.floats import FORMATS, Number, convert, pack, to_patterns, unpack
from .config import TensorCoreConfig
from .cycle_model import cycles

__all__ = ["TensorCoreConfig", "check_mma", "cycles", "dot", "mma", "result_array"]

# Terms worked on together: few enough for a cache.
_BLOCK = 2**16
# Below all exponents: that of a term that is zero.
_LOWEST = -(2**20)
# Bits of an exact sum that are packed; what lies below them only matters as a whole.
_KEPT = 61
# Places that the larger term of an IEEE addition goes up: both still fit int64, and what the smaller one loses lies far
# below the half of a last place.
_UP = 36

_DTYPES = {"fp32": np.float32, "fp16": np.float16, "int32": np.int32}

Rows = np.ndarray | slice


def dot(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> np.ndarray:
    """``(a * b).sum(-1) + c`` by a tensor core.

    Parameters
    ----------
    a, b : (..., K) array
        Operands, K a multiple of ``config.k_step`` and not 0: ``float16``, ``float32`` (TF32), ``int8``, the types of
        the package ``ml_dtypes``, or the formats' bit patterns as uint8, uint16 or uint32.
    c : (...) array
        Addends, in the output's format: ``float32``, ``float16``, ``int32``, or bit patterns. ``float16`` is widened
        for an FP32 output.
    config : TensorCoreConfig
        Formats, products of a step, fraction bits, floor, FP8 rule, NaN, overflow.

    Returns
    -------
    (...) float32, float16 or int32 array
        D, in the output's format.

    Raises
    ------
    TypeError
        If an array is not of a type for its format.
    ValueError
        If shapes do not fit, or K is not a multiple of ``k_step``.

    Notes
    -----
    Source: ``spec/tensorcore.md``, "Bit-exact to silicon" and "What recorded silicon says", after Fasi et al., PeerJ CS
    7:e330, 2021, and what `tercet.golden.tensorcore.presets.ARCHITECTURES` names. TF32 ignores 13 bits, so that a NaN
    with a 1 only in these is an infinity.
    """
    left, right, addend = _check(a, b, c, config)
    if left.ndim < 1:
        raise ValueError(f"A has shape {left.shape}; use an array (..., K)")
    if right.shape != left.shape or addend.shape != left.shape[:-1]:
        raise ValueError(
            f"A {left.shape}, B {right.shape} and C {addend.shape} do not fit; use (..., K), (..., K) and (...)"
        )
    _check_k(left.shape[-1], config)
    rows, columns = (operand.reshape(-1, operand.shape[-1]) for operand in (left, right))
    return _run(rows, columns, addend, lambda here: (here, here), config)


def mma(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> np.ndarray:
    """``a @ b + c`` by a tensor core: each element of D as in `dot`, in the order of k.

    Tiles do not show: rows and columns that a tile lacks are padded, and an element does not depend on its neighbours.

    Parameters
    ----------
    a : (..., M, K) array
        Operands, K a multiple of ``config.k_step`` and not 0; types as in `dot`.
    b : (..., K, N) array
        Operands.
    c : (..., M, N) array
        Addends. The leading dimensions of all three are the same.
    config : TensorCoreConfig
        Formats, products of a step, fraction bits, floor, FP8 rule, NaN, overflow.

    Returns
    -------
    (..., M, N) float32, float16 or int32 array
        D, in the output's format.

    Raises
    ------
    TypeError
        If an array is not of a type for its format.
    ValueError
        If shapes do not fit, a size is 0, or K is not a multiple of ``k_step``.

    Notes
    -----
    Source: ``spec/tensorcore.md``.
    """
    left, right, addend = check_mma(a, b, c, config)
    m, k = left.shape[-2:]
    n = right.shape[-1]

    def pairs(here: slice) -> tuple[Rows, Rows]:
        element = np.arange(here.start, here.stop)
        return element // n, element // (m * n) * n + element % n

    rows = left.reshape(-1, k)
    columns = np.moveaxis(right, -1, -2).reshape(-1, k)
    return _run(rows, columns, addend, pairs, config)


def check_mma(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arguments of `mma`, proven to fit: as bit patterns of the config's formats, or as int8 and int32.

    Raises
    ------
    TypeError, ValueError
        As `mma`.
    """
    left, right, addend = _check(a, b, c, config)
    if left.ndim < 2 or right.ndim < 2:
        raise ValueError(f"A {left.shape} and B {right.shape} are not matrices; use (..., M, K) and (..., K, N)")
    *batch, m, k = left.shape
    n = right.shape[-1]
    if right.shape != (*batch, k, n) or addend.shape != (*batch, m, n):
        raise ValueError(
            f"A {left.shape}, B {right.shape} and C {addend.shape} do not fit; "
            "use (..., M, K), (..., K, N) and (..., M, N)"
            + transposed("B is", k != right.shape[-2] and k == n, "(K, N)")
        )
    _check_k(k, config)
    if 0 in addend.shape:
        raise ValueError(f"C has shape {addend.shape}; every size must be at least 1")
    return left, right, addend


def result_array(patterns: Any, config: TensorCoreConfig) -> np.ndarray:
    """Patterns of D as what `dot` and `mma` give.

    Parameters
    ----------
    patterns : (...) integer array
        Of the output format's width; int32 with or without sign.
    config : TensorCoreConfig
        Its output format.

    Returns
    -------
    (...) float32, float16 or int32 array

    Raises
    ------
    TypeError
        If the patterns are not integers.
    ValueError
        If one is too wide.
    """
    dtype = np.dtype(_DTYPES[config.out_format])
    width = 8 * dtype.itemsize
    bounds = (INT32[0] if config.integers else 0, 2**width - 1)
    values = int_array("D", patterns, bounds, f"a pattern has {width} bits")
    return (values & (2**width - 1)).astype(f"uint{width}").view(dtype)


def _check(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bit patterns of operands and addends; integers as they are."""
    if not isinstance(config, TensorCoreConfig):
        raise TypeError(
            f"Config {show(config)} is not a TensorCoreConfig; use one, TensorCoreConfig.volta() for instance"
        )
    if config.integers:
        return _integers("A", a, np.int8), _integers("B", b, np.int8), _integers("C", c, np.int32)
    left, right = to_patterns(a, config.a_format, "A"), to_patterns(b, config.b_format, "B")
    addend = np.asarray(c)
    if config.out_format == "fp32" and addend.dtype.name == "float16":
        return left, right, convert(to_patterns(addend, "fp16", "C"), "fp16", "fp32")
    return left, right, to_patterns(addend, config.out_format, "C")


def _integers(name: str, value: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.name != np.dtype(dtype).name:
        raise TypeError(
            f"{name} have dtype {array.dtype}, but operands are int8 and sums int32; use {np.dtype(dtype)}"
            + (unsigned_codes(array) if dtype == np.int8 else "")
        )
    return array.astype(dtype, copy=False)


def _check_k(k: int, config: TensorCoreConfig) -> None:
    if k == 0 or k % config.k_step:
        fit = max(1, -(-k // config.k_step)) * config.k_step
        raise ValueError(f"K is {k}, not a multiple of {config.k_step_name} above 0; pad A and B with zeros to {fit}")


def _run(
    rows: np.ndarray,
    columns: np.ndarray,
    addend: np.ndarray,
    pairs: Callable[[slice], tuple[Rows, Rows]],
    config: TensorCoreConfig,
) -> np.ndarray:
    """All elements, a block of them at a time; `pairs` says which row and column a block of elements needs."""
    k = rows.shape[1]
    step = _step_of(config)
    products = k if config.unlimited else config.k_step
    sums = addend.reshape(-1)
    out = np.empty_like(sums)
    size = max(1, _BLOCK // products)
    for start in range(0, sums.size, size):
        here = slice(start, min(start + size, sums.size))
        left, right = pairs(here)
        total = sums[here]
        for first in range(0, k, products):
            terms = slice(first, first + products)
            total = step(rows[left, terms], columns[right, terms], total, config)
        out[here] = total
    return out.reshape(addend.shape).view(_DTYPES[config.out_format])


def _step_of(config: TensorCoreConfig) -> Callable[..., np.ndarray]:
    if config.integers:
        return _integer_step
    if config.unlimited:
        return _exact_step
    return _mma_sync_step if config.emulated else _step


def _integer_step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    # At most 32 * 2**14 and an int32.
    total = (a.astype(np.int64) * b).sum(axis=-1) + c
    if config.overflow == "saturate":
        return np.clip(total, *INT32).astype(np.int32)
    return ((total - INT32[0]) % 2**32 + INT32[0]).astype(np.int32)


def _step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """Patterns (n, l), (n, l) and (n,) to patterns (n,)."""
    x, y, z = unpack(a, config.a_format), unpack(b, config.b_format), unpack(c, config.out_format)
    fraction = config.fraction_bits
    product_fraction = FORMATS[config.a_format].fraction_bits + FORMATS[config.b_format].fraction_bits
    addend_fraction = FORMATS[config.out_format].fraction_bits
    product = x.significand * y.significand
    # Exponents as they are commonly given: a significand is in [1, 2) if it is normal, a product in [1, 4).
    exponent = x.exponent + y.exponent + product_fraction
    addend_exponent = z.exponent + addend_fraction
    largest = np.maximum(
        np.where(product != 0, exponent, _LOWEST).max(axis=-1), np.where(z.significand != 0, addend_exponent, _LOWEST)
    )
    if config.min_exponent is not None:
        largest = np.maximum(largest, config.min_exponent)
    terms = _align(product, largest[:, None] - exponent, fraction - product_fraction)
    addend = _align(z.significand, largest - addend_exponent, fraction - addend_fraction)
    # At most 56 bits: 2 above the point for each of 32 products and one for c, and 48 below.
    total = np.where(x.sign ^ y.sign, -terms, terms).sum(axis=-1) + np.where(z.sign, -addend, addend)
    return _result(total < 0, np.abs(total), largest - fraction, (x, y, z), config)


def _mma_sync_step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """Patterns (n, 2 l), (n, 2 l) and (n,) to patterns (n,): two steps of FP16 from zero, then c."""
    steps = replace(config, a_format="fp16", b_format="fp16", k=config.l)
    first = np.arange(a.shape[1]) % 4 < 2
    total = np.zeros_like(c)
    for chosen in (first, ~first):
        # Exact, but numbers that are subnormal in E4M3 are normal in FP16, and align as such.
        x, y = (convert(part[:, chosen], form, "fp16") for part, form in ((a, config.a_format), (b, config.b_format)))
        total = _step(x, y, total, steps)
    return _add(total, c, config)


def _add(a: np.ndarray, b: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """Patterns (n,) and (n,) to patterns (n,): IEEE 754's sum in the output's format, rounded to nearest even."""
    x, y = unpack(a, config.out_format), unpack(b, config.out_format)
    distance = np.minimum(np.abs(x.exponent - y.exponent), _UP)
    exponent = np.maximum(x.exponent, y.exponent) - distance
    terms = [np.where(n.sign, -1, 1) * _moved(n.significand, n.exponent - exponent) for n in (x, y)]
    total = terms[0] + terms[1]
    infinite = x.infinite | y.infinite
    negative = np.where(infinite, (x.infinite & x.sign) | (y.infinite & y.sign), total < 0)
    nan = x.nan | y.nan | (x.infinite & y.infinite & (x.sign != y.sign))
    return _packed(Number(negative, np.abs(total), exponent, infinite, nan), config, "nearest")


def _moved(significand: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Up by so many places, or down where negative; the last bit is 1 if anything is lost."""
    down = np.clip(-up, 0, 63)
    kept = (significand << np.maximum(up, 0)) >> down
    return kept | (kept << down < significand)


def _align(significand: np.ndarray, distance: np.ndarray, more: int) -> np.ndarray:
    """Magnitudes with `more` fraction bits than they have, or less, cut off where they lie `distance` lower."""
    # A term that is zero may have any exponent.
    return (significand << max(more, 0)) >> np.clip(distance + max(-more, 0), 0, 63)


def _exact_step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """Patterns (n, K), (n, K) and (n,) to patterns (n,), by Python's integers."""
    x, y, z = unpack(a, config.a_format), unpack(b, config.b_format), unpack(c, config.out_format)
    product = np.where(x.sign ^ y.sign, -1, 1) * x.significand * y.significand
    addend = np.where(z.sign, -1, 1) * z.significand
    exponent = x.exponent + y.exponent
    lowest = min(int(exponent.min()), int(z.exponent.min()))
    terms = product.astype(object) << (exponent - lowest).astype(object)
    totals = terms.sum(axis=-1) + (addend.astype(object) << (z.exponent - lowest).astype(object))
    kept = [_shorten(int(total)) for total in totals]
    magnitude, dropped = (np.array(part, np.int64) for part in zip(*kept, strict=True))
    return _result(totals < 0, magnitude, dropped + lowest, (x, y, z), config)


def _shorten(total: int) -> tuple[int, int]:
    """The upper bits of a magnitude, the last one 1 if anything lies below them, and how many bits do."""
    total = abs(total)
    dropped = max(0, total.bit_length() - _KEPT)
    return (total >> dropped) | (total & ((1 << dropped) - 1) != 0), dropped


def _result(
    negative: np.ndarray,
    magnitude: np.ndarray,
    exponent: np.ndarray,
    terms: tuple[Number, Number, Number],
    config: TensorCoreConfig,
) -> np.ndarray:
    """The pattern of a sum, or what infinities and NaNs among its terms make of it."""
    x, y, z = terms
    factor_nan = x.nan | y.nan
    infinite = (x.infinite | y.infinite) & ~factor_nan
    # Infinities have no significand, so a product without one is infinite times zero unless both are infinite.
    zero = ((x.significand == 0) & ~x.infinite) | ((y.significand == 0) & ~y.infinite)
    sign = x.sign ^ y.sign
    above = (infinite & ~sign).any(axis=-1) | (z.infinite & ~z.sign)
    below = (infinite & sign).any(axis=-1) | (z.infinite & z.sign)
    nan = (factor_nan | (infinite & zero)).any(axis=-1) | z.nan | (above & below)
    number = Number(np.where(above | below, below, negative), magnitude, exponent, above | below, nan)
    return _packed(number, config, config.rounding)


def _packed(number: Number, config: TensorCoreConfig, rounding: Literal["nearest", "zero"]) -> np.ndarray:
    """Patterns of the output's format."""
    form = config.result
    pattern = pack(number, form, rounding)
    # A zero is +0, whatever it comes from.
    pattern = np.where(pattern == 1 << (form.width - 1), 0, pattern)
    return np.where(number.nan, config.nan, pattern).astype(form.dtype)
