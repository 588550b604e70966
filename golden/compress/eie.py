"""Conversion of a compressed network to EIE layers: int16 weights and activations, biases in accumulator LSBs."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
from tercet.golden.checks import float_array, index_text, show, where
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import encode
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.sizing import DEPTHS, check_depths, set_depths, size_engine, unbounded

from .model import CompressedLayer
from .ranges import fraction_bits, most_fraction_bits
from .share import fixed_point

__all__ = ["check_layers", "eie_acts", "eie_layers", "entry_bits", "sized_layers"]


def eie_layers(
    layers: Sequence[CompressedLayer],
    config: EieConfig,
    *,
    permute: Literal["balance", "spread"] | None = None,
    frequencies: Sequence[Any] | None = None,
) -> list[EieLayer]:
    """Encode a compressed network for an engine.

    Centroids become int16 with ``weight_frac`` fraction bits, and biases integers with ``act_frac + weight_frac``, both
    rounded half to even. Every layer but the last ends in a ReLU. A layer's ranges determine its fraction bits, see
    `fraction_bits`; a layer without ranges has the config's.

    Parameters
    ----------
    layers : sequence of CompressedLayer
        The network, at least one layer.
    config : EieConfig
        The engine. Its ``code_bits`` may exceed those of a layer, and its ``index_bits`` may differ from storage.
    permute : "balance", "spread" or None
        As in `encode`, for every layer.
    frequencies : sequence of (in,) float arrays, or None
        For a permutation: how often each input of each layer is non-zero; None for a layer weights its inputs alike.

    Returns
    -------
    list of EieLayer

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If there is no layer, or a centroid or bias does not fit its bits.
    DepthsExceeded
        If the network exceeds the engine's memories; the message names all of them.
    """
    layers = check_layers(layers)
    if frequencies is None:
        frequencies = [None] * len(layers)
    if len(frequencies) != len(layers):
        raise ValueError(f"There are {len(frequencies)} frequencies for {len(layers)} layers; give one per layer")
    # Checking the depths layer by layer would report only the first layer that is too large.
    roomy = unbounded(asdict(config))
    encoded = []
    bits = fraction_bits(layers, config)
    for number, (layer, frequency, frac) in enumerate(zip(layers, frequencies, bits, strict=True)):
        try:
            encoded.append(
                encode(
                    layer.codes,
                    _codebook(layer, config, frac.weight),
                    roomy,
                    bias=_bias(layer, config, frac.act + frac.weight),
                    relu=number + 1 < len(layers),
                    permute=permute,
                    # The output of a ReLU is never -32768.
                    act_max=32767 if number else 32768,
                    frequencies=frequency,
                    act_frac=frac.act,
                    weight_frac=frac.weight,
                    out_frac=frac.out,
                )
            )
        except ValueError as error:
            raise ValueError(f"Layer {number}: {error}") from None
    check_depths(config, encoded)
    return set_depths(encoded, {name: getattr(config, name) for name in DEPTHS})


def sized_layers(
    layers: Sequence[CompressedLayer],
    fields: Mapping[str, Any] | None = None,
    *,
    least: Mapping[str, int] | None = None,
    **options: Any,
) -> list[EieLayer]:
    """Encode a compressed network for an engine whose depths are sized to it.

    Parameters
    ----------
    layers : sequence of CompressedLayer
        The network, at least one layer.
    fields : mapping or None
        Given fields of `EieConfig`. Depths among them are checked; the others are chosen. ``code_bits`` and
        ``index_bits`` default to those of the network.
    least : mapping or None
        As in `size_engine`.
    **options
        Passed to `eie_layers`.

    Returns
    -------
    list of EieLayer
        Layers encoded for the engine, which is the ``config`` of each.

    Raises
    ------
    TypeError, ValueError
        As in `size_engine` and `eie_layers`.
    """
    make = functools.partial(eie_layers, layers, **options)
    return size_engine(make, {**entry_bits(layers), **(fields or {})}, least=least)


def entry_bits(layers: Any) -> dict[str, int]:
    """``code_bits`` and ``index_bits`` of an `EieConfig`: the maximum over the stored layers."""
    valid = [layer for layer in layers if isinstance(layer, CompressedLayer)] if isinstance(layers, Sequence) else []
    if not valid:
        return {}
    # An engine has at least 2 bits for a code.
    return {
        "code_bits": max(2, *(layer.code_bits for layer in valid)),
        "index_bits": max(layer.index_bits for layer in valid),
    }


def check_layers(layers: Any) -> list[CompressedLayer]:
    """Check the layers of a compressed network and return them as a list of at least one.

    Raises
    ------
    TypeError, ValueError
        If they are of another type, or there are none.
    """
    layers = list(layers) if isinstance(layers, Sequence) else [layers]
    for layer in layers:
        if not isinstance(layer, CompressedLayer):
            raise TypeError(f"Layer {show(layer)} is not a CompressedLayer; use layers from compress or load")
    if not layers:
        raise ValueError("There is no layer; use a network of at least one")
    return layers


def eie_acts(acts: Any, config: EieConfig, act_frac: int | None = None) -> np.ndarray:
    """Convert activations to int16 with `act_frac` fraction bits, rounded half to even.

    `act_frac` defaults to the config's; a layer with ranges has its own, ``EieLayer.act_frac``.

    Raises
    ------
    TypeError, ValueError
        If they are not of a float type, or one is not finite or does not fit.
    """
    acts = float_array("Activations", acts)
    frac = config.act_frac if act_frac is None else act_frac
    if acts.size:
        _check_fits(acts, "Activations", "act_frac", frac)
    return np.rint(acts * 2.0**frac).astype(np.int16)


def _codebook(layer: CompressedLayer, config: EieConfig, weight_frac: int) -> np.ndarray:
    if layer.code_bits > config.code_bits:
        raise ValueError(
            f"its codes have {layer.code_bits} bits but code_bits is {config.code_bits}; "
            f"use code_bits={layer.code_bits}, or compress it with fewer"
        )
    _check_fits(layer.centroids, "centroids", "weight_frac", weight_frac)
    fixed = fixed_point(layer.centroids, weight_frac)
    return np.pad(fixed, (0, 2**config.code_bits - fixed.size))


def _check_fits(values: np.ndarray, what: str, name: str, frac: int) -> None:
    """Reject real numbers that do not fit int16 with `frac` fraction bits; `name` is the config field."""
    low, high = float(values.min()), float(values.max())
    most = most_fraction_bits(low, high)
    if frac > most:
        fix = f"use {name}={most} or less" if most >= 0 else "scale the network down"
        raise ValueError(f"{what} reach [{low:g}, {high:g}], beyond 16 bits with {name} {frac}; {fix}")


def _bias(layer: CompressedLayer, config: EieConfig, frac: int) -> np.ndarray | None:
    scaled = np.rint(layer.bias.astype(float) * 2.0**frac)
    limit = 2.0 ** (config.acc_width - 1)
    bad = (scaled < -limit) | (scaled >= limit)
    if bad.any():
        index = where(bad)
        raise ValueError(
            f"bias {layer.bias[index]}{index_text(index)} does not fit acc_width {config.acc_width} with act_frac + "
            f"weight_frac = {frac} fraction bits; use a smaller act_frac or weight_frac, or a wider accumulator"
        )
    # In the engine, layers without bias share one set of zeros.
    return scaled.astype(np.int64) if scaled.any() else None
