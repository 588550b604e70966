"""Bit-exact products of an EIE engine's layers, with a count of saturated results."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import INT16, int_array, native, transposed
from .layer import EieLayer

__all__ = ["EieResult", "check_acts", "network_spmv", "spmv"]


@dataclass(frozen=True)
class EieResult:
    """Result of a chain of layers.

    Attributes
    ----------
    out : (out,) or (batch, out) int16 array
        Outputs of the last layer, in original row order.
    saturated : tuple of int
        Saturated results per layer, over all vectors. A result saturates if its sum divided by ``2**shift`` lies
        outside [-32768, 32767.5), that is, below -32768 or where it would round to 32768 or more. Negative results
        that a ReLU zeroes do not count.
    """

    out: np.ndarray
    saturated: tuple[int, ...]


def spmv(layer: EieLayer, acts: Any) -> np.ndarray:
    """Compute the output activations of a layer, bit-exact.

    The accumulator adds bias and products. Its sum is shifted right, rounding half to even, saturated to int16, and
    passed through the ReLU.

    Parameters
    ----------
    layer : EieLayer
        An encoded layer.
    acts : (in,) or (batch, in) int16 array
        Activations, of magnitude up to ``layer.act_max``; zeros are skipped.

    Returns
    -------
    (out,) or (batch, out) int16 array
        In original row order.

    Raises
    ------
    TypeError
        If the activations are not int16.
    ValueError
        If their shape does not match, or one exceeds ``layer.act_max``.

    Notes
    -----
    Source: ``spec/eie.md``, "Numbers".
    """
    return network_spmv([layer], acts).out


def network_spmv(layers: Sequence[EieLayer], acts: Any) -> EieResult:
    """Compute the outputs of a chain of layers, bit-exact, and count saturated results per layer.

    Parameters
    ----------
    layers : sequence of EieLayer
        The layers, at least one, each fed by the previous one.
    acts : (in,) or (batch, in) int16 array
        Input activations of the first layer.

    Raises
    ------
    TypeError, ValueError
        As in `spmv`.
    """
    saturated = []
    for layer in layers:
        acts, count = _apply(layer, acts)
        saturated.append(count)
    return EieResult(acts, tuple(saturated))


def _apply(layer: EieLayer, acts: Any) -> tuple[np.ndarray, int]:
    """Outputs of a layer and the number of saturated ones."""
    a = check_acts(layer, acts)
    n_out, n_in = layer.shape
    row, col, code = layer.weights()
    weight = layer.codebook.astype(np.int64)[code]
    acc = np.zeros((a.size // n_in, n_out), np.int64)
    if layer.bias is not None:
        acc += layer.bias
    for sums, vector in zip(acc, a.reshape(-1, n_in), strict=True):
        used = np.flatnonzero(vector[col])
        products = weight[used] * vector[col[used]]
        # Every partial sum provably fits the accumulator, far below 2**53, so float64 holds it exactly.
        sums += np.bincount(row[used], products, n_out).astype(np.int64)
    rounded = _round_shift(acc, layer.shift)
    saturated = rounded > INT16[1]
    if not layer.relu:
        saturated |= acc >> layer.shift < INT16[0]
    out = np.clip(rounded, *INT16)
    if layer.relu:
        out = np.maximum(out, 0)
    return out.astype(np.int16).reshape(*a.shape[:-1], n_out), int(np.count_nonzero(saturated))


def check_acts(layer: EieLayer, acts: Any) -> np.ndarray:
    """Check activations against a layer and return them as int64; raises as `spmv` does."""
    array = native(np.asarray(acts))
    n_out, n_in = layer.shape
    if array.dtype != np.int16:
        raise TypeError(f"Activations have dtype {array.dtype}; use int16 with {layer.act_frac} fraction bits")
    if array.ndim not in (1, 2) or array.shape[-1] != n_in:
        raise ValueError(
            f"Activations have shape {array.shape} but the layer has {n_in} inputs; use ({n_in},) or (batch, {n_in})"
            + transposed("codes are", array.ndim in (1, 2) and array.shape[-1] == n_out, "(out, in)")
        )
    if not array.size:
        raise ValueError(f"Activations have shape {array.shape}; every size must be at least 1")
    fix = "the layer is proven only up to its act_max, encode it with a larger one"
    return int_array("Activations", array, (-layer.act_max, layer.act_max), fix)


def _round_shift(acc: np.ndarray, shift: int) -> np.ndarray:
    """Compute ``acc / 2**shift``, rounding half to even."""
    if not shift:
        return acc
    return (acc + (2 ** (shift - 1) - 1) + ((acc >> shift) & 1)) >> shift
