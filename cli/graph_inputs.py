"""Inputs and outputs of model files on the command line: arrays, images, class names."""

import io
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from tercet.compiler.errors import MissingPackage
from tercet.golden.networks.graph import Edge, Graph
from tercet.golden.networks.operators import Quantize
from tercet.golden.npu.program import Program
from tercet.golden.numpy_file import read_numpy

from .arrays import write_array
from .output import check_file, write_files

__all__ = [
    "check_outputs",
    "class_rows",
    "graph_inputs",
    "program_edges",
    "random_inputs",
    "read_class_names",
    "write_outputs",
]

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp")


def program_edges(program: Program) -> Any:
    """Return an object with a program's inputs, outputs and tensors, and the operators of the host, as a graph's."""
    operators = [step.operator for step in program.steps if step.operator is not None]
    return SimpleNamespace(inputs=program.inputs, outputs=program.outputs, known=program.known, operators=operators)


def graph_inputs(graph: Graph, path: Path) -> Any:
    """Read the inputs of a graph, in the form that `Graph.run` expects.

    Parameters
    ----------
    graph : Graph
        Network to run.
    path : Path
        A ``.npy`` for a network with one input; an ``.npz`` with one array per input name, or ``x`` for a single input;
        or an image for a network whose only input is an image.

    Raises
    ------
    MissingPackage
        If it is an image and Pillow is not installed.
    ValueError
        If the arrays do not match the inputs, or the network does not take an image.
    OSError
        If it cannot be read.
    """
    if path.suffix.lower() in _PICTURES:
        return _picture(graph, path)
    loaded = read_numpy(path)
    names = [edge.name for edge in graph.inputs]
    if isinstance(loaded, np.ndarray):
        if len(names) > 1:
            raise ValueError(f"{str(path)!r} is one array, but the network takes {', '.join(names)}; use an .npz")
        return loaded
    if len(names) == 1 and names[0] not in loaded:
        names = ["x"]
    missing, unknown = sorted({*names} - {*loaded}), sorted({*loaded} - {*names, "y", "test_x", "test_y"})
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise ValueError(f"{str(path)!r} {wrong}; use {', '.join(names)}")
    arrays = [loaded[name] for name in names]
    return arrays[0] if len(arrays) == 1 else arrays


def random_inputs(graph: Graph, rng: np.random.Generator, count: int) -> Any:
    """Draw `count` samples of all codes, in the form that `Graph.run` expects.

    Raises
    ------
    ValueError
        If an input is float32 of unknown range.
    """
    arrays = [
        _as_input(graph, edge, rng.integers(0, 256, (count, *edge.sample_shape)).astype(np.uint8))
        for edge in graph.inputs
    ]
    return arrays[0] if len(arrays) == 1 else arrays


def check_outputs(path: Path, edges: Sequence[Edge]) -> None:
    """Check that a file can be written and can hold the outputs.

    Raises
    ------
    ValueError
        If there are several outputs and it is not an ``.npz``.
    OSError
        If it cannot be written.
    """
    check_file(path)
    if len(edges) > 1 and path.suffix != ".npz":
        raise ValueError(f"{str(path)!r} cannot hold {len(edges)} outputs; use an .npz")


def write_outputs(path: Path, edges: Sequence[Edge], arrays: Sequence[np.ndarray]) -> None:
    """Write the outputs of a graph: a ``.npy`` of the first, or an ``.npz`` with one array per output name.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if path.suffix != ".npz":
        write_array(path, arrays[0])
        return
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **{edge.name: array for edge, array in zip(edges, arrays, strict=True)})
    write_files(path.parent, {path.name: file.getvalue()})


def _picture(graph: Graph, path: Path) -> np.ndarray:
    """Read an image in the type of the input; 0 to 255 span the range of the input's codes."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingPackage("pictures", "pillow") from None
    height, width, channels = _picture_size(graph)
    try:
        with Image.open(path) as image:
            size, mode = image.size, image.mode
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{str(path)!r} is not a picture: {' '.join(str(error).split())}") from None
    if size != (width, height):
        raise ValueError(f"{str(path)!r} has {size[0]} x {size[1]} pixels; use {width} x {height}, as the network does")
    if mode.startswith(("I", "F")):
        # Pillow truncates wide pixels instead of scaling them.
        raise ValueError(f"{str(path)!r} has more than 8 bits a channel ({mode}); save it with 8")
    edge = graph.inputs[0]
    pixels = pixels.reshape(height, width, channels)
    if edge.order:
        pixels = pixels.transpose([axis - 1 for axis in np.argsort(edge.order)[1:]])
    return _as_input(graph, edge, pixels)


def _picture_size(graph: Graph) -> tuple[int, int, int]:
    """Return (height, width, channels) of the network's only input; raise if it is not an image."""
    if len(graph.inputs) == 1:
        shape = graph.known[graph.inputs[0].tensor].shape
        if len(shape) == 4 and shape[3] in (1, 3):
            return shape[1], shape[2], shape[3]
    shapes = ", ".join(str(edge.shape) for edge in graph.inputs)
    raise ValueError(f"The network takes inputs of shape {shapes}, not a picture; use .npy or .npz")


def _as_input(graph: Graph, edge: Edge, pixels: np.ndarray) -> np.ndarray:
    """Convert pixels of 0 to 255 to the type of an input, over the range of its codes."""
    if edge.dtype == "uint8":
        return pixels
    codes = (pixels.astype(np.int16) - 128).astype(np.int8)
    if edge.dtype == "int8":
        return codes
    # Float input: choose real numbers that quantise to these codes.
    first = next((o for o in graph.operators if edge.tensor in o.inputs and isinstance(o, Quantize)), None)
    if first is None:
        raise ValueError("The network takes real numbers of unknown range; use a .npy of float32")
    centred = codes.astype(np.float32) - first.params.zero_point
    return centred * np.float32(first.params.scale)


def read_class_names(path: Path) -> list[str]:
    """Read class names, one per line.

    Raises
    ------
    ValueError
        If it is not a text file or is empty.
    OSError
        If it cannot be read.
    """
    try:
        names = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise ValueError(f"{str(path)!r} is not a text file; use one name per line") from None
    if not names:
        raise ValueError(f"{str(path)!r} has no name; use one per line")
    return names


def class_rows(graph: Graph, outputs: list[np.ndarray], names: list[str], most: int = 10) -> dict[str, str]:
    """Return table rows with the best class of each of the first `most` samples.

    Raises
    ------
    ValueError
        If the number of names differs from the number of classes.
    """
    edge, scores = graph.outputs[0], outputs[0]
    classes = int(np.prod(edge.sample_shape))
    if len(names) != classes:
        raise ValueError(f"--labels names {len(names)} classes, but the network has {classes}; use as many")
    real = edge.real(scores).reshape(-1, classes)
    rows = {}
    for n, sample in enumerate(real[:most]):
        best = int(np.argmax(sample))
        rows[f"sample {n}" if len(real) > 1 else "class"] = f"{names[best]} ({sample[best]:.3g})"
    return rows
