"""Ranges (largest magnitudes) in a compressed network, and the fraction bits that follow from them.

A layer's inputs, outputs and weights use int16 best with as many fraction bits as their largest magnitude leaves room
for::

    act_frac of layer n                      from the largest input       } with one bit of headroom
    out_frac of layer n, act_frac of n + 1   from the largest output      } for other samples
    weight_frac of layer n                   from the largest weight, reduced as the accumulator requires

A layer whose ranges are unknown has the fraction bits of the engine's config.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tercet.golden.checks import INT16, float_array
from tercet.golden.eie.config import FRACTION_BITS, EieConfig

from .model import CompressedLayer, to_mlp

__all__ = ["Fractions", "bound", "fraction_bits", "measure", "most_fraction_bits", "without_ranges"]

_USED = 14
"""Bits used for the largest magnitude, without the sign and the headroom bit."""


@dataclass(frozen=True)
class Fractions:
    """Fraction bits of a layer's inputs, weights and outputs."""

    act: int
    weight: int
    out: int


def measure(layers: Sequence[CompressedLayer], inputs: Any) -> list[CompressedLayer]:
    """Add the ranges that a network's activations reach on given inputs.

    Parameters
    ----------
    layers : sequence of CompressedLayer
        The network.
    inputs : (in,) or (samples, in) float array
        At least one sample.

    Raises
    ------
    TypeError, ValueError
        If the inputs are of the wrong type or shape, or not finite.
    """
    x = np.atleast_2d(float_array("Inputs", inputs))
    if not x.size:
        raise ValueError(f"Inputs have shape {np.shape(inputs)}; every size must be at least 1")
    return _with_ranges(layers, [float(np.abs(part).max()) for part in to_mlp(list(layers)).activations(x)])


def bound(layers: Sequence[CompressedLayer], largest: float) -> list[CompressedLayer]:
    """Add ranges that hold for any inputs of magnitude up to `largest`.

    The bounds come from interval arithmetic, layer by layer, and grow looser with the number of layers.

    Raises
    ------
    ValueError
        If `largest` is not finite and above 0.
    """
    if not 0 < largest < float("inf"):
        raise ValueError(f"The largest input is {largest}; use a number above 0")
    low, high = -float(largest) * np.ones(layers[0].codes.shape[1]), float(largest) * np.ones(layers[0].codes.shape[1])
    reached = [float(largest)]
    for layer in layers:
        up, down = np.maximum(layer.weights, 0).astype(float), np.minimum(layer.weights, 0).astype(float)
        low, high = up @ low + down @ high + layer.bias, up @ high + down @ low + layer.bias
        if len(reached) < len(layers):
            low, high = np.maximum(low, 0), np.maximum(high, 0)
        reached.append(float(max(np.abs(low).max(), np.abs(high).max())))
    return _with_ranges(layers, reached)


def _with_ranges(layers: Sequence[CompressedLayer], reached: list[float]) -> list[CompressedLayer]:
    pairs = zip(reached[:-1], reached[1:], strict=True)
    return [
        dataclasses.replace(layer, act_range=before, out_range=after)
        for layer, (before, after) in zip(layers, pairs, strict=True)
    ]


def without_ranges(layers: Sequence[CompressedLayer]) -> list[CompressedLayer]:
    """Remove a network's ranges, so all layers have the fraction bits of the engine's config."""
    return [dataclasses.replace(layer, act_range=None, out_range=None) for layer in layers]


def most_fraction_bits(low: float, high: float) -> int:
    """Maximum fraction bits with which numbers from `low` to `high`, rounded to nearest, fit int16."""
    most = FRACTION_BITS[1]
    while most > FRACTION_BITS[0] and not INT16[0] <= np.rint(low * 2.0**most) <= np.rint(high * 2.0**most) <= INT16[1]:
        most -= 1
    return most


def fraction_bits(layers: Sequence[CompressedLayer], config: EieConfig) -> list[Fractions]:
    """Fraction bits of each layer on an engine; see the module docstring.

    Weights get as many as `encode` can prove free of overflow. If a large bias would leave them too few, activations
    give up some of theirs.
    """
    plans = [_Plan(layer, 32767 if number else 32768, config) for number, layer in enumerate(layers)]
    edges = [layers[0].act_range]
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        known = [r for r in (layer.out_range, after and after.act_range) if r]
        edges.append(max(known) if known else None)
    wanted = [_of_range(edge, config) for edge in edges]
    for number, (plan, edge) in enumerate(zip(plans, edges[:-1], strict=True)):
        if edge:
            wanted[number] = plan.act_frac(wanted[number], edge)
    fractions, act = [], wanted[0]
    for plan, after in zip(plans, wanted[1:], strict=True):
        weight = plan.weight_frac(act)
        # The shift is at least 0 and below the accumulator width.
        out = max(act + weight - config.acc_width + 1, min(after, act + weight))
        fractions.append(Fractions(act, weight, out))
        act = out
    return fractions


def _of_range(largest: float | None, config: EieConfig) -> int:
    """Maximum fraction bits with which the largest magnitude fits 16 bits with one bit of headroom."""
    if not largest:
        return config.act_frac
    fraction, exponent = math.frexp(largest)
    bits = _USED - exponent + (fraction == 0.5)
    return min(max(bits, FRACTION_BITS[0]), FRACTION_BITS[1])


class _Plan:
    """Fraction bits that a layer's weights and biases permit."""

    def __init__(self, layer: CompressedLayer, act_max: int, config: EieConfig):
        self._layer, self._act_max, self._config = layer, act_max, config
        self._measured = bool(layer.act_range or layer.out_range)
        used = layer.codes != 0
        kinds, rows = len(layer.centroids), len(layer.codes)
        cells = np.nonzero(used)[0] * kinds + layer.codes[used]
        self._counts = np.bincount(cells, minlength=rows * kinds).reshape(rows, kinds)

    def weight_frac(self, act: int) -> int:
        """Maximum fraction bits of the weights with which no accumulator can overflow."""
        if not self._measured:
            return self._config.weight_frac
        values = self._layer.centroids.astype(float)
        most = most_fraction_bits(values.min(), values.max()) if values.any() else self._config.weight_frac
        while most > FRACTION_BITS[0] and not self._fits(act, most):
            most -= 1
        return most

    def act_frac(self, act: int, largest: float) -> int:
        """Fraction bits of the activations: `act`, or fewer if that gives the weights as many more.

        Maximises the smaller of the largest weight code and the largest activation code.
        """
        top = float(np.abs(self._layer.centroids).max())
        choices = range(act, max(act - 16, FRACTION_BITS[0]) - 1, -1)
        return max(choices, key=lambda bits: min(top * 2.0 ** self.weight_frac(bits), largest * 2.0**bits))

    def _fits(self, act: int, weight: int) -> bool:
        book = np.abs(np.rint(self._layer.centroids.astype(float) * 2.0**weight)).astype(np.int64)
        reach = self._counts @ book * self._act_max
        bias = np.rint(self._layer.bias.astype(float) * 2.0 ** (act + weight))
        limit = 2.0 ** (self._config.acc_width - 1)
        return bool(((bias + reach < limit) & (bias - reach >= -limit)).all())
