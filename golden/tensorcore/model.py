"""Golden model of the tensor-core engine: a fused dot product, bit-exact with the silicon.

A step sums `l` products and c: it aligns them to the largest exponent, truncates the bits below, and adds the rest as
integers. A K longer than `l` is a chain of steps, each of which rounds its D::

    a * b  --significand, exponent-->  align  --\\
      ..                                 ..      >-- sum -- normalise, cut or round --> D
    c      --significand, exponent-->  align  --/
                                     emax - F: weight of a sum's LSB

If the config has a floor, emax is at least that. FP8 operands by ``mma.sync`` take two such steps on operands widened
to FP16, starting from zero, followed by an IEEE addition of c.
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

# Terms processed at a time, few enough for a cache.
_BLOCK = 2**16
# Exponent of a zero term, below all others.
_LOWEST = -(2**20)
# Bits of an exact sum that are packed; the bits below are reduced to a sticky bit.
_KEPT = 61
# Maximum left shift of the larger term in an IEEE addition: both terms still fit int64, and the bits lost from the
# smaller one lie far below half an ULP.
_UP = 36

_DTYPES = {"fp32": np.float32, "fp16": np.float16, "int32": np.int32}

Rows = np.ndarray | slice


def dot(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> np.ndarray:
    """Compute ``(a * b).sum(-1) + c`` as a tensor core does.

    Parameters
    ----------
    a, b : (..., K) array
        Operands, with K a positive multiple of ``config.k_step``: ``float16``, ``float32`` (TF32), ``int8``, the types
        of the package ``ml_dtypes``, or the formats' bit patterns as uint8, uint16 or uint32.
    c : (...) array
        Addends, in the output's format: ``float32``, ``float16``, ``int32``, or bit patterns. ``float16`` is widened
        for an FP32 output.
    config : TensorCoreConfig
        Formats, products per step, fraction bits, floor, FP8 rule, NaN, overflow.

    Returns
    -------
    (...) float32, float16 or int32 array
        D, in the output's format.

    Raises
    ------
    TypeError
        If an array is not of a type for its format.
    ValueError
        If shapes do not match, or K is not a multiple of ``k_step``.

    Notes
    -----
    Source: ``spec/tensorcore.md``, "Bit-exact to silicon" and "What recorded silicon says", after Fasi et al., PeerJ CS
    7:e330, 2021, and the sources given in `tercet.golden.tensorcore.presets.ARCHITECTURES`. TF32 ignores 13 bits, so a
    NaN with a 1 only in these is an infinity.
    """
    left, right, addend = _check(a, b, c, config)
    if left.ndim < 1:
        raise ValueError(f"A has shape {left.shape}; use an array (..., K)")
    if right.shape != left.shape or addend.shape != left.shape[:-1]:
        raise ValueError(
            f"A {left.shape}, B {right.shape} and C {addend.shape} do not match; use (..., K), (..., K) and (...)"
        )
    _check_k(left.shape[-1], config)
    rows, columns = (operand.reshape(-1, operand.shape[-1]) for operand in (left, right))
    return _run(rows, columns, addend, lambda block: (block, block), config)


def mma(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> np.ndarray:
    """Compute ``a @ b + c`` as a tensor core does: each element of D as in `dot`, in the order of k.

    Tiling does not affect results: incomplete tiles are padded, and an element does not depend on its neighbours.

    Parameters
    ----------
    a : (..., M, K) array
        Operands, with K a positive multiple of ``config.k_step``; types as in `dot`.
    b : (..., K, N) array
        Operands.
    c : (..., M, N) array
        Addends. The leading dimensions of all three are the same.
    config : TensorCoreConfig
        Formats, products per step, fraction bits, floor, FP8 rule, NaN, overflow.

    Returns
    -------
    (..., M, N) float32, float16 or int32 array
        D, in the output's format.

    Raises
    ------
    TypeError
        If an array is not of a type for its format.
    ValueError
        If shapes do not match, a size is 0, or K is not a multiple of ``k_step``.

    Notes
    -----
    Source: ``spec/tensorcore.md``.
    """
    left, right, addend = check_mma(a, b, c, config)
    m, k = left.shape[-2:]
    n = right.shape[-1]

    def pairs(block: slice) -> tuple[Rows, Rows]:
        element = np.arange(block.start, block.stop)
        return element // n, element // (m * n) * n + element % n

    rows = left.reshape(-1, k)
    columns = np.moveaxis(right, -1, -2).reshape(-1, k)
    return _run(rows, columns, addend, pairs, config)


def check_mma(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check the arguments of `mma` and return them as bit patterns of the config's formats, or as int8 and int32.

    Raises
    ------
    TypeError, ValueError
        As in `mma`.
    """
    left, right, addend = _check(a, b, c, config)
    if left.ndim < 2 or right.ndim < 2:
        raise ValueError(f"A {left.shape} and B {right.shape} are not matrices; use (..., M, K) and (..., K, N)")
    *batch, m, k = left.shape
    n = right.shape[-1]
    if right.shape != (*batch, k, n) or addend.shape != (*batch, m, n):
        raise ValueError(
            f"A {left.shape}, B {right.shape} and C {addend.shape} do not match; "
            "use (..., M, K), (..., K, N) and (..., M, N)"
            + transposed("B is", k != right.shape[-2] and k == n, "(K, N)")
        )
    _check_k(k, config)
    if 0 in addend.shape:
        raise ValueError(f"C has shape {addend.shape}; every size must be at least 1")
    return left, right, addend


def result_array(patterns: Any, config: TensorCoreConfig) -> np.ndarray:
    """Convert bit patterns of D to the array type that `dot` and `mma` return.

    Parameters
    ----------
    patterns : (...) integer array
        Bit patterns of the output format's width; int32 sums may be signed or unsigned.
    config : TensorCoreConfig
        Gives the output format.

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
    """Check operand and addend types and return bit patterns; integers are returned as they are."""
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
        raise ValueError(f"K is {k}, not a positive multiple of {config.k_step_name}; pad A and B with zeros to {fit}")


def _run(
    rows: np.ndarray,
    columns: np.ndarray,
    addend: np.ndarray,
    pairs: Callable[[slice], tuple[Rows, Rows]],
    config: TensorCoreConfig,
) -> np.ndarray:
    """Compute all elements, a block at a time; `pairs` gives the rows and columns that a block needs."""
    k = rows.shape[1]
    step = _step_of(config)
    products = k if config.unlimited else config.k_step
    sums = addend.reshape(-1)
    out = np.empty_like(sums)
    size = max(1, _BLOCK // products)
    for start in range(0, sums.size, size):
        block = slice(start, min(start + size, sums.size))
        left, right = pairs(block)
        total = sums[block]
        for first in range(0, k, products):
            terms = slice(first, first + products)
            total = step(rows[left, terms], columns[right, terms], total, config)
        out[block] = total
    return out.reshape(addend.shape).view(_DTYPES[config.out_format])


def _step_of(config: TensorCoreConfig) -> Callable[..., np.ndarray]:
    if config.integers:
        return _integer_step
    if config.unlimited:
        return _exact_step
    return _mma_sync_step if config.emulated else _step


def _integer_step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    # At most 32 * 2**14 plus an int32.
    total = (a.astype(np.int64) * b).sum(axis=-1) + c
    if config.overflow == "saturate":
        return np.clip(total, *INT32).astype(np.int32)
    return ((total - INT32[0]) % 2**32 + INT32[0]).astype(np.int32)


def _step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """One fused step: patterns (n, l), (n, l) and (n,) to patterns (n,)."""
    x, y, z = unpack(a, config.a_format), unpack(b, config.b_format), unpack(c, config.out_format)
    fraction = config.fraction_bits
    product_fraction = FORMATS[config.a_format].fraction_bits + FORMATS[config.b_format].fraction_bits
    addend_fraction = FORMATS[config.out_format].fraction_bits
    product = x.significand * y.significand
    # Exponents in the usual convention: a normal significand lies in [1, 2), a product in [1, 4).
    exponent = x.exponent + y.exponent + product_fraction
    addend_exponent = z.exponent + addend_fraction
    largest = np.maximum(
        np.where(product != 0, exponent, _LOWEST).max(axis=-1), np.where(z.significand != 0, addend_exponent, _LOWEST)
    )
    if config.min_exponent is not None:
        largest = np.maximum(largest, config.min_exponent)
    terms = _align(product, largest[:, None] - exponent, fraction - product_fraction)
    addend = _align(z.significand, largest - addend_exponent, fraction - addend_fraction)
    # At most 56 bits: 8 above the binary point for 32 products below 4 and c, and 48 below it.
    total = np.where(x.sign ^ y.sign, -terms, terms).sum(axis=-1) + np.where(z.sign, -addend, addend)
    return _result(total < 0, np.abs(total), largest - fraction, (x, y, z), config)


def _mma_sync_step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """FP8 ``mma.sync``: patterns (n, 2 l), (n, 2 l) and (n,) to patterns (n,), in two FP16 steps from zero, then c."""
    steps = replace(config, a_format="fp16", b_format="fp16", k=config.l)
    first = np.arange(a.shape[1]) % 4 < 2
    total = np.zeros_like(c)
    for chosen in (first, ~first):
        # The conversion is exact, but E4M3 subnormals become normal in FP16 and align as such.
        x, y = (convert(part[:, chosen], form, "fp16") for part, form in ((a, config.a_format), (b, config.b_format)))
        total = _step(x, y, total, steps)
    return _add(total, c, config)


def _add(a: np.ndarray, b: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """IEEE 754 addition in the output format, rounded to nearest even: patterns (n,) and (n,) to patterns (n,)."""
    x, y = unpack(a, config.out_format), unpack(b, config.out_format)
    distance = np.minimum(np.abs(x.exponent - y.exponent), _UP)
    exponent = np.maximum(x.exponent, y.exponent) - distance
    terms = [np.where(n.sign, -1, 1) * _shift_sticky(n.significand, n.exponent - exponent) for n in (x, y)]
    total = terms[0] + terms[1]
    infinite = x.infinite | y.infinite
    negative = np.where(infinite, (x.infinite & x.sign) | (y.infinite & y.sign), total < 0)
    nan = x.nan | y.nan | (x.infinite & y.infinite & (x.sign != y.sign))
    return _packed(Number(negative, np.abs(total), exponent, infinite, nan), config, "nearest")


def _shift_sticky(significand: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Shift left by `up`, or right if negative; the LSB is sticky: set if a 1 is shifted out."""
    down = np.clip(-up, 0, 63)
    kept = (significand << np.maximum(up, 0)) >> down
    return kept | (kept << down < significand)


def _align(significand: np.ndarray, distance: np.ndarray, more: int) -> np.ndarray:
    """Extend magnitudes by `more` fraction bits (fewer if negative), then shift right by `distance`, truncating."""
    # A zero term may have any exponent.
    return (significand << max(more, 0)) >> np.clip(distance + max(-more, 0), 0, 63)


def _exact_step(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> np.ndarray:
    """Exact sum over all of K in Python integers: patterns (n, K), (n, K) and (n,) to patterns (n,)."""
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
    """Upper bits of a magnitude, the LSB sticky for the bits below, and the number of bits dropped."""
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
    """Pattern of a sum, or the infinity or NaN that its terms lead to."""
    x, y, z = terms
    factor_nan = x.nan | y.nan
    infinite = (x.infinite | y.infinite) & ~factor_nan
    # Infinities have significand 0, so test for a finite zero factor explicitly.
    zero = ((x.significand == 0) & ~x.infinite) | ((y.significand == 0) & ~y.infinite)
    sign = x.sign ^ y.sign
    above = (infinite & ~sign).any(axis=-1) | (z.infinite & ~z.sign)
    below = (infinite & sign).any(axis=-1) | (z.infinite & z.sign)
    nan = (factor_nan | (infinite & zero)).any(axis=-1) | z.nan | (above & below)
    number = Number(np.where(above | below, below, negative), magnitude, exponent, above | below, nan)
    return _packed(number, config, config.rounding)


def _packed(number: Number, config: TensorCoreConfig, rounding: Literal["nearest", "zero"]) -> np.ndarray:
    """Pack numbers to patterns of the output format."""
    form = config.result
    pattern = pack(number, form, rounding)
    # Every zero result is +0.
    pattern = np.where(pattern == 1 << (form.width - 1), 0, pattern)
    return np.where(number.nan, config.nan, pattern).astype(form.dtype)
