"""Golden model of the systolic engine: integer matrix product, with a proof that no sum overflows.

Weight stationary (``dataflow="ws"``): a plane of rows x cols weights stays in the array while rows of activations flow
through; the accumulators add the partial sums of successive planes along K. Output stationary (``"os"``): the sums
stay in the array while activations and weights flow.
"""

from typing import Any

import numpy as np

from ..checks import INT32, int_array, native, transposed, unsigned_codes
from .binary import unpack_signs
from .config import SystolicConfig

__all__ = ["check_operands", "matmul"]


def _operand(name: str, value: Any, width: int, bounds: tuple[int, int] | None = None) -> np.ndarray:
    dtype = np.int8 if width <= 8 else np.int16
    array = native(np.asarray(value))
    if array.dtype != dtype:
        fix = f"{width} bits need {np.dtype(dtype)}, convert them first"
        raise TypeError(f"{name} have dtype {array.dtype}; {fix}{unsigned_codes(array) if width == 8 else ''}")
    if array.ndim != 2:
        raise ValueError(f"{name} have shape {array.shape}; use a matrix")
    if 0 in array.shape:
        raise ValueError(f"{name} have shape {array.shape}; every size must be at least 1")
    full = -(2 ** (width - 1)), 2 ** (width - 1) - 1
    if bounds is not None and bounds != full:
        mac, other = ("ternary", "infer") if width == 2 else ("ecp5-dual", "ecp5")
        int_array(name, array, bounds, f"mac {mac!r} needs weights quantised to that range, or use mac {other!r}")
    elif width not in (8, 16):
        int_array(name, array, full, f"use operands of {width} bits")
    return array.astype(np.int64)


def check_operands(
    acts: Any, weights: Any, bias: Any, config: SystolicConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check operands against the config and return them as int64 (M, K), (K, N) and (N,); raises as `matmul` does."""
    a = _operand("Activations", acts, config.act_width)
    w = _operand("Weights", weights, config.weight_width, config.weight_range)
    if a.shape[1] != w.shape[0]:
        hint = transposed("weights are", a.shape[1] == w.shape[1])
        raise ValueError(f"Activations {a.shape} and weights {w.shape} do not match; their K must be equal{hint}")
    n = w.shape[1]
    config.tiles(a.shape[0], w.shape[0], n)
    b = np.zeros(n, np.int64) if bias is None else int_array("Bias", bias, INT32, "give int32 biases")
    if b.shape != (n,):
        raise ValueError(f"Bias has shape {b.shape} but the weights have {n} columns; use shape ({n},)")
    _prove(w, b, config)
    return a, w, b


def _prove(w: np.ndarray, b: np.ndarray, config: SystolicConfig) -> None:
    """Reject weights and biases for which some activations could overflow the accumulator.

    Partial sums that leave the range wrap and come back, so only the final sum matters.
    """
    low, high = -(2 ** (config.act_width - 1)), 2 ** (config.act_width - 1) - 1
    if config.binary:
        # All signs may be equal, or all different.
        low, high, w = -1, 1, np.full(w.shape, config.weight_width)
    positive, negative = np.maximum(w, 0).sum(axis=0), np.minimum(w, 0).sum(axis=0)
    most, least = positive * high + negative * low, positive * low + negative * high
    limit = 2 ** (config.acc_width - 1)
    bad = (most + b >= limit) | (least + b < -limit)
    if bad.any():
        column = int(np.argmax(bad))
        raise ValueError(
            f"Column {column} can reach [{least[column] + b[column]}, {most[column] + b[column]}], beyond acc_width "
            f"{config.acc_width}; use smaller weights, a smaller bias, a shorter K or a wider accumulator"
        )


def matmul(acts: Any, weights: Any, bias: Any = None, config: SystolicConfig | None = None) -> np.ndarray:
    """Compute ``acts @ weights + bias`` in integers; with ``mac="binary"`` of the signs in the words.

    Parameters
    ----------
    acts : (M, K) int8 array
        Activations; int16 when ``act_width`` is above 8.
    weights : (K, N) int8 array
        Weights; int16 when ``weight_width`` is above 8. Words of signs run along K: see `.binary`.
    bias : (N,) integer array or None
        Bias in units of the sums.
    config : SystolicConfig
        Defaults to ``SystolicConfig()``.

    Returns
    -------
    (M, N) int32 array

    Raises
    ------
    TypeError
        If an array is of the wrong type.
    ValueError
        If shapes do not match, an operand exceeds its width, a weight is -128 with ``mac="ecp5-dual"``, or a sum could
        exceed ``acc_width`` for some activations.

    Notes
    -----
    Source: ``spec/systolic.md``.
    """
    config = config or SystolicConfig()
    a, w, b = check_operands(acts, weights, bias, config)
    if config.binary:
        a, w = unpack_signs(a, config.act_width), unpack_signs(w.T, config.weight_width).T
    # Every partial sum is far below 2**53, so float64 holds it exactly and BLAS can do the work.
    product = (a.astype(np.float64) @ w.astype(np.float64)).astype(np.int64)
    return (product + b).astype(np.int32)
