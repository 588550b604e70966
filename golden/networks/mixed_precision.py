"""Mixed-precision training: matrix products on a tensor core, weights and their update in FP32.

Operands of a product are rounded to a small format first, so values below its range are lost. To save the gradients
from that, the loss is multiplied by a power of two, which scales the gradients, and the update divides by it again::

    master weights (FP32) --> FP16 --> forward --> loss * scale --> backward --> gradients / scale --> update (FP32)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..checks import float_array
from ..tensorcore.config import TensorCoreConfig
from ..tensorcore.model import mma
from .loss import cross_entropy
from .mlp import Mlp

__all__ = ["LossScale", "Operands", "ProductFunction", "Trainer", "operands", "single_precision", "tensor_core"]

Operands = tuple[np.ndarray, np.ndarray, np.ndarray]

ProductFunction = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""``a @ b + c`` of float32 arrays (M, K), (K, N) and (M, N), in float32."""


def operands(a: np.ndarray, b: np.ndarray, c: np.ndarray, config: TensorCoreConfig) -> Operands:
    """Convert FP32 operands for a tensor core: round to nearest FP16 and pad K with zeros.

    Parameters
    ----------
    a, b, c : (M, K), (K, N) and (M, N) float32 arrays
        Operands and addends. A value too large for its format becomes infinite.
    config : TensorCoreConfig
        Gives `l`, of which K becomes a multiple, and the format of C.

    Returns
    -------
    (M, K') float16, (K', N) float16 and (M, N) float32 or float16 arrays
    """
    missing = -a.shape[-1] % config.l
    with np.errstate(over="ignore"):
        left, right = (np.pad(a, ((0, 0), (0, missing))), np.pad(b, ((0, missing), (0, 0))))
        addend = c.astype(np.float16 if config.out_format == "fp16" else np.float32)
        return left.astype(np.float16), right.astype(np.float16), addend


def tensor_core(config: TensorCoreConfig) -> ProductFunction:
    """Product function of a tensor core; operands are rounded to FP16.

    Parameters
    ----------
    config : TensorCoreConfig
        Tensor core with FP16 operands.

    Returns
    -------
    ProductFunction

    Raises
    ------
    ValueError
        If the config has another operand format.
    """
    if (config.a_format, config.b_format) != ("fp16", "fp16"):
        raise ValueError(f"a_format {config.a_format!r} is not supported: operands are rounded to fp16; use fp16")
    return lambda a, b, c: mma(*operands(a, b, c, config), config).astype(np.float32)


def single_precision(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """FP32 product, summed in the host's order; see `ProductFunction`."""
    return a @ b + c


@dataclass
class LossScale:
    """Dynamic loss scale: a power of two, as large as the gradients allow.

    Attributes
    ----------
    value : float
        The scale.
    patience : int or None
        Number of updates without overflow after which the scale doubles; None keeps it constant.
    skipped : int
        Number of updates skipped because a gradient was not finite; each halves the scale.

    Notes
    -----
    Source: Micikevicius et al., "Mixed Precision Training", ICLR 2018, section 3.2.
    """

    value: float = 2.0**10
    patience: int | None = 200
    skipped: int = 0
    _since: int = field(default=0, repr=False)

    def update(self, finite: bool) -> None:
        """Adjust the scale after an update; `finite` says whether all gradients were finite."""
        self.skipped += not finite
        if self.patience is None:
            return
        self._since = self._since + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self._since == self.patience:
            self.value, self._since = self.value * 2, 0


class Trainer:
    """Gradient descent with momentum on a perceptron, with every matrix product computed by `product`.

    Parameters
    ----------
    mlp : Mlp
        Initial network; rounded to FP32.
    product : ProductFunction
        Computes the products.
    scale : LossScale
        Loss scale.
    rate, momentum : float
        Learning rate and momentum of the update.

    Attributes
    ----------
    weights, biases : list of (in, out) and (out,) float32 arrays
        Master copies of the parameters.
    """

    def __init__(
        self, mlp: Mlp, product: ProductFunction, scale: LossScale, *, rate: float = 0.1, momentum: float = 0.9
    ):
        self.weights = [w.astype(np.float32) for w in mlp.weights]
        self.biases = [b.astype(np.float32) for b in mlp.biases]
        self.product, self.scale = product, scale
        self._rate, self._momentum = np.float32(rate), np.float32(momentum)
        self._moves = [np.zeros_like(p) for p in (*self.weights, *self.biases)]

    def activations(self, x: np.ndarray) -> list[np.ndarray]:
        """Compute the float32 input of every layer and the output of the last, which has no ReLU."""
        values = [float_array("Inputs", x).astype(np.float32)]
        for n, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            out = self.product(values[-1], w, np.broadcast_to(b, (len(x), len(b))))
            values.append(np.maximum(out, 0) if n < len(self.weights) - 1 else out)
        return values

    def accuracy(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Fraction of samples whose largest output is the one given by their label."""
        return float((self.activations(x)[-1].argmax(axis=1) == labels).mean())

    def step(self, x: np.ndarray, labels: np.ndarray) -> float:
        """Update on a batch, unless a gradient is not finite, and return the batch's loss before the update.

        Parameters
        ----------
        x : (samples, in) float array
            Inputs.
        labels : (samples,) integer array
            Index of the correct output of each sample.

        Raises
        ------
        TypeError, ValueError
            If labels are not integers or do not name an output.
        """
        loss, gradients = self.gradients(x, labels)
        finite = all(np.isfinite(gradient).all() for gradient in gradients)
        if finite:
            self._update(gradients)
        self.scale.update(finite)
        return loss

    def gradients(self, x: np.ndarray, labels: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Mean cross entropy of a batch and its gradients, for all weights, then all biases; see `step`.

        The gradients are float32 arrays, already unscaled, and not finite where the scale was too large.
        """
        values = self.activations(x)
        loss, delta = cross_entropy(values[-1], labels)
        scale = np.float32(self.scale.value)
        return loss, [gradient / scale for gradient in self._backward(values, delta * scale)]

    def _backward(self, values: Sequence[np.ndarray], delta: np.ndarray) -> list[np.ndarray]:
        """Scaled gradients of all weights, then all biases, from the scaled gradient of the outputs."""
        by_weights, by_biases = [], []
        for n in reversed(range(len(self.weights))):
            # The bias is the weight of an input that is always 1.
            inputs = np.concatenate((values[n], np.ones((len(delta), 1), np.float32)), axis=1)
            both = self.product(inputs.T, delta, np.zeros((inputs.shape[1], delta.shape[1]), np.float32))
            by_weights.append(both[:-1])
            by_biases.append(both[-1])
            if n:
                before = self.product(delta, self.weights[n].T, np.zeros_like(values[n]))
                delta = np.where(values[n] > 0, before, np.float32(0))
        return by_weights[::-1] + by_biases[::-1]

    def _update(self, gradients: Sequence[np.ndarray]) -> None:
        for values, move, gradient in zip((*self.weights, *self.biases), self._moves, gradients, strict=True):
            move[...] = self._momentum * move - self._rate * gradient
            values += move
