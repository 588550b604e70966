"""Random and extreme operands for tests and long measurements."""

import itertools

import numpy as np
from tercet.golden.numerics.requantization import ROUNDINGS, Requant, Rounding
from tercet.golden.systolic.config import SystolicConfig

from .requantizer import RequantJob
from .systolic import MatmulOperands

__all__ = ["operand", "products", "requant_corners", "requant_job"]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1


def operand(
    rng: np.random.Generator,
    shape: tuple[int, int],
    width: int,
    corner: bool = False,
    bounds: tuple[int, int] | None = None,
) -> np.ndarray:
    """Operands over their whole range; if `corner`, half of them the minimum and the rest the maximum or 0.

    The range is `bounds` or, without, that of two's complement.
    """
    low, high = bounds or (-(2 ** (width - 1)), 2 ** (width - 1) - 1)
    values = rng.choice([low, low, high, 0], shape) if corner else rng.integers(low, high, shape, endpoint=True)
    return values.astype(np.int8 if width <= 8 else np.int16)


def products(config: SystolicConfig, count: int, seed: int, largest: int = 70) -> list[MatmulOperands]:
    """Products of random sizes up to `largest`: some of extreme values, half with bias, half requantised if set up."""
    rng = np.random.default_rng(seed)
    chosen = []
    while len(chosen) < count:
        m, k, n = (int(v) for v in rng.integers(1, largest, 3, endpoint=True))
        if rng.random() < 0.2:
            k = 1
        corner = rng.random() < 0.1
        acts = operand(rng, (m, k), config.act_width, corner)
        weights = operand(rng, (k, n), config.weight_width, corner, config.weight_range)
        bias = rng.integers(-(2**20), 2**20, n) if rng.random() < 0.5 else None
        requant = _requant(rng, n) if config.requant_lanes and rng.random() < 0.5 else None
        chosen.append(MatmulOperands(acts, weights, bias, requant))
    return chosen


def _requant(rng: np.random.Generator, n: int) -> Requant:
    """Scales that bring most sums of random operands near the int8 range."""
    qmin, qmax = np.sort(rng.choice([-128, -1, 0, 1, 127], 2))
    rounding = ROUNDINGS[rng.integers(len(ROUNDINGS))]
    return Requant.from_scale(2.0 ** rng.uniform(-12, -4, n), int(rng.integers(-128, 128)), qmin, qmax, rounding)


def requant_corners(rounding: Rounding) -> RequantJob:
    """All combinations of extreme sums, extreme multipliers and shifts, shuffled so that neighbours differ."""
    accs = {0, 1, 2, 3, 127, 128, 255, 256, 12345678, 2**29, 2**30 - 1, 2**30, 3 * 2**29, INT32_MAX, INT32_MAX - 1}
    accs |= {-a for a in accs} | {INT32_MIN, INT32_MIN + 1}
    multipliers = (0, 1, 3, 127, 2**29, 2**30 - 1, 2**30, 2**30 + 1, 3 * 2**29, 1518500250, 2**31 - 2, 2**31 - 1)
    every = np.array(list(itertools.product(sorted(accs), multipliers, range(-31, 31))))
    return (*np.random.default_rng(0).permutation(every).T, 0, -128, 127, rounding)


def requant_job(count: int, seed: int, rounding: Rounding) -> RequantJob:
    """Random values: most results near the int8 range, some of them ties; often clamped within it."""
    rng = np.random.default_rng(seed)
    acc = rng.integers(INT32_MIN, INT32_MAX, count, endpoint=True) >> rng.integers(0, 31, count)
    multiplier = rng.integers(0, INT32_MAX, count, endpoint=True)
    short = rng.random(count) < 0.2
    multiplier = np.where(short, (multiplier >> 26) << 26, multiplier)
    bits = np.log2(np.abs(acc) + 1.0) + np.log2(multiplier + 1.0) - 31
    near = np.clip(np.round(rng.uniform(-1, 9, count) - bits), -31, 30).astype(np.int64)
    shift = np.where(rng.random(count) < 0.7, near, rng.integers(-31, 30, count, endpoint=True))
    qmin, qmax = np.sort(rng.choice([-128, -128, -100, -1, 0, 1, 99, 127, 127], 2))
    return acc, multiplier, shift, int(rng.choice([-128, -1, 0, 5, 127])), int(qmin), int(qmax), rounding
