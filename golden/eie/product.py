"""What an EIE engine computes: one product after the other, bit-exact, and which results did not fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import INT16, int_array, native, transposed
from .layer import EieLayer

__all__ = ["EieResult", "check_acts", "network_spmv", "spmv"]


@dataclass(frozen=True)
class EieResult:
    """What layers that feed each other compute.

    Attributes
    ----------
    out : (out,) or (batch, out) int16 array
        Outputs of the last layer, in original row order.
    saturated : tuple of int
        Of each layer, the results that did not fit 16 bits, of all vectors together. A result is saturated if its sum,
        divided by ``2**shift``, lies outside [-32768, 32767.5): below, or where it would round to 32768 or more. One
        below that a ReLU makes zero anyway is not.
    """

    out: np.ndarray
    saturated: tuple[int, ...]


def spmv(layer: EieLayer, acts: Any) -> np.ndarray:
    """Output activations of a layer, bit-exact.

    Bias and products meet in the accumulator; one right shift rounds half to even; then saturation to int16, then ReLU.

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
        If their shape does not fit, or one is larger than proven.

    Notes
    -----
    Source: ``spec/eie.md``, "Numbers".
    """
    return network_spmv([layer], acts).out


def network_spmv(layers: Sequence[EieLayer], acts: Any) -> EieResult:
    """Outputs of layers that feed each other, bit-exact, and how many results of each were saturated.

    Parameters
    ----------
    layers : sequence of EieLayer
        At least one.
    acts : (in,) or (batch, in) int16 array
        Activations of the first.

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
    """Outputs of a layer, and how many of them are saturated."""
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
        # Every partial sum is proven to fit the accumulator, far below 2**53: float64 holds all of them exactly.
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
    """``acc / 2**shift``, a half to the even neighbour."""
    if not shift:
        return acc
    return (acc + (2 ** (shift - 1) - 1) + ((acc >> shift) & 1)) >> shift
