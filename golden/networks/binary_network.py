"""Perceptron of signs for the systolic engine with ``mac="binary"``, and its file format."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checks import check_names, float_array, int_array
from ..numpy_file import read_numpy
from ..systolic.binary import pack_signs, unpack_signs
from ..systolic.config import SystolicConfig

__all__ = ["BinaryLayer", "BinaryNetwork", "WordLayer", "signs"]


def signs(values: np.ndarray) -> np.ndarray:
    """Return 1 for values of at least 0 and -1 for others, int8."""
    return np.where(values >= 0, 1, -1).astype(np.int8)


@dataclass(frozen=True, eq=False)
class WordLayer:
    """A layer in the words of an engine: `weights` (K, N), and `bias` (N,) int64, which makes up for padding."""

    weights: np.ndarray
    bias: np.ndarray
    requant: None = None


@dataclass(frozen=True, eq=False)
class BinaryLayer:
    """A fully connected layer of signs.

    Attributes
    ----------
    weights : (in, out) int8 array
        -1 and 1.
    bias : (out,) int32 array
        Bias.

    Raises
    ------
    TypeError, ValueError
        If an array is of another type or shape, or a weight is not -1 or 1.
    """

    weights: np.ndarray
    bias: np.ndarray

    def __post_init__(self):
        w, b = np.asarray(self.weights), np.asarray(self.bias)
        if w.dtype != np.int8 or b.dtype != np.int32:
            raise TypeError(f"Weights are {w.dtype} and the bias {b.dtype}; use int8 (in, out) and int32 (out,)")
        if w.ndim != 2 or 0 in w.shape or b.shape != w.shape[1:]:
            raise ValueError(f"Weights have shape {w.shape} and the bias {b.shape}; use (in, out) and (out,)")
        int_array("Weights", w, (-1, 1), "use -1 and 1")
        if (w == 0).any():
            raise ValueError("A weight is 0; use -1 and 1")
        object.__setattr__(self, "weights", w)
        object.__setattr__(self, "bias", b)

    def sums(self, x: np.ndarray) -> np.ndarray:
        """Return the sums of products, (samples, out) int32, of signs (samples, in)."""
        return (x.astype(np.int64) @ self.weights.astype(np.int64) + self.bias).astype(np.int32)

    def words(self, config: SystolicConfig) -> WordLayer:
        """Pack the weights into an engine's words; activations are completed with clear bits, see `pack_signs`."""
        width, used = config.act_width, len(self.weights) % config.act_width
        padding = unpack_signs(np.array([config.pad_weight]), width)[used:] if used else np.zeros(0, int)
        # Each sign of the padding meets -1.
        bias = self.bias.astype(np.int64) + padding.sum()
        return WordLayer(pack_signs(self.weights.T, width, config.pad_weight).T, bias)


@dataclass(frozen=True, eq=False)
class BinaryNetwork:
    """Layers of signs, and the thresholds that turn real inputs into signs.

    The first layer reads one sign per input and threshold: 1 where the input is above it. Hidden layers end in the sign
    of their sums, the last one in the sums.

    Attributes
    ----------
    thresholds : (inputs, levels) float64 array
        Thresholds of each input.
    layers : tuple of BinaryLayer
        Layers.

    Raises
    ------
    TypeError, ValueError
        If there is no layer, or layers and thresholds do not match each other.
    """

    thresholds: np.ndarray
    layers: tuple[BinaryLayer, ...]

    def __post_init__(self):
        thresholds = float_array("Thresholds", self.thresholds)
        if thresholds.ndim != 2 or not thresholds.size:
            raise ValueError(f"Thresholds have shape {thresholds.shape}; use (inputs, levels)")
        if not self.layers:
            raise ValueError("The network has no layer; use at least one")
        before = thresholds.size
        for number, layer in enumerate(self.layers):
            if layer.weights.shape[0] != before:
                raise ValueError(f"Layer {number} has {layer.weights.shape[0]} inputs but gets {before} signs")
            before = layer.weights.shape[1]
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "layers", tuple(self.layers))

    def codes(self, x: np.ndarray) -> np.ndarray:
        """Return the signs of real inputs, (samples, inputs * levels) int8.

        Raises
        ------
        TypeError, ValueError
            If the inputs are not real numbers (samples, inputs).
        """
        x, inputs = float_array("Inputs", x), len(self.thresholds)
        if x.ndim != 2 or x.shape[1] != inputs:
            raise ValueError(f"Inputs have shape {x.shape}; the network takes (samples, {inputs})")
        return np.where(x[:, :, None] > self.thresholds, 1, -1).astype(np.int8).reshape(len(x), -1)

    def run(self, x: np.ndarray) -> list[np.ndarray]:
        """Run on real inputs; returns their signs and the sums of every layer."""
        values = [self.codes(x)]
        for number, layer in enumerate(self.layers):
            values.append(layer.sums(signs(values[-1]) if number else values[-1]))
        return values

    def dumps(self) -> bytes:
        """Serialise as an ``.npz``: ``thresholds``, and for layer n ``W<n>`` and ``b<n>``."""
        arrays = {"thresholds": self.thresholds}
        for n, layer in enumerate(self.layers):
            arrays |= {f"W{n}": layer.weights, f"b{n}": layer.bias}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def load(cls, path: Path | str) -> "BinaryNetwork":
        """Read what `dumps` wrote.

        Raises
        ------
        ValueError
            If the file is not such a network, or its layers do not match each other.
        OSError
            If the file cannot be read.
        """
        loaded = read_numpy(path)
        arrays = loaded if isinstance(loaded, dict) else {}
        count = sum(bool(re.fullmatch(r"W\d+", name, re.A)) for name in arrays) or 1
        names = [f"{name}{n}" for n in range(count) for name in ("W", "b")]
        expected = "thresholds, W0, b0, W1, b1 and so on, without gaps"
        try:
            check_names(arrays, ["thresholds", *names], [], expected=expected)
            layers = tuple(BinaryLayer(arrays[f"W{n}"], arrays[f"b{n}"]) for n in range(count))
            return cls(arrays["thresholds"], layers)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{str(path)!r} is not a binary network: {error}") from None
