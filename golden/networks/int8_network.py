"""INT8 multilayer perceptron for the systolic engine, and its file format."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import INT8, check_names, integer, native, transposed, unsigned_codes
from ..numerics.quantization import (
    QuantParams,
    Requant,
    calibrate,
    fold_zero_point,
    quantize,
    quantize_bias,
    weight_params,
)
from ..numpy_file import read_numpy
from ..systolic.config import SystolicConfig
from ..systolic.model import matmul
from .mlp import Mlp

__all__ = ["Int8Layer", "Int8Network", "quantize_mlp"]

_INPUT = ("input_scale", "input_zero_point")
_REQUANT = ("multiplier", "shift", "zero_point", "qmin", "qmax", "rounding")
_EXPECTED = (
    f"{', '.join(_INPUT)}, for each layer n from 0 W<n> and b<n>, and unless it is the last and outputs sums "
    + ", ".join(f"{name}<n>" for name in _REQUANT)
)
# Largest bias of a quantised layer, a quarter of int32, in units of its sums.
_MOST_BIAS = 2.0**29


@dataclass(frozen=True, eq=False)
class Int8Layer:
    """A fully connected layer in integers.

    Attributes
    ----------
    weights : (in, out) int8 array
        Weights.
    bias : (out,) int32 array
        Bias, with the input's zero point folded in.
    requant : Requant or None
        Requantisation of the sums to int8; None outputs the INT32 sums.

    Raises
    ------
    TypeError
        If an array is of another type.
    ValueError
        If weights and bias are not a matrix and a vector, or do not match each other or the requantiser.
    """

    weights: np.ndarray
    bias: np.ndarray
    requant: Requant | None

    def __post_init__(self):
        w, b = (native(np.asarray(array)) for array in (self.weights, self.bias))
        if w.dtype != np.int8 or b.dtype != np.int32:
            raise TypeError(
                f"Weights are {w.dtype} and the bias {b.dtype}; use int8 (in, out) and int32 (out,){unsigned_codes(w)}"
            )
        if w.ndim != 2 or 0 in w.shape:
            raise ValueError(f"Weights have shape {w.shape}; use a matrix (in, out)")
        if b.shape != w.shape[1:]:
            hint = transposed("weights are", b.shape == w.shape[:1])
            raise ValueError(f"Bias has shape {b.shape} but the weights {w.shape}; use ({w.shape[1]},){hint}")
        if self.requant is not None:
            if not isinstance(self.requant, Requant):
                raise TypeError(f"requant {self.requant!r} is not a Requant; use tercet.golden.numerics.Requant")
            self.requant.per_channel(w.shape[1])
        object.__setattr__(self, "weights", w)
        object.__setattr__(self, "bias", b)

    def apply(self, x: np.ndarray, product: Callable[..., np.ndarray]) -> np.ndarray:
        """Compute the layer's output, using `product` for the product and bias."""
        sums = product(x, self.weights, self.bias)
        return sums if self.requant is None else self.requant.apply(sums)


@dataclass(frozen=True, eq=False)
class Int8Network:
    """INT8 layers, and the quantisation parameters of their input.

    Raises
    ------
    ValueError
        If there is no layer, a layer does not match the previous one, or one other than the last does not requantise.
    """

    input: QuantParams
    layers: tuple[Int8Layer, ...]

    def __post_init__(self):
        if not self.layers:
            raise ValueError("The network has no layer; use at least one")
        for number, layer in enumerate(self.layers):
            inputs, outputs = layer.weights.shape
            before = self.layers[number - 1].weights.shape[1] if number else inputs
            if before != inputs:
                raise ValueError(
                    f"Layer {number} has {inputs} inputs but layer {number - 1} has {before} outputs; use equal numbers"
                    + transposed("weights are", before == outputs)
                )
            if layer.requant is None and number + 1 < len(self.layers):
                raise ValueError(f"Layer {number} outputs INT32 sums, which the next layer cannot take; add a Requant")

    def codes(self, x: np.ndarray) -> np.ndarray:
        """Return inputs as int8 codes; real numbers are quantised.

        Parameters
        ----------
        x : (samples, in) int8 or float array
            Inputs.

        Raises
        ------
        TypeError
            If they are of another type: other integers could be codes or real values.
        ValueError
            If they have another shape.
        """
        x = np.asarray(x)
        inputs = self.layers[0].weights.shape[0]
        if x.ndim != 2 or x.shape[1] != inputs:
            hint = transposed("inputs are", x.ndim == 2 and x.shape[0] == inputs, "(samples, in)")
            raise ValueError(f"Inputs have shape {x.shape}; the network takes (samples, {inputs}){hint}")
        if x.dtype == np.int8:
            return x
        if x.dtype.kind != "f":
            raise TypeError(
                f"Inputs have dtype {x.dtype}; use int8 for codes, or float32 for the numbers themselves"
                + unsigned_codes(x)
            )
        return quantize(x, self.input)

    def run(self, x: np.ndarray, config: SystolicConfig | None = None) -> list[np.ndarray]:
        """Run the golden model; returns the input codes and the output of every layer."""
        config = config or SystolicConfig()
        values = [self.codes(x)]
        for layer in self.layers:
            values.append(layer.apply(values[-1], lambda x, w, b: matmul(x, w, b, config)))
        return values

    def dumps(self) -> bytes:
        """Serialise as an ``.npz``: ``input_scale``, ``input_zero_point``, and for layer n ``W<n>``, ``b<n>`` and the
        fields of its Requant, ``multiplier<n>`` and so on.
        """
        arrays: dict[str, np.ndarray] = {
            "input_scale": np.asarray(self.input.scale),
            "input_zero_point": np.asarray(self.input.zero_point),
        }
        for n, layer in enumerate(self.layers):
            arrays |= {f"W{n}": layer.weights, f"b{n}": layer.bias}
            if layer.requant is not None:
                arrays |= {f"{name}{n}": np.asarray(getattr(layer.requant, name)) for name in _REQUANT}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the network to a file in the format of `dumps`.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        Path(path).write_bytes(self.dumps())

    @classmethod
    def load(cls, path: Path | str) -> "Int8Network":
        """Read a file written by `save`.

        Raises
        ------
        ValueError
            If the file is not such a network, or its layers do not match each other.
        OSError
            If the file cannot be read.
        """
        loaded = read_numpy(path)
        try:
            return cls.of(loaded if isinstance(loaded, dict) else {})
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(path)!r} is not an INT8 network: {error}") from None

    @classmethod
    def of(cls, arrays: dict[str, np.ndarray]) -> "Int8Network":
        """Build a network from the arrays that `save` writes.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or missing, an array has the wrong type or shape, or layers do not match each other.
        """
        matches = [re.fullmatch(r"W(\d+)", name, re.I | re.A) for name in arrays]
        # Count layers ignoring case and gaps; check_names then reports the missing names.
        count = len({int(match[1]) for match in matches if match}) or 1
        required, optional = list(_INPUT), []
        for n in range(count):
            names = [f"{name}{n}" for name in _REQUANT]
            required += [f"W{n}", f"b{n}"]
            # Only the last layer may output sums; it then has no requantiser fields at all.
            needed = n + 1 < count or any(name in arrays for name in names)
            (required if needed else optional).extend(names)
        check_names(arrays, required, optional, expected=_EXPECTED)
        scale, zero_point = (_value(name, arrays[name]) for name in _INPUT)
        if isinstance(scale, bool) or not isinstance(scale, (int, float)):
            raise TypeError(f"input_scale {scale!r} is not a real number; use a float")
        params = QuantParams(scale, integer("input_zero_point", zero_point, INT8))
        return cls(params, tuple(_layer(arrays, n) for n in range(count)))


def _value(name: str, array: np.ndarray) -> Any:
    """Value of a zero-dimensional array."""
    if array.ndim:
        raise ValueError(f"{name} has shape {array.shape}; use a single value, of shape ()")
    return array.item()


def _layer(arrays: dict[str, np.ndarray], n: int) -> Int8Layer:
    try:
        requant = None
        if f"multiplier{n}" in arrays:
            parts = {name: arrays[f"{name}{n}"] for name in _REQUANT}
            # These may have one value per channel; the others have one per layer.
            per_channel = ("multiplier", "shift")
            values: dict[str, Any] = {
                name: part if part.ndim and name in per_channel else _value(f"{name}{n}", part)
                for name, part in parts.items()
            }
            requant = Requant(**values)
        return Int8Layer(arrays[f"W{n}"], arrays[f"b{n}"], requant)
    except (TypeError, ValueError) as error:
        raise type(error)(f"layer {n}: {error}") from None


def quantize_mlp(mlp: Mlp, samples: np.ndarray, *, int8_outputs: bool = False, ternary: bool = False) -> Int8Network:
    """Quantise a perceptron, calibrating its activations on samples.

    Hidden layers have one weight scale per channel and requantise to int8, with the ReLU, if any, as a clamp. The last
    layer has a single scale, so its INT32 sums are comparable with each other.

    Parameters
    ----------
    mlp : Mlp
        The network.
    samples : (samples, in) float array
        Representative inputs.
    int8_outputs : bool
        Whether the last layer requantises as well, for engines that output no INT32 sums.
    ternary : bool
        Whether weights become -1, 0 and 1 times a scale, as those of layers trained so already are.
    """
    params = [calibrate(x, method="percentile", percentile=99.95) for x in mlp.activations(samples)]
    layers = []
    for n, (w, b) in enumerate(zip(mlp.weights, mlp.biases, strict=True)):
        last = n == len(mlp.weights) - 1
        scales = _weight_params(w, b, float(params[n].scale), last, 2 if ternary else 8)
        codes = quantize(w, scales)
        bias = quantize_bias(b, float(params[n].scale), scales.scale)
        requant = None
        if not last or int8_outputs:
            out = params[n + 1]
            factor = np.asarray(params[n].scale) * scales.scale / out.scale
            low = INT8[0] if last or n in mlp.linear else out.zero_point
            requant = Requant.from_scale(factor, out.zero_point, qmin=low)
        layers.append(Int8Layer(codes, fold_zero_point(codes, bias, params[n].zero_point), requant))
    return Int8Network(params[0], tuple(layers))


def _weight_params(w: np.ndarray, bias: np.ndarray, input_scale: float, common: bool, bits: int) -> QuantParams:
    """Weight scales, coarser for weights so small that the bias in units of the sums would not fit."""
    params = weight_params(w, axis=None if common else -1, bits=bits)
    return replace(params, scale=np.maximum(params.scale, np.abs(bias).max() / (input_scale * _MOST_BIAS)))
