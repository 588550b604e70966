"""Load a model file of any supported format as a graph."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from tercet.golden.networks.graph import Graph

from .errors import MissingPackage

__all__ = ["SUFFIXES", "load"]


def _need(suffix: str, package: str) -> None:
    try:
        import_module(package)
    except ImportError:
        raise MissingPackage(suffix, package) from None


def _tflite(data: bytes, source: str) -> Graph:
    _need(".tflite", "tflite")
    from .tflite import load_tflite

    return load_tflite(data, source)


def _onnx(data: bytes, source: str) -> Graph:
    _need(".onnx", "onnx")
    from .onnx import load_onnx

    return load_onnx(data, source)


SUFFIXES: dict[str, Callable[[bytes, str], Graph]] = {".tflite": _tflite, ".onnx": _onnx}
"""Front end of each format except ``.npz``."""


def load(path: Path | str) -> Graph:
    """Read a model file without simplifying it.

    Parameters
    ----------
    path : path
        A ``.tflite`` or ``.onnx`` file, or the ``.npz`` of an `Int8Network`.

    Returns
    -------
    Graph
        Bit-identical to TFLite Micro for a ``.tflite``. For an ``.onnx``, each layer on its own is within one code of
        onnxruntime, which requantises in floating point.

    Raises
    ------
    MissingPackage
        If the package that parses the format is not installed.
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged or uses an unsupported feature. The message names the node, operator, version, shape and fix.
    """
    path = Path(path)
    if path.suffix == ".tercet":
        raise ValueError(f"{str(path)!r} is a compressed network for the EIE engine; use tercet run")
    if path.suffix not in (*SUFFIXES, ".npz"):
        raise ValueError(f"{str(path)!r} is not a model file; use .tflite, .onnx, or the .npz of an Int8Network")
    try:
        if path.suffix == ".npz":
            from .int8_network import load_int8_network

            return load_int8_network(path)
        # Damaged scales overflow; the operators reject the result.
        with np.errstate(all="ignore"):
            return SUFFIXES[path.suffix](path.read_bytes(), path.name)
    except (ValueError, TypeError) as error:
        text = " ".join(str(error).split())
        raise ValueError(text if str(path) in text else f"{str(path)!r}: {text}") from None
