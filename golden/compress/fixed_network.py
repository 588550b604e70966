"""A compressed network and its inputs in an engine's fixed-point numbers, with the error against real numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from tercet.golden.checks import INT16, int_array
from tercet.golden.eie.config import EieConfig
from tercet.golden.eie.encoding import EieResult
from tercet.golden.eie.layer import EieLayer
from tercet.golden.eie.product import network_spmv
from tercet.golden.eie.sizing import size_engine

from .eie import check_layers, eie_acts, eie_layers, entry_bits
from .model import CompressedLayer, to_mlp
from .ranges import measure, without_ranges

__all__ = ["FixedNetwork", "FloatError", "accuracy", "fixed_network", "sized_network"]


@dataclass(frozen=True)
class FloatError:
    """Error of outputs against the network in real numbers.

    Attributes
    ----------
    largest, rms : float
        Largest magnitude and root mean square of the differences.
    span : float
        Largest magnitude of the real outputs.
    accuracy, float_accuracy : float or None
        Fraction of correct answers in the outputs and in the real outputs; None without labels.
    """

    largest: float
    rms: float
    span: float
    accuracy: float | None = None
    float_accuracy: float | None = None


@dataclass(frozen=True)
class FixedNetwork:
    """A network encoded for an engine, with inputs; created by `fixed_network`.

    Attributes
    ----------
    network : list of CompressedLayer
        The network in real numbers.
    layers : list of EieLayer
        The network, encoded for the engine.
    inputs : (in,) or (batch, in) float64 array
        Real inputs.
    acts : int16 array of that shape
        Inputs in fixed point with ``layers[0].act_frac`` fraction bits.
    measured : bool
        Whether the fraction bits were derived from these inputs because the network has no ranges.
    """

    network: list[CompressedLayer]
    layers: list[EieLayer]
    inputs: np.ndarray
    acts: np.ndarray
    measured: bool

    @property
    def out_frac(self) -> int:
        """Fraction bits of the results."""
        last = self.layers[-1]
        return last.act_frac + last.weight_frac - last.shift

    def run(self) -> EieResult:
        """Run the golden model; the result includes saturation counts."""
        return network_spmv(self.layers, self.acts)

    def real(self, out: np.ndarray) -> np.ndarray:
        """Convert results to real numbers."""
        return out / 2.0**self.out_frac

    def error(self, out: np.ndarray, labels: Any = None) -> FloatError:
        """Compare an engine's results with the network in real numbers.

        Parameters
        ----------
        out : (out,) or (batch, out) int16 array
            Results.
        labels : (batch,) integer array or None
            Index of the correct output of each vector.

        Raises
        ------
        TypeError, ValueError
            If the labels are of the wrong type, shape or range.
        """
        want = to_mlp(self.network).activations(np.atleast_2d(self.inputs))[-1]
        real = np.atleast_2d(self.real(out))
        difference = np.abs(real - want)
        shares = (None, None) if labels is None else (accuracy(real, labels), accuracy(want, labels))
        rms = float(np.sqrt(np.square(difference).mean()))
        return FloatError(float(difference.max()), rms, float(np.abs(want).max()), *shares)


def fixed_network(
    layers: Sequence[CompressedLayer],
    inputs: Any,
    config: EieConfig,
    *,
    permute: Literal["balance", "spread"] | None = None,
    frequencies: Sequence[Any] | None = None,
    ranges: bool = True,
) -> FixedNetwork:
    """Encode a network and its inputs for an engine.

    Fraction bits follow from the network's ranges. If it has none, they are measured on these inputs; real inputs are
    then always in range, and int16 inputs have the config's ``act_frac``.

    Parameters
    ----------
    layers : sequence of CompressedLayer
        The network.
    inputs : (in,) or (batch, in) array
        Real numbers of a float type, or int16 with the first layer's fraction bits.
    config : EieConfig
        The engine.
    permute, frequencies
        As in `eie_layers`.
    ranges : bool
        False ignores the network's ranges and uses the config's fraction bits for all layers.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type, shape or range, or inputs exceed the range of the network's fraction bits.
    """
    layers, given = check_layers(layers), np.asarray(inputs)
    n_in = layers[0].codes.shape[1]
    if given.dtype.kind != "f" and given.dtype != np.int16:
        raise TypeError(
            f"Inputs have dtype {given.dtype}; use float32 or float64 for the numbers themselves, or int16 with "
            "fraction bits"
        )
    if given.ndim not in (1, 2) or given.shape[-1] != n_in:
        raise ValueError(
            f"Inputs have shape {given.shape} but the network takes {n_in}; use ({n_in},) or (batch, {n_in})"
        )
    if not given.size:
        raise ValueError(f"Inputs have shape {given.shape}; every size must be at least 1")
    coded = given.dtype == np.int16
    if not ranges:
        layers = without_ranges(layers)
    measured = ranges and not any(layer.act_range or layer.out_range for layer in layers)
    if measured:
        layers = measure(layers, given / 2.0**config.act_frac if coded else given)
        if coded:
            layers[0] = dataclasses.replace(layers[0], act_range=None)
    encoded = eie_layers(layers, config, permute=permute, frequencies=frequencies)
    frac = encoded[0].act_frac
    if coded:
        return FixedNetwork(layers, encoded, given / 2.0**frac, given, measured)
    _check_reach(layers[0], given, frac)
    return FixedNetwork(layers, encoded, given.astype(np.float64), eie_acts(given, config, frac), measured)


def sized_network(
    layers: Sequence[CompressedLayer],
    inputs: Any,
    fields: Mapping[str, Any] | None = None,
    *,
    least: Mapping[str, int] | None = None,
    **options: Any,
) -> FixedNetwork:
    """Encode a network and its inputs for an engine whose depths are sized to it.

    Parameters
    ----------
    layers, inputs
        As in `fixed_network`.
    fields, least
        As in `sized_layers`.
    **options
        Those of `fixed_network`.

    Raises
    ------
    TypeError, ValueError
        As in `size_engine` and `fixed_network`.
    """
    made: list[FixedNetwork] = []

    def make(config: EieConfig) -> list[EieLayer]:
        made.append(fixed_network(layers, inputs, config, **options))
        return made[-1].layers

    sized = size_engine(make, {**entry_bits(layers), **(fields or {})}, least=least)
    return dataclasses.replace(made[-1], layers=sized)


def _check_reach(layer: CompressedLayer, inputs: np.ndarray, frac: int) -> None:
    most = np.abs(inputs).max()
    if layer.act_range and most * 2.0**frac > INT16[1]:
        raise ValueError(
            f"Inputs reach {most:g} but the network's ranges are for inputs up to {layer.act_range:g}, with room up to "
            f"{INT16[1] / 2.0**frac:g}; compress it with such inputs in its data, or scale them down"
        )


def accuracy(outputs: np.ndarray, labels: Any) -> float:
    """Fraction of vectors whose largest output is the one given by their label.

    Parameters
    ----------
    outputs : (batch, out) array
        Outputs of the network.
    labels : (batch,) integer array
        Index of the correct output of each vector.

    Raises
    ------
    TypeError, ValueError
        If the labels are of the wrong type, shape or range.
    """
    count = outputs.shape[1]
    correct = int_array("Labels", labels, (0, count - 1), f"the network has {count} outputs")
    if correct.shape != outputs.shape[:1]:
        raise ValueError(
            f"Labels have shape {correct.shape} but there are {len(outputs)} vectors; use ({len(outputs)},)"
        )
    return float((outputs.argmax(axis=1) == correct).mean())
