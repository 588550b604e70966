"""Convert an ``.onnx`` file to a graph, node by node."""

from collections.abc import Callable

import numpy as np
from tercet.golden.networks.graph import Graph
from tercet.golden.numerics.requantization import Rounding

from ..errors import Unsupported
from . import binary, elementwise, joining, matrix, movement, pooling, quantisation
from .constants import fold
from .context import Context, Node
from .edges import add_inputs, add_outputs, needed
from .emitter import Emitter
from .reader import FileNode, read
from .refusals import check

__all__ = ["converted", "load_onnx"]

_MODULES = (binary, elementwise, joining, matrix, movement, pooling, quantisation)
_CONVERSIONS: dict[str, Callable[[Node], None]] = {
    op: function for module in _MODULES for op, function in module.CONVERSIONS.items()
}


def load_onnx(data: bytes, source: str = "", rounding: Rounding = "double") -> Graph:
    """Convert an ``.onnx`` file to a graph.

    Parameters
    ----------
    data : bytes
        Content of the file.
    source : str
        Its name, for reports.
    rounding : "double", "single" or "away"
        Rounding of every requantisation. onnxruntime rounds in floating point, ties to even; with any of the three,
        each layer on its own is within one code of it.

    Raises
    ------
    ValueError
        If the file is damaged or uses an unsupported feature.
    """
    return converted(data, source, rounding).graph.graph()


def converted(data: bytes, source: str = "", rounding: Rounding = "double") -> Context:
    """Convert as `load_onnx` does, but return the context with the value of each name in the file."""
    file = read(data)
    nodes = needed(file)
    check(nodes, _CONVERSIONS)
    context = Context(file, Emitter(source, rounding))
    # Damaged scales overflow; the result is rejected later.
    with np.errstate(all="ignore"):
        add_inputs(context, nodes)
        for entry in nodes:
            _convert(Node(context, entry), entry)
        add_outputs(context)
    context.graph.prune()
    return context


def _convert(node: Node, entry: FileNode) -> None:
    try:
        if entry.op not in _SHAPE_ONLY and entry.op not in _CONVERSIONS:
            raise node.refuse(
                "this operator is not supported", "replace it in the network; docs/models.md lists supported operators"
            )
        for name in entry.outputs:
            if name and name in node.context.values:
                raise node.refuse(f"its output {name!r} is written twice", "export the model again")
        if not fold(node):
            if entry.op not in _CONVERSIONS:
                raise node.refuse("its input is computed by the network", "use it on constants only")
            _CONVERSIONS[entry.op](node)
    except Unsupported:
        raise
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError) as error:
        text = " ".join(str(error).split())
        raise Unsupported(f"{entry.label}: {text}") from None


_SHAPE_ONLY = {"Ceil", "Constant", "ConstantOfShape", "Floor", "Shape"}
