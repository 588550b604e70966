"""What the tests of single operators share: random scales, and TFLite Micro on a file of one operator."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tercet.golden.numerics.quantization import QuantParams

from ...compiler.micro import run_micro
from ...compiler.tflite_files import Network

__all__ = ["ACTIVATIONS", "CODES", "PAIRS", "kernel", "random_codes", "random_params"]

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
CODES = np.arange(-128, 128).astype(np.int8)[None]
"""All codes, as a batch of one sample."""
_FIRST, _SECOND = np.mgrid[-128:128, -128:128].astype(np.int8).reshape(2, 1, -1)
PAIRS = (_FIRST, _SECOND)
"""Two operands that meet in all 65536 pairs."""


def random_params(rng: np.random.Generator, around: float = 1.0, spread: float = 6.0) -> QuantParams:
    """A zero point, and a scale within 2**-spread to 2**spread of another one; float32, as in files."""
    scale = np.float32(around * 2.0 ** rng.uniform(-spread, spread))
    return QuantParams(float(scale), int(rng.integers(-128, 128)))


def random_codes(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Codes from the whole range."""
    return rng.integers(-128, 128, tuple(shape)).astype(np.int8)


def kernel(
    kind: str,
    arrays: tuple[np.ndarray, ...],
    params: Sequence[Any],
    shape: tuple[int, ...],
    target: Any,
    *,
    constants: tuple[Any, ...] = (),
    dtype: str = "INT8",
    version: int = 1,
    **options: Any,
) -> np.ndarray:
    """What TFLite Micro's kernel computes.

    Parameters
    ----------
    kind : str
        Operator.
    arrays, params
        Inputs, and `QuantParams` or the like of each; None for real numbers.
    shape, target, dtype
        Of the output.
    constants : arrays or lists
        int32 inputs after the others: axes, paddings.
    version : int
        Of the operator.
    **options
        Fields of its options.
    """
    network = Network()
    inputs = [
        network.input(x.shape, *((None, 0) if p is None else (p.scale, p.zero_point)), type=x.dtype.name.upper())
        for x, p in zip(arrays, params, strict=True)
    ]
    out = network.tensor(shape, *((None, 0) if target is None else (target.scale, target.zero_point)), type=dtype)
    inputs += [network.constant(value) for value in constants]
    network.add(kind, inputs, out, version=version, **options)
    network.outputs = [out]
    return run_micro(network.file(), *arrays)
