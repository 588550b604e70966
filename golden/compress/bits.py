"""Bits against accuracy: what fewer bits of weights and activations cost, layer by layer.

Each weight and activation is rounded to the nearest code of its width and back, in real numbers; sums are exact. So one
tensor at a time can have fewer bits, which no engine needs to be built for. ::

    x --> [round to a bits] --> (x) --> + bias --> ReLU --> [round to a bits] --> (x) ...
                                 ^                                                 ^
               weights, [round to w bits]                        weights, [round to w bits]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tercet.golden.checks import integer
from tercet.golden.networks.mlp import Mlp
from tercet.golden.numerics.quantization import CODE_BITS, QuantParams, calibrate, dequantize, quantize, weight_params

from .pipeline import Data

__all__ = ["TENSORS", "BitsPoint", "Widths", "bits_against_accuracy", "check_loss", "fewest_bits", "rounded"]

TENSORS = ("weights", "activations")
"""Kinds of tensors that a layer reads."""

# As `quantize_mlp`.
_PERCENTILE = 99.95


@dataclass(frozen=True)
class Widths:
    """Bits of the tensors of each layer, None where they stay real.

    Attributes
    ----------
    weights, activations : tuples of int or None
        Bits of each layer's weights, and of its inputs.
    """

    weights: tuple[int | None, ...]
    activations: tuple[int | None, ...]


@dataclass(frozen=True)
class BitsPoint:
    """Accuracy with some tensors rounded.

    Attributes
    ----------
    layer : int or None
        Layer whose tensor is rounded, all others being real; None is all layers together.
    tensor : str
        One of `TENSORS`, or ``both``.
    bits : int
        Width of the codes.
    accuracy : float
        Fraction of correct answers.
    error : float
        Root mean square error of the outputs, in units of their root mean square.
    """

    layer: int | None
    tensor: str
    bits: int
    accuracy: float
    error: float


def rounded(mlp: Mlp, samples: np.ndarray, widths: Widths, *, percentile: float = _PERCENTILE) -> Callable:
    """Return a function that computes a network's outputs with rounded weights and activations.

    Parameters
    ----------
    mlp : Mlp
        The network.
    samples : (samples, in) float array
        Inputs from which the ranges of the activations are taken.
    widths : Widths
        Bits of each tensor. Weights have one scale per output, in the last layer one altogether, as `quantize_mlp`;
        activations have one scale and a zero point per layer.
    percentile : float
        Activations beyond it, at either end, are clipped; above 50, at most 100.

    Raises
    ------
    TypeError, ValueError
        If a width is no integer of 2 to 8, there are not as many as layers, or samples do not suit the network.
    """
    layers = len(mlp.weights)
    for name in TENSORS:
        if len(getattr(widths, name)) != layers:
            raise ValueError(f"{len(getattr(widths, name))} widths of {name} for {layers} layers; use one per layer")
    values = mlp.activations(samples)
    weights = [w if bits is None else _round(w, _of_weights(mlp, n, bits)) for n, (w, bits) in _each(mlp, widths)]
    params = [
        None if bits is None else calibrate(values[n], method="percentile", percentile=percentile, bits=bits)
        for n, bits in enumerate(widths.activations)
    ]

    def outputs(x: np.ndarray) -> np.ndarray:
        for n, (w, b) in enumerate(zip(weights, mlp.biases, strict=True)):
            given = params[n]
            x = (x if given is None else _round(x, given)) @ w + b
            if n < layers - 1 and n not in mlp.linear:
                x = np.maximum(x, 0)
        return x

    return outputs


def bits_against_accuracy(
    mlp: Mlp,
    data: Data,
    bits: Sequence[int],
    *,
    percentile: float = _PERCENTILE,
    progress: Callable[[], None] = lambda: None,
) -> list[BitsPoint]:
    """Measure the accuracy with fewer bits: of each tensor by itself, of all of a kind, and of all.

    Parameters
    ----------
    mlp : Mlp
        The network.
    data : Data
        The training samples set the ranges, the test samples measure the accuracy.
    bits : sequence of int
        Widths, each 2 to 8.
    percentile : float
        See `rounded`.
    progress : callable
        Called after each tensor, with all of its widths: ``2 * layers + 3`` times.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or range.
    """
    wanted = [integer("Width", each, CODE_BITS) for each in bits]
    layers = len(mlp.weights)
    single = [(n, tensor) for n in range(layers) for tensor in TENSORS]
    points = []
    for layer, tensor in [*single, *((None, tensor) for tensor in (*TENSORS, "both"))]:
        for width in wanted:
            columns: dict[str, list[int | None]] = {name: [None] * layers for name in TENSORS}
            for name in TENSORS if tensor == "both" else (tensor,):
                columns[name] = [width if layer in (None, n) else None for n in range(layers)]
            widths = Widths(*(tuple(columns[name]) for name in TENSORS))
            points.append(BitsPoint(layer, tensor, width, *_measured(mlp, data, widths, percentile)))
        progress()
    return points


def check_loss(loss: float) -> None:
    """Reject a loss of accuracy that is negative or not a number, with a ValueError."""
    if not loss >= 0:
        raise ValueError(f"Loss {loss} is not at least 0; use the accuracy that a tensor may cost, such as 0.005")


def fewest_bits(
    mlp: Mlp, data: Data, points: Sequence[BitsPoint], loss: float, *, percentile: float = _PERCENTILE
) -> tuple[Widths, float]:
    """Choose for each tensor the fewest bits that cost no more than `loss`, and measure all of them together.

    Each is chosen by itself, so that together they may cost more; the second result says how much is left. Choice and
    measurement are on the same test samples, which flatters the result.

    Parameters
    ----------
    mlp, data, percentile
        As for `bits_against_accuracy`.
    points : sequence of BitsPoint
        Its result. A tensor whose widths all cost more has the largest of them.
    loss : float
        Largest loss of accuracy, a fraction of at least 0.

    Returns
    -------
    Widths, float
        The bits, and the accuracy with them.

    Raises
    ------
    ValueError
        If the loss is negative or not a number.
    """
    check_loss(loss)
    least = mlp.accuracy(data.test_x, data.test_y) - loss
    chosen: dict[str, list[int]] = {name: [] for name in TENSORS}
    for n in range(len(mlp.weights)):
        for name in TENSORS:
            right = {each.bits: each.accuracy for each in points if (each.layer, each.tensor) == (n, name)}
            found = max(right)
            # From the top: a width that happens to do better than a wider one that fails is luck.
            while found - 1 in right and right[found] >= least and right[found - 1] >= least:
                found -= 1
            chosen[name].append(found)
    widths = Widths(tuple(chosen["weights"]), tuple(chosen["activations"]))
    return widths, _measured(mlp, data, widths, percentile)[0]


def _measured(mlp: Mlp, data: Data, widths: Widths, percentile: float) -> tuple[float, float]:
    """Accuracy, and the relative error of the outputs."""
    real = mlp.activations(data.test_x)[-1]
    out = rounded(mlp, data.train_x, widths, percentile=percentile)(data.test_x)
    size = float(np.sqrt(np.mean(real**2)))
    error = float(np.sqrt(np.mean((out - real) ** 2)))
    return float((out.argmax(axis=1) == data.test_y).mean()), error / size if size else error


def _each(mlp: Mlp, widths: Widths) -> enumerate:
    return enumerate(zip(mlp.weights, widths.weights, strict=True))


def _of_weights(mlp: Mlp, layer: int, bits: int) -> QuantParams:
    return weight_params(mlp.weights[layer], axis=None if layer == len(mlp.weights) - 1 else -1, bits=bits)


def _round(values: np.ndarray, params: QuantParams) -> np.ndarray:
    return dequantize(quantize(values, params), params)
