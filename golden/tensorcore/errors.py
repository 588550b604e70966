"""Errors of a tensor core against the exact sum, in ULP, and their statistics over K."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..checks import INT32, index_text, integer, show, where
from ..numerics.floats import convert, to_float, to_patterns
from .config import TensorCoreConfig
from .model import dot

__all__ = ["QUANTILES", "ErrorStatistics", "error_statistics", "ulp_errors"]

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
"""Levels of the `quantiles` of `ErrorStatistics`."""


@dataclass(frozen=True)
class ErrorStatistics:
    """Errors of many dot products of one length, in ULP of D; negative is toward zero.

    Attributes
    ----------
    k : int
        Products per dot product.
    count : int
        Number of dot products.
    bias, spread : float
        Mean and standard deviation. With operands of both signs, a sum that nearly cancels has an error of very many
        ULP, and a few such sums dominate both figures: look at the quantiles.
    quantiles : tuple of float
        Quantiles at the levels of `QUANTILES`.
    worst : float
        Largest error magnitude.
    equal : float
        Fraction of results equal to the exact sum rounded to nearest.
    """

    k: int
    count: int
    bias: float
    spread: float
    quantiles: tuple[float, ...]
    worst: float
    equal: float


def ulp_errors(a: Any, b: Any, c: Any, config: TensorCoreConfig) -> np.ndarray:
    """Compute the errors of `dot` against the preset ``exact``.

    Parameters
    ----------
    a, b, c, config
        As in `tercet.golden.tensorcore.dot`; not for int8, whose sums are exact.

    Returns
    -------
    (...) float64 array
        Error of each D in ULP of ``out_fraction_bits`` at the exact sum; positive if D is too large in magnitude.

    Raises
    ------
    TypeError
        If an array is not of a type for its format.
    ValueError
        If shapes do not match, K is not a multiple of ``l``, operands are int8, or a D or an exact sum is infinite or
        NaN.
    """
    _check_config(config)
    got = np.asarray(dot(a, b, c, config))
    best = TensorCoreConfig.exact(a_format=config.a_format, b_format=config.b_format, out_format=config.out_format)
    exact = np.asarray(dot(a, b, c, best))
    for name, values in (("D", got), ("Exact sum", exact)):
        bad = ~np.isfinite(values)
        if bad.any():
            index = where(bad)
            raise ValueError(f"{name} {values[index]}{index_text(index)} is not finite; use smaller operands")
    got, exact = (to_float(to_patterns(values, config.out_format), config.out_format) for values in (got, exact))
    form = config.result
    exponent = np.where(exact == 0, form.min_exponent, np.maximum(np.frexp(exact)[1] - 1, form.min_exponent))
    distance = np.where(exact < 0, exact - got, got - exact)
    return np.asarray(np.ldexp(distance, form.fraction_bits - exponent))


def error_statistics(
    config: TensorCoreConfig,
    ks: Iterable[int],
    *,
    count: int = 1000,
    seed: int = 0,
    operands: Literal["normal", "positive"] = "normal",
) -> tuple[ErrorStatistics, ...]:
    """Compute error statistics of random dot products for several K.

    Parameters
    ----------
    config : TensorCoreConfig
        The tensor core.
    ks : iterable of int
        Values of K, multiples of ``l``.
    count : int
        Dot products for each K.
    seed : int
        Seed of the operands; those for a K do not depend on the other values.
    operands : "normal" or "positive"
        Operands follow the standard normal distribution, rounded to their formats; "positive" takes their magnitudes.
        c is 0.

    Returns
    -------
    tuple of ErrorStatistics
        In the order of `ks`.

    Raises
    ------
    TypeError
        If a number is not an integer, or `operands` is not a string.
    ValueError
        If a number is out of range, a K is not a multiple of ``l``, or operands are int8.
    """
    _check_config(config)
    if not isinstance(operands, str):
        raise TypeError(f"Operands {show(operands)} are not a string; use 'normal' or 'positive'")
    if operands not in ("normal", "positive"):
        raise ValueError(f"Operands {operands!r} are unknown; use 'normal' or 'positive'")
    count = integer("Count", count, (1, INT32[1]))
    seed = integer("Seed", seed, (0, INT32[1]))
    return tuple(_statistics(config, integer("K", k, (1, 2**24)), count, seed, operands) for k in ks)


def _check_config(config: TensorCoreConfig) -> None:
    if not isinstance(config, TensorCoreConfig):
        raise TypeError(
            f"Config {show(config)} is not a TensorCoreConfig; use one, TensorCoreConfig.volta() for instance"
        )
    if config.integers:
        raise ValueError("a_format 'int8' has exact sums; use a floating-point format")


def _statistics(config: TensorCoreConfig, k: int, count: int, seed: int, operands: str) -> ErrorStatistics:
    rng = np.random.default_rng((seed, k))
    # Limit the rows per batch to bound the number of Python integers in the exact sums.
    rows = max(1, 2**18 // k)
    parts = [_errors(config, rng, (min(rows, count - start), k), operands) for start in range(0, count, rows)]
    errors = np.concatenate(parts)
    return ErrorStatistics(
        k=k,
        count=count,
        bias=float(errors.mean()),
        spread=float(errors.std()),
        quantiles=tuple(np.quantile(errors, QUANTILES).tolist()),
        worst=float(np.abs(errors).max()),
        equal=float(np.mean(errors == 0)),
    )


def _errors(config: TensorCoreConfig, rng: np.random.Generator, shape: tuple[int, int], operands: str) -> np.ndarray:
    a, b = (_draw(rng, shape, operands, format) for format in (config.a_format, config.b_format))
    return ulp_errors(a, b, np.zeros(shape[0], config.result.dtype), config)


def _draw(rng: np.random.Generator, shape: tuple[int, int], operands: str, format: str) -> np.ndarray:
    values = rng.standard_normal(shape, np.float32)
    if operands == "positive":
        values = np.abs(values)
    return convert(values.view(np.uint32), "fp32", format)
