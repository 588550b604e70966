"""Float perceptrons and labelled samples as files."""

import io
from pathlib import Path

import numpy as np
from tercet.golden.checks import check_names, transposed
from tercet.golden.compress.pipeline import Data
from tercet.golden.networks.mlp import Mlp

from .arrays import read_archive
from .output import write_files

__all__ = ["check_float", "read_data", "read_mlp", "write_mlp"]

_MOST_CLASSES = 65536


def check_float(output: Path, seed: int) -> None:
    """Reject names of networks to write that are no ``.npz``, and negative seeds.

    Raises
    ------
    ValueError
        For either.
    """
    if output.suffix != ".npz":
        raise ValueError(f"{str(output)!r} is not an .npz, the only format of networks of real numbers")
    if seed < 0:
        raise ValueError(f"Seed {seed} is below 0; use at least 0")


def write_mlp(path: Path, mlp: Mlp) -> None:
    """Write a float perceptron as `read_mlp` reads it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    arrays = {f"W{n}": w for n, w in enumerate(mlp.weights)} | {f"b{n}": b for n, b in enumerate(mlp.biases)}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_files(path.parent, {path.name: file.getvalue()})


def read_mlp(path: Path) -> Mlp:
    """Read a float perceptron from an ``.npz`` of ``W0`` (in, out), ``b0`` (out,), ``W1`` and so on.

    Raises
    ------
    TypeError, ValueError
        If it is not a NumPy file, has other arrays, or they do not match each other.
    OSError
        If the file cannot be read.
    """
    arrays = read_archive(path)
    count = next(n for n in range(len(arrays) + 1) if f"W{n}" not in arrays)
    biases = [f"b{n}" for n in range(count)]
    names = [f"W{n}" for n in range(max(count, 1))]
    check_names(arrays, names, biases, what=repr(str(path)), expected="W0, b0, W1, b1 and so on, without gaps")
    weights = [arrays[name] for name in names]
    return Mlp(weights, [arrays.get(name, np.zeros(w.shape[-1:])) for name, w in zip(biases, weights, strict=True)])


def _samples(
    path: Path, arrays: dict[str, np.ndarray], prefix: str, inputs: int, outputs: int
) -> tuple[np.ndarray, np.ndarray]:
    x, y = arrays[f"{prefix}x"], arrays[f"{prefix}y"]
    if x.ndim != 2 or x.shape[1] != inputs or y.shape != x.shape[:1] or len(x) < 5:
        raise ValueError(
            f"{str(path)!r} has {prefix}x of shape {x.shape} and {prefix}y of {y.shape}; use (samples, {inputs}) and "
            "(samples,), with at least 5 samples" + transposed("weights are", x.ndim == 2 and x.shape[0] == inputs)
        )
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= outputs:
        raise ValueError(
            f"{str(path)!r} has {prefix}y of dtype {y.dtype} from {y.min()} to {y.max()}; use labels 0 to {outputs - 1}"
        )
    return x, y


def read_data(path: Path, mlp: Mlp | None, seed: int) -> Data:
    """Read samples to train with and to test on; without test samples, a fifth of the former is held out.

    Without a network the samples say how many inputs there are, and their labels how many outputs.

    Raises
    ------
    ValueError
        If the file lacks ``x`` or ``y``, or they do not fit the network.
    OSError
        If the file cannot be read.
    """
    arrays = read_archive(path)
    test = ["test_x", "test_y"] if {"test_x", "test_y"} & set(arrays) else []
    expected = "x, y, and optionally both test_x and test_y"
    check_names(arrays, ["x", "y", *test], what=repr(str(path)), expected=expected)
    if mlp is not None:
        sizes = mlp.weights[0].shape[0], mlp.weights[-1].shape[1]
    else:
        first = arrays["x"]
        sizes = first.shape[1] if first.ndim == 2 else 0, _MOST_CLASSES
    x, y = _samples(path, arrays, "", *sizes)
    if "test_x" in arrays:
        return Data(x, y, *_samples(path, arrays, "test_", *sizes))
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = np.split(order, [len(x) // 5])
    return Data(x[train], y[train], x[test], y[test])
